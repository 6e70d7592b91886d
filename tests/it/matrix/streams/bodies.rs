//! Bodies: read, changed, held.

use serde_json::json;

use crate::matrix::case::Case;

pub(super) fn cases() -> Vec<Case> {
    [requests(), responses(), holds()].concat()
}

fn requests() -> Vec<Case> {
    vec![
        Case::new(
            "read_request_body",
            json!({ "request_body": [
                "pause_unless_end", { "note_bytes": "request" }, "note_end", "log_notes",
            ] }),
        )
        .post(&["one ", "two"]),
        Case::new("upper_request_body", json!({ "request_body": [{ "upper": "request" }] }))
            .post(&["one ", "two"]),
        Case::new(
            "prepend_request_body",
            json!({ "request_body": [{ "once": [{ "splice": ["request", 0, 0, "> "] }] }] }),
        )
        .post(&["body"]),
        Case::new(
            "append_request_body",
            json!({ "request_body": [{ "at_end": [{ "append": ["request", " <"] }] }] }),
        )
        .post(&["body"]),
        Case::new(
            "splice_request_body",
            json!({ "request_body": [
                "pause_unless_end", { "splice": ["request", 1, 2, "--"] },
                { "splice": ["request", 3, 1000, "!"] }, { "splice": ["request", 1000, 1, "?"] },
            ] }),
        )
        .post(&["body"]),
        Case::new(
            "empty_request_body",
            json!({ "request_body": [{ "set_bytes": ["request", ""] }] }),
        )
        .post(&["body"]),
        Case::new(
            "grow_request_body",
            json!({ "request_body": ["pause_unless_end", { "repeat": ["request", 1000] }] }),
        )
        .post(&["0123456789"]),
        Case::new(
            "no_body_in_the_head",
            json!({ "request_headers": [
                { "note_bytes": "request" }, { "append": ["request", "x"] },
                { "note_bytes": "response" }, "log_notes",
            ] }),
        )
        .post(&["body"]),
        Case::new(
            "the_other_body",
            json!({ "request_body": [{ "once": [
                { "note_bytes": "response" }, { "append": ["response", "x"] }, "log_notes",
            ] }] }),
        )
        .post(&["body"]),
    ]
}

fn responses() -> Vec<Case> {
    vec![
        Case::new("upper_response_body", json!({ "response_body": [{ "upper": "response" }] })),
        Case::new("upper_pieces", json!({ "response_body": [{ "upper": "response" }] }))
            .field("x-want", "pieces"),
        Case::new(
            "replace_response_body",
            json!({
                "response_headers": [{ "remove": ["response", "content-length"] }],
                "response_body": ["pause_unless_end", { "set_bytes": ["response", "another one"] }],
            }),
        ),
        Case::new(
            "replace_with_the_old_length",
            json!({
                "response_body": ["pause_unless_end", { "set_bytes": ["response", "another one"] }],
            }),
        ),
        Case::new(
            "wrap_response_body",
            json!({ "response_body": [
                { "once": [{ "splice": ["response", 0, 0, "<"] }] },
                { "at_end": [{ "append": ["response", ">"] }] },
            ] }),
        )
        .field("x-want", "pieces"),
        Case::new(
            "drop_response_body",
            json!({ "response_body": [{ "set_bytes": ["response", ""] }] }),
        ),
        Case::new(
            "body_before_trailers",
            json!({
                "response_body": [{ "upper": "response" }],
                "response_trailers": [{ "set": ["response_trailers", "x-new", "1"] }],
            }),
        )
        .field("x-want", "trailers"),
        Case::new(
            "chain_of_bodies",
            json!({
                "request_body": [{ "at_end": [{ "append": ["request", "1"] }] }],
                "response_body": [{ "at_end": [{ "append": ["response", "1"] }] }],
            }),
        )
        .then(json!({
            "request_body": [{ "at_end": [{ "append": ["request", "2"] }] }],
            "response_body": [{ "at_end": [{ "append": ["response", "2"] }] }],
        }))
        .post(&["q"]),
    ]
}

fn holds() -> Vec<Case> {
    vec![
        Case::new(
            "hold_request_to_end",
            json!({ "request_body": ["pause_unless_end", { "bracket": "request" }] }),
        )
        .post(&["one ", "two ", "three"]),
        Case::new(
            "hold_response_to_end",
            json!({ "response_body": ["pause_unless_end", { "bracket": "response" }] }),
        )
        .field("x-want", "pieces"),
        Case::new(
            "hold_before_trailers",
            json!({
                "request_body": ["pause_unless_end"],
                "request_trailers": [{ "set": ["request_trailers", "x-new", "1"] }],
            }),
        )
        .post(&["one ", "two"])
        .trailer("x-t", "1"),
        Case::new(
            "hold_some_bytes",
            json!({ "request_body": [
                { "pause_until": ["request", 6] }, { "bracket": "request" },
            ] }),
        )
        .post(&["12345678"]),
        Case::new(
            "hold_until_a_tick",
            json!({ "tick_ms": 20,
                "request_body": [{ "once": ["wait", "pause"] }, { "bracket": "request" }],
                "released": [{ "resume": "request" }] }),
        )
        .post(&["body"]),
        Case::new(
            "change_while_held",
            json!({ "tick_ms": 20,
                "request_body": ["pause_unless_end", { "once": ["wait", "pause"] }],
                "released": [{ "bracket": "request" }, { "resume": "request" }] }),
        )
        .post(&["body"]),
    ]
}
