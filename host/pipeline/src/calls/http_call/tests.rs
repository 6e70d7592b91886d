use std::{
    cell::{Cell, RefCell},
    time::Duration,
};

use host_extension::{CallError, HostCalls as _, Pairs};
use host_telemetry::CALL_OUTCOMES;
use http::StatusCode;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::{
    WorkerCalls,
    testing::{Setup, World, answering, local, read_head, silent, upstream},
};

type Answer = Result<HttpAnswer, OutboundError>;

fn pairs(pairs: &[(&str, &str)]) -> Pairs {
    pairs
        .iter()
        .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
        .collect()
}

fn call(method: &str) -> HttpCall {
    HttpCall {
        cluster: "app".into(),
        headers: pairs(&[(":method", method), (":path", "/p"), (":authority", "auth.test")]),
        body: Bytes::new(),
        trailers: Vec::new(),
        timeout: None,
    }
}

fn calls(world: &World) -> WorkerCalls {
    WorkerCalls::new(Rc::clone(&world.worker))
}

/// Calls, and waits for the answer.
async fn answer(calls: &WorkerCalls, call: HttpCall) -> Answer {
    let (told, answer) = tokio::sync::oneshot::channel();
    let held = calls.http_call(call, Box::new(|answer| assert!(told.send(answer).is_ok())));
    let held = held.unwrap();
    let answer = answer.await.unwrap();
    drop(held);
    answer
}

/// The whole request that an HTTP/1 upstream gets, up to and with `last`.
async fn sent(call: HttpCall, last: &'static str) -> String {
    let got: Rc<RefCell<String>> = Rc::default();
    let noted = Rc::clone(&got);
    let (address, _) = upstream(move |mut stream| {
        let noted = Rc::clone(&noted);
        async move {
            let mut bytes = Vec::new();
            while !bytes.ends_with(last.as_bytes()) {
                bytes.push(stream.read_u8().await.unwrap());
            }
            noted.replace(String::from_utf8(bytes).unwrap());
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        }
    })
    .await;
    let world = Setup::to(address).start().await;
    assert_eq!(answer(&calls(&world), call).await.unwrap().headers.status().unwrap(), 204);
    got.take()
}

#[test]
fn an_answer_comes_whole() {
    local(async {
        let text = "HTTP/1.1 201 Created\r\nx-a: 1\r\nconnection: close\r\ntrailer: t\r\n\
            transfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\nt: 2\r\n\r\n";
        let world = answering(text).await.start().await;
        let calls = calls(&world);
        let inside = Rc::new(Cell::new(true));
        let outside = Rc::clone(&inside);
        let (told, came) = tokio::sync::oneshot::channel();
        let held = calls.http_call(
            call("GET"),
            Box::new(move |answer| {
                assert!(!outside.get(), "called from within the call");
                assert!(told.send(answer).is_ok());
            }),
        );
        inside.set(false);
        let answer: Answer = came.await.unwrap();
        drop(held);
        let answer = answer.unwrap();
        assert_eq!(ended(&world, "answered"), 1);
        assert_eq!(answer.headers.status(), Some(StatusCode::CREATED));
        assert_eq!(answer.headers.get(b"x-a"), Some(&b"1"[..]));
        assert_eq!(answer.headers.get(b"connection"), None);
        assert_eq!(answer.body, "abc");
        assert_eq!(answer.trailers.unwrap().get(b"t"), Some(&b"2"[..]));
    });
}

#[test]
fn the_request_goes_out_as_it_was_said() {
    local(async {
        let plain = sent(call("GET"), "\r\n\r\n").await;
        assert!(plain.starts_with("GET /p HTTP/1.1\r\n") && plain.contains("host: auth.test\r\n"));
        assert!(!plain.contains("content-length"), "{plain}");
        let empty = sent(call("POST"), "\r\n\r\n").await;
        assert!(empty.contains("content-length: 0\r\n"), "{empty}");
        let body = HttpCall { body: "hello".into(), ..call("POST") };
        let whole = sent(body.clone(), "hello").await;
        assert!(whole.contains("content-length: 5\r\n"), "{whole}");
        let trailers = pairs(&[("sum", "7"), ("content-length", "9")]);
        let with = sent(HttpCall { trailers, ..body }, "7\r\n\r\n").await;
        assert!(with.contains("trailer: sum\r\n") && !with.contains("content-length"), "{with}");
        assert!(with.ends_with("5\r\nhello\r\n0\r\nsum: 7\r\n\r\n"), "{with}");
    });
}

#[test]
fn what_cannot_be_called_is_refused_at_once() {
    local(async {
        let world = Setup::default().start().await;
        let calls = calls(&world);
        let refused = |call| calls.http_call(call, Box::new(|_| panic!("called"))).err();
        let unknown = HttpCall { cluster: "nowhere".into(), ..call("GET") };
        assert_eq!(refused(unknown), Some(CallError::NotFound));
        let headless = HttpCall { headers: Vec::new(), ..call("GET") };
        assert_eq!(refused(headless), Some(CallError::BadArgument));
        let trailers = pairs(&[(":path", "/")]);
        let bad = HttpCall { trailers, ..call("GET") };
        assert_eq!(refused(bad), Some(CallError::BadArgument));
        let large = HttpCall { body: vec![0; 64 * 1024 * 1024 + 1].into(), ..call("POST") };
        assert_eq!(refused(large), Some(CallError::LimitReached));
        tokio::task::yield_now().await;
    });
}

#[test]
fn every_failure_has_its_name() {
    local(async {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let refused = Setup::to(free).start().await;
        assert_eq!(failure(&refused).await, OutboundError::Unreachable);
        let nobody = Setup::default().start().await;
        assert_eq!(failure(&nobody).await, OutboundError::Unreachable);
        let mute = answering("").await.start().await;
        assert_eq!(failure(&mute).await, OutboundError::Reset);
        let odd = answering("no HTTP\r\n\r\n").await.start().await;
        assert_eq!(failure(&odd).await, OutboundError::Reset);
        let part = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello";
        assert_eq!(failure(&answering(part).await.start().await).await, OutboundError::Reset);
        let large = "HTTP/1.1 200 OK\r\ncontent-length: 9000000000\r\n\r\nhello";
        assert_eq!(failure(&answering(large).await.start().await).await, OutboundError::TooLarge);
        let (silent, _) = silent().await;
        assert_eq!(failure(&silent.start().await).await, OutboundError::TimedOut);
    });
}

async fn failure(world: &World) -> OutboundError {
    let call = HttpCall { timeout: Some(Duration::from_millis(200)), ..call("GET") };
    let failed = answer(&calls(world), call).await.err().unwrap();
    let outcome = match failed {
        OutboundError::Unreachable => "unreachable",
        OutboundError::TimedOut => "timed_out",
        OutboundError::TooLarge => "too_large",
        OutboundError::Reset | _ => "reset",
    };
    assert_eq!(ended(world, outcome), 1, "{failed}");
    failed
}

/// How many calls ended so, where no call ended another way.
fn ended(world: &World, outcome: &str) -> u64 {
    let cluster = world.worker.clusters.get(&"app".into()).unwrap();
    let counts = CALL_OUTCOMES.iter().zip(&cluster.metrics().plugin_calls);
    let (so, others): (Vec<_>, Vec<_>) = counts.partition(|(label, _)| **label == outcome);
    assert_eq!(others.iter().map(|(_, count)| count.value()).sum::<u64>(), 0, "{outcome}");
    so[0].1.value()
}

#[test]
fn an_answer_that_never_ends_is_too_large_some_time() {
    local(async {
        let (address, _) = upstream(|mut stream: TcpStream| async move {
            read_head(&mut stream).await;
            let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
            stream.write_all(head).await.unwrap();
            while stream.write_all(b"5\r\nhello\r\n").await.is_ok() {}
        })
        .await;
        let world = Setup::to(address).start().await;
        let answer = answer(&calls(&world), call("GET")).await;
        assert_eq!(answer.err(), Some(OutboundError::TooLarge));
    });
}

#[test]
fn an_answer_for_which_others_leave_no_room_is_too_large() {
    local(async {
        let text = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
        let calls = calls(&answering(text).await.start().await);
        let mut others = calls.outbound.bytes();
        let all = 64 * 1024 * 1024;
        let fields = byte_size(&call("GET").headers);
        others.resize(all - fields - 5).unwrap();
        assert_eq!(answer(&calls, call("GET")).await.unwrap().body, "hello");
        others.resize(all - fields - 4).unwrap();
        let refused = answer(&calls, call("GET")).await;
        assert_eq!(refused.err(), Some(OutboundError::TooLarge));
        others.resize(all - fields + 1).unwrap();
        let refused = calls.http_call(call("GET"), Box::new(|_| {}));
        assert_eq!(refused.err(), Some(CallError::LimitReached), "fields count, too");
    });
}

#[test]
fn a_call_that_is_let_go_is_cancelled_and_leaves_nothing() {
    local(async {
        let gone = Rc::new(tokio::sync::Notify::new());
        let (came, goes) = (Rc::new(tokio::sync::Notify::new()), Rc::clone(&gone));
        let comes = Rc::clone(&came);
        let (address, _) = upstream(move |mut stream| {
            let (comes, goes) = (Rc::clone(&comes), Rc::clone(&goes));
            async move {
                read_head(&mut stream).await;
                comes.notify_one();
                let _end = stream.read_to_end(&mut Vec::new()).await;
                goes.notify_one();
            }
        })
        .await;
        let world = Setup::to(address).start().await;
        let calls = calls(&world);
        let token = Rc::new(());
        let kept = Rc::clone(&token);
        let held = calls.http_call(
            call("GET"),
            Box::new(move |_| {
                let _kept = kept;
                panic!("called");
            }),
        );
        came.notified().await;
        drop(held);
        gone.notified().await;
        assert_eq!(Rc::strong_count(&token), 1);
        assert_eq!(ended(&world, "cancelled"), 1);
        assert_eq!(format!("{:?}", calls.outbound).matches(": 0").count(), 3);
    });
}

#[test]
fn the_worker_takes_its_calls_with_it() {
    local(async {
        let (setup, came) = silent().await;
        let world = setup.start().await;
        let calls = calls(&world);
        let (told, answer) = tokio::sync::oneshot::channel();
        let held =
            calls.http_call(call("GET"), Box::new(|answer| assert!(told.send(answer).is_ok())));
        came.notified().await;
        world.worker.abort.raise();
        assert_eq!(answer.await.unwrap().err(), Some(OutboundError::Reset));
        drop(held);
    });
}
