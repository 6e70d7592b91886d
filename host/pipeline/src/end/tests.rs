//! However a stream ends, it ends once: one line in the access log, one reason counted.

#![expect(clippy::excessive_nesting, reason = "a case is a loop in a runtime in a loop")]

mod http2;
mod log;

use std::rc::Rc;

use host_extension::{FaultKind, LocalReply, OnError, PluginFault, Side, Step, Verdict};
use http::StatusCode;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::Notify,
};

use crate::{
    chain::Hook,
    testing::{
        Fake, Log, Setup, World, answering, ask, field, line, local, never, read_head, silent,
        upstream,
    },
};

#[track_caller]
fn check(setup: impl Future<Output = Setup>, request: &str, expect: (&str, u16)) {
    let found = local(async {
        let world = setup.await.start().await;
        let answer = world.ask(request).await;
        let status = answer.split(' ').nth(1).map(|status| status.parse().unwrap());
        let (reason, logged, bytes) = line(world).await;
        assert_eq!(logged, status, "the client was sent what the log says: {answer:?}");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let framed = if answer.contains("chunked") { bytes } else { body.len() as u64 };
        assert_eq!(bytes, framed, "{answer:?}");
        (reason, logged)
    });
    assert_eq!(found, (expect.0.to_owned(), Some(expect.1)), "{request:?}");
}

#[test]
fn a_whole_response_is_the_upstreams_however_it_is_framed() {
    let get = ask("GET", "/");
    let length = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
    check(answering(length), &get, ("upstream", 200));
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    check(answering(chunked), &get, ("upstream", 200));
    check(answering("HTTP/1.1 200 OK\r\n\r\nhello"), &get, ("upstream", 200));
    check(answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"), &get, ("upstream", 200));
    check(answering("HTTP/1.1 204 No Content\r\n\r\n"), &get, ("upstream", 204));
    let unchanged = "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n";
    check(answering(unchanged), &get, ("upstream", 304));
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
    check(answering(head), &ask("HEAD", "/"), ("upstream", 200));
}

#[test]
fn a_response_that_passes_filters_is_the_upstreams_too() {
    let filtered = |answer| async move {
        let log = Log::default();
        Setup { listener_filters: vec![Fake::new(&log, "a")], ..answering(answer).await }
    };
    let get = ask("GET", "/");
    let length = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
    check(filtered(length), &get, ("upstream", 200));
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    check(filtered(chunked), &get, ("upstream", 200));
    check(filtered("HTTP/1.1 204 No Content\r\n\r\n"), &get, ("upstream", 204));
    check(filtered("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"), &get, ("upstream", 200));
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
    check(filtered(head), &ask("HEAD", "/"), ("upstream", 200));
}

#[test]
fn what_the_proxy_answers_itself_has_its_reason() {
    let nothing = || async { Setup::default() };
    check(nothing(), &ask("GET", "/direct"), ("route", 200));
    check(nothing(), &ask("HEAD", "/direct"), ("route", 200));
    check(nothing(), &ask("GET", "/moved"), ("route", 302));
    check(nothing(), &ask("GET", "/nowhere"), ("no_endpoint", 503));
    check(nothing(), &ask("GET", "/"), ("no_endpoint", 503));
    let other = ask("GET", "/").replace("app.test", "other.test");
    check(nothing(), &other, ("no_route", 404));
    check(nothing(), &ask("CONNECT", "app.test:1"), ("malformed", 405));
    let refused = async {
        let (address, _) = upstream(|stream| async move { drop(stream) }).await;
        Setup::to(address)
    };
    check(refused, &ask("GET", "/"), ("upstream_failed", 503));
    let short =
        async { Setup { timeout: Some(std::time::Duration::from_millis(20)), ..silent().await.0 } };
    check(short, &ask("GET", "/"), ("timeout", 504));
}

#[test]
fn a_plugins_answer_and_a_plugins_failure_are_told_apart() {
    let on_request = |answer: fn() -> Step| {
        let log = Log::default();
        let fake = Fake::new(&log, "a").answering(move |side, _, _| match side {
            Side::Request => answer(),
            Side::Response => Step::CONTINUE,
        });
        async { Setup { listener_filters: vec![fake], ..Setup::default() } }
    };
    let reply: fn() -> Step =
        || Verdict::Respond(Box::new(LocalReply::text(StatusCode::IM_A_TEAPOT, "short"))).into();
    check(on_request(reply), &ask("GET", "/"), ("plugin", 418));
    let interim: fn() -> Step =
        || Verdict::Respond(Box::new(LocalReply::text(StatusCode::PROCESSING, "x"))).into();
    check(on_request(interim), &ask("GET", "/"), ("plugin", 500));
    let failing: fn() -> Step =
        || Verdict::Failed(PluginFault::new(FaultKind::Trapped, "unreachable")).into();
    check(on_request(failing), &ask("GET", "/"), ("plugin_failed", 503));
}

#[test]
fn a_filter_that_fails_on_the_response_has_the_last_word() {
    let setup = |on_error| async move {
        let log = Log::default();
        let fake = Fake::new(&log, "a").on_error(on_error).answering(|side, _, _| match side {
            Side::Request => Step::CONTINUE,
            Side::Response => {
                Verdict::Failed(PluginFault::new(FaultKind::Trapped, "unreachable")).into()
            }
        });
        let upstream = answering("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").await;
        Setup { route_filters: vec![fake], ..upstream }
    };
    check(setup(OnError::Open), &ask("GET", "/"), ("upstream", 200));
    check(setup(OnError::Closed), &ask("GET", "/"), ("plugin_failed", 503));
}

#[test]
fn a_reset_by_a_filter_is_the_plugins_although_the_upstream_answered() {
    local(async {
        let log = Log::default();
        let fake = Fake::new(&log, "a").answering(|side, _, _| match side {
            Side::Request => Step::CONTINUE,
            Side::Response => Verdict::Reset.into(),
        });
        let answer = answering("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").await;
        let world = Setup { listener_filters: vec![fake], ..answer }.start().await;
        assert_eq!(world.ask(&ask("GET", "/")).await, "");
        assert_eq!(line(world).await, ("plugin".to_owned(), None, 0));
    });
}

#[test]
fn a_plugin_that_ends_a_response_within_its_body_breaks_it_off() {
    local(async {
        let log = Log::default();
        let fake = Fake::new(&log, "a").answering(|side, hook, _| match (side, hook) {
            (Side::Response, Hook::Body { .. }) => Verdict::Reset.into(),
            _ => Step::CONTINUE,
        });
        let answer = answering("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").await;
        let world = Setup { listener_filters: vec![fake], ..answer }.start().await;
        let answer = world.ask(&ask("GET", "/")).await;
        assert!(!answer.contains("hello"), "{answer}");
        assert_eq!(line(world).await, ("plugin".to_owned(), Some(200), 0));
    });
}

#[test]
fn an_upstream_that_breaks_off_within_the_body_is_to_blame() {
    local(async {
        for filtered in [false, true] {
            let answer = answering("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello").await;
            let log = Log::default();
            let filters = if filtered { vec![Fake::new(&log, "a")] } else { Vec::new() };
            let world = Setup { listener_filters: filters, ..answer }.start().await;
            let answer = world.ask(&ask("GET", "/")).await;
            assert!(answer.contains("hello"), "{answer}");
            assert_eq!(line(world).await, ("upstream_failed".to_owned(), Some(200), 5));
        }
    });
}

#[test]
fn a_client_that_leaves_before_the_head_is_gone() {
    local(async {
        let (setup, came) = silent().await;
        let world = setup.start().await;
        let client = world.send(&ask("GET", "/")).await;
        came.notified().await;
        drop(client);
        assert_eq!(line(world).await, ("client_gone".to_owned(), None, 0));
    });
}

#[test]
fn a_client_that_leaves_while_a_filter_looks_at_the_response_is_gone() {
    local(async {
        let log = Log::default();
        let entered = Rc::new(Notify::new());
        let entering = Rc::clone(&entered);
        let fake = Fake::new(&log, "a").answering(move |side, _, _| match side {
            Side::Request => Step::CONTINUE,
            Side::Response => {
                entering.notify_one();
                never()
            }
        });
        let answer = answering("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").await;
        let world = Setup { listener_filters: vec![fake], ..answer }.start().await;
        let client = world.send(&ask("GET", "/")).await;
        entered.notified().await;
        drop(client);
        assert_eq!(line(world).await, ("client_gone".to_owned(), None, 0));
    });
}

#[test]
fn a_client_that_leaves_within_a_body_is_gone() {
    local(async {
        let (address, _) = upstream(|mut stream| async move {
            read_head(&mut stream).await;
            let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
            let mut writing = stream.write_all(head.as_bytes()).await;
            while writing.is_ok() {
                writing = stream.write_all(b"5\r\nhello\r\n").await;
            }
        })
        .await;
        let world = Setup::to(address).start().await;
        let mut client = world.send(&ask("GET", "/")).await;
        assert!(read_head(&mut client).await.starts_with("HTTP/1.1 200"));
        drop(client);
        let (reason, status, _) = line(world).await;
        assert_eq!((reason.as_str(), status), ("client_gone", Some(200)));
    });
}

#[test]
fn a_client_that_leaves_within_its_upload_is_gone() {
    local(async {
        let (setup, came) = silent().await;
        let world = setup.start().await;
        let head = "POST / HTTP/1.1\r\nhost: app.test\r\ncontent-length: 9\r\n\r\nhello";
        let client = world.send(head).await;
        came.notified().await;
        drop(client);
        assert_eq!(line(world).await, ("client_gone".to_owned(), None, 0));
    });
}

#[test]
fn a_malformed_upload_is_one_stream_that_ends_with_400() {
    local(async {
        let world = silent().await.0.start().await;
        let head = "POST / HTTP/1.1\r\nhost: app.test\r\ntransfer-encoding: chunked\r\n\r\n";
        // Head and fault come in one read: the head is good, all the same.
        let answer = world.ask(&format!("{head}5\r\nhello\r\nzz\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        assert_eq!(world.metrics.malformed_total.value(), 1);
        let (reason, status, _) = line(world).await;
        assert_eq!((reason.as_str(), status), ("malformed", Some(400)));
    });
}

#[test]
fn a_tunnel_is_one_stream_with_the_bytes_of_both_ways() {
    local(async {
        let (address, _) = upstream(|mut stream| async move {
            assert!(read_head(&mut stream).await.contains("upgrade: echo"));
            let head =
                "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
            stream.write_all(head.as_bytes()).await.unwrap();
            let (mut read, mut write) = stream.split();
            drop(tokio::io::copy(&mut read, &mut write).await);
        })
        .await;
        let world = Setup::to(address).start().await;
        let asked =
            "GET / HTTP/1.1\r\nhost: app.test\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
        let mut client = world.send(asked).await;
        assert!(read_head(&mut client).await.starts_with("HTTP/1.1 101"));
        client.write_all(b"hello").await.unwrap();
        let mut echo = [0; 5];
        client.read_exact(&mut echo).await.unwrap();
        assert_eq!(&echo, b"hello");
        drop(client);
        assert_eq!(line(world).await, ("upstream".to_owned(), Some(101), 5));
    });
}

#[test]
fn streams_of_one_connection_have_a_line_each() {
    local(async {
        let world = Setup::default().start().await;
        let get = "GET /direct HTTP/1.1\r\nhost: app.test\r\n\r\n";
        let answer = world.ask(&format!("{get}{get}{}", ask("GET", "/direct"))).await;
        assert_eq!(answer.matches("HTTP/1.1 200").count(), 3, "{answer}");
        let lines = world.finish().await;
        assert_eq!(lines.len(), 3);
        assert!(lines.iter().all(|line| field(line, "reason") == Some("route")));
    });
}
