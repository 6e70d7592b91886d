//! gRPC calls and streams to clusters.

use abi_wasm::{BufferType, MapType, MetricType};

use super::{bad, ok, text};
use crate::{
    Phase,
    call::{self, Arg, Call},
    case::{Case, Check, Until, Which},
    exchange::Exchange,
    script::{Answer, Value, first, on},
};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = refused();
    cases.extend(calls());
    cases.extend(streams());
    cases.extend(in_callbacks());
    cases
}

const CALL: &str = "proxy_grpc_call";
const STREAM: &str = "proxy_grpc_stream";
const HEAD: Phase = Phase::RequestHeaders;

fn at(phase: Phase, subject: &'static str, what: &str) -> Case {
    Case::at(phase, subject, what).drive(Exchange::get("/probe"))
}

fn refused() -> Vec<Case> {
    let unknown = || Arg::Number(987_654);
    // As with HTTP calls the number is made 0 first.
    let parse = || Answer { value: Value::Any, ..Answer::status(4) };
    let neither = || bad().or(1);
    let case = |subject, what, call: Call, answer| at(HEAD, subject, what).call(call, answer);
    vec![
        case(CALL, "an unknown cluster", call::grpc_call("none", "Say", "x", 1000), parse()),
        case(STREAM, "an unknown cluster", call::grpc_stream("none", "Say"), parse()),
        case("proxy_grpc_send", "unknown", call::grpc_send(unknown(), "x", 0), neither()),
        case("proxy_grpc_cancel", "unknown", call::grpc_cancel(unknown()), neither()),
        case("proxy_grpc_close", "unknown", call::grpc_close(unknown()), neither()),
    ]
}

fn given(phase: Phase, parameter: usize, number: u64) -> Check {
    Check::Given(Until { which: Which::Root, phase, nth: 1 }, parameter, number)
}

fn calls() -> Vec<Case> {
    let (close, receive) = (Phase::GrpcClose, Phase::GrpcReceive);
    let begin = |what, call: Call| {
        at(close, CALL, what)
            .clear_begin()
            .step(first(HEAD, call.into(4)).gives(ok()))
            .prepare(call::log(1, "here"))
    };
    let metadata = [Phase::GrpcInitialMetadata, receive, Phase::GrpcTrailingMetadata, close];
    vec![
        // The text has metadata for calls, too; hosts in use have them for streams only, and tell
        // of a call either its answer or its close.
        at(receive, CALL, "the order of callbacks")
            .prepare(call::log(1, "here"))
            .check(Check::Order(Which::Root, vec![receive]).here()),
        at(close, STREAM, "the order of callbacks")
            .clear_begin()
            .step(first(HEAD, call::grpc_stream("upstream", "Say").into(4)).gives(ok()))
            .step(first(HEAD, call::grpc_send(Arg::Value(4), "hello", 1)).gives(ok()))
            .prepare(call::log(1, "here"))
            .check(Check::Order(Which::Root, metadata.to_vec())),
        at(receive, CALL, "the message")
            .call(call::whole(BufferType::GrpcReceiveBuffer), text("hello"))
            .check(given(receive, 1, 5)),
        at(receive, CALL, "a part of the message")
            .call(call::buffer(BufferType::GrpcReceiveBuffer, 1, 2), text("el")),
        begin("a bad end", call::grpc_call("upstream", "Fail", "x", 2000))
            .call(call::status(), Answer::value(Value::Number(2, 9)))
            .call(call::status(), text("not in this state"))
            .check(given(close, 1, 9)),
        begin("no answer in time", call::grpc_call("upstream", "Silent", "x", 50))
            .check(given(close, 1, 4).here()),
        begin("nobody listens", call::grpc_call("dead", "Say", "x", 2000))
            .check(given(close, 1, 14).here()),
        at(HEAD, "proxy_grpc_cancel", "a call under way")
            .prepare(call::grpc_call("upstream", "Silent", "x", 2000).into(4))
            .call(call::grpc_cancel(Arg::Value(4)), ok())
            .call(call::grpc_cancel(Arg::Value(4)), bad().or(1)),
    ]
}

fn streams() -> Vec<Case> {
    let (close, receive) = (Phase::GrpcClose, Phase::GrpcReceive);
    let open = |case: Case| {
        case.clear_begin()
            .step(first(HEAD, call::grpc_stream("upstream", "Say").into(4)).gives(ok()))
            .step(first(HEAD, call::grpc_send(Arg::Value(4), "hello", 1)).gives(ok()))
    };
    let metadata = Phase::GrpcInitialMetadata;
    vec![
        open(at(receive, STREAM, "a message there and back"))
            .call(call::whole(BufferType::GrpcReceiveBuffer), text("hello")),
        open(at(close, STREAM, "a good end")).call(call::status(), ok()).check(given(close, 1, 0)),
        at(HEAD, STREAM, "two messages")
            .prepare(call::grpc_stream("upstream", "Say").into(4))
            .call(call::grpc_send(Arg::Value(4), "one", 0), ok())
            .call(call::grpc_send(Arg::Value(4), "two", 1), ok())
            .step(on(receive, call::whole(BufferType::GrpcReceiveBuffer)).nth(1).gives(text("one")))
            .step(on(receive, call::whole(BufferType::GrpcReceiveBuffer)).nth(2).gives(text("two")))
            .until(Which::Root, close, 1),
        at(HEAD, "proxy_grpc_close", "a stream under way")
            .prepare(call::grpc_stream("upstream", "Silent").into(4))
            .call(call::grpc_close(Arg::Value(4)), ok()),
        at(HEAD, "proxy_grpc_cancel", "a stream under way")
            .prepare(call::grpc_stream("upstream", "Silent").into(4))
            .call(call::grpc_cancel(Arg::Value(4)), ok())
            .call(call::grpc_send(Arg::Value(4), "x", 0), bad().or(1)),
        open(at(metadata, STREAM, "the number of fields"))
            .call(call::value(MapType::GrpcInitialMetadata, "x-none"), super::missing()),
    ]
}

/// What every callback can do, in those of gRPC.
fn in_callbacks() -> Vec<Case> {
    let phases = [
        Phase::GrpcInitialMetadata,
        Phase::GrpcReceive,
        Phase::GrpcTrailingMetadata,
        Phase::GrpcClose,
    ];
    let rows = |phase| {
        let good = move |subject, call: Call| at(phase, subject, "good").call(call, ok());
        [
            good("proxy_log", call::log(2, "a line")),
            good("proxy_get_status", call::status()),
            good("proxy_set_effective_context", call::effective(Arg::Context)),
            good("proxy_set_shared_data", call::set_shared("grpc", "x", Arg::Number(0))),
            good("proxy_define_metric", call::define(MetricType::Counter, "kit_grpc")),
            good("proxy_http_call", call::good_http_call()),
            good(CALL, call::grpc_call("upstream", "Fail", "again", 1000)),
        ]
    };
    phases.into_iter().flat_map(rows).collect()
}
