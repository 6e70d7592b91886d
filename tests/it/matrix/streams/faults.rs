//! Filters that fail, in each hook and under each `on_error`.

use serde_json::{Value, json};

use crate::matrix::case::Case;

/// Each hook, by its names of the two cases.
const HOOKS: [(&str, &str, &str); 6] = [
    ("request_headers", "panic_request_headers_closed", "panic_request_headers_open"),
    ("request_body", "panic_request_body_closed", "panic_request_body_open"),
    ("request_trailers", "panic_request_trailers_closed", "panic_request_trailers_open"),
    ("response_headers", "panic_response_headers_closed", "panic_response_headers_open"),
    ("response_body", "panic_response_body_closed", "panic_response_body_open"),
    ("response_trailers", "panic_response_trailers_closed", "panic_response_trailers_open"),
];

fn panics(hook: &str) -> Value {
    json!({ hook: [{ "panic": "told to" }] })
}

/// A request that comes to every hook.
fn full(name: &'static str, steps: Value) -> Case {
    Case::new(name, steps).post(&["body"]).trailer("x-t", "1").field("x-want", "trailers")
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (hook, closed, open) in HOOKS {
        cases.push(full(closed, panics(hook)));
        cases.push(full(open, panics(hook)).on_error("open"));
    }
    cases.extend([
        full("panic_request_headers_reload", panics("request_headers")).on_error("reload"),
        Case::new("panic_create_closed", json!({ "panic_in_create": true })),
        Case::new("panic_create_open", json!({ "panic_in_create": true })).on_error("open"),
        Case::new("panic_complete", json!({ "complete": [{ "panic": "told to" }] })),
        Case::new(
            "panic_in_an_answer",
            json!({
                "request_headers": [{ "call": ["asked", "/answer", 5000] }, "pause"],
                "answer": [{ "panic": "told to" }],
            }),
        ),
        Case::new(
            "panic_in_a_tick",
            json!({ "tick_ms": 20, "request_headers": ["wait", "pause"],
                "released": [{ "panic": "told to" }] }),
        ),
        Case::new(
            "panic_and_serve_again",
            json!({ "request_headers": [
                { "when": ["x-do", "panic", [{ "panic": "told to" }]] },
                { "set": ["request", "x-served", "1"] },
            ] }),
        )
        .field("x-do", "panic")
        .again(),
        Case::new(
            "a_panic_beside_another_filter",
            json!({ "request_headers": [{ "panic": "told to" }] }),
        )
        .on_error("open")
        .then(json!({
            "request_headers": [{ "set": ["request", "x-second", "1"] }],
            "response_headers": [{ "set": ["response", "x-second", "1"] }],
        })),
        Case::new(
            "what_a_panic_leaves",
            json!({ "request_headers": [
                { "set": ["request", "x-before", "1"] }, { "panic": "told to" },
            ] }),
        )
        .on_error("open"),
    ]);
    cases
}
