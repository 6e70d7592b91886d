#![expect(clippy::excessive_nesting, reason = "a peer is a task in a runtime in a test")]

mod units;

use std::cell::{Cell, RefCell};

use bytes::Bytes;
use futures_util::stream;
use host_extension::HostCalls as _;
use host_upstream::BodyError;
use http::Response;
use http_body::Frame;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, sync::Notify};

use super::*;
use crate::{
    WorkerCalls,
    testing::{Setup, World, answering, http2::Executor, local, silent, upstream},
};

type Answer = Response<Body>;

/// A cluster that speaks HTTP/2 and answers so.
async fn serving<F>(serve: impl Fn(Request<Incoming>) -> F + 'static) -> World
where
    F: Future<Output = Answer> + 'static,
{
    let serve = Rc::new(serve);
    let (address, _) = upstream(move |stream| {
        let serve = Rc::clone(&serve);
        async move {
            let service = service_fn(move |request| {
                let answer = serve(request);
                async move { Ok::<Answer, BodyError>(answer.await) }
            });
            let builder = hyper::server::conn::http2::Builder::new(Executor);
            drop(builder.serve_connection(TokioIo::new(stream), service).await);
        }
    })
    .await;
    Setup { protocol: UpstreamProtocol::Http2, ..Setup::to(address) }.start().await
}

/// A cluster whose every answer has this status, these fields and these frames.
async fn scripted(
    status: u16,
    head: &'static [(&'static str, &'static str)],
    frames: Vec<Frame<Bytes>>,
) -> World {
    let frames = RefCell::new(Some(frames));
    serving(move |_| {
        let frames = frames.take().unwrap_or_default();
        async move {
            let mut answer = Response::builder().status(status);
            for (name, value) in head {
                answer = answer.header(*name, *value);
            }
            let none = frames.is_empty();
            let body = Body::stream(stream::iter(frames.into_iter().map(Ok)));
            answer.body(if none { Body::Empty } else { body }).unwrap()
        }
    })
    .await
}

fn data(bytes: &[u8]) -> Frame<Bytes> {
    Frame::data(Bytes::copy_from_slice(bytes))
}

fn trailers(fields: &[(&'static str, &'static str)]) -> Frame<Bytes> {
    Frame::trailers(crate::testing::fields(fields))
}

/// What came of a stream, in words.
#[derive(Clone, Default)]
struct Events {
    seen: Rc<RefCell<Vec<String>>>,
    told: Rc<Notify>,
}

impl Events {
    fn listener(&self) -> OnGrpcEvent {
        let this = self.clone();
        Rc::new(move |event| {
            let fields = |headers: &Headers| {
                let shown = headers.iter().filter(|(name, _)| *name != b"date");
                let field = |(name, value)| {
                    [String::from_utf8_lossy(name), String::from_utf8_lossy(value)].join("=")
                };
                shown.map(field).collect::<Vec<_>>().join(",")
            };
            let text = match event {
                GrpcEvent::InitialMetadata(head) => format!("head({})", fields(&head)),
                GrpcEvent::Message(bytes) => format!("message({})", bytes.escape_ascii()),
                GrpcEvent::TrailingMetadata(end) => format!("trailers({})", fields(&end)),
                GrpcEvent::Closed { status, message } => format!("closed {status}: {message}"),
            };
            this.seen.borrow_mut().push(text);
            this.told.notify_one();
        })
    }

    async fn until(&self, start: &str) -> Vec<String> {
        while !self.seen.borrow().last().is_some_and(|last| last.starts_with(start)) {
            self.told.notified().await;
        }
        self.seen.borrow().clone()
    }
}

fn method() -> GrpcMethod {
    GrpcMethod {
        cluster: "app".into(),
        service: "pkg.Echo".into(),
        method: "Say".into(),
        metadata: Vec::new(),
        timeout: None,
    }
}

fn calls(world: &World) -> WorkerCalls {
    WorkerCalls::new(Rc::clone(&world.worker))
}

/// Everything that comes of a call without a message.
async fn events(world: &World, method: GrpcMethod) -> Vec<String> {
    let events = Events::default();
    let stream = calls(world).grpc_stream(method, events.listener()).unwrap();
    stream.close();
    let seen = events.until("closed").await;
    drop(stream);
    seen
}

#[test]
fn messages_go_both_ways_and_the_trailers_say_how_it_ended() {
    local(async {
        let head: Rc<RefCell<HeaderMap>> = Rc::default();
        let noted = Rc::clone(&head);
        let world = serving(move |request: Request<Incoming>| {
            let (parts, mut body) = request.into_parts();
            assert_eq!((parts.method, parts.uri.path()), (Method::POST, "/pkg.Echo/Say"));
            assert_eq!(parts.uri.authority().unwrap(), "app");
            noted.replace(parts.headers);
            // Message for message, as it comes.
            let frames = stream::poll_fn(move |context| Pin::new(&mut body).poll_frame(context));
            let echo = futures_util::StreamExt::map(frames, |frame| {
                frame.map_err(|_broken| BodyError::Stopped("broken"))
            });
            let end = trailers(&[("grpc-status", "5"), ("grpc-message", "not%20h%c3%a4re")]);
            let all = futures_util::StreamExt::chain(echo, stream::iter([Ok(end)]));
            async move { Response::builder().header("x-a", "1").body(Body::stream(all)).unwrap() }
        })
        .await;
        let pairs: &[(&[u8], &[u8])] = &[
            (b"x-b", b"2"),
            (b"raw-bin", b"\0\xff"),
            (b"grpc-timeout", b"1n"),
            (b"content-type", b"text/plain"),
            (b"connection", b"x-b"),
        ];
        let metadata = pairs.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
        let timeout = Some(Duration::from_secs(20));
        let method = GrpcMethod { metadata, timeout, ..method() };
        let events = Events::default();
        let stream = calls(&world).grpc_stream(method, events.listener()).unwrap();
        assert!(events.seen.borrow().is_empty(), "nothing within the call");
        stream.send(b"one", false).unwrap();
        events.until("message(one)").await;
        stream.send(b"", false).unwrap();
        events.until("message()").await;
        stream.send(b"three", true).unwrap();
        assert_eq!(stream.send(b"four", false), Err(CallError::BadArgument));
        let expect = [
            "head(x-a=1)",
            "message(one)",
            "message()",
            "message(three)",
            "trailers(grpc-status=5,grpc-message=not%20h%c3%a4re)",
            "closed 5: not h\u{e4}re",
        ];
        assert_eq!(events.until("closed").await, expect);
        let head = head.borrow();
        for (name, value) in [
            ("content-type", "application/grpc"),
            ("te", "trailers"),
            ("grpc-timeout", "20000000u"),
            ("raw-bin", "AP8"),
        ] {
            assert_eq!(head[name], value, "{name}");
        }
        assert_eq!(head.get_all("grpc-timeout").iter().count(), 1);
        assert!(!head.contains_key("connection") && !head.contains_key("x-b"), "one hop's");
    });
}

#[test]
fn an_answer_may_be_trailers_only() {
    local(async {
        let head = &[("grpc-status", "7"), ("grpc-message", "no")];
        let world = scripted(200, head, Vec::new()).await;
        let expect = ["head()", "trailers(grpc-status=7,grpc-message=no)", "closed 7: no"];
        assert_eq!(events(&world, method()).await, expect);
    });
}

#[test]
fn an_answer_that_is_no_grpc_gets_the_status_of_its_http() {
    for (status, code) in
        [(400, 13), (401, 16), (403, 7), (404, 12), (503, 14), (429, 14), (500, 2)]
    {
        local(async {
            let world = scripted(status, &[], vec![data(b"sorry")]).await;
            let seen = events(&world, method()).await;
            let last = format!("closed {code}: the upstream answered with status {status}");
            assert_eq!(seen.last(), Some(&last));
        });
    }
}

#[test]
fn an_answer_that_breaks_its_frames_or_has_no_status_is_told_so() {
    let large = u32::try_from(frames::MESSAGE_BYTES_MAX + 1).unwrap().to_be_bytes();
    let large = [&[0], &large[..]].concat();
    let cases: [(&[u8], &str); 6] = [
        (b"", "closed 2"),
        (b"\0\0\0\0\x01a", "closed 2"),
        (b"\x01\0\0\0\x01a", "closed 13: a message is compressed"),
        (b"\x02\0\0\0\x01a", "closed 13"),
        (b"\0\0\0\0\x02a", "closed 13: the answer ends within a message"),
        (&large, "closed 8"),
    ];
    for (bytes, expect) in cases {
        local(async {
            let world = scripted(200, &[], vec![data(bytes)]).await;
            let seen = events(&world, method()).await;
            assert!(seen.last().unwrap().starts_with(expect), "{seen:?}");
        });
    }
    local(async {
        let end = trailers(&[("grpc-status", "0")]);
        let world = scripted(200, &[], vec![data(b"\0\0\0"), end]).await;
        assert!(events(&world, method()).await.last().unwrap().starts_with("closed 13"));
        let odd = trailers(&[("grpc-status", "many")]);
        let world = scripted(200, &[], vec![odd]).await;
        assert_eq!(events(&world, method()).await.last().unwrap(), "closed 2: ");
    });
}

#[test]
fn a_call_that_takes_too_long_is_over_and_one_that_reaches_nobody_is_unavailable() {
    local(async {
        let world = serving(|_| std::future::pending()).await;
        let timeout = Some(Duration::from_millis(100));
        let seen = events(&world, GrpcMethod { timeout, ..method() }).await;
        assert_eq!(seen, ["closed 4: timed out"]);
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let setup = Setup { protocol: UpstreamProtocol::Http2, ..Setup::to(free) };
        let seen = events(&setup.start().await, method()).await;
        assert_eq!(seen, ["closed 14: no connection to the upstream"]);
        let (setup, _) = silent().await;
        let world = Setup { protocol: UpstreamProtocol::Http2, ..setup }.start().await;
        world.worker.abort.raise();
        assert_eq!(events(&world, method()).await, ["closed 14: the upstream broke off"]);
    });
}

#[test]
fn what_cannot_be_called_is_refused_at_once() {
    local(async {
        let one = answering("").await.start().await;
        let refused = |world: &World, method| {
            calls(world).grpc_stream(method, Rc::new(|_| panic!("told"))).err()
        };
        assert_eq!(refused(&one, method()), Some(CallError::BadArgument), "it speaks HTTP/1");
        let world = scripted(200, &[], Vec::new()).await;
        let unknown = GrpcMethod { cluster: "nowhere".into(), ..method() };
        assert_eq!(refused(&world, unknown), Some(CallError::NotFound));
        for service in ["", "a b", "a?b", "a#b", "\0"] {
            let bad = GrpcMethod { service: service.into(), ..method() };
            assert_eq!(refused(&world, bad), Some(CallError::BadArgument), "{service:?}");
        }
        for name in [":path", "a b", ""] {
            let metadata = vec![(name.into(), b"1".to_vec())];
            let bad = GrpcMethod { metadata, ..method() };
            assert_eq!(refused(&world, bad), Some(CallError::BadArgument), "{name:?}");
        }
        tokio::task::yield_now().await;
    });
}

/// Drops its signal's other side when the server lets the request go.
struct Notes(Rc<Notify>);

impl Drop for Notes {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

#[test]
fn a_stream_that_is_let_go_is_reset_and_never_looks_whole() {
    local(async {
        let (came, broke) = (Rc::new(Notify::new()), Rc::new(Notify::new()));
        let whole = Rc::new(Cell::new(false));
        let (comes, breaks, ends) = (Rc::clone(&came), Rc::clone(&broke), Rc::clone(&whole));
        let world = serving(move |request: Request<Incoming>| {
            let (comes, ends) = (Rc::clone(&comes), Rc::clone(&ends));
            let notes = Notes(Rc::clone(&breaks));
            async move {
                let mut body = request.into_body();
                comes.notify_one();
                loop {
                    match poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
                        Some(Ok(_)) => {}
                        Some(Err(_)) => break,
                        None => {
                            ends.set(true);
                            break;
                        }
                    }
                }
                drop(notes);
                std::future::pending().await
            }
        })
        .await;
        let events = Events::default();
        let calls = calls(&world);
        let stream = calls.grpc_stream(method(), events.listener()).unwrap();
        stream.send(b"part", false).unwrap();
        came.notified().await;
        drop(stream);
        broke.notified().await;
        assert!(!whole.get(), "it was broken off");
        assert_eq!(events.seen.take(), Vec::<String>::new(), "no last word");
        assert_eq!(Rc::strong_count(&events.seen), 1, "nothing is left of it");
        assert!(calls.outbound.call(0).is_ok());
    });
}

#[test]
fn a_plugin_may_let_go_within_an_event() {
    local(async {
        let messages = data(b"\0\0\0\0\x01a\0\0\0\0\x01b\0\0\0\0\x01c");
        let world = scripted(200, &[], vec![messages, trailers(&[("grpc-status", "0")])]).await;
        let (events, held) = (Events::default(), Rc::new(RefCell::new(None)));
        let (listener, holds) = (events.listener(), Rc::clone(&held));
        let on_event: OnGrpcEvent = Rc::new(move |event| {
            let last = matches!(&event, GrpcEvent::Message(bytes) if bytes == "b");
            listener(event);
            if last {
                let held: Option<Box<dyn GrpcStream>> = holds.take();
                drop(held);
            }
        });
        held.replace(Some(calls(&world).grpc_stream(method(), on_event).unwrap()));
        events.until("message(b)").await;
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert_eq!(events.seen.take(), ["head()", "message(a)", "message(b)"]);
    });
}
