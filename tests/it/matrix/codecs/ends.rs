//! Connections that begin and end: detection, lost borders, clients that go.

use super::{all, asks, fine, sends};
use crate::{
    courier::{Frame, HEARTBEAT},
    matrix::call::{
        Call,
        Turn::{
            Answers, ClientEnds, ClientSeesEnd, Counted, Drips, Hears, HearsBytes, Reads,
            ReadsBytes, Says, Sends, UpstreamEnds,
        },
    },
};

pub(super) fn cases() -> Vec<Call> {
    [begins(), ends()].concat()
}

fn begins() -> Vec<Call> {
    let beside = |call: Call| call.beside(", tcp").listener("cluster: CASE");
    vec![
        beside(Call::new("rpc_is_detected", asks(7, 0, 0))),
        beside(Call::new(
            "rpc_is_detected_by_byte",
            vec![
                Drips(0, Frame::request(7).body("hello").bytes()),
                Reads(0),
                Answers(0, 0, fine("world")),
                Hears(0),
            ],
        )),
        beside(Call::new(
            "rpc_is_detected_by_a_heartbeat",
            all([vec![sends(0, Frame::new(HEARTBEAT, 1)), Hears(0)], asks(7, 0, 0)]),
        )),
        beside(Call::new(
            "rpc_other_bytes_pass",
            vec![
                Sends(0, b"CRAB".to_vec()),
                ReadsBytes(0, 4),
                Says(0, b"apple".to_vec()),
                HearsBytes(0, 5),
                ClientEnds(0),
                UpstreamEnds(0),
                ClientSeesEnd(0),
            ],
        )),
        Call::new("rpc_other_bytes_alone", vec![Sends(0, b"CRAB".to_vec()), ClientSeesEnd(0)]),
        Call::new(
            "rpc_http_beside_it",
            vec![
                Sends(0, b"GET / HTTP/1.0\r\n\r\n".to_vec()),
                HearsBytes(0, "HTTP/1.1 403 Forbidden".len()),
                sends(1, Frame::request(7)),
                Hears(1),
            ],
        )
        .beside(", http")
        .routes("[{ match: { prefix: / }, respond: { status: 403, body: neither } }]"),
    ]
}

fn ends() -> Vec<Call> {
    let request = Frame::request(7).body("before").bytes();
    vec![
        Call::new(
            "rpc_lost_behind_a_request",
            vec![
                Sends(0, [request.clone(), b"garbage".to_vec()].concat()),
                Reads(0),
                Answers(0, 0, fine("served")),
                Hears(0),
                ClientSeesEnd(0),
            ],
        ),
        Call::new(
            "rpc_client_ends_within_a_frame",
            vec![Sends(0, request[..30].to_vec()), ClientEnds(0), ClientSeesEnd(0)],
        ),
        Call::new(
            "rpc_client_ends_its_direction",
            vec![
                Sends(0, request),
                Reads(0),
                ClientEnds(0),
                ClientSeesEnd(0),
                Answers(0, 0, fine("heard by nobody")),
                Counted("mortise_cluster_rpc_late_total"),
            ],
        ),
        Call::new(
            "rpc_one_client_ends_and_another_stays",
            all([
                vec![
                    sends(1, Frame::request(6).body("of who ends")),
                    Reads(0),
                    Sends(1, b"garbage".to_vec()),
                    Answers(0, 0, fine("served")),
                    Hears(1),
                    ClientSeesEnd(1),
                ],
                asks(7, 0, 1),
            ]),
        ),
        Call::new(
            "rpc_malformed_is_counted_late",
            vec![
                sends(0, Frame::request(6).word(150)),
                Reads(0),
                Hears(0),
                Answers(0, 0, fine("").field("", "late and malformed")),
                Counted("mortise_cluster_rpc_late_total"),
            ],
        ),
    ]
}
