//! Streams that wait: for a tick, for another stream, for the answer of a cluster.

use serde_json::{Value, json};

use crate::matrix::case::Case;

pub(super) fn cases() -> Vec<Case> {
    [ticks(), others(), calls()].concat()
}

fn ticks() -> Vec<Case> {
    vec![
        Case::new(
            "tick_resumes_request",
            json!({ "tick_ms": 20, "request_headers": ["wait", "pause"],
                "released": [{ "set": ["request", "x-by", "tick"] }, { "resume": "request" }] }),
        ),
        Case::new(
            "tick_resumes_response",
            json!({ "tick_ms": 20, "response_headers": ["wait", "pause"],
                "released": [{ "set": ["response", "x-by", "tick"] }, { "resume": "response" }] }),
        ),
        Case::new(
            "tick_resumes_request_trailers",
            json!({ "tick_ms": 20, "request_trailers": ["wait", "pause"],
                "released": [
                    { "set": ["request_trailers", "x-by", "tick"] }, { "resume": "request" },
                ] }),
        )
        .post(&["body"])
        .trailer("x-t", "1"),
        Case::new(
            "tick_resumes_response_trailers",
            json!({ "tick_ms": 20, "response_trailers": ["wait", "pause"],
                "released": [
                    { "set": ["response_trailers", "x-by", "tick"] }, { "resume": "response" },
                ] }),
        )
        .field("x-want", "trailers"),
        Case::new(
            "tick_resumes_the_end_of_a_body",
            json!({ "tick_ms": 20, "response_body": [{ "at_end": ["wait", "pause"] }],
                "released": [{ "resume": "response" }] }),
        ),
        Case::new(
            "tick_responds",
            json!({ "tick_ms": 20, "request_headers": ["wait", "pause"],
                "released": [{ "respond_now": [403, "the tick says no"] }] }),
        ),
        Case::new(
            "tick_resets",
            json!({ "tick_ms": 20, "request_headers": ["wait", "pause"],
                "released": ["reset_now"] }),
        ),
        Case::new(
            "both_filters_wait",
            json!({ "tick_ms": 20, "request_headers": ["wait", "pause"],
                "released": [{ "add": ["request", "x-by", "one"] }, { "resume": "request" }] }),
        )
        .then(json!({ "tick_ms": 20, "request_headers": ["wait", "pause"],
            "released": [{ "add": ["request", "x-by", "two"] }, { "resume": "request" }] })),
        Case::new(
            "resumed_before_it_waits",
            json!({ "request_headers": [{ "resume": "request" }, { "set": ["request", "x-a", "1"] }] }),
        ),
    ]
}

fn others() -> Vec<Case> {
    let release = json!(["x-do", "release", ["release"]]);
    vec![
        Case::new(
            "another_request_resumes",
            json!({
                "request_headers": [
                    { "when": release },
                    { "when": ["x-do", "wait", ["wait", { "log": ["info", "waits"] }, "pause"]] },
                ],
                "released": [{ "set": ["request", "x-by", "another"] }, { "resume": "request" }],
            }),
        )
        .field("x-do", "wait")
        .beside("info waits")
        .field("x-do", "release"),
        Case::new(
            "another_request_responds",
            json!({
                "request_headers": [
                    { "when": release },
                    { "when": ["x-do", "wait", ["wait", { "log": ["info", "waits"] }, "pause"]] },
                ],
                "released": [{ "respond_now": [429, "another says no"] }],
            }),
        )
        .field("x-do", "wait")
        .beside("info waits")
        .field("x-do", "release"),
        Case::new(
            "no_connection",
            json!({ "request_headers": ["note_other", "log_notes"] }),
        ),
        Case::new(
            "a_stream_that_is_gone",
            json!({
                "request_headers": [{ "when": release }, "wait"],
                "complete": [{ "once": [{ "log": ["info", "over"] }] }],
                "released": [
                    { "set": ["request", "x-late", "1"] }, { "remove": ["response", "x-late"] },
                    { "note": ["request", ":path"] }, { "note_bytes": "request" },
                    { "append": ["response", "x"] }, { "property": ["request", "path"] },
                    { "set_property": [["matrix", "tag"], "late"] }, { "respond_now": [403, "late"] },
                    { "call": ["asked", "/answer", 5000] }, { "resume": "request" }, "reset_now",
                    "log_notes",
                ],
            }),
        )
        .beside("info over")
        .field("x-do", "release"),
    ]
}

/// Asks, waits, and notes the answer.
fn asking(call: &Value) -> Value {
    json!({
        "request_headers": [call, "pause"],
        "answer": ["note_answer", { "tell": ["request", "x-notes"] }, { "resume": "request" }],
    })
}

fn calls() -> Vec<Case> {
    vec![
        Case::new("call_and_resume", asking(&json!({ "call": ["asked", "/answer", 5000] }))),
        Case::new("call_is_refused", asking(&json!({ "call": ["asked", "/refused", 5000] }))),
        Case::new("call_with_a_body", asking(&json!({ "post": ["asked", "/echo", "question"] }))),
        Case::new("call_in_vain", asking(&json!({ "call": ["asked", "/silence", 200] }))),
        Case::new("call_the_dead", asking(&json!({ "call": ["dead", "/", 5000] }))),
        Case::new(
            "call_a_bad_path",
            json!({ "request_headers": [{ "call": ["asked", "no slash \r\n", 100] }, "log_notes"] }),
        ),
        Case::new(
            "call_in_the_response",
            json!({
                "response_headers": [{ "call": ["asked", "/answer", 5000] }, "pause"],
                "answer": [
                    "note_answer", { "tell": ["response", "x-notes"] }, { "resume": "response" },
                ],
            }),
        ),
        Case::new(
            "call_in_a_body",
            json!({
                "request_body": [{ "at_end": [{ "call": ["asked", "/answer", 5000] }, "pause"] }],
                "answer": [{ "append": ["request", " known"] }, { "resume": "request" }],
            }),
        )
        .post(&["body"]),
        Case::new(
            "two_calls",
            json!({
                "request_headers": [
                    { "call": ["asked", "/answer", 5000] },
                    { "post": ["asked", "/echo", "second"] },
                    "pause",
                ],
                "answer": [{ "nth": [2, [
                    { "set": ["request", "x-answered", "twice"] }, { "resume": "request" },
                ]] }],
            }),
        ),
        Case::new(
            "an_answer_responds",
            json!({
                "request_headers": [{ "call": ["asked", "/refused", 5000] }, "pause"],
                "answer": ["note_answer", "log_notes", { "respond_now": [401, "who are you?"] }],
            }),
        ),
        Case::new(
            "an_answer_resets",
            json!({
                "request_headers": [{ "call": ["asked", "/answer", 5000] }, "pause"],
                "answer": ["reset_now"],
            }),
        ),
        Case::new(
            "the_plugin_calls_for_a_stream",
            json!({
                "request_headers": ["wait", { "plugin_call": ["asked", "/answer", 5000] }, "pause"],
                "plugin_answer": ["note_answer", "log_notes", "release"],
                "released": [{ "set": ["request", "x-by", "plugin"] }, { "resume": "request" }],
            }),
        ),
    ]
}
