//! Frames that pass as they came.

use super::{all, asks, fine, sends};
use crate::{
    courier::{Frame, GO_AWAY, HEARTBEAT, HEARTBEAT_REPLY, ONE_WAY, REQUEST, RESPONSE},
    matrix::call::{
        Call,
        Turn::{
            self, Answers, AnswersInDrips, ClientEnds, ClientSeesEnd, Drips, Hears, Reads, Says,
            Sends, UpstreamEnds, UpstreamSeesEnd,
        },
    },
};

pub(super) fn cases() -> Vec<Call> {
    [whole(), cut(), beside()].concat()
}

fn whole() -> Vec<Call> {
    let request = || Frame::request(7).field("X-Case", "Kept").body("hello");
    vec![
        Call::new(
            "rpc_forwards",
            vec![sends(0, request()), Reads(0), Answers(0, 0, fine("world")), Hears(0)],
        ),
        Call::new(
            "rpc_forwards_what_says_little",
            vec![
                sends(0, Frame::new(REQUEST, 0).field("method", "")),
                Reads(0),
                Answers(0, 0, Frame::new(RESPONSE, 0)),
                Hears(0),
            ],
        ),
        Call::new(
            "rpc_forwards_a_failure",
            vec![sends(0, request()), Reads(0), Answers(0, 0, fine("no").word(3)), Hears(0)],
        ),
        Call::new(
            "rpc_forwards_fields_as_they_came",
            vec![
                sends(0, request().field("a", "1").field("A", "2").field("a", "").field(":x", "y")),
                Reads(0),
                Answers(0, 0, fine("").field(":status", "1").field("b", "\u{1F426}")),
                Hears(0),
            ],
        ),
        Call::new("rpc_many_of_one_client", many()),
        Call::new(
            "rpc_ids_that_repeat",
            vec![
                sends(0, request().body("one")),
                Reads(0),
                sends(0, request().body("two")),
                Reads(0),
                Answers(0, 1, fine("two")),
                Hears(0),
                Answers(0, 0, fine("one")),
                Hears(0),
            ],
        ),
        Call::new(
            "rpc_encoded_frame_by_frame",
            vec![sends(0, request()), Reads(0), Answers(0, 0, fine("world")), Hears(0)],
        )
        .root("encoded"),
    ]
}

/// Three requests in one write, answered in another order in one write.
fn many() -> Vec<Turn> {
    let requests: Vec<u8> =
        (7..10).flat_map(|id| Frame::request(id).body(format!("ask {id}")).bytes()).collect();
    vec![
        Sends(0, requests),
        Reads(0),
        Reads(0),
        Reads(0),
        Answers(0, 2, fine("third")),
        Hears(0),
        Answers(0, 0, fine("first")),
        Hears(0),
        Answers(0, 1, fine("second")),
        Hears(0),
        ClientEnds(0),
        ClientSeesEnd(0),
    ]
}

fn cut() -> Vec<Call> {
    let request = Frame::request(7).field("a", "b").body("hello");
    let large = Frame::request(7).body(vec![b'x'; 1024 * 1024]);
    let two = [request.bytes(), request.clone().body("second").bytes()].concat();
    let (early, rest) = two.split_at(request.bytes().len() + 9);
    vec![
        Call::new(
            "rpc_bytes_one_by_one",
            vec![
                Drips(0, request.bytes()),
                Reads(0),
                AnswersInDrips(0, 0, fine("world")),
                Hears(0),
            ],
        ),
        Call::new(
            "rpc_a_frame_and_a_part",
            vec![
                Sends(0, early.to_vec()),
                Reads(0),
                Answers(0, 0, fine("first")),
                Hears(0),
                Sends(0, rest.to_vec()),
                Reads(0),
                Answers(0, 1, fine("second")),
                Hears(0),
            ],
        ),
        Call::new(
            "rpc_large_both_ways",
            vec![
                sends(0, large.clone()),
                Reads(0),
                Answers(0, 0, fine("").body(vec![b'y'; 2 * 1024 * 1024])),
                Hears(0),
            ],
        ),
        Call::new("rpc_larger_than_the_listener_takes", vec![sends(0, large), ClientSeesEnd(0)])
            .listener("limits: { frame_bytes_max: 65536 }"),
        Call::new(
            "rpc_larger_than_the_codec_takes",
            vec![
                sends(0, Frame::request(7).body("before")),
                Reads(0),
                // Eight mebibytes are announced by the head alone.
                Sends(0, b"CR\x01\0\0\0\0\x08\0\0\0\0\0\0\0\0\0\x80\0\0".to_vec()),
                Answers(0, 0, fine("behind it")),
                Hears(0),
                ClientSeesEnd(0),
            ],
        ),
    ]
}

fn beside() -> Vec<Call> {
    let one_way = Frame::new(ONE_WAY, 9).field("service", "demo.Log").field("method", "note");
    vec![
        Call::new(
            "rpc_one_way",
            all([vec![sends(0, one_way.clone().body("a line")), Reads(0)], asks(7, 0, 0)]),
        ),
        Call::new("rpc_one_way_without_a_route", all([vec![sends(0, one_way)], asks(7, 0, 0)]))
            .routes("[{ match: { service: demo.Echo }, cluster: CASE }]"),
        Call::new(
            "rpc_heartbeats_of_a_client",
            all([
                vec![sends(0, Frame::new(HEARTBEAT, 41)), Hears(0)],
                asks(7, 0, 0),
                vec![sends(0, Frame::new(HEARTBEAT, 42)), Hears(0)],
            ]),
        ),
        Call::new(
            "rpc_a_heartbeat_that_is_not_answered",
            all([vec![sends(0, Frame::new(HEARTBEAT, 667))], asks(7, 0, 0)]),
        ),
        Call::new(
            "rpc_heartbeats_of_an_upstream",
            all([
                asks(7, 0, 0),
                vec![Says(0, Frame::new(HEARTBEAT, 43).bytes()), Reads(0)],
                asks(8, 0, 1),
            ]),
        ),
        Call::new(
            "rpc_own_heartbeats",
            all([
                asks(7, 0, 0),
                // The first one waits for a connection on which nothing comes.
                vec![
                    Reads(0),
                    Says(0, Frame::new(HEARTBEAT_REPLY, 2).bytes()),
                    UpstreamEnds(0),
                    UpstreamSeesEnd(0),
                ],
            ]),
        )
        .cluster("rpc: { heartbeat_interval_ms: 1000 }"),
        Call::new(
            "rpc_own_heartbeats_without_an_answer",
            all([
                asks(7, 0, 0),
                vec![Reads(0), UpstreamSeesEnd(0)],
                asks(8, 1, 0),
                vec![UpstreamEnds(1), UpstreamSeesEnd(1)],
            ]),
        )
        .cluster(
            "rpc: { heartbeat_interval_ms: 1000, heartbeat_timeout_ms: 200, \
             heartbeat_misses_max: 1 }",
        ),
        Call::new(
            "rpc_responses_of_clients_are_nothing",
            all([vec![sends(0, Frame::new(RESPONSE, 3))], asks(7, 0, 0)]),
        ),
        Call::new(
            "rpc_go_away_of_a_client",
            all([vec![sends(0, Frame::new(GO_AWAY, 0))], asks(7, 0, 0)]),
        ),
    ]
}
