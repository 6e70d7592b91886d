//! Requests that are dropped at any moment leave nothing behind.

use std::rc::Rc;

use host_extension::PoolMode;
use tokio::task::{JoinSet, yield_now};

use crate::{
    RpcSession,
    testing::{
        jumping_worker, plan,
        rpc::{Caller, Peer, Tiny, call_on, caller, peers, text},
        worker,
    },
};

/// A peer of bad manners: it answers late, goes away, breaks off, and where answers have ids it
/// answers twice and guesses.
async fn rude(mut peer: Peer, has_ids: bool, mut random: fastrand::Rng) {
    let mut kept = Vec::new();
    while let Some(got) = peer.request().await {
        match random.u8(0..20) {
            0 => return,
            1 => peer.write(b'?', got.id, "").await,
            2 => peer.write(b'g', 0, "").await,
            3 => peer.write(b'm', got.id, "").await,
            4 if has_ids => peer.write(b'r', random.u64(..), "guessed").await,
            5 => peer.write(b'h', got.id, "").await,
            6 => peer.write(b'r', got.id, "fault").await,
            7 => kept.push(got),
            8 if has_ids => {
                peer.answer(&got).await;
                peer.answer(&got).await;
            }
            _ => {
                kept.push(got);
                random.shuffle(&mut kept);
                for got in kept.drain(..) {
                    peer.answer(&got).await;
                }
            }
        }
    }
}

/// Runs calls and drops each after a random number of turns of the runtime.
async fn storm(caller: &Rc<Caller>, sessions: &Rc<Vec<RpcSession>>, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut tasks = JoinSet::new();
    for id in 0..60 {
        let (caller, sessions) = (Rc::clone(caller), Rc::clone(sessions));
        let (turns, patient) = (random.usize(0..40), random.bool());
        let session = random.usize(0..sessions.len());
        tasks.spawn_local(async move {
            let call = async {
                let place = caller.place_of(&sessions[session], false).await?;
                let body = id.to_string();
                let answer = call_on(place, id, &body).await?;
                assert_eq!(text(&answer), body, "nobody gets the answer of another");
                Ok::<_, crate::RpcError>(())
            };
            if patient {
                drop(call.await);
                return;
            }
            tokio::select! {
                biased;
                done = call => drop(done),
                () = async { for _ in 0..turns { yield_now().await; } } => {}
            }
        });
        if random.bool() {
            yield_now().await;
        }
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
}

async fn nothing_is_left(caller: &Rc<Caller>) {
    let pool = caller.bench.cluster.pool();
    let metrics = &caller.bench.metrics;
    assert_eq!(pool.waiting_count(), 0);
    assert_eq!(metrics.pending_active.value(), 0);
    assert_eq!(metrics.requests_active.value(), 0);
    assert_eq!(pool.opening_count(), 0);
    // Every slot still works, and then every one comes back.
    assert_eq!(caller.call(1, "last").await.unwrap(), "last");
    assert!(pool.rpc.borrow().idle_count() <= pool.rpc.borrow().open_count());
    caller.bench.clusters.drain();
    while pool.open_count() > 0 {
        yield_now().await;
    }
    assert_eq!(pool.rpc.borrow().open_count(), 0);
    assert_eq!(metrics.connections_active.value(), 0);
}

/// Against rude peers: an answer is one's own or an error, and nothing is left.
fn check_rude(pool: PoolMode, later: bool) {
    for seed in 0..24 {
        jumping_worker(async {
            let server = peers(move |peer, number| {
                let random = fastrand::Rng::with_seed(seed * 1000 + number as u64);
                rude(peer, pool != PoolMode::PingPong, random)
            })
            .await;
            let mut plan = plan(&[server.address]);
            plan.pool.connections_max = 3;
            plan.rpc.connections_per_endpoint_max = 2;
            plan.rpc.requests_per_connection_max = 8;
            let caller = caller(plan, Tiny { later, ..Tiny::new(pool) });
            let sessions = Rc::new(vec![RpcSession::default(), RpcSession::default()]);
            // What the peer keeps is given up in the end.
            let storm = storm(&caller, &sessions, seed);
            drop(tokio::time::timeout(std::time::Duration::from_millis(200), storm).await);
            drop(sessions);
            caller.bench.clusters.drain();
            while caller.bench.cluster.pool().open_count() > 0 {
                yield_now().await;
            }
            let metrics = &caller.bench.metrics;
            assert_eq!(metrics.requests_active.value(), 0);
            assert_eq!(metrics.pending_active.value(), 0);
            assert_eq!(metrics.connections_active.value(), 0);
        });
    }
}

#[test]
fn rude_peers_get_nobody_a_wrong_answer() {
    check_rude(PoolMode::Multiplexed, false);
    check_rude(PoolMode::Multiplexed, true);
    check_rude(PoolMode::PingPong, false);
    check_rude(PoolMode::Bound, false);
}

fn check(pool: PoolMode, later: bool) {
    for seed in 0..24 {
        worker(async {
            let server = peers(|peer, _| peer.echo()).await;
            let mut plan = plan(&[server.address]);
            plan.pool.connections_max = 3;
            plan.rpc.connections_per_endpoint_max = 2;
            plan.rpc.requests_per_connection_max = 4;
            let caller = caller(plan, Tiny { later, ..Tiny::new(pool) });
            // One slot stays free for the session of the caller itself.
            let sessions = Rc::new(vec![RpcSession::default(), RpcSession::default()]);
            storm(&caller, &sessions, seed).await;
            drop(sessions);
            nothing_is_left(&caller).await;
        });
    }
}

#[test]
fn calls_on_shared_connections_leave_nothing() {
    check(PoolMode::Multiplexed, false);
    check(PoolMode::Multiplexed, true);
}

#[test]
fn calls_on_connections_of_their_own_leave_nothing() {
    check(PoolMode::PingPong, false);
    check(PoolMode::PingPong, true);
}

#[test]
fn calls_of_bound_clients_leave_nothing() {
    check(PoolMode::Bound, false);
    check(PoolMode::Bound, true);
}

#[test]
fn a_call_in_flight_costs_little_memory() {
    fn size_of_future<F: Future>(_: impl FnOnce(&'static Caller) -> F) -> usize {
        size_of::<F>()
    }
    let size = size_of_future(|caller| async move {
        drop(caller.place().await);
    });
    assert!(size < 4 * 1024, "{size}");
}
