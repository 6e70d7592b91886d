//! What stream filters see of frames, and change in them.

use serde_json::{Value, json};

use super::{all, asks, fine, sends};
use crate::{
    courier::{Frame, ONE_WAY},
    matrix::call::{
        Call,
        Turn::{self, Answers, Hears, Reads},
    },
};

pub(super) fn cases() -> Vec<Call> {
    [fields(), written(), bodies(), replies()].concat()
}

/// A request with all there is, and its answer.
fn exchange() -> Vec<Turn> {
    let request = Frame::request(7).word(4000).field("X-Trace", "7f").field("keep", "1");
    vec![
        sends(0, request.body("hello")),
        Reads(0),
        Answers(0, 0, fine("world").field("keep", "2")),
        Hears(0),
    ]
}

fn filtered(name: &'static str, steps: Value) -> Call {
    Call::new(name, exchange()).filter(steps)
}

fn fields() -> Vec<Call> {
    vec![
        filtered(
            "rpc_filter_reads",
            json!({
                "request_headers": [
                    { "note": ["request", ":path"] }, { "note": ["request", ":method"] },
                    { "note": ["request", ":version"] }, { "note": ["request", "x-trace"] },
                    { "note": ["request", "X-Trace"] }, { "note": ["request", "service"] },
                    "note_end", "log_notes",
                ],
                "request_body": [{ "note_bytes": "request" }, "note_end", "log_notes"],
                "response_headers": [
                    { "note": ["response", ":status"] }, { "note": ["response", "place"] },
                    "note_end", "log_notes",
                ],
                "response_body": [{ "note_bytes": "response" }, "note_end", "log_notes"],
            }),
        ),
        filtered(
            "rpc_filter_sets_fields",
            json!({
                "request_headers": [{ "set": ["request", "x-trace", "other"] },
                    { "set": ["request", "new", "field"] }],
                "response_headers": [{ "set": ["response", "Place", "Porto"] },
                    { "add": ["response", "Place", "Faro"] }],
            }),
        ),
        filtered(
            "rpc_filter_removes_fields",
            json!({
                "request_headers": [{ "remove": ["request", "X-TRACE"] }],
                "response_headers": [{ "remove": ["response", "Place"] },
                    { "remove": ["response", "not-there"] }],
            }),
        ),
        filtered(
            "rpc_filter_names_another_method",
            json!({ "request_headers": [{ "set": ["request", "method", "shout"] }] }),
        ),
        Call::new(
            "rpc_filter_takes_what_must_be_there",
            vec![sends(0, Frame::request(7)), Hears(0)],
        )
        .filter(json!({ "request_headers": [{ "remove": ["request", "method"] }] })),
        filtered(
            "rpc_filter_changes_what_cannot_be",
            json!({ "request_headers": [{ "set": ["request", ":version", "2"] }, "log_notes"] }),
        ),
        filtered(
            "rpc_two_filters",
            json!({
                "request_headers": [{ "add": ["request", "by", "one"] }],
                "response_headers": [{ "add": ["response", "by", "one"] }],
            }),
        )
        .filter(json!({
            "request_headers": [{ "add": ["request", "by", "two"] }],
            "response_headers": [{ "add": ["response", "by", "two"] }],
        })),
    ]
}

/// Frames that the codec writes anew, or cannot write.
fn written() -> Vec<Call> {
    vec![
        filtered(
            "rpc_filter_edits_what_is_encoded",
            json!({ "request_headers": [{ "set": ["request", "new", "field"] }],
                "response_body": [{ "upper": "response" }] }),
        )
        .root("encoded"),
        Call::new(
            "rpc_a_codec_that_cannot_write_it",
            all([
                vec![sends(0, Frame::request(7).field("do", "no_encode")), Hears(0)],
                asks(8, 0, 0),
            ]),
        )
        .filter(json!({ "request_headers": [{ "set": ["request", "new", "field"] }] })),
        Call::new(
            "rpc_a_codec_that_cannot_write_the_answer",
            vec![
                sends(0, Frame::request(7)),
                Reads(0),
                Answers(0, 0, fine("").field("do", "no_encode")),
                Hears(0),
            ],
        )
        .filter(json!({ "response_headers": [{ "set": ["response", "new", "field"] }] })),
    ]
}

fn bodies() -> Vec<Call> {
    vec![
        filtered(
            "rpc_filter_edits_bodies",
            json!({ "request_body": [{ "upper": "request" }],
                "response_body": [{ "bracket": "response" }] }),
        ),
        filtered(
            "rpc_filter_empties_bodies",
            json!({ "request_body": [{ "set_bytes": ["request", ""] }],
                "response_body": [{ "set_bytes": ["response", ""] }] }),
        ),
        filtered(
            "rpc_filter_makes_bodies_grow",
            json!({ "request_body": [{ "repeat": ["request", 20_000] }],
                "response_body": [{ "repeat": ["response", 20_000] }] }),
        ),
        filtered(
            "rpc_filter_puts_back_the_same",
            json!({ "request_body": [{ "splice": ["request", 0, 5, "hello"] }] }),
        ),
        filtered(
            "rpc_filter_waits",
            json!({ "tick_ms": 20, "request_headers": ["wait", "pause"],
                "released": [{ "set": ["request", "by", "tick"] }, { "resume": "request" }] }),
        ),
        filtered(
            "rpc_filter_holds_the_answer",
            json!({ "tick_ms": 20, "response_body": [{ "once": ["wait", "pause"] }],
                "released": [{ "upper": "response" }, { "resume": "response" }] }),
        ),
    ]
}

fn replies() -> Vec<Call> {
    let asks_and_hears = || vec![sends(0, Frame::request(7).body("hello")), Hears(0)];
    let respond =
        json!({ "request_headers": [{ "respond": [403, "not for you", [["why", "because"]]] }] });
    vec![
        Call::new("rpc_filter_responds", asks_and_hears()).filter(respond.clone()),
        Call::new(
            "rpc_filter_responds_to_one_way",
            all([
                vec![sends(0, Frame::new(ONE_WAY, 9).field("method", "note").field("one", "way"))],
                asks(7, 0, 0),
            ]),
        )
        .filter(json!({ "request_headers": [{ "when": ["one", "way", [
            { "respond": [403, "not for you", []] },
        ]] }] })),
        Call::new("rpc_filter_responds_with_200", asks_and_hears())
            .filter(json!({ "request_headers": [{ "respond": [200, "cached", []] }] })),
        Call::new("rpc_filters_see_the_reply_of_another", asks_and_hears())
            .filter(json!({
                "response_headers": [{ "note": ["response", ":status"] }, "log_notes",
                    { "set": ["response", "seen", "yes"] }],
                "response_body": [{ "upper": "response" }],
            }))
            .filter(respond),
        Call::new(
            "rpc_filter_answers_in_place_of_the_upstream",
            vec![
                sends(0, Frame::request(7).body("hello")),
                Reads(0),
                Answers(0, 0, fine("world")),
                Hears(0),
            ],
        )
        .filter(json!({ "response_headers": [{ "respond": [502, "not that", []] }] })),
        Call::new("rpc_filter_resets", asks_and_hears())
            .filter(json!({ "request_headers": ["reset"] })),
        Call::new("rpc_filter_panics", all([asks_and_hears(), asks_and_hears()]))
            .filter(json!({ "request_headers": [{ "panic": "told to" }] })),
    ]
}
