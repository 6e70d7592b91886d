//! What the proxy answers itself, in the words of the protocol.

use host_extension::{FaultKind, OnError, PluginFault, Side, Step, Verdict};
use tokio::net::TcpListener;

use super::*;
use crate::{
    chain::Hook,
    testing::{Fake, Log},
};

/// An address where nobody listens.
async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

#[track_caller]
fn check(setup: impl Future<Output = Setup>, sent: &Wire, expect: &str, logged: (&str, u16)) {
    let found = local(async {
        let world = setup.await.start().await;
        let mut client = world.talk().await;
        let told = client.ask(sent).await;
        assert_eq!(client.ask(&Wire::new(b'h', 99)).await, "H99 0  ", "it lives on");
        drop(client);
        (told, lines(world).await)
    });
    assert_eq!(found, (expect.to_owned(), vec![line(logged.0, logged.1)]));
}

fn ask(path: &str) -> Wire {
    Wire::request(4, path, "hi")
}

async fn to_echo() -> Setup {
    Setup::frames(&CodecFake::new(), echo().await.0)
}

#[test]
fn what_has_no_way_is_refused_in_the_protocols_words() {
    let no_host = async { Setup { domain: "app.test", ..to_echo().await } };
    check(no_host, &ask("a/b"), "r4 404 no route matches this request ", ("no_route", 404));
    let text = "r4 503 the cluster of this route does not exist ";
    check(to_echo(), &ask("nowhere/b"), text, ("no_endpoint", 503));
    check(to_echo(), &ask("direct/b"), "r4 200 direct ", ("route", 200));
    let gone = async { Setup::frames(&CodecFake::new(), nobody().await) };
    check(gone, &ask("a/b"), "r4 503 no connection to the upstream ", ("upstream_failed", 503));
}

#[test]
fn a_malformed_request_is_refused_and_its_connection_lives() {
    let sent = ask("a/b").kind(b'x');
    check(to_echo(), &sent, "r4 400 the request is malformed: it is crooked ", ("malformed", 400));
    local(async {
        let (world, heard) = echoing(&CodecFake::new()).await;
        let mut client = world.talk().await;
        client.ask(&sent).await;
        assert_eq!((world.malformed(), world.metrics.malformed_total.value()), (1, 1));
        assert!(heard.borrow().is_empty());
        drop(client);
        let lines = world.finish().await;
        assert_eq!(field(&lines[0], "details"), Some("it is crooked"));
    });
}

#[test]
fn a_one_way_that_is_refused_is_logged_with_the_status_of_its_refusal() {
    let refused = |setup: Setup, sent: Wire| {
        local(async move {
            let world = setup.start().await;
            let mut client = world.talk().await;
            client.send(&sent).await;
            assert_eq!(client.ask(&Wire::new(b'h', 99)).await, "H99 0  ");
            drop(client);
            let lines = world.finish().await;
            let field = |name| field(&lines[0], name).map(str::to_owned);
            assert_eq!(field("one_way").as_deref(), Some("true"), "{lines:?}");
            (field("reason"), field("status"), lines.len())
        })
    };
    let one_way = |path| Wire { timeout_ms: 50, ..Wire::request(4, path, "hi") }.kind(b'o');
    let gone = local(nobody());
    let to_gone = || Setup::frames(&CodecFake::new(), gone);
    let nowhere = Setup { domain: "app.test", ..to_gone() };
    for (setup, sent, reason, status) in [
        (nowhere, one_way("a/b"), "no_route", "404"),
        (to_gone(), one_way("nowhere/b"), "no_endpoint", "503"),
        (to_gone(), one_way("a/b"), "upstream_failed", "503"),
        (to_gone(), one_way("direct/b"), "route", "200"),
    ] {
        let expect = (Some(reason.to_owned()), Some(status.to_owned()), 1);
        assert_eq!(refused(setup, sent), expect);
    }
}

#[test]
fn a_response_of_a_client_is_dropped_and_counted() {
    local(async {
        let (world, _) = echoing(&CodecFake::new()).await;
        let mut client = world.talk().await;
        client.send_all(&[Wire::response(1, ""), Wire::new(b'g', 0), ask("a/b")]).await;
        assert_eq!(client.told().await, "r4 200 re hi by=peer;");
        assert_eq!(world.malformed(), 1);
    });
}

#[test]
fn a_request_whose_time_is_over_is_not_sent() {
    local(async {
        let log = Log::default();
        let filter = Fake::new(&log, "a").answering(|side, hook, _| match (side, hook) {
            (Side::Request, Hook::Headers { .. }) => Step::Later(Box::pin(async {
                tokio::time::advance(Duration::from_millis(11)).await;
                Verdict::Continue
            })),
            _ => Step::CONTINUE,
        });
        let (address, heard) = echo().await;
        let codec = CodecFake::new();
        let setup = Setup { listener_filters: vec![filter], ..Setup::frames(&codec, address) };
        let world = setup.start().await;
        let mut client = world.talk().await;
        tokio::time::pause();
        let hasty = Wire { timeout_ms: 10, ..ask("a/b") };
        let expect = "r4 504 the request waited too long before it could be sent ";
        assert_eq!(client.ask(&hasty).await, expect);
        assert_eq!(client.ask(&Wire::request(5, "a/b", "")).await, "r5 200 re  by=peer;");
        assert_eq!(heard.borrow().len(), 1);
    });
}

#[test]
fn a_malformed_response_is_the_upstreams_failure() {
    let setup = async {
        let (address, _) = upstream(|stream| async move {
            let mut talk = Talk::new(stream);
            while let Some(frame) = talk.next().await {
                talk.send(&Wire::response(frame.id, "").kind(b'y')).await;
            }
        })
        .await;
        Setup::frames(&CodecFake::new(), address)
    };
    let text = "r4 502 the upstream's response is malformed ";
    check(setup, &ask("a/b"), text, ("upstream_failed", 502));
}

#[test]
fn an_upstream_that_breaks_off_fails_what_waits_for_it() {
    let setup = async {
        let (address, _) = upstream(|stream| async move {
            drop(Talk::new(stream).next().await);
        })
        .await;
        Setup::frames(&CodecFake::new(), address)
    };
    let text = "r4 503 the upstream broke off before it answered ";
    check(setup, &ask("a/b"), text, ("upstream_failed", 503));
}

#[test]
fn the_shorter_of_two_timeouts_holds() {
    let late = "r4 504 the upstream did not answer in time ";
    let patient = Some(Duration::from_secs(19));
    let hasty = Some(Duration::from_millis(20));
    for (of_frame, of_route, of_protocol) in [
        (20, None, None),
        (20, patient, None),
        (19_000, hasty, patient),
        (0, hasty, patient),
        (0, None, hasty),
    ] {
        let setup = async move {
            let mut codec = CodecFake::new();
            codec.profile.default_timeout = of_protocol;
            let setup = Setup::frames(&codec, silent().await.0);
            Setup { frame_timeout: of_route, ..setup }
        };
        let sent = Wire { timeout_ms: of_frame, ..ask("a/b") };
        check(setup, &sent, late, ("timeout", 504));
    }
}

#[test]
fn an_answer_that_comes_late_is_dropped() {
    local(async {
        let go = Rc::new(Notify::new());
        let goes = Rc::clone(&go);
        let (address, _) = upstream(move |stream| {
            let goes = Rc::clone(&goes);
            async move {
                let mut talk = Talk::new(stream);
                let first = talk.next().await.unwrap();
                goes.notified().await;
                talk.send(&Wire::response(first.id, "late")).await;
                let second = talk.next().await.unwrap();
                talk.send(&Wire::response(second.id, "well")).await;
                drop(talk.next().await);
            }
        })
        .await;
        let world = Setup::frames(&CodecFake::new(), address).start().await;
        let mut client = world.talk().await;
        let hasty = Wire { timeout_ms: 20, ..ask("a/b") };
        assert!(client.ask(&hasty).await.starts_with("r4 504"));
        go.notify_one();
        assert_eq!(client.ask(&Wire::request(5, "a/b", "")).await, "r5 200 well ");
        let cluster = world.worker.clusters.get(&"app".into()).unwrap();
        assert_eq!(cluster.metrics().rpc_late_total.value(), 1);
        drop(cluster);
    });
}

#[test]
fn a_filter_that_fails_is_closed_or_open_as_for_http() {
    let fails = |on_error| async move {
        let log = Log::default();
        let filter = Fake::new(&log, "a").on_error(on_error).answering(|side, _, _| {
            if side == Side::Request {
                return Verdict::Failed(PluginFault::new(FaultKind::Trapped, "boom")).into();
            }
            Step::CONTINUE
        });
        Setup { listener_filters: vec![filter], ..to_echo().await }
    };
    let text = "r4 503 a plugin on this route failed; the proxy's log says more ";
    check(fails(OnError::Closed), &ask("a/b"), text, ("plugin_failed", 503));
    check(fails(OnError::Open), &ask("a/b"), "r4 200 re hi by=peer;", ("upstream", 200));
}

#[test]
fn a_filter_that_fails_on_a_reply_of_ours_is_not_shown_the_next() {
    let setup = async {
        let log = Log::default();
        let filter = Fake::new(&log, "a").answering(|side, _, _| {
            if side == Side::Response {
                return Verdict::Failed(PluginFault::new(FaultKind::Trapped, "boom")).into();
            }
            Step::CONTINUE
        });
        Setup { listener_filters: vec![filter], ..to_echo().await }
    };
    let text = "r4 503 a plugin on this route failed; the proxy's log says more ";
    check(setup, &ask("nowhere/b"), text, ("plugin_failed", 503));
}

#[test]
fn a_protocol_without_words_for_a_refusal_ends_the_connection_behind_the_rest() {
    local(async {
        let codec = CodecFake { is_speechless: true, ..CodecFake::new() };
        let (world, _) = echoing(&codec).await;
        let mut client = world.talk().await;
        client.send_all(&[ask("a/b"), ask("nowhere/b")]).await;
        assert_eq!(client.told().await, "r4 200 re hi by=peer;");
        assert_eq!(client.told().await, "end");
        let mut lines = lines(world).await;
        lines.sort();
        assert_eq!(lines, [("no_endpoint".to_owned(), None), line("upstream", 200)]);
    });
}
