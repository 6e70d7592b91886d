//! Connections behind network filters, over real sockets: what listeners speak, and how
//! connections end.

use std::{rc::Rc, sync::Arc, time::Duration};

use host_extension::{Connection, FaultKind, Flow, PluginFault, Step, Verdict};
use host_types::{Limits, ReplyReason};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::testing::{
    Log, NetworkFake, Setup, Speaks, World, answering, ask, field, in_hand, later, local, never,
    read_head, silent, upstream,
};
use crate::{ListenerPlan, ListenerState};

use Flow::{Downstream, Upstream};

/// An upstream that sends back what it gets, and says goodbye.
async fn echo(speaks: Speaks, network_filters: Vec<NetworkFake>) -> Setup {
    let (address, _) = upstream(|mut stream| async move {
        let (mut read, mut write) = stream.split();
        if tokio::io::copy(&mut read, &mut write).await.is_ok() {
            drop(write.write_all(b" bye").await);
        }
    })
    .await;
    Setup { speaks, network_filters, ..Setup::to(address) }
}

async fn rest(client: &mut TcpStream) -> String {
    let mut rest = Vec::new();
    let _end = client.read_to_end(&mut rest).await;
    String::from_utf8(rest).unwrap()
}

async fn say(world: &World, text: &str) -> String {
    let mut client = world.send(text).await;
    client.shutdown().await.unwrap();
    rest(&mut client).await
}

/// The lines of the log without the bytes between them.
fn frame(log: &Log) -> Vec<String> {
    let log = log.take();
    log.into_iter().filter(|line| line.contains(' ') && !line.contains(['.', '?'])).collect()
}

fn shout(text: &str) -> String {
    text.to_uppercase()
}

fn fault() -> PluginFault {
    PluginFault::new(FaultKind::Trapped, "it trapped")
}

#[test]
fn a_tunnel_runs_through_its_filters_in_their_order() {
    local(async {
        let log = Log::default();
        let fakes = vec![NetworkFake::new(&log, "a"), NetworkFake::new(&log, "b")];
        let world = echo(Speaks::Tcp, fakes).await.start().await;
        let mut client = world.send("hello").await;
        let mut answer = [0; 5];
        client.read_exact(&mut answer).await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(rest(&mut client).await, " bye");
        let lines = world.finish().await;
        assert_eq!(field(&lines[0], "protocol"), Some("TCP"));
        assert_eq!(field(&lines[0], "reason"), Some("upstream"));
        assert_eq!(field(&lines[0], "request_bytes"), Some("5"));
        assert_eq!(field(&lines[0], "response_bytes"), Some("9"));
        assert!(lines[0].contains("\"a\"") && lines[0].contains("\"b\""), "{}", lines[0]);
        let log = log.take();
        let expect = ["a new", "b new", "a>hello", "b>hello", "b<hello", "a<hello", "a>.", "b>."];
        assert_eq!(log[..8], expect);
        let last = [
            "a closed < Remote",
            "b closed < Remote",
            "a closed > Remote",
            "b closed > Remote",
            "a done",
            "b done",
        ];
        assert_eq!(log[log.len() - 6..], last);
    });
}

#[test]
fn bytes_are_counted_as_the_client_sees_them() {
    local(async {
        let log = Log::default();
        let fake = NetworkFake::new(&log, "a").rewriting(Upstream, |text| text.repeat(2));
        let world = echo(Speaks::Tcp, vec![fake]).await.start().await;
        let answer = say(&world, "x").await;
        assert_eq!(answer.len(), 10, "{answer}");
        world.worker.until_idle().await;
        assert_eq!(world.metrics.tcp_bytes_in.value(), 1);
        assert_eq!(world.metrics.tcp_bytes_out.value(), 10);
        world.finish().await;
    });
}

#[test]
fn http_runs_through_the_filters_and_ends_by_us() {
    local(async {
        let log = Log::default();
        let fake = NetworkFake::new(&log, "a")
            .rewriting(Upstream, |text| text.replace("direct", "DIRECT"));
        for speaks in [Speaks::Http, Speaks::Auto] {
            let world = echo(speaks, vec![fake.clone()]).await.start().await;
            let answer = world.ask(&ask("GET", "/direct")).await;
            assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("DIRECT"), "{answer}");
            assert_eq!(world.finish().await.len(), 1, "the stream has its line");
            let expect = ["a new", "a closed < Local", "a closed > Local", "a done"];
            assert_eq!(frame(&log), expect);
        }
    });
}

#[test]
fn a_filter_may_mend_what_the_listener_reads() {
    local(async {
        let log = Log::default();
        let fake = NetworkFake::new(&log, "a")
            .rewriting(Downstream, |text| text.strip_prefix("?").unwrap_or(text).to_owned());
        let world = echo(Speaks::Auto, vec![fake]).await.start().await;
        let answer = world.ask(&format!("?{}", ask("GET", "/direct"))).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert_eq!(say(&world, "?raw").await, "raw bye");
        world.finish().await;
    });
}

#[test]
fn a_client_that_goes_away_is_told_as_remote() {
    local(async {
        let log = Log::default();
        let (setup, came) = silent().await;
        let network_filters = vec![NetworkFake::new(&log, "a")];
        let world = Setup { network_filters, ..setup }.start().await;
        let client = world.send(&ask("GET", "/")).await;
        came.notified().await;
        drop(client);
        world.worker.until_idle().await;
        assert_eq!(field(&world.finish().await[0], "reason"), Some("client_gone"));
        let expect = ["a new", "a closed < Local", "a closed > Remote", "a done"];
        assert_eq!(frame(&log), expect);
    });
}

#[test]
fn nothing_is_read_before_the_filters_let_the_connection_begin() {
    local(async {
        let log = Log::default();
        let came = Rc::new(tokio::sync::Notify::new());
        let (comes, goes) = (Rc::clone(&came), Rc::new(tokio::sync::Notify::new()));
        let go = Rc::clone(&goes);
        let waiting = NetworkFake::new(&log, "a").on_new(move |_| {
            comes.notify_one();
            let go = Rc::clone(&go);
            Step::Later(Box::pin(async move {
                go.notified().await;
                Verdict::Continue
            }))
        });
        let fakes = vec![waiting, NetworkFake::new(&log, "b")];
        let world = echo(Speaks::Tcp, fakes).await.start().await;
        let mut client = world.send("x").await;
        came.notified().await;
        tokio::task::yield_now().await;
        assert_eq!(*log.borrow(), ["a new"]);
        goes.notify_one();
        client.shutdown().await.unwrap();
        assert_eq!(rest(&mut client).await, "x bye");
        world.finish().await;
    });
}

#[test]
fn a_connection_that_is_refused_at_its_beginning_is_closed_and_counted() {
    type OnNew = fn(&Rc<Connection>) -> Step;
    let closes: OnNew = |connection| {
        connection.close(ReplyReason::Plugin("a".into()));
        Step::CONTINUE
    };
    let resets: OnNew = |_| later(Verdict::Reset);
    let fails: OnNew = |_| Verdict::Failed(fault()).into();
    for (answer, expect) in [(closes, "plugin"), (resets, "plugin"), (fails, "plugin_failed")] {
        for speaks in [Speaks::Tcp, Speaks::Http, Speaks::Auto] {
            local(async {
                let log = Log::default();
                let fakes =
                    vec![NetworkFake::new(&log, "a").on_new(answer), NetworkFake::new(&log, "b")];
                let world = echo(speaks, fakes).await.start().await;
                assert_eq!(world.ask(&ask("GET", "/direct")).await, "");
                assert_eq!(world.metrics.connections_closed_by_filters_total.value(), 1);
                let lines = world.finish().await;
                assert_eq!(field(&lines[0], "reason"), Some(expect));
                let log = log.take();
                assert_eq!(log.first().map(String::as_str), Some("a new"));
                assert_eq!(log.last().map(String::as_str), Some("b done"));
                assert!(!log.contains(&"b new".to_owned()), "{log:?}");
            });
        }
    }
}

#[test]
fn a_filter_that_fails_open_leaves_the_connection_whole() {
    local(async {
        let log = Log::default();
        let fakes = vec![
            NetworkFake::new(&log, "a").open().refusing(fault()),
            NetworkFake::new(&log, "b").open().on_new(|_| Verdict::Failed(fault()).into()),
            NetworkFake::new(&log, "c").open().on_data(|_, _, _| Verdict::Failed(fault()).into()),
            NetworkFake::new(&log, "d").rewriting(Downstream, shout),
        ];
        let world = echo(Speaks::Tcp, fakes).await.start().await;
        assert_eq!(say(&world, "hello").await, "HELLO bye");
        assert_eq!(world.metrics.connections_closed_by_filters_total.value(), 0);
        world.finish().await;
    });
}

#[test]
fn a_filter_may_close_a_connection_at_its_data() {
    let bad: fn(&Rc<Connection>, Flow, bool) -> Step = |connection, flow, _| {
        let bad = in_hand(connection, flow).contains("bad");
        if bad { Verdict::Reset.into() } else { Step::CONTINUE }
    };
    local(async {
        let log = Log::default();
        let fake = NetworkFake::new(&log, "a").on_data(bad);
        let world = echo(Speaks::Tcp, vec![fake]).await.start().await;
        let mut client = world.send("good").await;
        let mut answer = [0; 4];
        client.read_exact(&mut answer).await.unwrap();
        client.write_all(b"bad").await.unwrap();
        assert_eq!(rest(&mut client).await, "");
        drop(client);
        let lines = world.finish().await;
        assert_eq!(field(&lines[0], "reason"), Some("plugin"));
        assert_eq!(field(&lines[0], "request_bytes"), Some("7"));
        let expect = ["a new", "a closed < Local", "a closed > Local", "a done"];
        assert_eq!(frame(&log), expect);
    });
    local(async {
        let log = Log::default();
        let (setup, came) = silent().await;
        let network_filters = vec![NetworkFake::new(&log, "a").on_data(bad)];
        let world = Setup { network_filters, ..setup }.start().await;
        let head = "GET / HTTP/1.1\r\nhost: app.test\r\ncontent-length: 9\r\n\r\n";
        let mut client = world.send(head).await;
        came.notified().await;
        client.write_all(b"bad").await.unwrap();
        assert_eq!(rest(&mut client).await, "");
        drop(client);
        let lines = world.finish().await;
        let mut reasons: Vec<_> = lines.iter().map(|line| field(line, "reason")).collect();
        reasons.dedup();
        assert_eq!((reasons, lines.len()), (vec![Some("plugin")], 2), "stream and connection");
        let bytes = (head.len() + "bad".len()).to_string();
        let counted = |line: &String| field(line, "request_bytes") == Some(bytes.as_str());
        assert!(lines.iter().any(counted), "the connection's own: {lines:?}");
    });
}

#[test]
fn what_a_network_filter_knows_can_be_read_by_the_streams() {
    local(async {
        let log = Log::default();
        let seen = Rc::new(std::cell::Cell::new(0));
        let count = Rc::clone(&seen);
        let stream_filter = crate::testing::Fake::new(&log, "s").answering(move |_, _, stream| {
            let carrier = stream.carrier.get().unwrap();
            assert_eq!(carrier.facts.id, stream.connection.id);
            count.set(carrier.attributes.borrow().len());
            Step::CONTINUE
        });
        let sets = NetworkFake::new(&log, "a").on_new(|connection| {
            let attribute = (Box::from(&b"tenant"[..]), Box::from(&b"blue"[..]));
            connection.attributes.borrow_mut().push(attribute);
            Step::CONTINUE
        });
        let setup = Setup { listener_filters: vec![stream_filter], ..Setup::default() };
        let world = Setup { network_filters: vec![sets], ..setup }.start().await;
        assert!(world.ask(&ask("GET", "/direct")).await.starts_with("HTTP/1.1 200"));
        assert_eq!(seen.get(), 1);
        world.finish().await;
    });
}

#[test]
fn the_upstream_is_known_when_the_first_bytes_come() {
    local(async {
        let log = Log::default();
        let known = Rc::new(std::cell::Cell::new(false));
        let knows = Rc::clone(&known);
        let fake = NetworkFake::new(&log, "a").on_data(move |connection, _, _| {
            let both = [&connection.upstream_address, &connection.upstream_local];
            let cluster = connection.cluster.get().is_some();
            knows.set(cluster && both.into_iter().all(|address| address.get().is_some()));
            Step::CONTINUE
        });
        let world = echo(Speaks::Tcp, vec![fake]).await.start().await;
        assert_eq!(say(&world, "x").await, "x bye");
        assert!(known.get());
        world.finish().await;
    });
}

#[test]
fn a_tunnel_without_an_upstream_has_no_upstream_to_close() {
    local(async {
        let log = Log::default();
        let network_filters = vec![NetworkFake::new(&log, "a")];
        let world =
            Setup { speaks: Speaks::Tcp, network_filters, ..Setup::default() }.start().await;
        assert_eq!(say(&world, "x").await, "");
        let lines = world.finish().await;
        assert_eq!(field(&lines[0], "reason"), Some("no_endpoint"));
        let log = log.take();
        assert!(!log.iter().any(|line| line.starts_with("a closed <")), "{log:?}");
        assert_eq!(log.last().map(String::as_str), Some("a done"));
    });
}

#[test]
fn a_changed_protocol_runs_through_the_filters_too() {
    local(async {
        let log = Log::default();
        let (address, _) = upstream(|mut stream| async move {
            read_head(&mut stream).await;
            let head =
                "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n";
            stream.write_all(head.as_bytes()).await.unwrap();
            let (mut read, mut write) = stream.split();
            drop(tokio::io::copy(&mut read, &mut write).await);
        })
        .await;
        let network_filters = vec![NetworkFake::new(&log, "a")];
        let world = Setup { network_filters, ..Setup::to(address) }.start().await;
        let asked = "GET / HTTP/1.1\r\nhost: app.test\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n";
        let mut client = world.send(asked).await;
        assert!(read_head(&mut client).await.starts_with("HTTP/1.1 101"));
        client.write_all(b"ping").await.unwrap();
        let mut answer = [0; 4];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(world.worker.connections(), 1);
        client.shutdown().await.unwrap();
        assert_eq!(rest(&mut client).await, "");
        let lines = world.finish().await;
        assert_eq!((lines.len(), field(&lines[0], "status")), (1, Some("101")));
        let log = log.take();
        assert!(log.contains(&"a>ping".to_owned()) && log.contains(&"a<ping".to_owned()));
        assert_eq!(log.last().map(String::as_str), Some("a done"));
    });
}

#[test]
fn a_drain_ends_connections_that_have_not_begun_and_an_abort_all() {
    local(async {
        let log = Log::default();
        let came = Rc::new(tokio::sync::Notify::new());
        let comes = Rc::clone(&came);
        let waiting = NetworkFake::new(&log, "a").on_new(move |_| {
            comes.notify_one();
            never()
        });
        let world = echo(Speaks::Tcp, vec![waiting]).await.start().await;
        let mut client = world.send("x").await;
        came.notified().await;
        world.worker.drain.raise();
        assert_eq!(rest(&mut client).await, "");
        assert!(world.finish().await.is_empty(), "it never was anything");
        assert_eq!(frame(&log), ["a new", "a closed > Local", "a done"]);

        let world = echo(Speaks::Tcp, vec![NetworkFake::new(&log, "a")]).await.start().await;
        let mut client = world.send("x").await;
        client.read_u8().await.unwrap();
        world.worker.abort.raise();
        assert_eq!(rest(&mut client).await, "");
        assert_eq!(field(&world.finish().await[0], "reason"), Some("drain"));
        let expect = ["a new", "a closed < Local", "a closed > Local", "a done"];
        assert_eq!(frame(&log), expect);
    });
}

#[test]
fn bytes_that_are_held_over_the_limit_end_the_connection() {
    local(async {
        let log = Log::default();
        let fake = NetworkFake::new(&log, "a").on_data(|_, _, _| Verdict::Hold.into());
        let limits = Limits { held_body_bytes_max: 3, ..Limits::default() };
        let world = Setup { limits, ..echo(Speaks::Tcp, vec![fake]).await }.start().await;
        let mut client = world.send("four").await;
        assert_eq!(rest(&mut client).await, "");
        drop(client);
        let lines = world.finish().await;
        assert_eq!(field(&lines[0], "reason"), Some("overload"));
        assert_eq!(field(&lines[0], "details"), Some("more bytes than a plugin may hold"));
    });
}

#[test]
fn a_held_request_does_not_keep_its_connection_longer_than_the_clocks_allow() {
    local(async {
        let log = Log::default();
        let fake = NetworkFake::new(&log, "a").on_data(|_, _, _| Verdict::Hold.into());
        let limits = Limits {
            idle_timeout: Duration::from_millis(50),
            header_timeout: Duration::from_millis(50),
            ..Limits::default()
        };
        for speaks in [Speaks::Tcp, Speaks::Http] {
            let setup = echo(speaks, vec![fake.clone()]).await;
            let world = Setup { limits: limits.clone(), ..setup }.start().await;
            let mut client = world.send(&ask("GET", "/")).await;
            assert_eq!(rest(&mut client).await, "");
            world.finish().await;
        }
    });
}

#[test]
fn an_answer_reaches_a_client_that_ended_its_half() {
    local(async {
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        let setup = answering(answer).await;
        let network_filters = vec![NetworkFake::new(&Log::default(), "a")];
        let world = Setup { network_filters, ..setup }.start().await;
        assert!(world.ask(&ask("GET", "/")).await.ends_with("ok"));
        world.finish().await;
    });
}

#[test]
fn an_open_connection_keeps_its_filters_where_new_ones_have_others() {
    local(async {
        let log = Log::default();
        let world = echo(Speaks::Tcp, vec![NetworkFake::new(&log, "a")]).await.start().await;
        let mut open = world.send("x").await;
        assert_eq!(open.read_u8().await.unwrap(), b'x');
        let state = world.listener.state();
        let plan = ListenerPlan { network_filters: Vec::new(), ..(*state.plan).clone() };
        let metrics = Arc::clone(&world.metrics);
        let none = &mut |_: &_| unreachable!("it has no filters");
        let other = ListenerState::new(Arc::new(plan), Rc::clone(&world.worker), metrics, none);
        world.listener.update(other);

        log.take();
        assert_eq!(say(&world, "y").await, "y bye");
        assert!(log.take().is_empty(), "a new one has no filter");
        open.write_all(b"z").await.unwrap();
        assert_eq!(open.read_u8().await.unwrap(), b'z');
        assert!(!log.take().is_empty(), "the open one still has its own");
        drop(open);
        world.finish().await;
    });
}
