//! Routes by service, method, field and attribute; what the proxy answers itself.

use super::{fine, sends};
use crate::{
    courier::{Frame, ONE_WAY, REQUEST},
    matrix::call::{
        Call,
        Turn::{self, Answers, Hears, Reads},
    },
};

pub(super) fn cases() -> Vec<Call> {
    let to = |service: &str, method: &str| {
        Frame::new(REQUEST, 7).field("service", service).field("method", method)
    };
    let answered =
        |frame: Frame| vec![sends(0, frame), Reads(0), Answers(0, 0, fine("")), Hears(0)];
    let hears = |frame: Frame| vec![sends(0, frame), Hears(0)];
    let both = "[{ match: { service: demo.Echo, rpc_method: say }, cluster: CASE }, \
        { match: { service: demo.Echo }, respond: { status: 403, body: not that method } }, \
        { match: { rpc_method: shout }, respond: { status: 429, body: too loud } }]";
    let fields = "[{ match: { prefix: /, headers: [{ name: X-Env, exact: blue }] }, cluster: CASE }, \
        { match: { prefix: /, headers: [{ name: \":version\", exact: \"1\" }, \
        { name: x-env, exact: green }] }, respond: { status: 503 } }]";
    vec![
        Call::new("rpc_route_by_service_and_method", answered(to("demo.Echo", "say"))).routes(both),
        Call::new("rpc_route_by_service", hears(to("demo.Echo", "other"))).routes(both),
        Call::new("rpc_route_by_method", hears(to("other", "shout"))).routes(both),
        Call::new("rpc_no_route", hears(to("other", "say"))).routes(both),
        Call::new("rpc_no_service", hears(Frame::new(REQUEST, 7).field("method", "say")))
            .routes("[{ match: { service: \"-\", rpc_method: say }, respond: { body: none } }]"),
        Call::new("rpc_route_by_path", answered(to("a b", "c/d")))
            .routes("[{ match: { path: /a%20b/c%2Fd }, cluster: CASE }]"),
        Call::new("rpc_route_by_field", answered(to("any", "any").field("X-Env", "blue")))
            .routes(fields),
        Call::new("rpc_route_by_attribute", hears(to("any", "any").field("X-Env", "green")))
            .routes(fields),
        Call::new("rpc_route_responds", hears(to("any", "any"))).routes(
            "[{ match: { prefix: / }, respond: { status: 429, body: later, \
             headers: { retry-after: \"3\" } } }]",
        ),
        Call::new("rpc_route_filter", answered(to("any", "any").body("hello"))).routes(
            "[{ match: { prefix: / }, cluster: CASE, stream_filters: [{ plugin: it, \
             root_id: matrix, config: { request_body: [{ upper: request }] } }] }]",
        ),
        Call::new("rpc_hears_only_its_own", interleaved()),
        Call::new(
            "rpc_malformed_request",
            [hears(Frame::new(REQUEST, 7).body("no method")), answered(to("any", "any"))].concat(),
        ),
        Call::new(
            "rpc_malformed_one_way",
            [vec![sends(0, Frame::new(ONE_WAY, 7))], answered(to("any", "any"))].concat(),
        ),
    ]
}

/// Two clients with the same ids on one upstream connection, answered in reverse.
fn interleaved() -> Vec<Turn> {
    vec![
        sends(0, Frame::request(7).body("of the first")),
        Reads(0),
        sends(1, Frame::request(7).body("of the second")),
        Reads(0),
        Answers(0, 1, fine("for the second")),
        Hears(1),
        Answers(0, 0, fine("for the first")),
        Hears(0),
    ]
}
