//! Header maps where they are at hand: reading, and changing what the next one sees.

use abi_wasm::MapType;

use super::{bad, missing, ok, text};
use crate::{
    Phase,
    call::{self, Call},
    case::{Case, Check},
    exchange::Exchange,
    script::{Answer, Value},
};

/// A map, the callback in which it is at hand, and a field that is in it.
const MAPS: [(MapType, Phase, &str, &str); 8] = [
    (MapType::RequestHeaders, Phase::RequestHeaders, "x-case", "sent"),
    (MapType::RequestTrailers, Phase::RequestTrailers, "x-req-trailer", "one"),
    (MapType::ResponseHeaders, Phase::ResponseHeaders, "x-up", "yes"),
    (MapType::ResponseTrailers, Phase::ResponseTrailers, "x-resp-trailer", "two"),
    (MapType::HttpCallResponseHeaders, Phase::HttpCallResponse, "x-up", "yes"),
    (MapType::HttpCallResponseTrailers, Phase::HttpCallResponse, "x-resp-trailer", "call"),
    (MapType::GrpcInitialMetadata, Phase::GrpcInitialMetadata, "x-initial", "yes"),
    (MapType::GrpcTrailingMetadata, Phase::GrpcTrailingMetadata, "x-last", "yes"),
];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (map, phase, name, value) in MAPS {
        cases.extend(reads(map, phase, name, value));
        if u32::from(map) < u32::from(MapType::GrpcInitialMetadata) {
            cases.extend(writes(map, phase, name));
        } else {
            cases.extend(refused_writes(map, phase, name));
        }
    }
    cases.extend(unknown_maps());
    cases.extend(particulars());
    cases
}

/// A case about a call on a map.
fn at(phase: Phase, subject: &'static str, map: MapType, what: &str) -> Case {
    let case = Case::at(phase, subject, &format!("{what}: {map:?}"));
    if phase >= Phase::HttpCallResponse {
        return case;
    }
    case.drive(Exchange::with_everything().field("x-case", "sent"))
}

fn reads(map: MapType, phase: Phase, name: &str, value: &str) -> Vec<Case> {
    let shouted = name.to_uppercase();
    // Both live as long as the table that they are from.
    let (one_name, one_value) = MAPS
        .iter()
        .find(|(other, ..)| *other == map)
        .map_or(("", ""), |(_, _, name, value)| (*name, *value));
    vec![
        at(phase, VALUE, map, "good").call(call::value(map, name), text(value)),
        at(phase, VALUE, map, "another case").call(call::value(map, &shouted), text(value)),
        at(phase, VALUE, map, "missing").call(call::value(map, "x-none"), missing()),
        at(phase, PAIRS, map, "good")
            .call(call::pairs(map), Answer::value(Value::Pair(one_name, one_value))),
        at(phase, SIZE, map, "good").call(call::map_size(map), Answer::value(Value::AtLeast(2, 8))),
    ]
}

fn writes(map: MapType, phase: Phase, name: &str) -> Vec<Case> {
    let new = "x-case-new";
    vec![
        at(phase, ADD, map, "good")
            .call(call::add(map, new, "1"), ok())
            .call(call::value(map, new), text("1")),
        at(phase, ADD, map, "a second value")
            .call(call::add(map, new, "1"), ok())
            .call(call::add(map, new, "2"), ok())
            .call(call::pairs(map), Answer::value(Value::Pair("x-case-new", "1")))
            .call(call::pairs(map), Answer::value(Value::Pair("x-case-new", "2"))),
        at(phase, ADD, map, "an empty value")
            .call(call::add(map, new, ""), ok())
            .call(call::value(map, new), Answer::value(Value::Empty)),
        at(phase, REPLACE, map, "good")
            .call(call::replace(map, name, "new"), ok())
            .call(call::value(map, name), text("new")),
        at(phase, REPLACE, map, "missing")
            .call(call::replace(map, new, "new"), ok())
            .call(call::value(map, new), text("new")),
        at(phase, REMOVE, map, "good")
            .call(call::remove(map, name), ok())
            .call(call::value(map, name), missing()),
        at(phase, REMOVE, map, "missing").call(call::remove(map, "x-none"), ok()),
        set_all(map, phase, name),
    ]
}

/// Replaces the whole map; a head keeps what no message is without.
fn set_all(map: MapType, phase: Phase, name: &str) -> Case {
    let request: [(&str, &str); 4] = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/probe"),
        (":authority", "probe.example"),
    ];
    let line: &[(&str, &str)] = if map == MapType::RequestHeaders {
        &request
    } else if map == MapType::ResponseHeaders {
        &[(":status", "200")]
    } else {
        &[]
    };
    let whole = [line, &[("x-case-new", "1")]].concat();
    at(phase, SET, map, "good")
        .call(call::set_pairs(map, &whole), ok())
        .call(call::value(map, "x-case-new"), text("1"))
        .call(call::value(map, name), missing())
}

/// Maps of answers can be read only.
fn refused_writes(map: MapType, phase: Phase, name: &str) -> Vec<Case> {
    let calls: [(&'static str, Call); 4] = [
        (ADD, call::add(map, "x-case-new", "1")),
        (REPLACE, call::replace(map, name, "new")),
        (REMOVE, call::remove(map, name)),
        (SET, call::set_pairs(map, &[("x-case-new", "1")])),
    ];
    let case = |(subject, call)| at(phase, subject, map, "read only").call(call, bad());
    calls.into_iter().map(case).collect()
}

fn unknown_maps() -> Vec<Case> {
    let map = MapType::RequestHeaders;
    let calls = [
        (VALUE, call::value(map, "x-case")),
        (PAIRS, call::pairs(map)),
        (SIZE, call::map_size(map)),
        (ADD, call::add(map, "x-case-new", "1")),
        (REPLACE, call::replace(map, "x-case", "1")),
        (REMOVE, call::remove(map, "x-case")),
        (SET, call::set_pairs(map, &[("x-case-new", "1")])),
    ];
    let case = |number: u32| {
        move |(subject, call): (&'static str, Call)| {
            let what = format!("unknown map {number}");
            Case::at(Phase::RequestHeaders, subject, &what).call(call.with(0, number), bad())
        }
    };
    calls.clone().into_iter().map(case(8)).chain(calls.into_iter().map(case(u32::MAX))).collect()
}

/// What reaches the other side, and what is special about single fields.
fn particulars() -> Vec<Case> {
    let (request, response) = (MapType::RequestHeaders, MapType::ResponseHeaders);
    let on_request = |subject, what| Case::at(Phase::RequestHeaders, subject, what);
    let on_response = |subject, what| Case::at(Phase::ResponseHeaders, subject, what);
    vec![
        on_request(ADD, "reaches the upstream")
            .call(call::add(request, "x-case-new", "1"), ok())
            .check(Check::Field("x-seen-x-case-new", "1")),
        on_request(REMOVE, "does not reach the upstream")
            .drive(Exchange::with_everything().field("x-case", "sent"))
            .call(call::remove(request, "x-case"), ok())
            .check(Check::NoField("x-seen-x-case")),
        on_request(REPLACE, "the path")
            .call(call::replace(request, ":path", "/other?a=b"), ok())
            .check(Check::Field("x-seen-path", "/other?a=b")),
        on_request(REPLACE, "the method")
            .call(call::replace(request, ":method", "PUT"), ok())
            .check(Check::Field("x-seen-method", "PUT")),
        on_request(REPLACE, "the authority")
            .call(call::replace(request, ":authority", "other.example"), ok())
            .check(Check::Field("x-seen-authority", "other.example")),
        on_request(VALUE, "pseudo-header fields")
            .call(call::value(request, ":method"), text("POST"))
            .call(call::value(request, ":path"), text("/probe"))
            .call(call::value(request, ":authority"), text("probe.example"))
            .call(call::value(request, ":scheme"), text("http")),
        on_request(VALUE, "host is the authority")
            .drive(Exchange::get("/probe").http1())
            .call(call::value(request, "host"), text("probe.example"))
            .call(call::value(request, ":authority"), text("probe.example")),
        on_request(VALUE, "the first of several")
            .drive(Exchange::get("/probe").field("x-case", "a").field("x-case", "b"))
            .call(call::value(request, "x-case"), text("a")),
        on_request(SET, "bytes that are no map")
            .call(call::set_raw_pairs(request, &[9, 0, 0, 0]), ok().or(2).or(4)),
        on_response(ADD, "reaches the client")
            .call(call::add(response, "x-case-new", "1"), ok())
            .check(Check::Field("x-case-new", "1")),
        on_response(REMOVE, "does not reach the client")
            .call(call::remove(response, "x-up"), ok())
            .check(Check::NoField("x-up")),
        on_response(REPLACE, "the status")
            .call(call::replace(response, ":status", "418"), ok())
            .check(Check::Status(418)),
        Case::at(Phase::RequestTrailers, ADD, "reaches the upstream")
            .call(call::add(MapType::RequestTrailers, "x-case-new", "1"), ok())
            .check(Check::Field("x-seen-x-case-new", "1")),
        Case::at(Phase::ResponseTrailers, ADD, "reaches the client")
            .call(call::add(MapType::ResponseTrailers, "x-case-new", "1"), ok())
            .check(Check::Trailer("x-case-new", "1")),
        Case::at(Phase::RequestBody, ADD, "trailers to a request without")
            .drive(Exchange::post(&["hello"]))
            .step(crate::script::on(
                Phase::RequestBody,
                call::add(MapType::RequestTrailers, "x-case-new", "1"),
            ))
            .check(Check::Field("x-seen-x-case-new", "1")),
        Case::at(Phase::ResponseBody, ADD, "trailers to a response without")
            .drive(Exchange::post(&["hello"]))
            .step(crate::script::on(
                Phase::ResponseBody,
                call::add(MapType::ResponseTrailers, "x-case-new", "1"),
            ))
            .check(Check::Trailer("x-case-new", "1")),
    ]
}

const VALUE: &str = "proxy_get_header_map_value";
const PAIRS: &str = "proxy_get_header_map_pairs";
const SIZE: &str = "proxy_get_header_map_size";
const ADD: &str = "proxy_add_header_map_value";
const REPLACE: &str = "proxy_replace_header_map_value";
const REMOVE: &str = "proxy_remove_header_map_value";
const SET: &str = "proxy_set_header_map_pairs";
