//! Properties: the well-known paths with their encodings, and those that plugins set.

use super::{missing, ok, text};
use crate::{
    Phase, call,
    case::Case,
    exchange::Exchange,
    script::{Answer, Value, first},
    setup,
};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = of_request();
    cases.extend(of_response());
    cases.extend(of_connection());
    cases.extend(of_plugin());
    cases.extend(that_are_set());
    cases
}

fn at(phase: Phase, path: &str, answer: Answer) -> Case {
    Case::at(phase, GET, path).call(call::property(path), answer)
}

/// A number of 64 bits, little endian.
fn number(number: u64) -> Answer {
    Answer::value(Value::Bytes(number.to_le_bytes().to_vec()))
}

/// Some number of that kind.
fn some_number() -> Answer {
    Answer::value(Value::Length(8))
}

fn of_request() -> Vec<Case> {
    let on_head = |path, answer| {
        let fields = Exchange::get("/probe?a=b")
            .field("referer", "http://from.example/")
            .field("user-agent", "kit")
            .field("x-case", "1")
            .field("x-request-id", "8a5b9c1e-6f0d-4a3b-9c2d-1e0f2a3b4c5d");
        at(Phase::RequestHeaders, path, answer).drive(fields)
    };
    vec![
        on_head("request.path", text("/probe?a=b")),
        on_head("request.url_path", text("/probe")),
        on_head("request.query", text("a=b")),
        on_head("request.host", text("probe.example")),
        on_head("request.scheme", text("http")),
        on_head("request.method", text("GET")),
        on_head("request.referer", text("http://from.example/")),
        on_head("request.useragent", text("kit")),
        on_head("request.protocol", text("HTTP/2")),
        on_head("request.headers.x-case", text("1")),
        on_head("request.headers.x-none", missing()),
        on_head("request.headers", Answer::value(Value::Pair("x-case", "1"))),
        on_head("request.time", some_number()),
        on_head("request.size", number(0)),
        on_head("request.total_size", some_number()),
        Case::at(Phase::RequestHeaders, GET, "request.protocol of HTTP/1")
            .drive(Exchange::get("/probe").http1())
            .call(call::property("request.protocol"), text("HTTP/1.1")),
        at(Phase::Log, "request.path", text("/probe")),
        at(Phase::Log, "request.method", text("POST")),
        at(Phase::Log, "request.size", number(5)),
        at(Phase::Log, "request.duration", some_number()),
    ]
}

fn of_response() -> Vec<Case> {
    vec![
        at(Phase::RequestHeaders, "response.code", missing()),
        at(Phase::ResponseHeaders, "response.code", number(200)),
        at(Phase::Log, "response.code", number(200)),
        at(Phase::ResponseHeaders, "response.headers.x-up", text("yes")),
        at(Phase::ResponseHeaders, "response.headers", Answer::value(Value::Pair("x-up", "yes"))),
        at(Phase::Log, "response.size", number(5)),
        at(Phase::Log, "response.total_size", some_number()),
        at(Phase::Log, "response.flags", number(0)),
        at(Phase::Log, "response.code_details", Answer::value(Value::Any)),
        at(Phase::RequestHeaders, "upstream.address", missing()),
        at(
            Phase::ResponseHeaders,
            "upstream.address",
            Answer::value(Value::Contains(b"127.0.0.1:".to_vec())),
        ),
        at(Phase::ResponseHeaders, "upstream.port", some_number()),
        at(Phase::ResponseHeaders, "xds.cluster_name", text("upstream")),
        at(Phase::ResponseHeaders, "xds.route_name", text("all")),
    ]
}

fn of_connection() -> Vec<Case> {
    let local = || Answer::value(Value::Contains(b"127.0.0.1:".to_vec()));
    let no = || Answer::value(Value::Bytes(vec![0]));
    let mut cases = Vec::new();
    for phase in [Phase::RequestHeaders, Phase::Log, Phase::NewConnection, Phase::DownstreamData] {
        cases.extend([
            at(phase, "source.address", local()),
            at(phase, "source.port", some_number()),
            at(phase, "destination.address", local()),
            at(phase, "destination.port", some_number()),
            at(phase, "connection.mtls", no()),
            at(phase, "connection_id", some_number()),
        ]);
    }
    cases.push(at(Phase::RequestHeaders, "connection.tls_version", missing()));
    cases
}

fn of_plugin() -> Vec<Case> {
    let mut cases = Vec::new();
    for phase in [Phase::VmStart, Phase::Configure, Phase::Tick, Phase::RequestHeaders] {
        cases.extend([
            at(phase, "plugin_name", text("probe")),
            at(phase, "plugin_vm_id", text(setup::VM_ID)),
            at(phase, "no.such.property", missing()),
        ]);
    }
    cases.push(at(Phase::Tick, "request.path", missing()));
    cases.push(
        Case::at(Phase::RequestHeaders, GET, "an empty path")
            .call(call::property(""), Answer::status(3).or(1)),
    );
    cases.push(
        Case::at(Phase::RequestHeaders, GET, "a NUL behind the path")
            .call(call::property("request.method."), text("POST")),
    );
    cases
}

fn that_are_set() -> Vec<Case> {
    let set = |phase, what| Case::at(phase, "proxy_set_property", what);
    let write = || call::set_property("case_attribute", "value");
    let read = || call::property("case_attribute");
    vec![
        set(Phase::RequestHeaders, "good").call(write(), ok()).call(read(), text("value")),
        set(Phase::ResponseHeaders, "good").call(write(), ok()).call(read(), text("value")),
        set(Phase::NewConnection, "good").call(write(), ok()).call(read(), text("value")),
        set(Phase::RequestHeaders, "again")
            .call(write(), ok())
            .call(call::set_property("case_attribute", "other"), ok())
            .call(read(), text("other")),
        set(Phase::RequestHeaders, "seen later")
            .call(write(), ok())
            .step(first(Phase::ResponseHeaders, read()).gives(text("value")))
            .step(first(Phase::Log, read()).gives(text("value"))),
        set(Phase::RequestHeaders, "what the host owns")
            .call(call::set_property("request.path", "/other"), ok().or(2).or(1))
            .call(call::property("request.path"), text("/probe")),
    ]
}

const GET: &str = "proxy_get_property";
