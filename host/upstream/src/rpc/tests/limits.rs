//! Limits of the pool, of which RPC connections take their part.

use std::{rc::Rc, time::Duration};

use host_extension::PoolMode;
use host_types::ReplyReason;
use tokio::task::yield_now;

use crate::{
    ConnectionEnd, RpcProtocol, RpcTried, UpstreamError,
    testing::{
        echo_path, http1_server, plan,
        rpc::{Tiny, call_on, caller, peers, protocol, text},
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

#[test]
fn a_frame_over_the_limit_is_refused_even_where_it_comes_in_one_read() {
    worker(async {
        let server = peers(|mut peer, number| async move {
            let got = peer.request().await.unwrap();
            peer.write(b'r', got.id, &"x".repeat(87)).await;
            let got = peer.request().await.unwrap();
            peer.write(b'r', got.id, &"x".repeat(if number == 1 { 88 } else { 87 })).await;
            peer.closed().await;
        })
        .await;
        let caller = caller(plan(&[server.address]), Tiny::new(PoolMode::Multiplexed));
        let protocol = RpcProtocol { frame_bytes_max: 100, ..protocol(&caller.tiny) };
        let call = async || {
            let (cluster, session) = (&caller.bench.cluster, &caller.session);
            let place = cluster.rpc(&protocol, session, false, &mut RpcTried::default()).await;
            call_on(place.unwrap(), 1, "x").await
        };
        assert_eq!(call().await.unwrap().frame.raw.len(), 100);
        let error = call().await.unwrap_err();
        let UpstreamError::ConnectionEnded { source, .. } = &error.error else {
            panic!("{error:?}")
        };
        assert!(matches!(**source, ConnectionEnd::FrameTooLarge { bytes_max: 100 }), "{source:?}");
        assert_eq!(call().await.unwrap().frame.raw.len(), 100);
    });
}
