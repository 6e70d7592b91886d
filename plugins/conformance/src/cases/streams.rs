//! Streams: the order of callbacks, their ends, pausing and going on, breaking off.

use abi_wasm::{BufferType, MapType, StreamType};

use super::{bad, ok, text};
use crate::{
    Phase,
    call::{self, Arg, Call},
    case::{Case, Check, Until, Which},
    exchange::{Exchange, TcpExchange},
    script::{Step, first, on},
};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = order();
    cases.extend(ends());
    cases.extend(pauses());
    cases.extend(resumed_from_elsewhere());
    cases.extend(bodies());
    cases.extend(closes());
    cases.extend(effective_contexts());
    cases
}

const PAUSE: u32 = 1;

/// The context of the stream is kept in number 4.
fn remember(phase: Phase) -> Step {
    first(phase, call::keep(4, Arg::Context))
}

fn given(phase: Phase, nth: u32, parameter: usize, number: u64) -> Check {
    Check::Given(Until { which: Which::Stream, phase, nth }, parameter, number)
}

fn order() -> Vec<Case> {
    let at = |what| Case::at(Phase::RequestHeaders, "order of callbacks", what);
    let any = || call::log(1, "here");
    let (head, up) = (Phase::RequestHeaders, Phase::ResponseHeaders);
    let end = [Phase::Done, Phase::Log, Phase::Delete];
    let with_end = |phases: &[Phase]| Check::Order(Which::Stream, [phases, &end].concat());
    let all = [
        Phase::RequestHeaders,
        Phase::RequestBody,
        Phase::RequestTrailers,
        Phase::ResponseHeaders,
        Phase::ResponseBody,
        Phase::ResponseTrailers,
    ];
    let body = [head, Phase::RequestBody, up, Phase::ResponseBody];
    vec![
        at("with everything").prepare(any()).check(with_end(&all)),
        at("without a body")
            .drive(Exchange::get("/probe").field("x-reply-status", "204"))
            .prepare(any())
            .check(with_end(&[head, up])),
        at("with bodies").drive(Exchange::post(&["hello"])).prepare(any()).check(with_end(&body)),
        at("over HTTP/1")
            .drive(Exchange::post(&["hello"]).http1())
            .prepare(any())
            .check(with_end(&body)),
        Case::at(Phase::ContextCreate, "order of callbacks", "from the context's beginning")
            .prepare(any())
            .check(Check::Order(
                Which::Armed,
                [&[Phase::ContextCreate], all.as_slice(), &end].concat(),
            )),
        Case::at(Phase::NewConnection, "order of callbacks", "of a connection")
            .drive_tcp(TcpExchange::of("ping"))
            .prepare(any())
            .check(Check::Times(Which::Armed, Phase::ContextCreate, 1))
            .check(Check::Times(Which::Armed, Phase::NewConnection, 1))
            .check(Check::Times(Which::Armed, Phase::DownstreamClose, 1))
            .check(Check::Times(Which::Armed, Phase::Done, 1))
            .check(Check::Times(Which::Armed, Phase::Delete, 1)),
    ]
}

fn ends() -> Vec<Case> {
    let at = |phase, what| Case::at(phase, "end_of_stream", what).prepare(call::log(1, "here"));
    let get = || Exchange::get("/probe").field("x-reply-status", "204");
    vec![
        at(Phase::RequestHeaders, "without a body").drive(get()).check(given(
            Phase::RequestHeaders,
            1,
            1,
            1,
        )),
        at(Phase::RequestHeaders, "before a body").drive(Exchange::post(&["hello"])).check(given(
            Phase::RequestHeaders,
            1,
            1,
            0,
        )),
        at(Phase::ResponseHeaders, "without a body").drive(get()).check(given(
            Phase::ResponseHeaders,
            1,
            1,
            1,
        )),
        at(Phase::ResponseHeaders, "before a body").drive(Exchange::post(&["hello"])).check(given(
            Phase::ResponseHeaders,
            1,
            1,
            0,
        )),
        at(Phase::RequestBody, "before trailers").check(given(Phase::RequestBody, 1, 1, 0)),
        at(Phase::ResponseBody, "before trailers").check(given(Phase::ResponseBody, 1, 1, 0)),
        at(Phase::RequestTrailers, "the number of trailers").check(given(
            Phase::RequestTrailers,
            1,
            0,
            1,
        )),
        at(Phase::ResponseTrailers, "the number of trailers").check(given(
            Phase::ResponseTrailers,
            1,
            0,
            1,
        )),
        at(Phase::RequestBody, "the length of the body").check(given(Phase::RequestBody, 1, 0, 5)),
        at(Phase::ResponseBody, "the length of the body").check(given(
            Phase::ResponseBody,
            1,
            0,
            5,
        )),
    ]
}

/// Which direction a callback pauses.
fn direction(phase: Phase) -> StreamType {
    if phase < Phase::ResponseHeaders { StreamType::Request } else { StreamType::Response }
}

const OF_HTTP: [Phase; 6] = [
    Phase::RequestHeaders,
    Phase::RequestBody,
    Phase::RequestTrailers,
    Phase::ResponseHeaders,
    Phase::ResponseBody,
    Phase::ResponseTrailers,
];

/// Paused in each callback, and told to go on by ticks.
fn pauses() -> Vec<Case> {
    let mut cases = Vec::new();
    for phase in OF_HTTP {
        // A body that is held is shown again with each part, and with its end.
        let case = Case::at(phase, "pause", "until a tick")
            .step(remember(phase))
            .step(first(phase, call::tick_period(5)))
            .step(on(phase, call::answer(PAUSE)))
            .step(first(Phase::Tick, call::effective(Arg::Value(4))).gives(ok()))
            .step(on(Phase::Tick, call::effective(Arg::Value(4))))
            .step(on(Phase::Tick, call::continue_stream(direction(phase))))
            .step(first(Phase::Log, call::tick_period(0)));
        let of_body = matches!(phase, Phase::RequestBody | Phase::ResponseBody);
        cases.push(if of_body {
            case.drive(Exchange::post(&["hello"]))
                .check(Check::Status(200))
                .check(Check::Body("hello".to_owned()))
        } else {
            whole(case)
        });
        let itself = Case::at(phase, "proxy_continue_stream", "where nothing is paused")
            .call(call::continue_stream(direction(phase)), ok());
        // Envoy 1.40 ends itself over it in callbacks of the response.
        let survived = direction(phase) == StreamType::Request;
        cases.push(whole(if survived { itself } else { itself.only_here() }));
        for unknown in [4, u32::MAX] {
            let call = call::continue_stream(StreamType::Request).with(0, unknown);
            let what = format!("unknown stream {unknown}");
            cases.push(whole(Case::at(phase, "proxy_continue_stream", &what).call(call, bad())));
        }
    }
    cases
}

/// The request and the response arrived as they were sent.
fn whole(case: Case) -> Case {
    case.check(Check::Status(200))
        .check(Check::Body("hello".to_owned()))
        .check(Check::Field("x-seen-x-req-trailer", "one"))
        .check(Check::Trailer("x-resp-trailer", "two"))
}

/// In a callback of the root the stream in number 4 is told to go on.
fn go_on(case: Case, phase: Phase, stream: StreamType) -> Case {
    case.step(first(phase, call::effective(Arg::Value(4))).gives(ok()))
        .step(first(phase, call::continue_stream(stream)).gives(ok()))
}

/// Paused with its head, and told to go on from each place that can.
fn resumed_from_elsewhere() -> Vec<Case> {
    let head = Phase::RequestHeaders;
    let paused = |what, begin: Vec<Call>| {
        let case = Case::at(head, "resume", what).step(remember(head));
        let begun = begin.into_iter().fold(case, Case::prepare);
        begun.prepare(call::answer(PAUSE))
    };
    let from = |what, begin, phase| {
        whole(go_on(paused(what, begin), phase, StreamType::Request)).until(Which::Root, phase, 1)
    };
    let queue = vec![call::register("resume").into(6), call::enqueue(Arg::Value(6), "x")];
    let grpc = vec![call::grpc_call("upstream", "Fail", "x", 2000).into(5)];
    let other = vec![
        first(head, call::effective(Arg::Value(4))).gives(ok()),
        first(head, call::continue_stream(StreamType::Request)).gives(ok()),
        first(head, call::effective(Arg::Context)).gives(ok()),
    ];
    vec![
        from(
            "by an HTTP call's answer",
            vec![call::good_http_call().into(5)],
            Phase::HttpCallResponse,
        ),
        from("by a queue", queue, Phase::QueueReady),
        from("by a gRPC call's end", grpc, Phase::GrpcClose),
        whole(paused("by another stream", Vec::new()).beside(head, other, Exchange::get("/probe"))),
        whole(
            paused(
                "by an HTTP call's answer, changed before",
                vec![call::good_http_call().into(5)],
            )
            .step(first(Phase::HttpCallResponse, call::effective(Arg::Value(4))).gives(ok()))
            .step(
                first(
                    Phase::HttpCallResponse,
                    call::add(MapType::RequestHeaders, "x-case-new", "1"),
                )
                .gives(ok()),
            )
            .step(
                first(Phase::HttpCallResponse, call::continue_stream(StreamType::Request))
                    .gives(ok()),
            ),
        )
        .check(Check::Field("x-seen-x-case-new", "1")),
    ]
}

/// Bodies that are held and grow.
fn bodies() -> Vec<Case> {
    let parts = || Exchange::post(&["he", "llo"]);
    let held = |phase, kind, what| {
        Case::at(phase, "hold", what)
            .drive(parts())
            .step(on(phase, call::answer(PAUSE)).nth(1))
            .step(on(phase, call::whole(kind)).nth(2).gives(text("hello")))
            .check(Check::Status(200))
            .check(Check::Body("hello".to_owned()))
    };
    let request = BufferType::RequestBody;
    vec![
        held(Phase::RequestBody, request, "a part until the next")
            .check(given(Phase::RequestBody, 1, 0, 2))
            .check(given(Phase::RequestBody, 2, 0, 5)),
        held(Phase::RequestBody, request, "a part, and change the whole")
            .step(on(Phase::RequestBody, call::set_buffer(request, 0, 5, "bye")).nth(2).gives(ok()))
            .clear_checks()
            .check(Check::Body("bye".to_owned())),
        Case::at(Phase::RequestBody, "pass on", "each part as it comes")
            .drive(parts())
            .step(on(Phase::RequestBody, call::whole(request)).nth(1).gives(text("he")))
            .step(on(Phase::RequestBody, call::whole(request)).nth(2).gives(text("llo")))
            .check(Check::Body("hello".to_owned())),
    ]
}

fn closes() -> Vec<Case> {
    let mut cases = Vec::new();
    for phase in [Phase::RequestHeaders, Phase::RequestBody, Phase::ResponseHeaders] {
        for stream in [StreamType::Request, StreamType::Response] {
            let what = format!("breaks off: {stream:?}");
            let case = Case::at(phase, "proxy_close_stream", &what)
                .call(call::close_stream(stream), ok())
                .prepare(call::answer(PAUSE));
            cases.push(case.check(Check::Broken));
        }
        let unknown = call::close_stream(StreamType::Request).with(0, 9);
        cases.push(Case::at(phase, "proxy_close_stream", "unknown stream").call(unknown, bad()));
    }
    cases
}

fn effective_contexts() -> Vec<Case> {
    let subject = "proxy_set_effective_context";
    let at = |phase, what| Case::at(phase, subject, what);
    let (head, answer) = (Phase::RequestHeaders, Phase::HttpCallResponse);
    vec![
        at(head, "unknown").call(call::effective(Arg::Number(987_654)), bad()),
        at(Phase::Tick, "unknown").call(call::effective(Arg::Number(987_654)), bad()),
        at(head, "its root").call(call::effective(Arg::Parent), ok()),
        at(head, "its root, which has no request")
            .prepare(call::effective(Arg::Parent))
            .call(call::value(MapType::RequestHeaders, ":path"), bad().or(1)),
        at(answer, "of a stream that waits")
            .step(remember(head))
            .step(first(head, call::answer(PAUSE)))
            .call(call::effective(Arg::Value(4)), ok())
            .call(call::value(MapType::RequestHeaders, ":path"), text("/probe"))
            .call(call::continue_stream(StreamType::Request), ok())
            .check(Check::Status(200)),
        at(Phase::Tick, "of a stream that is gone")
            .step(remember(Phase::Delete))
            .clear_begin()
            .step(first(Phase::Delete, call::tick_period(5)))
            .step(first(Phase::Tick, call::effective(Arg::Value(4))).gives(bad())),
    ]
}
