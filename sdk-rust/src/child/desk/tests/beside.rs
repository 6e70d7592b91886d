//! What is asked and said from outside the callbacks of a stream.

use std::sync::atomic::{AtomicU64, Ordering};

use abi_process::v1::{Data, Go, HttpAnswer, Ping, QueueReady, Side, act, reply};

use super::*;
use crate::{
    Action, ConnectionId, Flow, FlowAction, Response, StreamId,
    child::testing::{body, go, headers, request},
};

static DECLARATION: Declaration = declaration!(SCRIPTS);

/// The stream that waits, for the scripts whose instance takes care of it.
static WAITING: AtomicU64 = AtomicU64::new(0);

static SCRIPTS: &[(&str, Script)] = &[
    (
        "authorize",
        Script {
            headers: |stream, _| {
                say(&stream.host(), stream.http_call(&HttpRequest::get("auth", "x", "/")));
                Action::Pause
            },
            stream_answer: |stream, call, answer| {
                say(&stream.host(), (call, answer.map(|answer| answer.status())));
                say(&stream.host(), stream.request().set_header("a", "b"));
                stream.resume_request();
                say(&stream.host(), stream.respond(&Response::new(99)));
                stream.reset();
            },
            ..Script::NOTHING
        },
    ),
    (
        "tended",
        Script {
            headers: |stream, _| {
                WAITING.store(stream.id().0, Ordering::Relaxed);
                Action::Pause
            },
            tick: |host| {
                let stream = host.stream(StreamId(WAITING.load(Ordering::Relaxed)));
                say(host, stream.request().header_str("a"));
                stream.resume_response();
            },
            queue: |host, queue| {
                say(host, queue);
                host.stream(StreamId(WAITING.load(Ordering::Relaxed))).reset();
            },
            ..Script::NOTHING
        },
    ),
    (
        "held",
        Script {
            body: |stream, _| {
                WAITING.store(stream.id().0, Ordering::Relaxed);
                say(&stream.host(), stream.request().body().map(String::from_utf8));
                Action::Pause
            },
            tick: |host| host.stream(StreamId(WAITING.load(Ordering::Relaxed))).resume_request(),
            ..Script::NOTHING
        },
    ),
    (
        "held and resumed at once",
        Script {
            body: |stream, _| {
                stream.resume_request();
                say(&stream.host(), stream.request().body().map(String::from_utf8));
                Action::Pause
            },
            ..Script::NOTHING
        },
    ),
    (
        "held bytes",
        Script {
            data: |connection, flow, _| {
                WAITING.store(connection.id().0, Ordering::Relaxed);
                say(&connection.host(), connection.data(flow).map(String::from_utf8));
                FlowAction::Pause
            },
            tick: |host| {
                let id = ConnectionId(WAITING.load(Ordering::Relaxed));
                host.connection(id).resume(Flow::Downstream);
            },
            ..Script::NOTHING
        },
    ),
    (
        "meter",
        Script {
            connect: |connection| {
                say(&connection.host(), connection.http_call(&HttpRequest::get("c", "x", "/")));
                FlowAction::Pause
            },
            ..Script::NOTHING
        },
    ),
    (
        "own call",
        Script {
            start: |host| {
                say(host, host.http_call(&HttpRequest::get("c", "x", "/")));
                Ok(())
            },
            answer: |host, call, answer| say(host, (call, answer.map(|answer| answer.body))),
            ..Script::NOTHING
        },
    ),
    (
        "count",
        Script {
            tick: |host| {
                crate::Counter(crate::MetricId(1)).add(host, 2);
                crate::Gauge(crate::MetricId(2)).add(host, -3);
                crate::Gauge(crate::MetricId(3)).set(host, u64::MAX);
                crate::Histogram(crate::MetricId(4)).record(host, 5);
                say(host, "done");
            },
            ..Script::NOTHING
        },
    ),
    (
        "ask for ever",
        Script {
            tick: |host| while host.shared_data("key") != Err(HostError::Unsupported) {},
            ..Script::NOTHING
        },
    ),
];

async fn start() -> (FakeChild, FakeHost) {
    let child = FakeChild::new(&DECLARATION, None);
    let host = child.greet().await;
    (child, host)
}

#[tokio::test]
async fn the_answer_to_a_call_of_a_stream_may_end_its_wait() {
    let (_child, mut host) = start().await;
    host.open_stream("authorize").await;
    host.send([request(1, &[])]).await;
    let call = host.call().await;
    assert_eq!(call.context, 10);
    host.result(&call, Status::Ok, CallResult::default()).await;
    assert_eq!(go(&host.answer().await), Go::Pause);
    assert_eq!(host.log().await, "Ok(CallId(1))");
    let fields = testing::sent(&[(":status", "200")]);
    let answer = HttpAnswer { id: call.id, context: 10, fields, ..HttpAnswer::default() };
    host.send([event::Kind::HttpAnswer(answer)]).await;
    let call = host.call().await;
    assert!(matches!(call.kind, Some(call::Kind::Change(_))), "{call:?}");
    host.result(&call, Status::Ok, CallResult::default()).await;
    let resume = Some(act::Kind::Resume(Side::Request.into()));
    assert_eq!(host.act().await.kind, resume);
    let Some(act::Kind::Respond(response)) = host.act().await.kind else { panic!("no response") };
    // A status that no whole response has.
    assert_eq!(response.status, 500);
    assert_eq!(host.act().await.kind, Some(act::Kind::Reset(true)));
    let expected = ["(CallId(1), Ok(200))", "Ok(())", "Ok(())"];
    assert_eq!(host.logs, expected);
}

#[tokio::test]
async fn an_instance_tends_a_stream_that_waits() {
    let (_child, mut host) = start().await;
    host.open_stream("tended").await;
    host.exchange(headers(Side::Response, 1, &[("a", "b")])).await;
    host.send([event::Kind::Tick(Tick { instance: 1 })]).await;
    let call = host.call().await;
    assert_eq!((call.context, call.instance), (10, 1));
    let fields = testing::sent(&[("a", "c")]);
    host.result(&call, Status::Ok, CallResult { fields, ..CallResult::default() }).await;
    let resume = Some(act::Kind::Resume(Side::Response.into()));
    assert_eq!(host.act().await.kind, resume);
    host.send([event::Kind::QueueReady(QueueReady { instance: 1, queue: 4 })]).await;
    assert_eq!(host.act().await.kind, Some(act::Kind::Reset(true)));
    assert_eq!(host.logs, ["Some(\"c\")", "QueueId(4)"]);
}

/// The host has these bytes in hand, and is asked for them.
async fn ask_bytes(host: &mut FakeHost, bytes: &'static str) {
    let call = host.call().await;
    assert!(matches!(call.kind, Some(call::Kind::GetBytes(_))), "{call:?}");
    let result = CallResult { value: bytes.into(), ..CallResult::default() };
    host.result(&call, Status::Ok, result).await;
}

#[tokio::test]
async fn bytes_that_were_resumed_do_not_stand_before_the_next_ones() {
    let (_child, mut host) = start().await;
    host.open_stream("held").await;
    assert_eq!(go(&host.exchange(body(1, 0, "one ", false)).await), Go::Pause);
    host.send([event::Kind::Tick(Tick { instance: 1 })]).await;
    assert_eq!(host.act().await.kind, Some(act::Kind::Resume(Side::Request.into())));
    // A host that believes them still held, and a resume that crossed with the next bytes.
    host.send([body(2, 4, "and more", false)]).await;
    ask_bytes(&mut host, "two and more").await;
    assert_eq!(go(&host.answer().await), Go::Pause);
    assert_eq!(host.logs, [r#"Ok(Ok("one "))"#, r#"Ok(Ok("two and more"))"#]);
}

#[tokio::test]
async fn bytes_of_a_connection_that_were_resumed_are_let_go() {
    let (_child, mut host) = start().await;
    host.open_connection("held bytes").await;
    let data = |exchange, held, bytes: &'static str| {
        let bytes = bytes.into();
        event::Kind::Data(Data { context: 10, exchange, flow: 0, bytes, held, end: false })
    };
    assert_eq!(go(&host.exchange(data(1, 0, "one ")).await), Go::Pause);
    host.send([event::Kind::Tick(Tick { instance: 1 })]).await;
    assert_eq!(host.act().await.kind, Some(act::Kind::ResumeFlow(0)));
    host.send([data(2, 4, "and more")]).await;
    ask_bytes(&mut host, "two and more").await;
    assert_eq!(go(&host.answer().await), Go::Pause);
}

#[tokio::test]
async fn bytes_that_are_resumed_within_their_callback_stay_in_hand_until_its_end() {
    let (_child, mut host) = start().await;
    host.open_stream("held and resumed at once").await;
    host.send([body(1, 0, "one ", false)]).await;
    assert_eq!(host.act().await.kind, Some(act::Kind::Resume(Side::Request.into())));
    assert_eq!(go(&host.answer().await), Go::Pause);
    assert_eq!(host.logs, [r#"Ok(Ok("one "))"#]);
    host.send([body(2, 4, "and more", false)]).await;
    assert_eq!(host.act().await.kind, Some(act::Kind::Resume(Side::Request.into())));
    ask_bytes(&mut host, "two and more").await;
    assert_eq!(go(&host.answer().await), Go::Pause);
}

#[tokio::test]
async fn a_stream_of_another_instance_is_not_there() {
    let (_child, mut host) = start().await;
    host.open_stream("tended").await;
    host.exchange(request(1, &[])).await;
    host.send([testing::configure(2, Point::Service, "tended")]).await;
    host.configured().await;
    host.send([event::Kind::Tick(Tick { instance: 2 })]).await;
    assert_eq!(host.log().await, "None");
}

#[tokio::test]
async fn calls_at_the_start_and_their_answers_are_the_instances() {
    let (_child, mut host) = start().await;
    host.send([testing::configure(1, Point::Service, "own call")]).await;
    let call = host.call().await;
    assert_eq!((call.context, call.instance), (0, 1));
    // The answer comes together with the result: it waits until the start is done.
    let answer = HttpAnswer { id: call.id, instance: 1, failed: true, ..HttpAnswer::default() };
    let result = CallResult { id: call.id, ..CallResult::default() };
    host.send([event::Kind::HttpAnswer(answer), event::Kind::CallResult(result)]).await;
    assert_eq!(host.configured().await.error, "");
    assert_eq!(host.log().await, "Ok(CallId(1))");
    assert_eq!(host.log().await, "(CallId(1), Err(CallFailure))");
}

#[tokio::test]
async fn a_call_of_a_connection_is_in_its_name() {
    let (_child, mut host) = start().await;
    host.open_connection("meter").await;
    let new = abi_process::v1::NewConnection { context: 10, exchange: 1 };
    host.send([event::Kind::NewConnection(new)]).await;
    let call = host.call().await;
    assert_eq!(call.context, 10);
    host.result(&call, Status::NotFound, CallResult::default()).await;
    host.answer().await;
    assert_eq!(host.log().await, "Err(NotFound)");
}

#[tokio::test]
async fn counting_waits_for_nobody() {
    let (_child, mut host) = start().await;
    host.start(Point::Service, "count").await;
    host.send([event::Kind::Tick(Tick { instance: 1 })]).await;
    let mut counted = Vec::new();
    for _ in 0..4 {
        let call = host.call().await;
        assert!(call.silent);
        if let Some(call::Kind::IncrementMetric(change)) = call.kind {
            counted.push(("increment", change.metric, change.by));
        } else if let Some(call::Kind::RecordMetric(change)) = call.kind {
            counted.push(("record", change.metric, change.by));
        }
    }
    let expected = [("increment", 1, 2), ("increment", 2, -3), ("record", 3, -1), ("record", 4, 5)];
    assert_eq!(counted, expected);
    assert_eq!(host.log().await, "\"done\"");
}

#[tokio::test]
async fn a_thread_that_waits_for_the_host_answers_pings_and_keeps_the_rest() {
    let (_child, mut host) = start().await;
    host.open_stream("authorize").await;
    host.send([request(1, &[])]).await;
    let call = host.call().await;
    host.send([
        event::Kind::Ping(Ping { number: 1 }),
        headers(Side::Response, 2, &[]),
        event::Kind::CallResult(CallResult { id: call.id + 1, ..CallResult::default() }),
        event::Kind::Ping(Ping { number: 2 }),
    ])
    .await;
    for number in [1, 2] {
        let Some(reply::Kind::Pong(pong)) = host.next().await else { panic!("no pong") };
        assert_eq!(pong.number, number);
    }
    host.result(&call, Status::LimitReached, CallResult::default()).await;
    assert_eq!(host.answer().await.exchange, 1);
    let call = host.call().await;
    host.result(&call, Status::LimitReached, CallResult::default()).await;
    assert_eq!(host.answer().await.exchange, 2);
}

#[tokio::test]
async fn a_call_without_a_host_ends_and_with_it_the_session() {
    let (_child, mut host) = start().await;
    host.start(Point::Service, "ask for ever").await;
    host.send([event::Kind::Tick(Tick { instance: 1 })]).await;
    host.call().await;
    let mut replies = host.hang_up();
    assert!(replies.message().await.unwrap().is_none());
}
