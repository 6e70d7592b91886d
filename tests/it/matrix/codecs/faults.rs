//! Codecs that panic, lie, or are not there: their connections end, and no other one does.

use serde_json::json;

use super::{all, asks, fine, sends};
use crate::{
    courier::{Frame, HEARTBEAT},
    matrix::call::{
        Call,
        Turn::{self, Answers, ClientSeesEnd, Hears, Reads, Says, Sends, UpstreamSeesEnd},
    },
};

pub(super) fn cases() -> Vec<Call> {
    // A plugin that fails too often is left alone for a while, on all listeners of its protocol.
    [downstream(), upstream(), none()].concat().into_iter().map(Call::alone).collect()
}

fn told(what: &str) -> Frame {
    Frame::request(6).field("do", what)
}

/// The second client's connection ends at `frame`; the first one's serves before and after.
fn ends_alone(frame: Frame) -> Vec<Turn> {
    all([asks(7, 0, 0), vec![sends(1, frame), ClientSeesEnd(1)], asks_anew()])
}

/// What was there before may be gone with the instance, so a new client asks.
fn asks_anew() -> Vec<Turn> {
    vec![
        sends(2, Frame::request(9).body("again")),
        Turn::ReadsAnywhere,
        Turn::AnswersThere(fine("fine again")),
        Hears(2),
    ]
}

fn downstream() -> Vec<Call> {
    let add = || json!({ "request_headers": [{ "set": ["request", "new", "field"] }] });
    let refuse = "[{ match: { prefix: /, headers: [{ name: do, present: true }] }, \
        respond: { status: 404 } }, { match: { prefix: / }, cluster: CASE }]";
    vec![
        Call::new("rpc_panic_in_decode", ends_alone(told("panic_decode"))),
        Call::new("rpc_lies_about_a_length", ends_alone(told("lie_length"))),
        Call::new("rpc_lies_about_no_length", ends_alone(told("lie_no_length"))),
        Call::new("rpc_lies_about_a_body", ends_alone(told("lie_body"))),
        Call::new("rpc_lies_about_the_id", ends_alone(told("lie_id_place"))),
        Call::new("rpc_panic_in_encode", ends_alone(told("panic_encode"))).filter(add()),
        Call::new("rpc_panic_in_reject", ends_alone(told("panic_reject"))).routes(refuse),
        Call::new("rpc_no_words_to_reject", ends_alone(told("no_reject"))).routes(refuse),
        Call::new("rpc_panic_in_heartbeat_reply", ends_alone(Frame::new(HEARTBEAT, 666))),
        Call::new(
            "rpc_panic_in_detect",
            all([asks(7, 0, 0), vec![Sends(1, b"PANIC".to_vec()), ClientSeesEnd(1)], asks_anew()]),
        )
        .beside(", http"),
        Call::new(
            "rpc_panic_behind_a_request",
            vec![
                Sends(0, [Frame::request(5).bytes(), told("panic_decode").bytes()].concat()),
                ClientSeesEnd(0),
            ],
        ),
    ]
}

fn upstream() -> Vec<Call> {
    let breaks = |what: &'static str| {
        vec![
            sends(0, Frame::request(6)),
            Reads(0),
            Answers(0, 0, fine("").field("do", what)),
            Hears(0),
            UpstreamSeesEnd(0),
        ]
    };
    vec![
        Call::new("rpc_panic_in_a_response", breaks("panic_decode")),
        Call::new("rpc_lies_about_a_response", breaks("lie_length")),
        Call::new("rpc_lies_about_a_status", breaks("lie_status")),
        Call::new(
            "rpc_panic_in_a_heartbeat_of_an_upstream",
            all([
                asks(7, 0, 0),
                vec![Says(0, Frame::new(HEARTBEAT, 666).bytes()), UpstreamSeesEnd(0)],
            ]),
        ),
    ]
}

fn none() -> Vec<Call> {
    let closed = || vec![sends(0, Frame::request(7)), ClientSeesEnd(0)];
    vec![
        Call::new("rpc_no_codec_is_made", closed())
            .root("silent")
            .config(json!({ "no_codec": true })),
        Call::new("rpc_a_codec_that_refuses_to_start", closed())
            .root("refusing")
            .config(json!({ "refuse": true })),
        Call::new("rpc_a_plugin_without_a_codec", closed()).root("heads"),
    ]
}
