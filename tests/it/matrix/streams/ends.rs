//! Streams that a filter ends: by an answer or by breaking them off, in each hook.

use serde_json::{Value, json};

use crate::matrix::case::Case;

pub(super) fn cases() -> Vec<Case> {
    [replies(), resets()].concat()
}

fn no() -> Value {
    json!({ "respond": [418, "no", [["x-why", "because"]]] })
}

fn replies() -> Vec<Case> {
    vec![
        Case::new("respond_in_request_headers", json!({ "request_headers": [no()] })),
        Case::new("respond_in_request_body", json!({ "request_body": [no()] })).post(&["body"]),
        Case::new("respond_in_request_trailers", json!({ "request_trailers": [no()] }))
            .post(&["body"])
            .trailer("x-t", "1"),
        Case::new("respond_in_response_headers", json!({ "response_headers": [no()] })),
        Case::new("respond_in_response_body", json!({ "response_body": [no()] })),
        Case::new("respond_in_response_trailers", json!({ "response_trailers": [no()] }))
            .field("x-want", "trailers"),
        Case::new(
            "respond_by_call",
            json!({ "request_headers": [{ "respond_now": [403, "by call"] }] }),
        ),
        Case::new(
            "respond_by_call_and_pause",
            json!({ "request_headers": [{ "respond_now": [403, "by call"] }, "pause"] }),
        ),
        Case::new(
            "respond_twice",
            json!({ "request_headers": [
                { "respond_now": [403, "first"] }, { "respond_now": [404, "second"] },
            ] }),
        ),
        Case::new(
            "respond_with_a_bad_status",
            json!({ "request_headers": [{ "respond_now": [99, "bad"] }] }),
        ),
        Case::new(
            "respond_without_a_body",
            json!({ "request_headers": [{ "respond": [204, "", []] }] }),
        ),
        Case::new(
            "respond_with_fields_of_framing",
            json!({ "request_headers": [{ "respond": [200, "body", [
                ["content-length", "1000"], ["transfer-encoding", "chunked"], ["x-kept", "1"],
            ]] }] }),
        ),
        Case::new(
            "respond_with_too_many_fields",
            json!({ "request_headers": [{ "respond": [200, "body", many_fields()] }] }),
        ),
        Case::new(
            "the_second_responds",
            json!({ "trace": true,
                "response_headers": [{ "set": ["response", "x-first", "saw it"] }] }),
        )
        .then(json!({ "request_headers": [no()] })),
        Case::new("the_first_responds", json!({ "request_headers": [no()] }))
            .then(json!({ "trace": true })),
        Case::new(
            "respond_behind_others",
            json!({ "response_headers": [{ "set": ["response", "x-first", "saw it"] }] }),
        )
        .then(json!({ "response_headers": [no()] })),
    ]
}

/// More than a response may have.
fn many_fields() -> Vec<(&'static str, &'static str)> {
    vec![("x-many", "1"); 1025]
}

fn resets() -> Vec<Case> {
    vec![
        Case::new("reset_in_request_headers", json!({ "request_headers": ["reset"] })),
        Case::new("reset_in_request_body", json!({ "request_body": ["reset"] })).post(&["body"]),
        Case::new("reset_in_response_headers", json!({ "response_headers": ["reset"] })),
        Case::new("reset_in_response_body", json!({ "response_body": ["reset"] })),
        Case::new(
            "reset_by_call",
            json!({ "request_headers": ["reset_now"], "complete": [{ "log": ["info", "over"] }] }),
        ),
    ]
}
