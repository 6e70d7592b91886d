//! Heads and trailers: read, set, added to, removed, replaced; in time and too late.

use serde_json::{Value, json};

use crate::matrix::case::Case;

pub(super) fn cases() -> Vec<Case> {
    [writes(), reads(), pseudo(), bad(), late(), trailers(), order()].concat()
}

fn writes() -> Vec<Case> {
    vec![
        Case::new("nothing", json!({})),
        Case::new(
            "set_request",
            json!({ "request_headers": [{ "set": ["request", "x-a", "1"] }] }),
        ),
        Case::new(
            "set_over_two_values",
            json!({ "request_headers": [{ "set": ["request", "x-a", "only"] }] }),
        )
        .field("x-a", "1")
        .field("x-a", "2"),
        Case::new(
            "add_request",
            json!({ "request_headers": [{ "add": ["request", "x-a", "2"] }] }),
        )
        .field("x-a", "1"),
        Case::new(
            "remove_request",
            json!({ "request_headers": [
                { "remove": ["request", "x-a"] }, { "remove": ["request", "x-none"] },
            ] }),
        )
        .field("x-a", "1")
        .field("x-a", "2")
        .field("x-b", "3"),
        Case::new(
            "set_response",
            json!({ "response_headers": [{ "set": ["response", "x-a", "1"] }] }),
        ),
        Case::new(
            "add_response",
            json!({ "response_headers": [{ "add": ["response", "x-upstream", "also"] }] }),
        ),
        Case::new(
            "remove_response",
            json!({ "response_headers": [{ "remove": ["response", "x-upstream"] }] }),
        ),
    ]
}

fn reads() -> Vec<Case> {
    vec![
        Case::new(
            "read_request",
            json!({ "request_headers": [
                { "note": ["request", "x-a"] }, { "note": ["request", "X-A"] },
                { "note": ["request", "x-none"] }, { "tell": ["request", "x-notes"] },
            ] }),
        )
        .field("x-a", "one")
        .field("x-a", "two"),
        Case::new(
            "read_request_in_response",
            json!({ "response_headers": [
                { "note": ["request", "x-a"] }, { "note": ["response", "x-upstream"] },
                { "note": ["response", ":status"] }, { "tell": ["response", "x-notes"] },
            ] }),
        )
        .field("x-a", "one"),
        Case::new(
            "read_all",
            json!({ "request_headers": [
                { "note_all": ["request", "x-a"] }, { "tell": ["request", "x-notes"] },
            ] }),
        )
        .field("x-a", "one")
        .field("x-ab", "three")
        .field("x-a", "two"),
        Case::new(
            "an_empty_value",
            json!({ "request_headers": [
                { "note": ["request", "x-a"] }, { "set": ["request", "x-b", ""] },
                { "tell": ["request", "x-notes"] },
            ] }),
        )
        .field("x-a", ""),
        Case::new(
            "names_of_any_case",
            json!({ "request_headers": [{ "set": ["request", "X-Upper", "1"] }] }),
        )
        .field("x-upper", "old"),
        Case::new(
            "bytes_beyond_text",
            json!({ "request_headers": [
                { "set": ["request", "x-a", [0xc3, 0xbc, 0xff]] },
                { "note": ["request", "x-a"] }, { "tell": ["response", "x-none"] }, "log_notes",
            ] }),
        ),
        Case::new(
            "many_fields",
            json!({ "request_headers": many("request"), "response_headers": many("response") }),
        ),
    ]
}

fn many(section: &str) -> Vec<Value> {
    (0..50)
        .map(|at| json!({ "set": [section, format!("x-many-{at:02}"), at.to_string()] }))
        .collect()
}

fn pseudo() -> Vec<Case> {
    vec![
        Case::new(
            "read_pseudo",
            json!({ "request_headers": [
                { "note": ["request", ":method"] }, { "note": ["request", ":path"] },
                { "note": ["request", ":scheme"] }, { "tell": ["request", "x-notes"] },
            ] }),
        ),
        Case::new(
            "set_path",
            json!({ "request_headers": [{ "set": ["request", ":path", "/set_path/other?q=1"] }] }),
        ),
        Case::new(
            "set_method",
            json!({ "request_headers": [{ "set": ["request", ":method", "PUT"] }] }),
        ),
        Case::new(
            "set_status",
            json!({ "response_headers": [{ "set": ["response", ":status", "418"] }] }),
        ),
        Case::new(
            "replace_request",
            json!({ "request_headers": [{ "replace": ["request", [
                [":method", "GET"], [":path", "/replace_request/new"], [":scheme", "http"],
                [":authority", "new.test"], ["x-case", "replace_request"], ["x-only", "1"],
                ["x-only", "2"],
            ]] }] }),
        )
        .field("x-gone", "1"),
        Case::new(
            "replace_response",
            json!({ "response_headers": [{ "replace": ["response", [
                [":status", "201"], ["x-only", "one"],
            ]] }] }),
        ),
    ]
}

fn bad() -> Vec<Case> {
    vec![
        Case::new(
            "bad_values",
            json!({ "request_headers": [
                { "set": ["request", "x-crlf", "a\r\nx-smuggled: 1"] },
                { "set": ["request", "x-nul", [97, 0, 98]] },
                { "add": ["request", "x-lf", "a\nb"] },
                "log_notes",
            ] }),
        ),
        Case::new(
            "bad_names",
            json!({ "request_headers": [
                { "set": ["request", "", "1"] },
                { "set": ["request", "x y", "1"] },
                { "set": ["request", "x\r\ny", "1"] },
                { "add": ["request", ":unknown", "1"] },
                { "set": ["request", ":status", "200"] },
                "log_notes",
            ] }),
        ),
        Case::new(
            "bad_pseudo_values",
            json!({ "request_headers": [
                { "set": ["request", ":method", "GE T"] },
                { "set": ["request", ":path", "no slash"] },
                { "set": ["request", ":path", "/\u{e9}"] },
                { "set": ["request", ":path", "/a<b"] },
                { "set": ["request", ":authority", "a:1:2"] },
                { "set": ["request", ":scheme", "9"] },
                { "remove": ["request", ":path"] },
                "log_notes",
            ] }),
        ),
        Case::new(
            "bad_status",
            json!({ "response_headers": [
                { "set": ["response", ":status", "banana"] },
                { "set": ["response", ":status", "9999"] },
                "log_notes",
            ] }),
        ),
    ]
}

fn late() -> Vec<Case> {
    vec![
        Case::new(
            "late_request_head",
            json!({ "response_headers": [
                { "set": ["request", "x-late", "1"] }, { "remove": ["request", "x-a"] }, "log_notes",
            ] }),
        )
        .field("x-a", "1"),
        Case::new(
            "early_response_head",
            json!({ "request_headers": [
                { "set": ["response", "x-early", "1"] }, { "note": ["response", "x-upstream"] },
                "log_notes",
            ] }),
        ),
        Case::new(
            "late_response_head",
            json!({ "response_body": [{ "at_end": [
                { "set": ["response", "x-late", "1"] }, "log_notes",
            ] }] }),
        ),
        Case::new(
            "heads_at_the_end",
            json!({ "complete": [
                { "note": ["request", "x-a"] }, { "note": ["response", "x-upstream"] },
                { "set": ["response", "x-late", "1"] }, "log_notes",
            ] }),
        )
        .field("x-a", "1"),
    ]
}

fn trailers() -> Vec<Case> {
    vec![
        Case::new(
            "request_trailers",
            json!({ "request_trailers": [
                { "note": ["request_trailers", "x-t"] }, { "note_all": ["request_trailers", "x-"] },
                { "set": ["request_trailers", "x-new", "2"] },
                { "remove": ["request_trailers", "x-gone"] }, "log_notes",
            ] }),
        )
        .post(&["body"])
        .trailer("x-t", "1")
        .trailer("x-gone", "1"),
        Case::new(
            "response_trailers",
            json!({ "response_trailers": [
                { "note": ["response_trailers", "x-up-trailer"] },
                { "set": ["response_trailers", "x-new", "2"] }, "log_notes",
            ] }),
        )
        .field("x-want", "trailers"),
        Case::new(
            "response_trailers_removed",
            json!({ "response_trailers": [{ "remove": ["response_trailers", "x-up-trailer"] }] }),
        )
        .field("x-want", "trailers"),
        Case::new(
            "no_trailers",
            json!({
                "request_headers": [{ "set": ["request_trailers", "x-t", "1"] }],
                "response_headers": [{ "note": ["response_trailers", "x-t"] }],
                "complete": ["log_notes"],
            }),
        ),
        Case::new(
            "bad_trailers",
            json!({ "request_trailers": [
                { "set": ["request_trailers", "x-t", "a\r\nb"] },
                { "set": ["request_trailers", ":path", "/"] }, "log_notes",
            ] }),
        )
        .post(&["body"])
        .trailer("x-t", "1"),
    ]
}

fn order() -> Vec<Case> {
    let mark = |text: &str| {
        json!({
            "request_headers": [{ "add": ["request", "x-order", text] }],
            "response_headers": [{ "add": ["response", "x-order", text] }],
        })
    };
    vec![
        Case::new("order_of_a_chain", mark("one")).then(mark("two")).then(mark("three")),
        Case::new(
            "hooks_of_a_plain_request",
            json!({ "trace": true, "complete": [{ "log": ["info", "over"] }] }),
        ),
        Case::new(
            "hooks_of_everything",
            json!({ "trace": true, "complete": [{ "log": ["info", "over"] }] }),
        )
        .post(&["a body"])
        .trailer("x-t", "1")
        .field("x-want", "trailers"),
        Case::new("hooks_of_no_body", json!({ "trace": true })).field("x-want", "nothing"),
        Case::new(
            "end_is_told",
            json!({
                "request_headers": ["note_end"], "response_headers": ["note_end"],
                "complete": ["log_notes"],
            }),
        )
        .field("x-want", "nothing"),
        Case::new("only_heads", json!({})).root("heads").post(&["a body"]),
        Case::new("no_filter", json!({ "no_filter": true, "trace": true }))
            .then(json!({ "request_body": [{ "upper": "request" }] }))
            .post(&["a body"])
            .field("x-want", "trailers")
            .again(),
    ]
}
