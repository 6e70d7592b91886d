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
async fn a_hello_of_other_versions_is_answered_with_none_and_ends_the_session() {
    let child = child();
    let host = child.connect(None).await.unwrap();
    let hello = Hello { versions: vec![2, 3], ..Hello::default() };
    host.send([event::Kind::Hello(hello)]).await;
    let rest = rest(host).await;
    let [reply::Kind::Hello(back)] = rest.as_slice() else { panic!("{rest:?}") };
    assert_eq!((back.version, back.name.as_str()), (0, "probe"));
    assert_eq!(back.package_version, "1.2.3");
}

#[tokio::test]
async fn a_session_that_does_not_begin_with_a_hello_is_ended() {
    let child = child();
    let mut host = child.connect(None).await.unwrap();
    host.send([configure(1, Point::StreamFilter, "nothing")]).await;
    let refused = host.try_next().await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn a_session_without_the_token_is_refused() {
    let child = FakeChild::new(&DECLARATION, Some("sesame"));
    for wrong in [None, Some("sesam"), Some("sesami"), Some("sesame!")] {
        let refused = child.connect(wrong).await.map(|_host| ()).unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated, "{wrong:?}");
    }
    let mut host = child.connect(Some("sesame")).await.unwrap();
    host.send([hello(Limits::default())]).await;
    assert!(matches!(host.next().await, Some(reply::Kind::Hello(_))));
}

#[tokio::test]
async fn a_child_is_reached_over_tcp_by_who_knows_the_token() {
    let child = FakeChild::tcp(&DECLARATION, Some("sesame"));
    assert!(child.connect(None).await.is_err());
    let mut host = child.connect(Some("sesame")).await.unwrap();
    host.send([hello(Limits::default())]).await;
    assert!(matches!(host.next().await, Some(reply::Kind::Hello(_))));
    host.open_stream("change").await;
    assert_eq!(host.exchange(request(1, &[])).await.changes.len(), 1);
}

#[tokio::test]
async fn a_refusal_at_the_start_is_told_with_its_reason() {
    let child = child();
    let mut host = child.greet().await;
    for (script, expected) in [
        ("refuse", "not today"),
        ("refuse silently", "the plugin does not say why"),
        ("unknown", "no such script"),
    ] {
        host.send([configure(5, Point::StreamFilter, script)]).await;
        let configured = host.configured().await;
        assert_eq!((configured.instance, configured.error.as_str()), (5, expected));
        assert_eq!(configured.phases, 0);
    }
    host.send([configure(5, Point::StreamFilter, "panic at start")]).await;
    let error = host.configured().await.error;
    assert!(error.starts_with("panicked at ") && error.ends_with("no start"), "{error}");
    host.start(Point::StreamFilter, "nothing").await;
    host.send([configure(1, Point::StreamFilter, "nothing")]).await;
    assert_eq!(host.configured().await.error, "instance 1 was started before");
}

#[tokio::test]
async fn the_root_id_says_which_plugin_is_meant_and_its_phases_are_told() {
    let child = FakeChild::new(&SEVERAL, None);
    let mut host = child.greet().await;
    for (root_id, expected) in [("all", 0x7ff), ("few", 2), ("none", 0)] {
        let mut event = configure(1, Point::StreamFilter, "hold");
        let event::Kind::Configure(configure) = &mut event else { unreachable!() };
        configure.root_id = root_id.to_owned();
        host.send([event]).await;
        let configured = host.configured().await;
        assert_eq!(configured.phases, expected, "{}", configured.error);
        // What changes while a stream runs is asked for when it is read.
        let ahead: &[&str] = if root_id == "few" { &["source.address"] } else { &[] };
        assert_eq!(configured.properties, ahead);
        if root_id == "none" {
            assert!(configured.error.contains("`all`, `few`"), "{}", configured.error);
        } else {
            host.send([event::Kind::Release(Release { instance: 1 })]).await;
        }
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
async fn a_panic_ends_its_instance_and_no_other() {
    let child = child();
    let mut host = child.greet().await;
    host.open_stream("panic").await;
    host.send([configure(2, Point::StreamFilter, "speak"), open(2, 20), open(1, 11)]).await;
    host.configured().await;
    let answer = host.exchange(request(1, &[])).await;
    assert_eq!(go(&answer), Go::Failed);
    assert!(error(&answer).ends_with("no head"), "{}", error(&answer));
    // Of the instance that failed nothing is left; the other one does not notice.
    let mut late = request(2, &[]);
    let event::Kind::Headers(headers) = &mut late else { unreachable!() };
    headers.context = 11;
    let mut other = request(3, &[]);
    let event::Kind::Headers(headers) = &mut other else { unreachable!() };
    headers.context = 20;
    host.send([late, other]).await;
    let answer = host.answer().await;
    assert_eq!((answer.context, answer.exchange, go(&answer)), (20, 3, Go::Continue));
    // Its number may be used by nobody else, but the plugin can be started again.
    host.send([configure(3, Point::StreamFilter, "nothing")]).await;
    assert_eq!(host.configured().await.error, "");
}

#[tokio::test]
async fn a_panic_that_nobody_waits_for_is_told() {
    let child = child();
    let mut host = child.greet().await;
    host.start(Point::Service, "panic on tick").await;
    let tick = || event::Kind::Tick(Tick { instance: 1 });
    host.send([tick(), tick()]).await;
    let (instance, error) = host.failed().await;
    assert_eq!(instance, 1);
    assert!(error.ends_with("no tick"), "{error}");
    host.send([configure(2, Point::NetworkFilter, "panic at close"), open(2, 20)]).await;
    host.configured().await;
    host.send([event::Kind::Close(Close { context: 20, ..Close::default() })]).await;
    let (instance, error) = host.failed().await;
    assert_eq!(instance, 2);
    assert!(error.ends_with("no close"), "{error}");
}

#[tokio::test]
async fn what_a_plugin_makes_no_filter_for_passes_unseen() {
    let child = child();
    let mut host = child.greet().await;
    host.open_stream("no filter").await;
    assert_eq!(go(&host.exchange(request(1, &[])).await), Go::Continue);
    host.send([complete(0), configure(2, Point::NetworkFilter, "no filter"), open(2, 20)]).await;
    host.configured().await;
    let new = NewConnection { context: 20, exchange: 2 };
    assert_eq!(go(&host.exchange(event::Kind::NewConnection(new)).await), Go::Continue);
    // Both instances go on.
    host.send([open(1, 11)]).await;
    let event::Kind::Headers(head) = request(3, &[]) else { unreachable!() };
    let head = abi_process::v1::Headers { context: 11, ..head };
    assert_eq!(go(&host.exchange(event::Kind::Headers(head)).await), Go::Continue);
    let data = Data { context: 20, exchange: 4, bytes: "abc".into(), ..Data::default() };
    assert_eq!(go(&host.exchange(event::Kind::Data(data)).await), Go::Continue);
}

#[tokio::test]
async fn a_panic_at_a_drop_is_a_line_of_the_log_and_the_instance_goes_on() {
    let child = child();
    let mut host = child.greet().await;
    host.open_stream("panic at the drop").await;
    host.send([complete(0)]).await;
    let line = host.log().await;
    assert!(line.starts_with("panicked at ") && line.ends_with("no drop, as it was dropped"));
    host.send([open(1, 10)]).await;
    assert_eq!(go(&host.exchange(request(1, &[])).await), Go::Continue);
    host.send([event::Kind::Release(Release { instance: 1 })]).await;
    // The filter, and the plugin.
    for _piece in 0..2 {
        assert!(host.log().await.ends_with("no drop, as it was dropped"));
    }
}

#[tokio::test]
async fn a_plugin_that_panics_over_a_filter_fails_at_the_first_answer() {
    for (script, point, expected) in [
        ("panic at the filter", Point::StreamFilter, "no filter"),
        ("panic at the filter", Point::NetworkFilter, "no filter"),
    ] {
        let child = child();
        let mut host = child.greet().await;
        host.start(point, script).await;
        host.send([open(1, 10)]).await;
        let answer = match point {
            Point::NetworkFilter => {
                let new = NewConnection { context: 10, exchange: 1 };
                host.exchange(event::Kind::NewConnection(new)).await
            }
            Point::StreamFilter | Point::Service => host.exchange(request(1, &[])).await,
        };
        assert_eq!(go(&answer), Go::Failed, "{script}");
        assert!(error(&answer).ends_with(expected), "{}", error(&answer));
    }
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
async fn an_answer_that_the_proxy_would_not_take_is_the_plugins_failure() {
    let child = child();
    let mut host = child.connect(None).await.unwrap();
    host.send([hello(Limits { message_bytes_max: 4096, ..Limits::default() })]).await;
    host.next().await;
    host.open_stream("change at length").await;
    let answer = host.exchange(request(1, &[])).await;
    assert_eq!(go(&answer), Go::Failed);
    assert!(error(&answer).contains("more than the proxy takes"), "{}", error(&answer));
}

#[tokio::test]
async fn a_response_that_is_too_large_becomes_a_plain_one() {
    for script in ["respond at length", "respond with many fields"] {
        let child = child();
        let mut host = child.connect(None).await.unwrap();
        host.send([hello(Limits { message_bytes_max: 4096, ..Limits::default() })]).await;
        host.next().await;
        host.open_stream(script).await;
        // The instance goes on: it is asked again.
        for exchange in [1, 2] {
            let answer = host.exchange(request(exchange, &[])).await;
            assert_eq!(go(&answer), Go::Respond, "{script}");
            let response = answer.verdict.unwrap().response.unwrap();
            assert_eq!((response.status, response.body.len()), (500, 0), "{script}");
        }
    }
}

#[tokio::test]
async fn a_message_that_is_too_large_ends_the_session_with_a_reason() {
    let child = child();
    let mut host = child.greet().await;
    host.open_stream("nothing").await;
    let bytes = vec![0; 65 * 1024 * 1024].into();
    let body = Body { context: 10, exchange: 1, bytes, ..Body::default() };
    host.send([event::Kind::Body(body)]).await;
    let refused = host.try_next().await.unwrap_err();
    assert!(matches!(refused.code(), Code::OutOfRange | Code::ResourceExhausted), "{refused:?}");
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
