//! Replies in the upstream's place, and what they leave behind on the connection.

#![expect(clippy::excessive_nesting, reason = "a case is a loop in a runtime in a loop")]

use std::{cell::Cell, rc::Rc};

use host_extension::{HostCalls as _, Phases, Step, Verdict};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::Notify,
};

use super::*;
use crate::{
    chain::Hook,
    testing::{
        Fake, Log, Setup, answering, ask, calls, line, local, never, read_head, silent, upstream,
    },
};

/// Where the stream waits when somebody replies from beside.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    /// A filter has not made up its mind on the request's head.
    Filter,
    /// A filter holds the request's head until the body came.
    HeldRequest,
    /// The request is with the upstream.
    Upstream,
    /// A filter holds the response's head until the body came.
    HeldResponse,
    /// A filter has not made up its mind on the response's body.
    FilterOfBody,
}

fn waits(place: Place, side: Side, hook: Hook) -> Step {
    match (place, side, hook) {
        (Place::Filter, Side::Request, Hook::Headers { .. }) => never(),
        (Place::HeldRequest, Side::Request, _) => Verdict::Hold.into(),
        (Place::HeldResponse, Side::Response, _) => Verdict::Hold.into(),
        (Place::FilterOfBody, Side::Response, Hook::Headers { .. }) => Verdict::Hold.into(),
        (Place::FilterOfBody, Side::Response, Hook::Body { .. }) => never(),
        _ => Step::CONTINUE,
    }
}

/// A filter that waits at a place, and ends its stream from beside when it is told to.
fn beside(log: &Log, place: Place, go: &Rc<Notify>, reset: bool) -> Fake {
    let (go, ended) = (Rc::clone(go), Rc::new(Cell::new(false)));
    Fake::new(log, "a").answering(move |side, hook, stream| {
        if ended.get() {
            return Step::CONTINUE; // its own reply comes by
        }
        if (side, hook) == (Side::Request, Hook::Headers { end: false }) {
            let (go, stream, ended) = (Rc::clone(&go), Rc::clone(stream), Rc::clone(&ended));
            tokio::task::spawn_local(async move {
                go.notified().await;
                ended.set(true);
                let reply = LocalReply::text(StatusCode::IM_A_TEAPOT, "beside");
                if reset {
                    calls().reset(&stream, "a").unwrap();
                } else {
                    calls().respond(&stream, "a", reply).unwrap();
                }
            });
        }
        waits(place, side, hook)
    })
}

const UPLOAD: &str =
    "POST / HTTP/1.1\r\nhost: app.test\r\nconnection: close\r\ncontent-length: 9\r\n\r\nhello";

#[test]
fn a_reply_or_reset_from_beside_ends_a_stream_wherever_it_waits() {
    let places = [Place::Filter, Place::HeldRequest, Place::Upstream];
    let behind = [Place::HeldResponse, Place::FilterOfBody];
    for place in places.into_iter().chain(behind) {
        for reset in [false, true] {
            local(async {
                let (log, go) = (Log::default(), Rc::new(Notify::new()));
                let part = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello";
                let (setup, came) =
                    if behind.contains(&place) { stalling(part).await } else { silent().await };
                let fake = beside(&log, place, &go, reset);
                let setup = Setup { listener_filters: vec![fake], ..setup };
                let world = setup.start().await;
                let mut client = world.send(UPLOAD).await;
                match place {
                    Place::Filter => until(&log, "a>head").await,
                    Place::HeldRequest => until(&log, "a>body(hello)").await,
                    Place::Upstream => came.notified().await,
                    Place::HeldResponse => until(&log, "a<body(hello)").await,
                    Place::FilterOfBody => until(&log, "a<body(hello)").await,
                }
                go.notify_one();
                let mut answer = String::new();
                let _end = client.read_to_string(&mut answer).await;
                drop(client);
                let (reason, status, _) = line(world).await;
                assert_eq!(reason, "plugin", "{place:?}");
                let expect = if reset { None } else { Some(418) };
                assert_eq!(status, expect, "{place:?}: {answer}");
                assert_eq!(answer.starts_with("HTTP/1.1 418"), !reset, "{place:?}: {answer}");
            });
        }
    }
}

/// Waits until the filters have seen something.
async fn until(log: &Log, call: &str) {
    while !log.borrow().iter().any(|seen| seen == call) {
        tokio::task::yield_now().await;
    }
}

/// An upstream that sends this and then nothing.
async fn stalling(part: &'static str) -> (Setup, Rc<Notify>) {
    let (address, _) = upstream(move |mut stream| async move {
        read_head(&mut stream).await;
        stream.write_all(part.as_bytes()).await.unwrap();
        let mut sink = Vec::new();
        drop(stream.read_to_end(&mut sink).await);
    })
    .await;
    (Setup::to(address), Rc::default())
}

#[test]
fn a_body_that_nobody_read_never_becomes_a_request() {
    local(async {
        let world = Setup::default().start().await;
        let inner = "GET /direct HTTP/1.1\r\nhost: app.test\r\n\r\n";
        let length = inner.len();
        let outer =
            format!("POST /direct HTTP/1.1\r\nhost: app.test\r\ncontent-length: {length}\r\n\r\n");
        let answer = world.ask(&format!("{outer}{inner}{}", ask("GET", "/moved"))).await;
        assert_eq!(answer.matches("HTTP/1.1 200").count(), 1, "{answer}");
        let requests = world.finish().await.len();
        assert_eq!(requests, answer.matches("HTTP/1.1 ").count(), "{answer}");
    });
}

#[test]
fn bytes_behind_an_upgrade_that_is_refused_are_never_read() {
    local(async {
        let world = answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.start().await;
        let asked = "GET / HTTP/1.1\r\nhost: app.test\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n";
        let answer = world.ask(&format!("{asked}{}", ask("GET", "/direct"))).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("connection: close"));
        assert!(answer.ends_with("ok"), "{answer}");
        assert_eq!(line(world).await, ("upstream".to_owned(), Some(200), 2));
    });
}

#[test]
fn an_upstream_may_answer_before_it_read_the_upload() {
    local(async {
        let answer = "HTTP/1.1 413 Payload Too Large\r\ncontent-length: 2\r\n\r\nno";
        let world = answering(answer).await.start().await;
        let answer = world.ask(UPLOAD).await;
        assert!(answer.starts_with("HTTP/1.1 413") && answer.ends_with("no"), "{answer}");
        assert_eq!(line(world).await, ("upstream".to_owned(), Some(413), 2));
    });
}

#[test]
fn filters_that_saw_the_request_see_its_local_reply() {
    local(async {
        let log = Log::default();
        let fakes = ["a", "b", "c"].map(|name| Fake::new(&log, name));
        let [a, b, c] = fakes;
        let b = b.answering(|side, _, _| match side {
            Side::Request => {
                let reply = LocalReply::text(StatusCode::IM_A_TEAPOT, "no");
                Verdict::Respond(Box::new(reply)).into()
            }
            Side::Response => Step::CONTINUE,
        });
        let world = Setup { listener_filters: vec![a, b, c], ..Setup::default() }.start().await;
        let answer = world.ask(&ask("GET", "/")).await;
        assert!(answer.starts_with("HTTP/1.1 418") && answer.contains("\r\nno"), "{answer}");
        assert_eq!(line(world).await, ("plugin".to_owned(), Some(418), 2));
        let expect = [
            "a>head.",
            "b>head.",
            "b<head",
            "a<head",
            "b<body(no).",
            "a<body(no).",
            "a done",
            "b done",
        ];
        assert_eq!(log.take(), expect);
    });
}

#[test]
fn a_plugins_framing_fields_in_a_reply_are_not_sent() {
    local(async {
        let log = Log::default();
        let fake = Fake::new(&log, "a").phases(Phases::REQUEST_HEADERS);
        let fake = fake.answering(|side, _, _| match side {
            Side::Request => {
                let mut reply = LocalReply::text(StatusCode::IM_A_TEAPOT, "no");
                for (name, value) in [
                    ("content-length", "77"),
                    ("transfer-encoding", "chunked"),
                    ("connection", "keep-alive, x-secret"),
                    ("upgrade", "h2c"),
                    ("x-kept", "1"),
                ] {
                    reply.headers.insert(name, HeaderValue::from_static(value));
                }
                Verdict::Respond(Box::new(reply)).into()
            }
            Side::Response => Step::CONTINUE,
        });
        let world = Setup { listener_filters: vec![fake], ..Setup::default() }.start().await;
        let answer = world.ask(&ask("GET", "/")).await;
        for evil in [": 77", ": chunked", "keep-alive", "h2c"] {
            assert!(!answer.contains(evil), "{answer}");
        }
        assert!(answer.contains("x-kept: 1") && answer.contains("content-length: 2"), "{answer}");
        assert_eq!(line(world).await.1, Some(418));
    });
}

#[test]
fn no_filter_sees_the_head_of_two_responses() {
    for at in ["head", "body"] {
        local(async {
            let log = Log::default();
            let [a, b, c] = ["a", "b", "c"].map(|name| Fake::new(&log, name));
            let b = b.answering(move |side, hook, _| {
                let now = match hook {
                    Hook::Headers { .. } => at == "head",
                    Hook::Body { .. } => true,
                    Hook::Trailers => false,
                };
                match side {
                    Side::Response if now => {
                        let reply = LocalReply::text(StatusCode::IM_A_TEAPOT, "no");
                        Verdict::Respond(Box::new(reply)).into()
                    }
                    Side::Response => Verdict::Hold.into(),
                    Side::Request => Step::CONTINUE,
                }
            });
            let part = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
            let setup = Setup { listener_filters: vec![a, b, c], ..answering(part).await };
            let world = setup.start().await;
            let answer = world.ask(&ask("GET", "/")).await;
            assert!(answer.starts_with("HTTP/1.1 418") && answer.ends_with("no"), "{answer}");
            assert_eq!(line(world).await, ("plugin".to_owned(), Some(418), 2));
            let log = log.take();
            let responses: Vec<&str> =
                log.iter().map(String::as_str).filter(|call| call.contains('<')).collect();
            let expect: &[&str] = match at {
                "head" => &["c<head", "b<head", "a<head", "a<body(no)."],
                _ => &[
                    "c<head",
                    "b<head",
                    "c<body(hello).",
                    "b<body(hello).",
                    "a<head",
                    "a<body(no).",
                ],
            };
            assert_eq!(responses, expect);
            assert!(log.ends_with(&[
                "a done".to_owned(),
                "b done".to_owned(),
                "c done".to_owned()
            ]));
        });
    }
}

#[test]
fn a_reply_behind_the_response_head_breaks_the_response_off() {
    local(async {
        let log = Log::default();
        let replying = Fake::new(&log, "a").answering(|side, hook, _| match (side, hook) {
            (Side::Response, Hook::Body { .. }) => {
                let reply = LocalReply::text(StatusCode::IM_A_TEAPOT, "no");
                Verdict::Respond(Box::new(reply)).into()
            }
            _ => Step::CONTINUE,
        });
        let part = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
        let setup = Setup { listener_filters: vec![replying], ..answering(part).await };
        let world = setup.start().await;
        let answer = world.ask(&ask("GET", "/")).await;
        assert!(!answer.contains("418") && !answer.contains("hello"), "{answer}");
        assert!(!answer.contains("0\r\n\r\n"), "it must not look whole: {answer}");
        assert_eq!(line(world).await.0, "plugin");
    });
}
