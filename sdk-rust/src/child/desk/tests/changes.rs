//! Changes of streams and connections: with the answer, before a call, or by one.

use abi_process::v1::{Act, Body, Go, Open, Property, Side, act, change};

use super::*;
use crate::{
    Action, ConnectionId, Flow, FlowAction, Response, StreamId,
    child::testing::{body, complete, go, headers, request},
};

static DECLARATION: Declaration = declaration!(SCRIPTS);

static SCRIPTS: &[(&str, Script)] = &[
    (
        "read own",
        Script {
            headers: |stream, _| {
                let request = stream.request();
                say(&stream.host(), request.header_str("a"));
                say(&stream.host(), request.set_header("b", "2"));
                say(&stream.host(), request.header_str("b"));
                say(&stream.host(), request.set_header(":path", "nowhere"));
                say(&stream.host(), request.headers().len());
                say(&stream.host(), request.set_headers(&Fields::default()));
                say(&stream.host(), request.headers().len());
                Action::Continue
            },
            ..Script::NOTHING
        },
    ),
    (
        "read other",
        Script {
            headers: |stream, _| {
                let request = stream.request();
                say(&stream.host(), stream.response().set_header("b", "2"));
                say(&stream.host(), request.header_str("a"));
                say(&stream.host(), request.header_str("b"));
                say(&stream.host(), request.set_header("c", "3"));
                say(&stream.host(), request.try_header("c"));
                say(&stream.host(), request.header_str("c"));
                Action::Continue
            },
            ..Script::NOTHING
        },
    ),
    (
        "many",
        Script {
            headers: |stream, _| {
                for number in 0..5000 {
                    stream.request().set_header("a", number.to_string()).unwrap();
                }
                Action::Continue
            },
            body: |stream, _| {
                for _ in 0..40 {
                    stream.request().set_body(vec![7; 600 << 10]).unwrap();
                }
                Action::Continue
            },
            ..Script::NOTHING
        },
    ),
    (
        "property",
        Script {
            headers: |stream, _| {
                stream.request().set_header("b", "2").unwrap();
                say(&stream.host(), stream.property(&["source", "address"]));
                say(&stream.host(), stream.set_property(&["source", "address"], "x"));
                say(&stream.host(), stream.property(&["source", "address"]));
                Action::Continue
            },
            ..Script::NOTHING
        },
    ),
    (
        "bytes",
        Script {
            headers: |stream, _| {
                say(&stream.host(), stream.request().body());
                say(&stream.host(), stream.request().set_body("x"));
                Action::Continue
            },
            body: |stream, _| {
                say(&stream.host(), stream.request().set_body("123456789"));
                say(&stream.host(), stream.request().set_body("1234"));
                say(&stream.host(), stream.request().splice_body(1, 2, ""));
                say(&stream.host(), stream.request().body());
                say(&stream.host(), stream.request().splice_body(9, 9, "56"));
                say(&stream.host(), stream.request().body());
                Action::Pause
            },
            ..Script::NOTHING
        },
    ),
    (
        "said",
        Script {
            headers: |stream, _| {
                say(&stream.host(), stream.respond(&Response::new(403)));
                say(&stream.host(), stream.respond(&Response::new(404)));
                stream.reset();
                Action::Continue
            },
            complete: |stream| say(&stream.host(), stream.respond(&Response::new(403))),
            ..Script::NOTHING
        },
    ),
    (
        "resumed",
        Script {
            headers: |stream, _| {
                stream.request().set_header("b", "2").unwrap();
                stream.resume_request();
                stream.resume_response();
                Action::Pause
            },
            ..Script::NOTHING
        },
    ),
    (
        "kinds",
        Script {
            headers: |stream, _| {
                let host = stream.host();
                let connection = host.connection(ConnectionId(stream.id().0));
                say(&host, connection.data(Flow::Upstream));
                connection.resume(Flow::Upstream);
                connection.close();
                let nobody = host.stream(StreamId(77));
                say(&host, nobody.request().set_header("a", "b"));
                say(&host, nobody.request().body());
                say(&host, nobody.respond(&Response::new(200)));
                say(&host, nobody.property(&["source", "address"]));
                nobody.resume_request();
                nobody.reset();
                Action::Continue
            },
            connect: |connection| {
                let host = connection.host();
                let stream = host.stream(StreamId(connection.id().0));
                say(&host, stream.request().set_header("a", "b"));
                say(&host, stream.respond(&Response::new(200)));
                stream.resume_request();
                stream.reset();
                connection.close();
                FlowAction::Continue
            },
            ..Script::NOTHING
        },
    ),
    (
        "log",
        Script {
            complete: |stream| {
                say(&stream.host(), stream.request().header_str("a"));
                say(&stream.host(), stream.response().header_str("a"));
                say(&stream.host(), stream.property(&["response", "code"]));
            },
            ..Script::NOTHING
        },
    ),
];

async fn start(script: &str) -> (FakeChild, FakeHost) {
    let child = FakeChild::new(&DECLARATION, None);
    let mut host = child.greet().await;
    host.open_stream(script).await;
    (child, host)
}

async fn logs(host: &mut FakeHost, count: usize) -> Vec<String> {
    let mut logs = Vec::new();
    for _ in 0..count {
        logs.push(host.log().await);
    }
    logs
}

fn names(changes: &[abi_process::v1::Change]) -> Vec<&'static str> {
    let name = |change: &abi_process::v1::Change| match change.kind.as_ref().unwrap() {
        change::Kind::Set(_) => "set",
        change::Kind::Add(_) => "add",
        change::Kind::Remove(_) => "remove",
        change::Kind::Replace(_) => "replace",
        change::Kind::Body(_) => "body",
        change::Kind::Data(_) => "data",
        change::Kind::Property(_) => "property",
    };
    changes.iter().map(name).collect()
}

#[tokio::test]
async fn a_head_in_hand_is_read_and_changed_without_a_call() {
    let (_child, mut host) = start("read own").await;
    let answer = host.exchange(request(1, &[(":path", "/"), ("a", "1")])).await;
    assert_eq!(names(&answer.changes), ["set", "replace"]);
    let expected = ["Some(\"1\")", "Ok(())", "Some(\"2\")", "Err(BadArgument)", "3", "Ok(())", "1"];
    assert_eq!(host.logs, expected);
}

#[tokio::test]
async fn many_changes_do_not_wait_for_the_answer() {
    let (_child, mut host) = start("many").await;
    host.send([request(1, &[("a", "1")])]).await;
    let lengths = [host.act().await.changes.len(), host.act().await.changes.len()];
    assert_eq!(lengths, [2048, 2048]);
    assert_eq!(host.answer().await.changes.len(), 5000 - 2 * 2048);
    host.send([body(2, 0, "x", true)]).await;
    for _ in 0..20 {
        assert_eq!(host.act().await.changes.len(), 2);
    }
    assert_eq!(host.answer().await.changes.len(), 0);
}

#[tokio::test]
async fn another_head_is_asked_for_once_and_changed_by_calls() {
    let (_child, mut host) = start("read other").await;
    host.send([headers(Side::Response, 1, &[(":status", "200")])]).await;
    // What was changed of the stream is sent before the first question.
    let act = host.act().await;
    assert_eq!((act.context, names(&act.changes), act.kind), (10, vec!["set"], None));
    let call = host.call().await;
    assert!(matches!(call.kind, Some(call::Kind::GetFields(_))), "{call:?}");
    let fields = testing::sent(&[("a", "1")]);
    host.result(&call, Status::Ok, CallResult { fields, ..CallResult::default() }).await;
    let call = host.call().await;
    assert!(matches!(call.kind, Some(call::Kind::Change(_))), "{call:?}");
    host.result(&call, Status::WrongPhase, CallResult::default()).await;
    let call = host.call().await;
    assert!(matches!(call.kind, Some(call::Kind::GetFields(_))), "{call:?}");
    // A head that is gone reads as an empty one.
    host.result(&call, Status::Ok, CallResult::default()).await;
    let answer = host.answer().await;
    assert!(answer.changes.is_empty());
    let expected = ["Ok(())", "Some(\"1\")", "None", "Err(WrongPhase)", "Err(WrongPhase)", "None"];
    assert_eq!(host.logs, expected);
}

#[tokio::test]
async fn a_property_that_came_along_is_not_asked_for_until_it_is_changed() {
    let child = FakeChild::new(&DECLARATION, None);
    let mut host = child.greet().await;
    host.start(Point::StreamFilter, "property").await;
    let path = "source.address".to_owned();
    let property = Property { path, value: "1.2.3.4".into(), segments: Vec::new() };
    let properties = vec![property];
    let open = Open { instance: 1, context: 10, properties, ..Open::default() };
    host.send([event::Kind::Open(open), request(1, &[])]).await;
    assert_eq!(names(&host.act().await.changes), ["set"]);
    let call = host.call().await;
    let Some(call::Kind::SetProperty(set)) = &call.kind else { panic!("{call:?}") };
    assert_eq!((call.context, set.path.as_str()), (10, "source.address"));
    host.result(&call, Status::BadArgument, CallResult::default()).await;
    let call = host.call().await;
    assert!(matches!(call.kind, Some(call::Kind::GetProperty(_))), "{call:?}");
    host.result(&call, Status::Ok, value("y")).await;
    host.answer().await;
    let expected = [
        "Some(Property([49, 46, 50, 46, 51, 46, 52]))",
        "Err(BadArgument)",
        "Some(Property([121]))",
    ];
    assert_eq!(host.logs, expected);
}

#[tokio::test]
async fn bytes_outside_their_callback_are_the_hosts_matter() {
    let (_child, mut host) = start("bytes").await;
    host.send([request(1, &[])]).await;
    for status in [Status::NotFound, Status::WrongPhase] {
        let call = host.call().await;
        host.result(&call, status, CallResult::default()).await;
    }
    host.answer().await;
    assert_eq!(host.logs, ["Err(WrongPhase)", "Err(WrongPhase)"]);
}

#[tokio::test]
async fn bytes_in_hand_are_cut_and_limited() {
    let child = FakeChild::new(&DECLARATION, None);
    let mut host = child.greet().await;
    host.start(Point::StreamFilter, "bytes").await;
    let open = Open { instance: 1, context: 10, held_bytes_max: 8, ..Open::default() };
    host.send([event::Kind::Open(open)]).await;
    let answer = host.exchange(body(1, 0, "abc", false)).await;
    assert_eq!((names(&answer.changes), go(&answer)), (vec!["body"; 3], Go::Pause));
    let expected =
        ["Err(LimitReached)", "Ok(())", "Ok(())", "Ok([49, 52])", "Ok(())", "Ok([49, 52, 53, 54])"];
    assert_eq!(host.logs, expected);
    // Whoever has more than the limit may make it less.
    let bytes = "1234567890".into();
    let long = Body { context: 10, exchange: 2, bytes, ..Body::default() };
    let answer = host.exchange(event::Kind::Body(long)).await;
    assert_eq!(names(&answer.changes), ["body"; 4]);
}

#[tokio::test]
async fn what_is_said_by_a_call_rules_and_the_first_word_stands() {
    let (_child, mut host) = start("said").await;
    let answer = host.exchange(request(1, &[])).await;
    assert_eq!(go(&answer), Go::Respond);
    assert_eq!(answer.verdict.unwrap().response.unwrap().status, 403);
    assert_eq!(host.logs, ["Ok(())", "Ok(())"]);
    host.logs.clear();
    host.exchange(complete(2)).await;
    assert_eq!(host.logs, ["Err(BadArgument)"]);
}

#[tokio::test]
async fn who_resumes_within_the_callback_is_heard_before_the_answer() {
    let (_child, mut host) = start("resumed").await;
    host.send([request(1, &[])]).await;
    assert_eq!(names(&host.act().await.changes), ["set"]);
    for side in [Side::Request, Side::Response] {
        let Act { kind, changes, .. } = host.act().await;
        assert_eq!((kind, changes), (Some(act::Kind::Resume(side.into())), Vec::new()));
    }
    let answer = host.answer().await;
    assert_eq!((go(&answer), answer.changes.len()), (Go::Pause, 0));
}

#[tokio::test]
async fn streams_are_no_connections_and_who_is_not_there_hears_nothing() {
    let (_child, mut host) = start("kinds").await;
    let answer = host.exchange(request(1, &[])).await;
    assert_eq!(go(&answer), Go::Continue);
    let not_found = ["Err(NotFound)"; 3];
    assert_eq!(host.logs[0], "Err(BadArgument)");
    assert_eq!(host.logs[1..4], not_found);
    assert_eq!(host.logs[4], "None");
    host.logs.clear();
    host.send([testing::configure(2, Point::NetworkFilter, "kinds"), open(2, 20)]).await;
    host.configured().await;
    let new = abi_process::v1::NewConnection { context: 20, exchange: 2 };
    let answer = host.exchange(event::Kind::NewConnection(new)).await;
    assert_eq!(go(&answer), Go::Reset);
    assert_eq!(logs(&mut host, 2).await, ["Err(BadArgument)"; 2]);
}

#[tokio::test]
async fn the_log_phase_reads_what_came_along_and_asks_for_the_rest() {
    let (_child, mut host) = start("log").await;
    let request_headers = testing::sent(&[("a", "1")]);
    let end = abi_process::v1::Complete {
        context: 10,
        exchange: 9,
        request_headers,
        ..abi_process::v1::Complete::default()
    };
    host.send([event::Kind::Complete(end)]).await;
    let call = host.call().await;
    assert!(matches!(call.kind, Some(call::Kind::GetFields(_))), "{call:?}");
    host.result(&call, Status::WrongPhase, CallResult::default()).await;
    let call = host.call().await;
    assert!(matches!(call.kind, Some(call::Kind::GetProperty(_))), "{call:?}");
    host.result(&call, Status::Ok, value("x")).await;
    assert_eq!(host.answer().await.exchange, 9);
    assert_eq!(host.logs, ["Some(\"1\")", "None", "Some(Property([120]))"]);
}
