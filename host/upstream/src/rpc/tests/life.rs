//! Heartbeats, idle time and going away, by a clock that jumps.

use std::{cell::Cell, rc::Rc, time::Duration};

use host_extension::PoolMode;
use tokio::{sync::Notify, task::yield_now, time::Instant};

use crate::{
    ClusterPlan, ConnectionEnd, UpstreamError,
    testing::{
        Server, jumping_worker, pass, plan,
        rpc::{Caller, Peer, Tiny, caller, peers},
        worker,
    },
};

const SECOND: Duration = Duration::from_secs(1);

fn tiny() -> Tiny {
    Tiny::new(PoolMode::Multiplexed)
}

/// Connections are idle for as long as they like.
fn patient(server: &Server) -> ClusterPlan {
    let mut plan = plan(&[server.address]);
    plan.pool.idle_timeout = 1000 * SECOND;
    plan
}

async fn until_closed(caller: &Caller) {
    while caller.bench.cluster.pool().open_count() > 0 {
        pass(SECOND / 10).await;
    }
}

#[test]
fn a_peer_that_does_not_answer_heartbeats_is_given_up() {
    jumping_worker(async {
        let beats = Rc::new(Cell::new(0));
        let peer_beats = Rc::clone(&beats);
        let server = peers(move |mut peer, _| {
            let beats = Rc::clone(&peer_beats);
            async move {
                while let Some(got) = peer.read().await {
                    if got.letter == b'h' {
                        beats.set(beats.get() + 1);
                    }
                }
            }
        })
        .await;
        let caller = caller(patient(&server), tiny());
        let begun = Instant::now();
        let error = caller.call(1, "x").await.unwrap_err();
        let UpstreamError::ConnectionEnded { source, sent: true, .. } = &error.error else {
            panic!("{error:?}")
        };
        assert!(matches!(**source, ConnectionEnd::Unresponsive { misses: 3 }), "{source:?}");
        // Three intervals of 15 s, and the wait after the last heartbeat.
        assert_eq!(begun.elapsed().as_secs(), 48);
        assert_eq!(beats.get(), 3);
        assert_eq!(caller.bench.metrics.heartbeats_missed_total.value(), 3);
        assert_eq!(caller.bench.metrics.resets_total.value(), 1);
    });
}

#[test]
fn a_peer_that_answers_heartbeats_is_kept() {
    jumping_worker(async {
        let server = peers(|peer, _| peer.echo()).await;
        let caller = caller(patient(&server), tiny());
        assert_eq!(caller.call(1, "x").await.unwrap(), "x");
        pass(200 * SECOND).await;
        assert_eq!(caller.call(1, "y").await.unwrap(), "y");
        assert_eq!(server.connections.get(), 1);
        assert_eq!(caller.bench.metrics.heartbeats_missed_total.value(), 0);
    });
}

#[test]
fn any_frame_is_a_sign_of_life() {
    jumping_worker(async {
        let server = peers(|mut peer, _| async move {
            let got = peer.request().await.unwrap();
            // It answers no heartbeat, and sends one of its own now and then.
            for _ in 0..20 {
                pass(10 * SECOND).await;
                peer.write(b'h', 1, "").await;
            }
            peer.answer(&got).await;
            peer.closed().await;
        })
        .await;
        let caller = caller(patient(&server), tiny());
        assert_eq!(caller.call(1, "slow").await.unwrap(), "slow");
        assert_eq!(caller.bench.metrics.heartbeats_missed_total.value(), 0);
    });
}

#[test]
fn one_missed_heartbeat_is_forgiven() {
    jumping_worker(async {
        let server = peers(|mut peer, _| async move {
            let got = peer.read().await.unwrap();
            for beat in 0..9 {
                let heartbeat = peer.read().await.unwrap();
                assert_eq!(heartbeat.letter, b'h');
                if beat % 3 == 2 {
                    peer.write(b'p', heartbeat.id, "").await;
                }
            }
            peer.answer(&got).await;
            peer.closed().await;
        })
        .await;
        let caller = caller(patient(&server), tiny());
        assert_eq!(caller.call(1, "x").await.unwrap(), "x");
        assert_eq!(caller.bench.metrics.heartbeats_missed_total.value(), 6);
    });
}

#[test]
fn without_heartbeats_nobody_asks() {
    let without = |change: fn(&mut ClusterPlan, &mut Tiny)| {
        jumping_worker(async {
            let server = peers(|mut peer: Peer, _| async move {
                let got = peer.read().await.unwrap();
                pass(300 * SECOND).await;
                peer.answer(&got).await;
                assert_eq!(peer.read().await, None);
            })
            .await;
            let (mut plan, mut tiny) = (patient(&server), tiny());
            change(&mut plan, &mut tiny);
            assert_eq!(caller(plan, tiny).call(1, "slow").await.unwrap(), "slow");
        });
    };
    without(|_, tiny| tiny.heartbeats = false);
    without(|plan, _| plan.rpc.heartbeat_interval = Duration::ZERO);
}

#[test]
fn a_peers_heartbeat_is_answered_with_its_id() {
    worker(async {
        let server = peers(|mut peer, _| async move {
            let got = peer.request().await.unwrap();
            peer.write(b'h', 99, "").await;
            let reply = peer.read().await.unwrap();
            assert_eq!((reply.letter, reply.id), (b'p', 99));
            peer.answer(&got).await;
            peer.closed().await;
        })
        .await;
        for later in [false, true] {
            let caller = caller(patient(&server), Tiny { later, ..tiny() });
            assert_eq!(caller.call(1, "x").await.unwrap(), "x");
        }
    });
}

#[test]
fn an_idle_connection_is_closed_in_time_and_a_busy_one_is_not() {
    jumping_worker(async {
        let server = peers(|mut peer, _| async move {
            while let Some(got) = peer.request().await {
                if got.body == "slow" {
                    pass(100 * SECOND).await;
                }
                peer.answer(&got).await;
            }
        })
        .await;
        let mut plan = plan(&[server.address]);
        plan.pool.idle_timeout = 20 * SECOND;
        plan.rpc.heartbeat_interval = Duration::ZERO;
        let caller = caller(plan, tiny());
        assert_eq!(caller.call(1, "slow").await.unwrap(), "slow");
        let idle = Instant::now();
        until_closed(&caller).await;
        let waited = idle.elapsed();
        assert!((20 * SECOND..31 * SECOND).contains(&waited), "{waited:?}");
        assert_eq!(caller.bench.metrics.connections_active.value(), 0);
        assert_eq!(caller.bench.cluster.pool().rpc.borrow().open_count(), 0);
    });
}

#[test]
fn heartbeats_do_not_keep_an_idle_connection() {
    jumping_worker(async {
        let server = peers(|peer, _| peer.echo()).await;
        let mut plan = plan(&[server.address]);
        plan.pool.idle_timeout = 20 * SECOND;
        plan.rpc.heartbeat_interval = SECOND;
        let caller = caller(plan, tiny());
        assert_eq!(caller.call(1, "x").await.unwrap(), "x");
        let idle = Instant::now();
        until_closed(&caller).await;
        assert!(idle.elapsed() < 30 * SECOND, "{:?}", idle.elapsed());
    });
}

#[test]
fn after_a_go_away_another_connection_is_opened_and_what_is_under_way_ends_well() {
    worker(async {
        let (closed, go) = (Rc::new(Notify::new()), Rc::new(Notify::new()));
        let (peer_closed, peer_go) = (Rc::clone(&closed), Rc::clone(&go));
        let server = peers(move |mut peer, number| {
            let (closed, go) = (Rc::clone(&peer_closed), Rc::clone(&peer_go));
            async move {
                if number > 1 {
                    return peer.echo().await;
                }
                let got = peer.request().await.unwrap();
                peer.write(b'g', 0, "").await;
                go.notified().await;
                peer.answer(&got).await;
                assert_eq!(peer.read().await, None, "nothing more comes");
                closed.notify_one();
            }
        })
        .await;
        let caller = caller(patient(&server), tiny());
        let first = caller.spawn(1, "first");
        while caller.bench.metrics.go_aways_total.value() == 0 {
            yield_now().await;
        }
        assert_eq!(caller.call(1, "second").await.unwrap(), "second");
        assert_eq!(server.connections.get(), 2);
        go.notify_one();
        assert_eq!(first.await.unwrap().unwrap(), "first");
        closed.notified().await;
        assert_eq!(caller.call(1, "third").await.unwrap(), "third");
        assert_eq!(server.connections.get(), 2);
        assert_eq!(caller.bench.metrics.resets_total.value(), 0);
    });
}

#[test]
fn a_go_away_on_an_idle_connection_closes_it() {
    worker(async {
        let server = peers(|mut peer, number| async move {
            if number > 1 {
                return peer.echo().await;
            }
            let got = peer.request().await.unwrap();
            peer.answer(&got).await;
            peer.write(b'g', 0, "").await;
            peer.closed().await;
        })
        .await;
        let caller = caller(patient(&server), tiny());
        assert_eq!(caller.call(1, "x").await.unwrap(), "x");
        while caller.bench.cluster.pool().open_count() > 0 {
            yield_now().await;
        }
        assert_eq!(caller.call(1, "y").await.unwrap(), "y");
    });
}

#[test]
fn a_drained_pool_lets_requests_finish_and_keeps_nothing() {
    for pool in [PoolMode::Multiplexed, PoolMode::PingPong] {
        worker(async {
            let (got, go) = (Rc::new(Notify::new()), Rc::new(Notify::new()));
            let (peer_got, peer_go) = (Rc::clone(&got), Rc::clone(&go));
            let server = peers(move |mut peer, _| {
                let (got, go) = (Rc::clone(&peer_got), Rc::clone(&peer_go));
                async move {
                    while let Some(request) = peer.request().await {
                        if request.body == "slow" {
                            got.notify_one();
                            go.notified().await;
                        }
                        peer.answer(&request).await;
                    }
                }
            })
            .await;
            let caller = caller(patient(&server), Tiny::new(pool));
            let slow = caller.spawn(1, "slow");
            got.notified().await;
            caller.bench.clusters.drain();
            // Who holds the cluster still gets a connection, which is closed behind the request.
            assert_eq!(caller.call(1, "after").await.unwrap(), "after");
            assert_eq!(server.connections.get(), 2);
            go.notify_one();
            assert_eq!(slow.await.unwrap().unwrap(), "slow");
            while caller.bench.cluster.pool().open_count() > 0 {
                yield_now().await;
            }
        });
    }
}

#[test]
fn an_endpoint_that_leaves_gets_nothing_new_and_finishes_what_it_has() {
    for pool in [PoolMode::Multiplexed, PoolMode::PingPong] {
        worker(async {
            let (got, go) = (Rc::new(Notify::new()), Rc::new(Notify::new()));
            let (peer_got, peer_go) = (Rc::clone(&got), Rc::clone(&go));
            let leaving = peers(move |mut peer, _| {
                let (got, go) = (Rc::clone(&peer_got), Rc::clone(&peer_go));
                async move {
                    let request = peer.request().await.unwrap();
                    got.notify_one();
                    go.notified().await;
                    peer.answer(&request).await;
                    assert_eq!(peer.read().await, None);
                }
            })
            .await;
            let staying = peers(|peer, _| peer.echo()).await;
            let caller = caller(patient(&leaving), Tiny::new(pool));
            let slow = caller.spawn(1, "slow");
            got.notified().await;
            let pool = caller.bench.cluster.pool();
            pool.keep_only([staying.address].into());
            assert_eq!(pool.rpc.borrow().open_count(), 0);
            assert_eq!(pool.open_count(), 1);
            go.notify_one();
            assert_eq!(slow.await.unwrap().unwrap(), "slow");
            while pool.open_count() > 0 {
                yield_now().await;
            }
        });
    }
}
