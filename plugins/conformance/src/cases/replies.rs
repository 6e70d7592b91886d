//! Local replies: a plugin answers in the upstream's place.

use abi_wasm::BufferType;

use super::ok;
use crate::{
    Phase, call,
    case::{Case, Check, Which},
    exchange::Exchange,
    script::first,
};

/// Where a reply can still be a whole one.
const IN_TIME: [Phase; 4] =
    [Phase::RequestHeaders, Phase::RequestBody, Phase::RequestTrailers, Phase::ResponseHeaders];

pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<_> = IN_TIME.into_iter().flat_map(in_time).collect();
    cases.extend(particulars());
    cases
}

const SUBJECT: &str = "proxy_send_local_response";

fn in_time(phase: Phase) -> [Case; 3] {
    let at = |what| Case::at(phase, SUBJECT, what);
    [
        at("status, field and body")
            .call(call::reply(418, "no tea", &[("x-a", "b")]), ok())
            .prepare(call::answer(1))
            .check(Check::Status(418))
            .check(Check::Body("no tea".to_owned()))
            .check(Check::Field("x-a", "b"))
            .check(Check::NoField("x-up")),
        at("without a body")
            .call(call::reply(403, "", &[]), ok())
            .prepare(call::answer(1))
            .check(Check::Status(403))
            .check(Check::Body(String::new())),
        at("whatever the callback answers")
            .call(call::reply(403, "no", &[]), ok())
            .prepare(call::answer(0))
            .check(Check::Status(403))
            .check(Check::Body("no".to_owned())),
    ]
}

fn particulars() -> Vec<Case> {
    let head = |what| Case::at(Phase::RequestHeaders, SUBJECT, what);
    let grpc = call::reply(403, "no", &[]).with(7, 7);
    vec![
        head("the first of two")
            .call(call::reply(403, "one", &[]), ok())
            .prepare(call::reply(404, "two", &[]))
            .check(Check::Status(403))
            .check(Check::Body("one".to_owned())),
        head("a status among the fields is none")
            .call(call::reply(403, "no", &[(":status", "500"), ("x-a", "b")]), ok())
            .check(Check::Status(403))
            .check(Check::Field("x-a", "b")),
        head("a field twice")
            .call(call::reply(403, "no", &[("x-a", "1"), ("x-a", "2")]), ok())
            .check(Check::Field("x-a", "1,2")),
        head("a gRPC status")
            .drive(Exchange::post(&["hello"]).field("content-type", "application/grpc"))
            .call(grpc.clone(), ok())
            .check(Check::Status(200))
            .check(Check::Field("grpc-status", "7"))
            .check(Check::Field("grpc-message", "no"))
            .check(Check::Body(String::new()))
            .only_here(),
        head("a gRPC status for who did not ask in gRPC")
            .call(grpc, ok())
            .check(Check::Status(403))
            .check(Check::NoField("grpc-status"))
            .check(Check::Body("no".to_owned()))
            .only_here(),
        head("over HTTP/1")
            .drive(Exchange::get("/probe").http1())
            .call(call::reply(403, "no", &[]), ok())
            .check(Check::Status(403))
            .check(Check::Body("no".to_owned())),
        head("the request goes no further")
            .call(call::reply(403, "no", &[]), ok())
            .check(Check::Times(Which::Stream, Phase::RequestBody, 0))
            .check(Check::Times(Which::Stream, Phase::RequestTrailers, 0))
            .check(Check::Times(Which::Stream, Phase::Delete, 1)),
        Case::at(Phase::ResponseHeaders, SUBJECT, "the upstream's response goes no further")
            .call(call::reply(403, "no", &[]), ok())
            .check(Check::Times(Which::Stream, Phase::ResponseTrailers, 0))
            .check(Check::Times(Which::Stream, Phase::Delete, 1)),
        Case::at(Phase::ResponseBody, SUBJECT, "while the head is held")
            .step(first(Phase::ResponseHeaders, call::answer(0)))
            .call(call::whole(BufferType::ResponseBody), super::text("hello")),
        Case::at(Phase::Tick, SUBJECT, "to a stream that waits")
            .step(first(Phase::RequestHeaders, call::keep(4, call::Arg::Context)))
            .step(first(Phase::RequestHeaders, call::answer(1)))
            .call(call::effective(call::Arg::Value(4)), ok())
            .call(call::reply(403, "from a tick", &[]), ok())
            .check(Check::Status(403))
            .check(Check::Body("from a tick".to_owned())),
        Case::at(Phase::HttpCallResponse, SUBJECT, "to a stream that waits")
            .step(first(Phase::RequestHeaders, call::keep(4, call::Arg::Context)))
            .step(first(Phase::RequestHeaders, call::answer(1)))
            .call(call::effective(call::Arg::Value(4)), ok())
            .call(call::reply(401, "not let in", &[]), ok())
            .check(Check::Status(401))
            .check(Check::Body("not let in".to_owned())),
    ]
}
