//! HTTP calls to clusters: what is sent, what comes back, and what does not.

use abi_wasm::{BufferType, MapType};

use super::{bad, ok, text};
use crate::{
    Phase,
    call::{self, Call},
    case::{Case, Check, Until, Which},
    exchange::Exchange,
    script::{Answer, Value, first},
};

const SUBJECT: &str = "proxy_http_call";
const HEAD: [(&str, &str); 3] = [(":method", "POST"), (":path", "/called"), (":authority", "up")];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = refused();
    cases.extend(answered());
    cases.extend(failed());
    cases
}

fn at(phase: Phase, what: &str) -> Case {
    Case::at(phase, SUBJECT, what).drive(Exchange::get("/probe"))
}

fn refused() -> Vec<Case> {
    // The call's number is made 0 before anything else, here and elsewhere.
    let zeroed = || Answer { value: Value::Any, ..bad() };
    let refused = |what, call: Call| at(Phase::RequestHeaders, what).call(call, zeroed());
    let without = |name: &str| {
        let left: Vec<_> = HEAD.into_iter().filter(|(known, _)| *known != name).collect();
        call::http_call("upstream", &left, "", 1000)
    };
    vec![
        refused("an unknown cluster", call::http_call("no such cluster", &HEAD, "", 1000)),
        refused("no cluster", call::http_call("", &HEAD, "", 1000)),
        refused("without a method", without(":method")),
        refused("without a path", without(":path")),
        refused("without an authority", without(":authority")),
        refused("without a head", call::http_call("upstream", &[], "", 1000)),
    ]
}

fn answered() -> Vec<Case> {
    let answer = Phase::HttpCallResponse;
    let head = MapType::HttpCallResponseHeaders;
    let given = |parameter, number| {
        Check::Given(Until { which: Which::Root, phase: answer, nth: 1 }, parameter, number)
    };
    let twice = |case: Case| {
        case.step(first(Phase::RequestHeaders, call::good_http_call().into(5)).gives(ok()))
            .check(Check::Times(Which::Root, answer, 2))
            .until(Which::Root, answer, 2)
    };
    vec![
        at(answer, "the whole request is sent")
            .call(call::value(head, "x-seen-method"), text("POST"))
            .call(call::value(head, "x-seen-path"), text("/called"))
            .call(call::value(head, "x-seen-authority"), text("upstream"))
            .call(call::value(head, "x-seen-x-call-trailer"), text("yes"))
            .call(call::value(head, ":status"), text("200")),
        at(answer, "the whole answer is there")
            .call(call::whole(BufferType::HttpCallResponseBody), text("called"))
            .call(call::pairs(head), Answer::value(Value::Pair("x-up", "yes")))
            .check(given(2, 6)),
        at(answer, "a part of the answer's body")
            .call(call::buffer(BufferType::HttpCallResponseBody, 1, 3), text("all")),
        at(answer, "the length of the answer's body").call(
            call::buffer_status(BufferType::HttpCallResponseBody),
            Answer::value(Value::Number(2, 6)),
        ),
        at(answer, "the answer's body cannot be changed")
            .call(call::set_buffer(BufferType::HttpCallResponseBody, 0, 0, "x"), bad().or(1)),
        at(answer, "the answer's trailers")
            .call(call::value(MapType::HttpCallResponseTrailers, "x-resp-trailer"), text("call"))
            .check(given(3, 1)),
        twice(at(answer, "two at a time").prepare(call::log(1, "here"))),
        at(answer, "after the stream is over")
            .clear_begin()
            .step(first(Phase::Log, call::good_http_call().into(4)).gives(ok()))
            .prepare(call::log(1, "here")),
    ]
}

/// A call that fails: the text of the interface has no fields then, hosts in use answer in the
/// upstream's place.
fn failed() -> Vec<Case> {
    let answer = Phase::HttpCallResponse;
    let status = || call::value(MapType::HttpCallResponseHeaders, ":status");
    let begin = |what, call: Call| {
        at(answer, what).clear_begin().step(first(Phase::RequestHeaders, call.into(4)).gives(ok()))
    };
    let silent = [(":method", "GET"), (":path", "/silent"), (":authority", "up")];
    let mut bad_status = HEAD.to_vec();
    bad_status.push(("x-reply-status", "500"));
    vec![
        begin("no answer in time", call::http_call("upstream", &silent, "", 50))
            .call(status(), text("504").or(1)),
        begin("nobody listens", call::http_call("dead", &HEAD, "", 2000))
            .call(status(), text("503").or(1)),
        begin("an answer with a status of failure", {
            call::http_call("upstream", &bad_status, "", 2000)
        })
        .call(status(), text("500")),
        begin("no trailers of what failed", call::http_call("upstream", &silent, "", 50))
            .call(call::pairs(MapType::HttpCallResponseTrailers), Answer::value(Value::Empty)),
    ]
}
