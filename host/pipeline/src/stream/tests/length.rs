//! Lengths and trailers of what filters made of a message.

use host_upstream::UpstreamProtocol;
use http_body_util::BodyExt as _;

use super::*;
use crate::testing::http2;

const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

/// A filter that holds the response's head and body, and makes this of the body.
fn rewriting(log: &Log, with: &'static str) -> Fake {
    Fake::new(log, "a").answering(move |side, hook, stream| match (side, hook) {
        (Side::Response, Hook::Headers { end: false }) => Verdict::Hold.into(),
        (Side::Response, Hook::Body { end }) => {
            if end {
                let bytes = bytes::Bytes::from_static(with.as_bytes());
                stream.response.body.borrow_mut().set(bytes);
            }
            Verdict::Hold.into()
        }
        _ => Step::CONTINUE,
    })
}

/// A filter that adds a trailer to the response at its very end.
fn adding(log: &Log, hold: bool) -> Fake {
    Fake::new(log, "a").answering(move |side, hook, stream| match (side, hook) {
        (Side::Response, Hook::Headers { end: false }) if hold => Verdict::Hold.into(),
        (Side::Response, Hook::Headers { .. }) => {
            write(stream, HeaderMapKind::ResponseHeaders, "trailer", "sum");
            Step::CONTINUE
        }
        (Side::Response, Hook::Body { end: true }) => {
            write(stream, HeaderMapKind::ResponseTrailers, "sum", "7");
            Step::CONTINUE
        }
        (Side::Response, Hook::Body { end: false }) if hold => Verdict::Hold.into(),
        _ => Step::CONTINUE,
    })
}

async fn world(answer: &'static str, fake: Fake) -> World {
    Setup { listener_filters: vec![fake], ..answering(answer).await }.start().await
}

#[test]
fn a_response_that_was_held_whole_is_announced_with_its_new_length() {
    for (with, length) in [("longer than before", 18), ("no", 2), ("", 0)] {
        local(async {
            let log = Log::default();
            let got = world(ANSWER, rewriting(&log, with)).await.ask(&ask("GET", "/")).await;
            let (head, body) = got.split_once("\r\n\r\n").unwrap();
            assert!(head.contains(&format!("content-length: {length}")), "{got}");
            assert!(!head.contains("chunked"), "{got}");
            assert_eq!(body, with);
        });
    }
}

#[test]
fn a_response_without_a_length_gets_one_where_it_was_held_whole() {
    local(async {
        let log = Log::default();
        let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
        let got = world(answer, rewriting(&log, "seven..")).await.ask(&ask("GET", "/")).await;
        assert!(got.contains("content-length: 7") && got.ends_with("\r\n\r\nseven.."), "{got}");
    });
}

#[test]
fn a_head_that_leaves_before_its_body_promises_no_length() {
    local(async {
        let log = Log::default();
        let growing = Fake::new(&log, "a").answering(|side, hook, stream| {
            if (side, hook) == (Side::Response, Hook::Body { end: true }) {
                stream.response.body.borrow_mut().push(&" and more".into());
            }
            Step::CONTINUE
        });
        let got = world(ANSWER, growing).await.ask(&ask("GET", "/")).await;
        assert!(got.contains("chunked") && !got.contains("content-length"), "{got}");
        assert!(got.contains("hello") && got.contains(" and more"), "{got}");
    });
}

#[test]
fn what_has_no_body_keeps_the_length_that_it_stands_for() {
    local(async {
        let log = Log::default();
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
        let passing = || Fake::new(&log, "a").phases(Phases::RESPONSE_HEADERS);
        let got = world(head, passing()).await.ask(&ask("HEAD", "/")).await;
        assert!(got.contains("content-length: 5") && got.ends_with("\r\n\r\n"), "{got}");
        let got = world(head, rewriting(&log, "longer")).await.ask(&ask("HEAD", "/")).await;
        assert!(got.ends_with("\r\n\r\n"), "{got}");
        assert!(!got.contains("content-length"), "a filter would change it: {got}");
        for (status, length) in [("200", "abc"), ("204", "5"), ("200", "+5")] {
            let writing = passing().answering(move |side, _, stream| {
                if side == Side::Response {
                    write(stream, HeaderMapKind::ResponseHeaders, "content-length", length);
                    write(stream, HeaderMapKind::ResponseHeaders, ":status", status);
                }
                Step::CONTINUE
            });
            let got = world(head, writing).await.ask(&ask("HEAD", "/")).await;
            assert!(got.starts_with(&format!("HTTP/1.1 {status}")), "{got}");
            assert!(!got.contains("content-length"), "{got}");
        }
        let unchanged = "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n";
        let got = world(unchanged, rewriting(&log, "longer")).await.ask(&ask("GET", "/")).await;
        assert!(got.starts_with("HTTP/1.1 304") && got.ends_with("\r\n\r\n"), "{got}");
        let none = "HTTP/1.1 204 No Content\r\n\r\n";
        let got = world(none, rewriting(&log, "longer")).await.ask(&ask("GET", "/")).await;
        assert!(got.starts_with("HTTP/1.1 204") && got.ends_with("\r\n\r\n"), "{got}");
        assert!(!got.contains("content-length"), "{got}");
    });
}

#[test]
fn trailers_that_a_filter_makes_of_a_response_go_out() {
    for hold in [false, true] {
        local(async {
            let log = Log::default();
            let asking = ask("GET", "/").replace("connection", "te: trailers\r\nconnection");
            let got = world(ANSWER, adding(&log, hold)).await.ask(&asking).await;
            assert!(got.contains("trailer: sum\r\n") && got.contains("chunked"), "{got}");
            assert!(got.ends_with("0\r\nsum: 7\r\n\r\n"), "{hold}: {got}");

            let world = world(ANSWER, adding(&log, hold)).await;
            let request = http2::request("GET", "/");
            let answer = http2::connect(&world).await.send_request(request).await.unwrap();
            let whole = answer.into_body().collect().await.unwrap();
            assert_eq!(whole.trailers().unwrap()["sum"], "7");
            assert_eq!(whole.to_bytes(), "hello");
        });
    }
}

#[test]
fn trailers_that_a_filter_makes_of_a_request_go_out_over_http2() {
    local(async {
        let sums: Rc<RefCell<Option<String>>> = Rc::default();
        let noted = Rc::clone(&sums);
        let (address, _) = upstream(move |stream| {
            let noted = Rc::clone(&noted);
            let service = hyper::service::service_fn(move |request: Request<_>| {
                let noted = Rc::clone(&noted);
                async move {
                    let body: hyper::body::Incoming = request.into_body();
                    let whole = body.collect().await.unwrap();
                    let sum = whole.trailers().map(|map| map["sum"].to_str().unwrap().to_owned());
                    noted.replace(sum);
                    assert_eq!(whole.to_bytes(), "hello");
                    Ok::<_, std::convert::Infallible>(Response::new(Body::Empty))
                }
            });
            async move {
                let io = hyper_util::rt::TokioIo::new(stream);
                let builder = hyper::server::conn::http2::Builder::new(http2::Executor);
                drop(builder.serve_connection(io, service).await);
            }
        })
        .await;
        let log = Log::default();
        let adding = Fake::new(&log, "a").answering(|side, hook, stream| {
            if (side, hook) == (Side::Request, Hook::Body { end: true }) {
                write(stream, HeaderMapKind::RequestTrailers, "sum", "7");
            }
            Step::CONTINUE
        });
        let setup = Setup { protocol: UpstreamProtocol::Http2, ..Setup::to(address) };
        let world = Setup { listener_filters: vec![adding], ..setup }.start().await;
        let got = world.ask(UPLOAD).await;
        assert!(got.starts_with("HTTP/1.1 200"), "{got}");
        assert_eq!(sums.take().as_deref(), Some("7"));
    });
}
