//! Upstream connections: how they are shared, when they are left, when a request is sent again.

use super::{all, asks, fine, sends};
use crate::{
    courier::{Frame, GO_AWAY, RESPONSE},
    matrix::call::{
        Call,
        Turn::{
            Answers, ClientEnds, ClientSeesEnd, Counted, Hears, Reads, Says, Sends, UpstreamEnds,
            UpstreamSeesEnd,
        },
    },
};

pub(super) fn cases() -> Vec<Call> {
    [modes(), leaves(), again(), late()].concat()
}

fn modes() -> Vec<Call> {
    vec![
        Call::new(
            "rpc_ping_pong",
            vec![
                sends(0, Frame::request(7).body("one")),
                Reads(0),
                sends(1, Frame::request(7).body("two")),
                Reads(1),
                Answers(1, 0, fine("two")),
                Hears(1),
                Answers(0, 0, fine("one")),
                Hears(0),
            ],
        )
        .root("ping_pong"),
        Call::new(
            "rpc_ping_pong_in_order",
            vec![
                Sends(0, [7, 8].map(|id| Frame::request(id).bytes()).concat()),
                Reads(0),
                Answers(0, 0, fine("one")),
                Hears(0),
                Reads(0),
                Answers(0, 1, fine("two")),
                Hears(0),
            ],
        )
        .root("ping_pong"),
        Call::new("rpc_ping_pong_again", all([asks(7, 0, 0), asks(8, 0, 1)])).root("ping_pong"),
        Call::new(
            "rpc_bound",
            vec![
                sends(0, Frame::request(70).body("one")),
                Reads(0),
                sends(1, Frame::request(70).body("two")),
                Reads(1),
                sends(0, Frame::request(71).body("three")),
                Reads(0),
                Answers(1, 0, fine("two")),
                Hears(1),
                Answers(0, 1, fine("three")),
                Hears(0),
                Answers(0, 0, fine("one")),
                Hears(0),
                ClientEnds(0),
                UpstreamSeesEnd(0),
            ],
        )
        .root("bound"),
        Call::new(
            "rpc_bound_upstream_ends",
            all([asks(70, 0, 0), vec![UpstreamEnds(0), ClientSeesEnd(0)]]),
        )
        .root("bound"),
    ]
}

fn leaves() -> Vec<Call> {
    let go_away = || Says(0, Frame::new(GO_AWAY, 0).bytes());
    vec![
        Call::new(
            "rpc_go_away_of_an_upstream",
            all([
                vec![
                    sends(0, Frame::request(6).body("under way")),
                    Reads(0),
                    go_away(),
                    Counted("mortise_cluster_rpc_go_aways_total"),
                ],
                asks(7, 1, 0),
                vec![Answers(0, 0, fine("still answered")), Hears(0), UpstreamSeesEnd(0)],
            ]),
        ),
        Call::new(
            "rpc_upstream_ends_when_idle",
            all([asks(7, 0, 0), vec![UpstreamEnds(0), UpstreamSeesEnd(0)], asks(8, 1, 0)]),
        ),
        Call::new(
            "rpc_upstream_ends_under_way",
            all([
                vec![
                    sends(0, Frame::request(6)),
                    Reads(0),
                    sends(0, Frame::request(7)),
                    Reads(0),
                    Answers(0, 0, fine("in time")),
                    Hears(0),
                    UpstreamEnds(0),
                    Hears(0),
                ],
                asks(8, 1, 0),
            ]),
        ),
        Call::new("rpc_upstream_is_not_there", vec![sends(0, Frame::request(7)), Hears(0)]).dead(),
        Call::new(
            "rpc_upstream_loses_the_borders",
            all([
                vec![
                    sends(0, Frame::request(6)),
                    Reads(0),
                    Says(0, b"HTTP/1.1 400 Bad Request\r\n".to_vec()),
                    Hears(0),
                    UpstreamSeesEnd(0),
                ],
                asks(7, 1, 0),
            ]),
        ),
        Call::new(
            "rpc_malformed_response",
            all([
                vec![
                    sends(0, Frame::request(6)),
                    Reads(0),
                    Answers(0, 0, fine("").field("", "nameless")),
                    Hears(0),
                ],
                asks(7, 0, 1),
            ]),
        ),
    ]
}

fn again() -> Vec<Call> {
    let fails = || vec![sends(0, Frame::request(6).body("once")), Reads(0)];
    let answered = || vec![Reads(1), Answers(1, 0, fine("the second time")), Hears(0)];
    vec![
        Call::new("rpc_retry_on_reset", all([fails(), vec![UpstreamEnds(0)], answered()]))
            .routes("[{ match: { prefix: / }, cluster: CASE, retry: { max: 2, on: [reset] } }]"),
        Call::new(
            "rpc_retry_on_a_status",
            all([
                fails(),
                vec![
                    Answers(0, 0, fine("busy").word(8)),
                    Reads(0),
                    Answers(0, 1, fine("the second time")),
                    Hears(0),
                ],
            ]),
        )
        .routes("[{ match: { prefix: / }, cluster: CASE, retry: { max: 2, on: [503] } }]"),
        Call::new(
            "rpc_retries_end",
            all([
                fails(),
                vec![
                    Answers(0, 0, fine("busy").word(8)),
                    Reads(0),
                    Answers(0, 1, fine("still busy").word(8)),
                    Hears(0),
                ],
            ]),
        )
        .routes("[{ match: { prefix: / }, cluster: CASE, retry: { max: 1, on: [503] } }]"),
    ]
}

fn late() -> Vec<Call> {
    vec![
        Call::new(
            "rpc_timeout_of_the_frame",
            all([
                vec![
                    sends(0, Frame::request(6).word(150)),
                    Reads(0),
                    Hears(0),
                    Answers(0, 0, fine("too late")),
                    Counted("mortise_cluster_rpc_late_total"),
                ],
                asks(7, 0, 1),
            ]),
        ),
        Call::new(
            "rpc_timeout_of_the_route",
            vec![sends(0, Frame::request(6).word(60_000)), Reads(0), Hears(0)],
        )
        .routes("[{ match: { prefix: / }, cluster: CASE, timeout_ms: 150 }]"),
        Call::new(
            "rpc_a_response_to_nobody",
            all([
                vec![
                    sends(0, Frame::request(6)),
                    Reads(0),
                    Says(0, Frame::new(RESPONSE, 999).bytes()),
                    Answers(0, 0, fine("the right one")),
                    Hears(0),
                ],
                asks(7, 0, 1),
            ]),
        ),
        Call::new(
            "rpc_a_request_of_an_upstream",
            all([asks(7, 0, 0), vec![Says(0, Frame::request(9).bytes())], asks(8, 0, 1)]),
        ),
    ]
}
