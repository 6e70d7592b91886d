//! The rows of streams, and of what a plugin does beside them.

use abi_manifest::Capability;
use serde_json::json;

use super::Row;
use crate::matrix::Backend;

pub(super) fn rows() -> Vec<Row> {
    [fields(), bodies(), ways(), knowledge(), outward(), kept(), machine()].concat()
}

fn fields() -> Vec<Row> {
    vec![
        Row::new(
            Capability::HeadersRequestRead,
            "headers.request.read:x-probe",
            json!({ "request_headers": [
                { "note": ["request", "x-probe"] }, { "note_all": ["request", "x-p"] },
            ] }),
        )
        .field("x-probe", "here")
        .withheld_from_children(),
        Row::new(
            Capability::HeadersRequestWrite,
            "headers.request.write:x-made",
            json!({ "request_headers": [{ "set": ["request", "x-made", "here"] }] }),
        ),
        Row::new(
            Capability::HeadersResponseRead,
            "headers.response.read:x-upstream",
            json!({ "response_headers": [
                { "note": ["response", "x-upstream"] }, { "note_all": ["response", "x-u"] },
            ] }),
        )
        .withheld_from_children(),
        Row::new(
            Capability::HeadersResponseWrite,
            "headers.response.write:x-made",
            json!({ "response_headers": [{ "set": ["response", "x-made", "here"] }] }),
        ),
    ]
}

fn bodies() -> Vec<Row> {
    vec![
        Row::new(
            Capability::BodyRequestRead,
            "body.request.read",
            json!({ "request_body": ["pause_unless_end", { "note_bytes": "request" }] }),
        )
        .post("hello"),
        Row::new(
            Capability::BodyRequestWrite,
            "body.request.write",
            json!({ "request_body": ["pause_unless_end", { "append": ["request", "!"] }] }),
        )
        .beside(&["body.request.read"])
        .post("hello"),
        Row::new(
            Capability::BodyResponseRead,
            "body.response.read",
            json!({ "response_body": ["pause_unless_end", { "note_bytes": "response" }] }),
        ),
        Row::new(
            Capability::BodyResponseWrite,
            "body.response.write",
            json!({ "response_body": ["pause_unless_end", { "append": ["response", "!"] }] }),
        )
        .beside(&["body.response.read"]),
    ]
}

fn ways() -> Vec<Row> {
    vec![
        Row::new(
            Capability::Reply,
            "reply",
            json!({ "request_headers": [{ "respond": [418, "mine", [["x-reply", "yes"]]] }] }),
        ),
        Row::new(
            Capability::Route,
            "route",
            json!({ "request_headers": [{ "set": ["request", ":path", "/CASE/elsewhere"] }] }),
        ),
        Row::new(Capability::Close, "close", json!({ "request_headers": ["reset_now"] })),
    ]
}

fn knowledge() -> Vec<Row> {
    vec![
        Row::new(
            Capability::PropertiesRead,
            "properties.read:listener_name",
            json!({ "request_headers": [{ "property": ["listener_name"] }] }),
        ),
        Row::new(
            Capability::PropertiesWrite,
            "properties.write:made.here",
            json!({ "request_headers": [
                { "set_property": [["made", "here"], "yes"] }, { "property": ["made", "here"] },
            ] }),
        )
        .beside(&["properties.read:made.*"]),
    ]
}

fn outward() -> Vec<Row> {
    vec![
        Row::new(
            Capability::HttpCall,
            "http_call:known",
            json!({
                "request_headers": [{ "plugin_call": ["known", "/", 5000] }],
                "plugin_answer": ["note_answer", "log_notes"],
            }),
        ),
        Row {
            module: Some("grpc_ask"),
            ..Row::new(Capability::GrpcCall, "grpc_call:asked", json!({}))
        }
        .on(&[Backend::Wasm])
        .beside(&["headers.request.read:x-ask", "headers.request.write:x-*"])
        .field("x-ask", "hello"),
        Row {
            module: Some("foreign_ask"),
            ..Row::new(Capability::Foreign, "foreign:compress", json!({}))
        }
        .on(&[Backend::Wasm])
        .beside(&["headers.request.read:x-foreign", "headers.request.write:x-status"])
        .field("x-foreign", "compress"),
    ]
}

fn kept() -> Vec<Row> {
    vec![
        Row::new(
            Capability::SharedDataRead,
            "shared_data.read",
            json!({ "request_headers": [{ "shared_set": ["key", "here"] }, { "shared_get": "key" }] }),
        )
        .beside(&["shared_data.write"]),
        Row::new(
            Capability::SharedDataWrite,
            "shared_data.write",
            json!({ "request_headers": [{ "shared_set": ["key", "here"] }, { "shared_get": "key" }] }),
        )
        .beside(&["shared_data.read"]),
        Row::new(
            Capability::Queues,
            "queues",
            json!({
                "start": [{ "register": "items" }],
                "queue": ["pop_ready"],
                "request_headers": [{ "push": ["", "items", "here"] }],
            }),
        ),
        Row::new(
            Capability::Metrics,
            "metrics",
            json!({ "request_headers": [{ "count": ["CASE_made", 1] }] }),
        ),
        Row::new(
            Capability::Log,
            "log",
            json!({ "request_headers": [{ "log": ["info", "said"] }], "complete": ["continue"] }),
        )
        .without_beside("log"),
    ]
}

/// What a machine has by itself, and the host gives to a sandbox.
fn machine() -> Vec<Row> {
    // Built from this crate's manifest: a file that exists wherever the tests run.
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let children = [Backend::Process, Backend::ProcessTcp];
    vec![
        Row::new(Capability::Clock, "clock", json!({ "request_headers": ["note_clock"] }))
            .on(&[Backend::Wasm]),
        Row::new(Capability::Random, "random", json!({ "request_headers": ["note_random"] }))
            .without_beside("random")
            .on(&[Backend::Wasm]),
        Row::new(
            Capability::Ticks,
            "ticks",
            json!({
                "request_headers": [{ "ticks": 20 }],
                "tick": [{ "once": [{ "log": ["info", "ticked"] }] }],
            }),
        ),
        Row {
            lines: [
                "environment: { MADE_HERE: \"yes\" }".to_owned(),
                "environment: { MADE_HERE: \"yes\" }".to_owned(),
            ],
            is_call: false,
            ..Row::new(
                Capability::Environment,
                "environment:MADE_*",
                json!({ "request_headers": [{ "note_variable": "MADE_HERE" }] }),
            )
        }
        .on(&[Backend::Wasm, Backend::Process, Backend::ProcessTcp]),
        Row {
            lines: [String::new(), format!("sandbox: {{ read: [{file:?}] }}")],
            is_call: false,
            ..Row::new(
                Capability::FilesRead,
                &format!("files.read:{file}"),
                json!({ "request_headers": [{ "note_file": file }] }),
            )
        }
        .on(&children),
    ]
}
