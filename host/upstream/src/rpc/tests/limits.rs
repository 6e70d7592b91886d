//! Limits of the pool, of which RPC connections take their part.

use std::{rc::Rc, time::Duration};

use host_extension::PoolMode;
use host_types::ReplyReason;
use tokio::{io::AsyncWriteExt as _, task::yield_now};

use crate::{
    ConnectionEnd, RpcError, RpcProtocol, RpcResponse, RpcTried, UpstreamError,
    testing::{
        echo_path, http1_server, plan,
        rpc::{Caller, Tiny, call_on, caller, peers, protocol, text, wire},
        worker,
    },
};

fn ping_pong() -> Tiny {
    Tiny::new(PoolMode::PingPong)
}

#[test]
fn past_the_limits_a_request_is_refused_and_those_in_line_are_served() {
    worker(async {
        let server = peers(|peer, _| peer.echo()).await;
        let mut plan = plan(&[server.address]);
        (plan.pool.connections_max, plan.pool.pending_max) = (1, 1);
        let caller = caller(plan, ping_pong());
        let held = caller.place().await.unwrap();
        let waiting = caller.spawn(1, "waiting");
        yield_now().await;
        assert_eq!(caller.bench.metrics.pending_active.value(), 1);
        let error = caller.call(1, "over").await.unwrap_err();
        assert!(error.unsent);
        assert!(matches!(error.error, UpstreamError::PoolFull { .. }), "{error:?}");
        assert_eq!(caller.bench.metrics.overflow_total.value(), 1);
        assert_eq!(text(&call_on(held, 1, "held").await.unwrap()), "held");
        assert_eq!(waiting.await.unwrap().unwrap(), "waiting");
        assert_eq!(server.connections.get(), 1);
        assert_eq!(caller.bench.metrics.pending_active.value(), 0);
    });
}

#[test]
fn waiting_has_a_limit() {
    for pool in [PoolMode::Multiplexed, PoolMode::PingPong] {
        worker(async {
            let server = peers(|peer, _| peer.echo()).await;
            let mut plan = plan(&[server.address]);
            plan.pool.connections_max = 1;
            plan.rpc.requests_per_connection_max = 1;
            plan.pool.pending_timeout = Duration::from_millis(30);
            let caller = caller(plan, Tiny::new(pool));
            let held = caller.place().await.unwrap();
            let error = caller.call(1, "late").await.unwrap_err();
            assert!(matches!(error.error, UpstreamError::PendingTimedOut { .. }), "{error:?}");
            assert!(error.unsent);
            assert_eq!(caller.bench.metrics.pending_active.value(), 0);
            drop(held);
        });
    }
}

#[test]
fn a_client_has_no_more_requests_under_way_than_its_connection_may() {
    worker(async {
        let server = peers(|peer, _| peer.echo()).await;
        let mut plan = plan(&[server.address]);
        plan.rpc.requests_per_connection_max = 2;
        let caller = caller(plan, Tiny::new(PoolMode::Bound));
        let held = [caller.place().await.unwrap(), caller.place().await.unwrap()];
        let error = caller.place().await.unwrap_err();
        assert_eq!(error.reason(), ReplyReason::Overload);
        drop(held);
        assert_eq!(caller.call(1, "x").await.unwrap(), "x");
    });
}

#[test]
fn idle_connections_make_room_for_other_endpoints_and_protocols() {
    worker(async {
        let one = peers(|peer, _| peer.echo()).await;
        let two = peers(|peer, _| peer.echo()).await;
        for pool in [PoolMode::Multiplexed, PoolMode::PingPong] {
            let mut plan = plan(&[one.address, two.address]);
            plan.pool.connections_max = 1;
            let caller = caller(plan, Tiny::new(pool));
            let before = one.connections.get() + two.connections.get();
            for _ in 0..6 {
                assert_eq!(caller.call(1, "x").await.unwrap(), "x");
                assert!(caller.bench.cluster.pool().open_count() <= 1);
            }
            assert_eq!(one.connections.get() + two.connections.get() - before, 6);
        }
    });
}

#[test]
fn http_and_frames_make_room_for_each_other() {
    worker(async {
        let web = http1_server(echo_path).await;
        let mut plan = plan(&[web.address]);
        plan.pool.connections_max = 1;
        let caller = caller(plan, ping_pong());
        assert_eq!(caller.bench.fetch("/one").await.unwrap(), "/one");
        // The idle connection goes, although it is one of HTTP.
        let place = caller.place().await.unwrap();
        let fetching = {
            let caller = Rc::clone(&caller);
            tokio::task::spawn_local(async move { caller.bench.fetch("/two").await })
        };
        yield_now().await;
        assert_eq!(caller.bench.metrics.pending_active.value(), 1);
        drop(place);
        assert_eq!(fetching.await.unwrap().unwrap(), "/two");
    });
}

#[test]
fn who_waits_for_one_endpoint_holds_up_nobody_else() {
    worker(async {
        let one = peers(|peer, _| peer.echo()).await;
        let mut plan = plan(&[one.address]);
        plan.rpc.requests_per_connection_max = 1;
        let caller = caller(plan, Tiny::new(PoolMode::Multiplexed));
        let held = caller.place().await.unwrap();
        let waiting = caller.spawn(1, "waiting");
        yield_now().await;
        assert_eq!(caller.bench.metrics.pending_active.value(), 1);
        // Another protocol: it has a lane of its own.
        let other = protocol(&Rc::new(Tiny::new(PoolMode::Multiplexed)));
        let place = caller
            .bench
            .cluster
            .rpc(&other, &caller.session, false, &mut RpcTried::default())
            .await;
        assert_eq!(text(&call_on(place.unwrap(), 1, "by").await.unwrap()), "by");
        drop(held);
        assert_eq!(waiting.await.unwrap().unwrap(), "waiting");
    });
}

#[test]
fn no_more_connections_are_kept_idle_than_may_be() {
    worker(async {
        let server = peers(|peer, _| peer.echo()).await;
        let mut plan = plan(&[server.address]);
        plan.pool.idle_max = 2;
        let caller = caller(plan, ping_pong());
        let mut held = Vec::new();
        for _ in 0..5 {
            held.push(caller.place().await.unwrap());
        }
        drop(held);
        assert_eq!(caller.bench.cluster.pool().rpc.borrow().idle_count(), 2);
        while caller.bench.cluster.pool().open_count() > 2 {
            yield_now().await;
        }
        assert_eq!(caller.call(1, "x").await.unwrap(), "x");
        assert_eq!(server.connections.get(), 5);
    });
}

#[test]
fn a_connection_that_lets_too_many_down_gets_no_more() {
    worker(async {
        let server = peers(|peer, number| async move {
            if number > 1 {
                return peer.echo().await;
            }
            peer.closed().await;
        })
        .await;
        let caller = caller(plan(&[server.address]), Tiny::new(PoolMode::Multiplexed));
        for given_up in 0..=1024_u64 {
            let place = caller.place().await.unwrap();
            assert_eq!(caller.bench.metrics.connects_total.value(), 1 + given_up / 1024);
            let connection = Rc::clone(&place.seat.connection);
            tokio::select! {
                biased;
                _ = call_on(place, 1, "x") => assert_eq!(given_up, 1024, "nobody answers"),
                () = async {
                    while connection.queue.waits() > 0 {
                        yield_now().await;
                    }
                } => {}
            }
        }
        assert_eq!(caller.call(1, "x").await.unwrap(), "x");
    });
}

/// Frames of at most 100 bytes.
async fn call_small(caller: &Caller, body: &str) -> Result<RpcResponse, RpcError> {
    let protocol = RpcProtocol { frame_bytes_max: 100, ..protocol(&caller.tiny) };
    let (cluster, session) = (&caller.bench.cluster, &caller.session);
    let place = cluster.rpc(&protocol, session, false, &mut RpcTried::default()).await;
    call_on(place.unwrap(), 1, body).await
}

/// What comes in answer to the request with an id.
type Tail = fn(u64) -> Vec<u8>;

/// A connection on which `tail` comes in answer to a call, in one piece or in many, and what
/// became of this call. Another call was under way, which is answered behind it.
async fn beside_a_tail(
    tail: impl Fn(u64) -> Vec<u8> + Copy + 'static,
    piece: usize,
) -> (Rc<Caller>, RpcError, Result<RpcResponse, RpcError>) {
    let server = peers(move |mut peer, number| async move {
        if number > 1 {
            return peer.echo().await;
        }
        let (one, two) = (peer.request().await.unwrap(), peer.request().await.unwrap());
        let (large, other) = if one.body == "large" { (one, two) } else { (two, one) };
        for piece in tail(large.id).chunks(piece) {
            // It may have been closed.
            let _sent = peer.0.write_all(piece).await;
            yield_now().await;
        }
        let _sent = peer.0.write_all(&wire(b'r', other.id, &[b'x'; 87])).await;
        peer.echo().await;
    })
    .await;
    let caller = caller(plan(&[server.address]), Tiny::new(PoolMode::Multiplexed));
    let (large, other) = tokio::join!(call_small(&caller, "large"), call_small(&caller, "other"));
    assert_eq!(call_small(&caller, "next").await.unwrap().frame.body, &b"next"[..]);
    (caller, large.unwrap_err(), other)
}

#[test]
fn a_response_over_the_limit_fails_its_own_request_only() {
    for (length, piece) in [(88, 4096), (88, 1), (5000, 4096), (5000, 7), (300_000, 5000)] {
        worker(async {
            let tail = move |id| wire(b'r', id, &vec![b'x'; length]).to_vec();
            let (caller, large, other) = beside_a_tail(tail, piece).await;
            let UpstreamError::MalformedResponse { what, .. } = &large.error else {
                panic!("{large:?}")
            };
            let told = format!("it has {} bytes, and `frame_bytes_max` is 100", length + 13);
            assert_eq!(**what, *told);
            assert_eq!(other.unwrap().frame.raw.len(), 100);
            assert_eq!(caller.bench.metrics.connects_total.value(), 1);
            assert_eq!(caller.bench.metrics.resets_total.value(), 0);
        });
    }
}

#[test]
fn what_is_no_response_and_too_long_ends_the_connection() {
    // A heartbeat; a response that does not tell whose it is; one that is too long to be one.
    let tails: [Tail; 3] = [
        |id| wire(b'h', id, &[b'x'; 88]).to_vec(),
        |id| wire(b'm', id, &[b'x'; 5000]).to_vec(),
        |id| [&u32::MAX.to_be_bytes()[..], &wire(b'r', id, &[b'x'; 5000])[4..]].concat(),
    ];
    for tail in tails {
        for piece in [1, 4096] {
            worker(async {
                let (caller, large, other) = beside_a_tail(tail, piece).await;
                for error in [large, other.unwrap_err()] {
                    let UpstreamError::ConnectionEnded { source, .. } = &error.error else {
                        panic!("{error:?}")
                    };
                    let ConnectionEnd::FrameTooLarge { bytes_max: 100 } = **source else {
                        panic!("{source:?}")
                    };
                }
                assert_eq!(caller.bench.metrics.connects_total.value(), 2);
            });
        }
    }
}
