//! What a plugin knows, keeps and counts: properties, shared data, queues, metrics, the log.

use serde_json::json;

use crate::matrix::case::Case;

pub(super) fn cases() -> Vec<Case> {
    [properties(), shared(), counts(), words()].concat()
}

#[expect(clippy::too_many_lines, reason = "a list of cases")]
fn properties() -> Vec<Case> {
    vec![
        Case::new(
            "properties_of_the_request",
            json!({ "request_headers": [
                { "property": ["request", "path"] }, { "property": ["request", "method"] },
                { "property": ["request", "headers", "x-a"] },
                { "property": ["request", "protocol"] }, { "has_property": ["source", "address"] },
                { "has_property": ["source", "port"] }, { "has_property": ["request", "time"] },
                { "property": ["listener_name"] }, { "property": ["plugin_name"] },
                { "property": ["plugin_root_id"] }, { "tell": ["request", "x-notes"] },
            ] }),
        )
        .field("x-a", "one"),
        Case::new(
            "properties_of_the_response",
            json!({ "response_headers": [
                { "number_property": ["response", "code"] },
                { "property": ["response", "headers", "x-upstream"] },
                { "property": ["cluster_name"] }, { "property": ["route_name"] },
                { "tell": ["response", "x-notes"] },
            ] }),
        ),
        Case::new(
            "properties_that_are_not",
            json!({ "request_headers": [
                { "property": ["no", "such"] }, { "property": [] }, { "property": [""] },
                { "number_property": ["response", "code"] }, { "tell": ["request", "x-notes"] },
            ] }),
        ),
        Case::new(
            "a_truth",
            json!({ "request_headers": [
                { "bool_property": ["connection", "mtls"] }, { "tell": ["request", "x-notes"] },
            ] }),
        ),
        Case::new(
            "set_property",
            json!({
                "request_headers": [{ "set_property": [["matrix", "tag"], "blue"] }],
                "response_headers": [
                    { "property": ["matrix", "tag"] }, { "tell": ["response", "x-notes"] },
                ],
            }),
        ),
        Case::new(
            "bad_paths_of_properties",
            json!({ "request_headers": [
                { "set_property": [["a\u{0}b"], "blue"] }, { "property": ["a", "b"] },
                { "set_property": [[], "blue"] }, { "set_property": [["x".repeat(1025)], "blue"] },
                "log_notes",
            ] }),
        ),
        Case::new(
            "set_property_for_others",
            json!({ "request_headers": [{ "set_property": [["matrix", "tag"], "blue"] }] }),
        )
        .then(json!({ "request_headers": [
            { "property": ["matrix", "tag"] }, { "tell": ["request", "x-notes"] },
        ] })),
        Case::new(
            "set_a_property_of_the_host",
            json!({ "request_headers": [
                { "set_property": [["request", "path"], "/other"] },
                { "set_property": [["source", "address"], "1.2.3.4"] }, "log_notes",
            ] }),
        ),
        Case::new(
            "properties_beside_streams",
            json!({ "request_headers": [
                { "host_property": ["plugin_name"] }, { "host_property": ["plugin_root_id"] },
                { "host_property": ["no", "such"] },
                { "tell": ["request", "x-notes"] },
            ] }),
        ),
    ]
}

fn shared() -> Vec<Case> {
    vec![
        Case::new(
            "shared_counter",
            json!({ "request_headers": [
                { "shared_add": "shared_counter" }, { "tell": ["request", "x-notes"] },
            ] }),
        )
        .again()
        .again(),
        Case::new(
            "shared_between_uses",
            json!({ "request_headers": [{ "shared_set": ["between_uses", "hello"] }] }),
        )
        .then(json!({ "request_headers": [
            { "shared_get": "between_uses" }, { "shared_get": "between_nobody" },
            { "tell": ["request", "x-notes"] },
        ] })),
        Case::new(
            "shared_conflict",
            json!({ "request_headers": [
                { "shared_set": ["conflict", "old"] }, { "shared_conflict": ["conflict", "new"] },
                { "shared_get": "conflict" }, { "tell": ["request", "x-notes"] },
            ] }),
        ),
        Case::new(
            "shared_version_zero",
            json!({ "request_headers": [
                { "shared_set": ["version_zero", "old"] },
                { "shared_version": ["version_zero", "new", 0] }, { "shared_get": "version_zero" },
                { "shared_version": ["version_none", "new", 0] }, { "shared_get": "version_none" },
                { "shared_version": ["version_gone", "new", 5] }, { "shared_get": "version_gone" },
                { "tell": ["request", "x-notes"] },
            ] }),
        ),
        Case::new(
            "shared_empty_value",
            json!({ "request_headers": [
                { "shared_set": ["empty_value", ""] }, { "shared_get": "empty_value" },
                { "tell": ["request", "x-notes"] },
            ] }),
        ),
        Case::new(
            "queue_tells",
            json!({
                "start": [{ "register": "tells" }],
                "queue": ["pop_ready"],
                "request_headers": [{ "push": ["", "tells", "one"] }],
            }),
        ),
        Case::new(
            "queue_of_nobody",
            json!({ "request_headers": [
                { "push": ["", "nobody", "one"] }, { "pop": ["nobody", "nobody"] }, "log_notes",
            ] }),
        ),
    ]
}

fn counts() -> Vec<Case> {
    vec![
        Case::new(
            "count",
            json!({ "request_headers": [
                { "count": ["count_seen", 2] }, { "count": ["count_seen", 3] },
                { "note_counter": "count_seen" }, { "tell": ["request", "x-notes"] },
            ] }),
        )
        .again(),
        Case::new(
            "gauge",
            json!({ "request_headers": [
                { "gauge": ["gauge_level", 10] }, { "move_gauge": ["gauge_level", -3] },
                { "note_gauge": "gauge_level" }, { "tell": ["request", "x-notes"] },
            ] }),
        ),
        Case::new(
            "histogram",
            json!({ "request_headers": [
                { "record": ["histogram_size", 3] }, { "record": ["histogram_size", 700] },
            ] }),
        ),
        Case::new(
            "a_metric_of_two_kinds",
            json!({ "request_headers": [
                { "count": ["a_metric_of_two_kinds_x", 1] },
                { "gauge": ["a_metric_of_two_kinds_x", 1] }, "log_notes",
            ] }),
        ),
        Case::new(
            "a_metric_without_a_name",
            json!({ "request_headers": [{ "count": ["", 1] }, "log_notes"] }),
        ),
    ]
}

fn words() -> Vec<Case> {
    vec![
        Case::new(
            "levels_of_the_log",
            json!({ "request_headers": [
                { "log": ["info", "one"] }, { "log": ["warn", "two"] }, { "log": ["error", "three"] },
                { "log": ["critical", "four"] },
            ] }),
        ),
        Case::new(
            "a_log_line_of_control_characters",
            json!({ "request_headers": [{ "log": ["info", "a\nb\u{1b}[31mc"] }] }),
        ),
        Case::new("the_clock", json!({ "request_headers": ["note_clock", "log_notes"] })),
        Case::new(
            "words_at_the_end",
            json!({ "complete": [
                { "count": ["words_at_the_end_seen", 1] }, { "log": ["info", "over"] },
            ] }),
        ),
    ]
}
