mod faults;
mod start;

use abi_process::v1::{
    Body, Close, Data, Drain, Go, Hello, Limits, NewConnection, Ping, Release, Side, Tick, Trailers,
};
use tonic::Code;

use super::*;
use crate::{
    Action, Flow, FlowAction, Refusal, Response,
    backend::Registration,
    child::testing::{
        self, FakeChild, FakeHost, Script, body, complete, configure, go, hello, open, request, say,
    },
};

static SCRIPTS: &[(&str, Script)] = &[
    ("nothing", Script::NOTHING),
    (
        "change",
        Script {
            headers: |stream, end| {
                stream.request().set_header("x-seen", format!("{end}")).unwrap();
                Action::Continue
            },
            trailers: |stream| {
                stream.request().set_trailer("x-late", "yes").unwrap();
                Action::Continue
            },
            ..Script::NOTHING
        },
    ),
    ("refuse", Script { start: |_| Err(Refusal::new("not today")), ..Script::NOTHING }),
    ("refuse silently", Script { start: |_| Err(Refusal::new("")), ..Script::NOTHING }),
    ("panic at start", Script { start: |_| panic!("no start"), ..Script::NOTHING }),
    ("panic", Script { headers: |_, _| panic!("no head"), ..Script::NOTHING }),
    ("panic on tick", Script { tick: |_| panic!("no tick"), ..Script::NOTHING }),
    ("panic at the end", Script { complete: |_| panic!("no end"), ..Script::NOTHING }),
    ("panic at close", Script { close: |_, _, _| panic!("no close"), ..Script::NOTHING }),
    ("panic at the filter", Script { makes: || panic!("no filter"), ..Script::NOTHING }),
    ("panic at the drop", Script { drops: || panic!("no drop"), ..Script::NOTHING }),
    ("no filter", Script { makes: || false, ..Script::NOTHING }),
    ("pause", Script { headers: |_, _| Action::Pause, ..Script::NOTHING }),
    ("reset", Script { headers: |_, _| Action::Reset, ..Script::NOTHING }),
    ("respond", Script { headers: |_, _| Response::text(403, "no").into(), ..Script::NOTHING }),
    ("respond wrongly", Script { headers: |_, _| Response::new(99).into(), ..Script::NOTHING }),
    (
        "respond with many fields",
        Script {
            headers: |_, _| {
                let response = (0..1025).fold(Response::new(200), |all, _| all.header("a", ""));
                response.into()
            },
            ..Script::NOTHING
        },
    ),
    (
        "change at length",
        Script {
            headers: |stream, _| {
                stream.request().set_header("x-long", [b'a'; 5000]).unwrap();
                Action::Continue
            },
            ..Script::NOTHING
        },
    ),
    (
        "respond at length",
        Script { headers: |_, _| Response::new(200).body([0; 5000]).into(), ..Script::NOTHING },
    ),
    (
        "hold",
        Script {
            body: |stream, end| {
                let bytes = stream.request().body().unwrap();
                if end {
                    stream.request().set_body(bytes.to_ascii_uppercase()).unwrap();
                    return Action::Continue;
                }
                stream.request().splice_body(bytes.len(), 0, "-").unwrap();
                Action::Pause
            },
            ..Script::NOTHING
        },
    ),
    (
        "network",
        Script {
            connect: |_| FlowAction::Pause,
            data: |connection, flow, end| {
                if end {
                    return FlowAction::Close;
                }
                let bytes = connection.data(flow).unwrap();
                connection.splice_data(flow, 0, 0, [b"<", bytes.as_slice()].concat()).unwrap();
                FlowAction::Continue
            },
            close: |connection, flow, by| say(&connection.host(), (flow, by)),
            ..Script::NOTHING
        },
    ),
    (
        "speak",
        Script {
            headers: |stream, _| {
                say(&stream.host(), stream.id().0);
                Action::Continue
            },
            ..Script::NOTHING
        },
    ),
];

static DECLARATION: Declaration = Declaration {
    name: "probe",
    version: "1.2.3",
    plugins: &[Registration {
        root_id: "",
        phases: Phases::ALL,
        properties: &[],
        start: |config, host| testing::start(SCRIPTS, config, host),
    }],
};

static SEVERAL: Declaration = Declaration {
    name: "several",
    version: "1.2.3",
    plugins: &[
        Registration {
            root_id: "all",
            phases: Phases::ALL,
            properties: &[],
            start: |config, host| testing::start(SCRIPTS, config, host),
        },
        Registration {
            root_id: "few",
            phases: Phases::REQUEST_BODY,
            properties: &[&["source", "address"], &["response", "code"], &["node", "a.b"]],
            start: |config, host| testing::start(SCRIPTS, config, host),
        },
    ],
};

fn child() -> FakeChild {
    FakeChild::new(&DECLARATION, None)
}

fn error(answer: &abi_process::v1::Answer) -> &str {
    &answer.verdict.as_ref().unwrap().error
}

/// Waits until the session ends, and hears what is said till then.
async fn rest(mut host: FakeHost) -> Vec<reply::Kind> {
    let mut rest = Vec::new();
    while let Some(reply) = host.next().await {
        rest.push(reply);
    }
    rest
}

#[tokio::test]
async fn a_head_and_trailers_are_answered_with_what_was_changed() {
    let child = child();
    let mut host = child.greet().await;
    host.open_stream("change").await;
    let answer = host.exchange(request(7, &[(":path", "/"), ("a", "b")])).await;
    assert_eq!((answer.context, answer.exchange, go(&answer)), (10, 7, Go::Continue));
    let expected = wire::field_change(
        crate::backend::Section::RequestHeaders,
        crate::backend::FieldChange::Set("x-seen", b"false"),
    );
    assert_eq!(answer.changes[0].kind, Some(expected));
    let trailers = Trailers { context: 10, exchange: 8, ..Trailers::default() };
    let answer = host.exchange(event::Kind::Trailers(trailers)).await;
    assert_eq!((answer.exchange, answer.changes.len()), (8, 1));
}

#[tokio::test]
async fn verdicts_are_those_of_the_plugin() {
    for (script, expected) in [
        ("pause", Go::Pause),
        ("reset", Go::Reset),
        ("respond", Go::Respond),
        ("respond wrongly", Go::Respond),
        ("nothing", Go::Continue),
    ] {
        let child = child();
        let mut host = child.greet().await;
        host.open_stream(script).await;
        let answer = host.exchange(request(1, &[])).await;
        assert_eq!(go(&answer), expected, "{script}");
        let status = answer.verdict.unwrap().response.map(|response| response.status);
        let said = match script {
            "respond" => Some(403),
            "respond wrongly" => Some(500),
            _ => None,
        };
        assert_eq!(status, said, "{script}");
    }
}

#[tokio::test]
async fn what_a_plugin_does_not_want_goes_on_without_it() {
    let child = FakeChild::new(&SEVERAL, None);
    let mut host = child.greet().await;
    let mut event = configure(1, Point::StreamFilter, "panic");
    let event::Kind::Configure(configure) = &mut event else { unreachable!() };
    configure.root_id = "few".to_owned();
    host.send([event, open(1, 10)]).await;
    host.configured().await;
    let answer = host.exchange(request(1, &[])).await;
    assert_eq!(go(&answer), Go::Continue);
}

#[tokio::test]
async fn events_for_what_is_not_there_are_ignored_and_noted_once() {
    let child = child();
    let host = child.greet().await;
    let unknown = [
        request(1, &[]),
        body(2, 0, "x", true),
        event::Kind::Trailers(Trailers { context: 10, ..Trailers::default() }),
        event::Kind::Data(Data { context: 10, ..Data::default() }),
        event::Kind::NewConnection(NewConnection { context: 10, exchange: 3 }),
        event::Kind::Close(Close { context: 10, ..Close::default() }),
        complete(4),
        open(1, 10),
        event::Kind::Tick(Tick { instance: 1 }),
        event::Kind::QueueReady(QueueReady { instance: 1, queue: 1 }),
        event::Kind::HttpAnswer(HttpAnswer { context: 10, ..HttpAnswer::default() }),
        event::Kind::HttpAnswer(HttpAnswer { instance: 1, ..HttpAnswer::default() }),
        event::Kind::CallResult(abi_process::v1::CallResult::default()),
        event::Kind::Release(Release { instance: 1 }),
        hello(Limits::default()),
    ];
    host.send(unknown).await;
    host.send([event::Kind::Ping(Ping { number: 9 }), event::Kind::Drain(Drain {})]).await;
    let rest = rest(host).await;
    let [reply::Kind::Log(_), reply::Kind::Pong(pong)] = rest.as_slice() else {
        panic!("{rest:?}")
    };
    assert_eq!(pong.number, 9);
}

#[tokio::test]
async fn a_session_that_drains_ends_with_its_last_stream() {
    let child = child();
    let mut host = child.greet().await;
    host.open_stream("pause").await;
    host.send([open(1, 11), event::Kind::Drain(Drain {})]).await;
    let answer = host.exchange(request(1, &[])).await;
    assert_eq!(go(&answer), Go::Pause);
    let other = event::Kind::Complete(abi_process::v1::Complete {
        context: 11,
        ..abi_process::v1::Complete::default()
    });
    host.send([other, complete(0)]).await;
    assert!(rest(host).await.is_empty());
}

#[tokio::test]
async fn a_session_without_streams_drains_at_once() {
    let child = child();
    let mut host = child.greet().await;
    host.start(Point::Service, "nothing").await;
    host.send([event::Kind::Drain(Drain {})]).await;
    assert!(rest(host).await.is_empty());
}

#[tokio::test]
async fn a_session_ends_where_the_proxy_hangs_up() {
    let child = child();
    let mut host = child.greet().await;
    host.open_stream("pause").await;
    let mut replies = host.hang_up();
    assert!(replies.message().await.unwrap().is_none());
}

#[tokio::test]
async fn more_streams_than_the_proxy_allows_itself_end_the_session() {
    let child = child();
    let mut host = child.connect(None).await.unwrap();
    host.send([hello(Limits { contexts_max: 2, ..Limits::default() })]).await;
    host.next().await;
    host.open_stream("nothing").await;
    host.send([open(1, 11), open(1, 12)]).await;
    let refused = host.try_next().await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
}

#[tokio::test]
async fn a_stream_that_is_opened_twice_ends_the_session() {
    let child = child();
    let mut host = child.greet().await;
    host.open_stream("nothing").await;
    host.send([open(1, 10)]).await;
    assert!(host.try_next().await.is_err());
}

#[tokio::test]
async fn the_end_of_a_stream_is_answered_where_it_is_asked_for() {
    let child = child();
    let mut host = child.greet().await;
    host.open_stream("nothing").await;
    let answer = host.exchange(complete(5)).await;
    assert_eq!((answer.exchange, go(&answer)), (5, Go::Continue));
    host.send([configure(2, Point::StreamFilter, "panic at the end"), open(2, 10)]).await;
    host.configured().await;
    let answer = host.exchange(complete(6)).await;
    assert_eq!((answer.exchange, go(&answer)), (6, Go::Failed));
    host.send([configure(3, Point::StreamFilter, "panic at the end"), open(3, 10)]).await;
    host.configured().await;
    host.send([complete(0)]).await;
    assert_eq!(host.failed().await.0, 3);
}

#[tokio::test]
async fn bytes_that_are_held_are_kept_with_what_was_changed() {
    let child = child();
    let mut host = child.greet().await;
    host.open_stream("hold").await;
    let answer = host.exchange(body(1, 0, "ab", false)).await;
    assert_eq!((go(&answer), answer.changes.len()), (Go::Pause, 1));
    let answer = host.exchange(body(2, 3, "cd", true)).await;
    assert_eq!(go(&answer), Go::Continue);
    let Some(abi_process::v1::change::Kind::Body(splice)) = &answer.changes[0].kind else {
        panic!("{answer:?}")
    };
    assert_eq!(&splice.bytes[..], b"AB-CD");
    // What went on is forgotten.
    let answer = host.exchange(body(3, 0, "e", true)).await;
    let Some(abi_process::v1::change::Kind::Body(splice)) = &answer.changes[0].kind else {
        panic!("{answer:?}")
    };
    assert_eq!(&splice.bytes[..], b"E");
}

#[tokio::test]
async fn where_the_held_bytes_are_others_the_host_is_asked() {
    let child = child();
    let mut host = child.greet().await;
    host.open_stream("hold").await;
    host.exchange(body(1, 0, "ab", false)).await;
    host.send([body(2, 77, "cd", true)]).await;
    let call = host.call().await;
    let Some(abi_process::v1::call::Kind::GetBytes(get)) = call.kind else { panic!("{call:?}") };
    assert_eq!((call.context, get.which), (10, 0));
    let value = "from the host".into();
    let result = abi_process::v1::CallResult { value, ..Default::default() };
    host.result(&call, abi_process::v1::Status::Ok, result).await;
    let answer = host.answer().await;
    let Some(abi_process::v1::change::Kind::Body(splice)) = &answer.changes[0].kind else {
        panic!("{answer:?}")
    };
    assert_eq!(&splice.bytes[..], b"FROM THE HOST");
}

#[tokio::test]
async fn a_batch_is_answered_in_order() {
    let child = child();
    let mut host = child.greet().await;
    host.start(Point::StreamFilter, "speak").await;
    let mut events = Vec::new();
    for context in 100..400 {
        events.push(open(1, context));
        let mut head = request(context, &[("a", "b")]);
        let event::Kind::Headers(headers) = &mut head else { unreachable!() };
        headers.context = context;
        events.push(head);
    }
    host.send(events).await;
    for context in 100..400 {
        let answer = host.answer().await;
        assert_eq!((answer.context, answer.exchange), (context, context));
        assert_eq!(host.logs.pop(), Some(context.to_string()));
    }
}

#[tokio::test]
async fn a_connections_bytes_are_read_changed_and_closed() {
    let child = child();
    let mut host = child.greet().await;
    host.open_connection("network").await;
    let new = NewConnection { context: 10, exchange: 1 };
    let answer = host.exchange(event::Kind::NewConnection(new)).await;
    assert_eq!(go(&answer), Go::Pause);
    for (flow, direction) in [(Flow::Downstream, 0), (Flow::Upstream, 1)] {
        let flow = abi_process::v1::Flow::from(flow).into();
        let bytes = "ab".into();
        let data = Data { context: 10, exchange: 2, flow, bytes, ..Data::default() };
        let answer = host.exchange(event::Kind::Data(data)).await;
        assert_eq!(go(&answer), Go::Continue);
        let Some(abi_process::v1::change::Kind::Data(splice)) = &answer.changes[0].kind else {
            panic!("{answer:?}")
        };
        assert_eq!((splice.direction, &splice.bytes[..]), (direction, &b"<ab"[..]));
    }
    let data = Data { context: 10, exchange: 3, end: true, ..Data::default() };
    assert_eq!(go(&host.exchange(event::Kind::Data(data)).await), Go::Reset);
    let by = abi_process::v1::Peer::Remote.into();
    host.send([event::Kind::Close(Close { context: 10, flow: 1, by })]).await;
    assert_eq!(host.log().await, "(Upstream, Remote)");
    // A stream's event for a connection goes on.
    assert_eq!(go(&host.exchange(request(4, &[])).await), Go::Continue);
}

#[tokio::test]
async fn the_answer_to_a_response_head_is_of_that_side() {
    let child = child();
    let mut host = child.greet().await;
    host.open_stream("pause").await;
    let answer = host.exchange(testing::headers(Side::Response, 4, &[(":status", "200")])).await;
    assert_eq!((answer.exchange, go(&answer)), (4, Go::Pause));
}
