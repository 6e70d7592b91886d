//! What a request and its response look like on the other side.

#![expect(clippy::excessive_nesting, reason = "a case is a loop in a runtime in a loop")]

mod framing;
mod length;
mod lifecycles;
mod open;

use std::{cell::RefCell, rc::Rc};

use host_extension::{FieldWrite, HeaderMapKind, HostCalls as _, Phases, Step, Verdict};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::{
    chain::Hook,
    testing::{Fake, Log, Setup, World, answering, ask, calls, line, local, read_head, upstream},
};

fn output_size<A, B, F>(_run: impl Fn(A, B) -> F) -> usize {
    size_of::<F>()
}

#[test]
fn the_future_of_a_stream_stays_small() {
    // 3952 bytes when this was written, unoptimised; each stream has one on the heap.
    let size = output_size(run_stream);
    assert!(size < 8 * 1024, "{size}");
}

/// An upstream that reads a whole request, notes it down and says `ok`.
async fn recording() -> (Setup, Rc<RefCell<String>>) {
    let record: Rc<RefCell<String>> = Rc::default();
    let recorded = Rc::clone(&record);
    let (address, _) = upstream(move |mut stream| {
        let recorded = Rc::clone(&recorded);
        async move {
            let head = read_head(&mut stream).await.to_ascii_lowercase();
            let length = head
                .split("content-length: ")
                .nth(1)
                .and_then(|rest| rest.split("\r\n").next().and_then(|length| length.parse().ok()));
            let mut body = vec![0; length.unwrap_or(0)];
            stream.read_exact(&mut body).await.unwrap();
            while head.contains("chunked") && !body.ends_with(b"\r\n\r\n") {
                body.push(stream.read_u8().await.unwrap());
            }
            let body = String::from_utf8(body).unwrap();
            recorded.replace(format!("{head}{body}"));
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
            stream.write_all(answer).await.unwrap();
        }
    })
    .await;
    (Setup::to(address), record)
}

const UPLOAD: &str =
    "POST / HTTP/1.1\r\nhost: app.test\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello";
const CHUNKED: &str = "POST / HTTP/1.1\r\nhost: app.test\r\nconnection: close\r\n\
    transfer-encoding: chunked\r\ntrailer: t\r\n\r\n5\r\nhello\r\n0\r\nt: 1\r\n\r\n";

/// What the upstream gets of `request` through `listener` and `route` filters.
fn forwarded(listener: Vec<Fake>, route: Vec<Fake>, request: &str) -> String {
    local(async {
        let (setup, record) = recording().await;
        let setup = Setup { listener_filters: listener, route_filters: route, ..setup };
        let world = setup.start().await;
        let answer = world.ask(request).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("ok"), "{answer}");
        assert_eq!(line(world).await, ("upstream".to_owned(), Some(200), 2));
        record.take()
    })
}

fn write(stream: &Stream, map: HeaderMapKind, name: &str, value: &str) {
    let write = FieldWrite::Replace(name.as_bytes(), value.as_bytes());
    calls().write_header(stream, map, write).unwrap();
}

/// Writes framing fields into the head of its side.
fn framing(log: &Log, phases: Phases) -> Fake {
    Fake::new(log, "a").phases(phases).answering(|side, hook, stream| {
        if let Hook::Headers { .. } = hook {
            let map = match side {
                Side::Request => HeaderMapKind::RequestHeaders,
                Side::Response => HeaderMapKind::ResponseHeaders,
            };
            for (name, value) in [
                ("content-length", "99"),
                ("transfer-encoding", "gzip"),
                ("connection", "upgrade, x"),
                ("upgrade", "h2c"),
            ] {
                write(stream, map, name, value);
            }
        }
        Step::CONTINUE
    })
}

#[test]
fn framing_of_a_request_is_the_pipelines_whatever_a_filter_writes() {
    for phases in [Phases::REQUEST_HEADERS, Phases::ALL] {
        for (request, length) in [(UPLOAD, Some("5")), (CHUNKED, None), (&ask("GET", "/"), None)] {
            let log = Log::default();
            let seen = forwarded(vec![framing(&log, phases)], Vec::new(), request);
            let found =
                seen.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
            if phases == Phases::REQUEST_HEADERS || request != UPLOAD {
                assert_eq!(found, length, "{seen}");
            }
            for evil in [": gzip", ": h2c", ": 99"] {
                assert!(!seen.contains(evil), "{seen}");
            }
            assert_eq!(seen.contains("hello"), request != ask("GET", "/"), "{seen}");
        }
    }
}

#[test]
fn framing_of_a_response_is_the_pipelines_whatever_a_filter_writes() {
    for phases in [Phases::RESPONSE_HEADERS, Phases::ALL] {
        for answer in [
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        ] {
            local(async {
                let log = Log::default();
                // The request is left alone: its head is not open any more in this phase.
                let fake = framing(&log, phases);
                let setup = answering(answer).await;
                let world = Setup { listener_filters: vec![fake], ..setup }.start().await;
                let got = world.ask(&ask("GET", "/")).await;
                for evil in [": gzip", ": h2c", ": 99"] {
                    assert!(!got.contains(evil), "{got}");
                }
                assert!(got.contains("hello"), "{got}");
                assert_eq!(line(world).await, ("upstream".to_owned(), Some(200), 5));
            });
        }
    }
}

fn holding(log: &Log, name: &'static str) -> Fake {
    Fake::new(log, name).answering(|side, _, _| match side {
        Side::Request => Verdict::Hold.into(),
        Side::Response => Step::CONTINUE,
    })
}

#[test]
fn a_body_that_was_held_whole_is_announced_and_one_with_trailers_is_not() {
    for route in [false, true] {
        let log = Log::default();
        let filters = |name| vec![holding(&log, name)];
        let route = if route { filters("r") } else { Vec::new() };
        let seen = forwarded(filters("l"), route.clone(), UPLOAD);
        assert!(seen.contains("content-length: 5") && seen.ends_with("hello"), "{seen}");
        let seen = forwarded(filters("l"), route, CHUNKED);
        assert!(seen.contains("chunked") && !seen.contains("content-length"), "{seen}");
        assert!(seen.ends_with("5\r\nhello\r\n0\r\nt: 1\r\n\r\n"), "{seen}");
    }
}

#[test]
fn trailers_that_a_filter_adds_go_out_but_for_forbidden_ones() {
    let log = Log::default();
    let adding = holding(&log, "a").answering(|side, hook, stream| {
        if (side, hook) == (Side::Request, Hook::Body { end: true }) {
            for name in ["sum", "content-length", "transfer-encoding", "host"] {
                write(stream, HeaderMapKind::RequestTrailers, name, "7");
            }
        }
        Step::CONTINUE
    });
    let request = CHUNKED.replace("t: 1\r\n", "").replace("trailer: t", "trailer: sum, host");
    let seen = forwarded(vec![adding], Vec::new(), &request);
    assert!(seen.ends_with("0\r\nsum: 7\r\n\r\n"), "{seen}");
}

#[test]
fn a_body_that_a_filter_swallows_is_announced_as_empty() {
    let log = Log::default();
    let swallowing = holding(&log, "a").answering(|side, hook, stream| match (side, hook) {
        (Side::Request, Hook::Headers { .. }) => Verdict::Hold.into(),
        (Side::Request, Hook::Body { .. }) => {
            drop(stream.request.body.borrow_mut().take());
            Verdict::Hold.into()
        }
        _ => Step::CONTINUE,
    });
    let seen = forwarded(vec![swallowing], Vec::new(), UPLOAD);
    assert!(seen.contains("content-length: 0") && !seen.contains("hello"), "{seen}");
}

#[test]
fn a_response_that_a_filter_makes_bodiless_has_no_body() {
    for phases in [Phases::RESPONSE_HEADERS, Phases::ALL] {
        local(async {
            let log = Log::default();
            let fake = Fake::new(&log, "a").phases(phases).answering(|side, hook, stream| {
                if let (Side::Response, Hook::Headers { .. }) = (side, hook) {
                    write(stream, HeaderMapKind::ResponseHeaders, ":status", "204");
                }
                Step::CONTINUE
            });
            let setup = answering("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").await;
            let world: World = Setup { listener_filters: vec![fake], ..setup }.start().await;
            let got = world.ask(&ask("GET", "/")).await;
            assert!(got.starts_with("HTTP/1.1 204") && got.ends_with("\r\n\r\n"), "{got}");
            assert_eq!(line(world).await, ("upstream".to_owned(), Some(204), 0));
        });
    }
}
