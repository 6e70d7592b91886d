//! Maps and buffers in callbacks in which they are not at hand.

use abi_wasm::{BufferType, MapType};

use super::{bad, missing};
use crate::{
    Phase, call,
    case::Case,
    script::{Answer, Value},
};

/// Where a map of a stream can be changed, and where else it can be read.
const MAPS: [(MapType, Phase); 4] = [
    (MapType::RequestHeaders, Phase::RequestHeaders),
    (MapType::RequestTrailers, Phase::RequestTrailers),
    (MapType::ResponseHeaders, Phase::ResponseHeaders),
    (MapType::ResponseTrailers, Phase::ResponseTrailers),
];

const OF_HTTP: [Phase; 6] = [
    Phase::RequestHeaders,
    Phase::RequestBody,
    Phase::RequestTrailers,
    Phase::ResponseHeaders,
    Phase::ResponseBody,
    Phase::ResponseTrailers,
];

/// Callbacks that no stream of HTTP is behind.
const OUTSIDE: [Phase; 4] =
    [Phase::Tick, Phase::QueueReady, Phase::NewConnection, Phase::DownstreamData];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (map, home) in MAPS {
        for phase in OF_HTTP.into_iter().filter(|phase| *phase != home) {
            cases.extend(map_elsewhere(map, home, phase));
        }
        cases.push(change(map, Phase::Log));
    }
    for phase in OUTSIDE {
        cases.push(change(MapType::RequestHeaders, phase));
        cases.push(no_value(MapType::RequestHeaders, phase));
        cases.push(no_pairs(MapType::RequestHeaders, phase));
    }
    // With the trailers a held body may still be there.
    for (kind, home, trailers) in [
        (BufferType::RequestBody, Phase::RequestBody, Phase::RequestTrailers),
        (BufferType::ResponseBody, Phase::ResponseBody, Phase::ResponseTrailers),
    ] {
        let elsewhere = OF_HTTP.into_iter().chain(OUTSIDE).chain([Phase::Log]);
        for phase in elsewhere.filter(|phase| ![home, trailers].contains(phase)) {
            cases.extend(no_buffer(kind, phase));
        }
    }
    for kind in [
        BufferType::DownstreamData,
        BufferType::UpstreamData,
        BufferType::HttpCallResponseBody,
        BufferType::GrpcReceiveBuffer,
        BufferType::PluginConfiguration,
        BufferType::CallData,
    ] {
        cases.extend(no_buffer(kind, Phase::RequestHeaders));
        cases.extend(no_buffer(kind, Phase::Tick));
    }
    cases
}

/// A map before it came cannot be read, and one that passed by need not be: what of it is
/// still there may be shown.
fn map_elsewhere(map: MapType, home: Phase, phase: Phase) -> Vec<Case> {
    let mut cases = Vec::new();
    // Trailers can be made at the end of a body.
    let made = matches!(
        (map, phase),
        (MapType::RequestTrailers, Phase::RequestBody)
            | (MapType::ResponseTrailers, Phase::ResponseBody)
    );
    if phase < home {
        cases.push(no_value(map, phase));
        cases.push(no_pairs(map, phase));
    }
    if !made {
        cases.push(change(map, phase));
    }
    cases
}

fn what(map: MapType) -> String {
    format!("not at hand: {map:?}")
}

fn no_value(map: MapType, phase: Phase) -> Case {
    let answer = bad().or(1);
    Case::at(phase, "proxy_get_header_map_value", &what(map)).call(call::value(map, "x-a"), answer)
}

fn no_pairs(map: MapType, phase: Phase) -> Case {
    let answer = Answer::value(Value::Empty).or_elsewhere(2);
    Case::at(phase, "proxy_get_header_map_pairs", &what(map)).call(call::pairs(map), answer)
}

fn change(map: MapType, phase: Phase) -> Case {
    Case::at(phase, "proxy_add_header_map_value", &what(map))
        .call(call::add(map, "x-case-new", "1"), bad())
}

fn no_buffer(kind: BufferType, phase: Phase) -> [Case; 3] {
    let what = format!("not at hand: {kind:?}");
    [
        Case::at(phase, "proxy_get_buffer_bytes", &what)
            .call(call::whole(kind), missing().or_elsewhere(0).or_elsewhere(2)),
        Case::at(phase, "proxy_get_buffer_status", &what)
            .call(call::buffer_status(kind), missing().or_elsewhere(0).or_elsewhere(2)),
        Case::at(phase, "proxy_set_buffer_bytes", &what)
            .call(call::set_buffer(kind, 0, 0, "x"), missing().or_elsewhere(2).or_elsewhere(0)),
    ]
}
