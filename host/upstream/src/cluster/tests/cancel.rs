//! Requests that are dropped at any moment leave nothing behind.

use std::rc::Rc;

use tokio::task::{JoinSet, yield_now};

use crate::{
    UpstreamProtocol,
    testing::{Bench, bench, echo_path, http1_server, plan, worker},
};

use super::http2::http2_server;

/// Runs requests and drops each after a random number of turns of the runtime.
async fn storm(bench: &Rc<Bench>, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut tasks = JoinSet::new();
    for _ in 0..60 {
        let bench = Rc::clone(bench);
        let turns = random.usize(0..40);
        let patient = random.bool();
        tasks.spawn_local(async move {
            let request = bench.fetch("/x");
            if patient {
                drop(request.await);
                return;
            }
            tokio::select! {
                biased;
                done = request => drop(done),
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

async fn nothing_is_left(bench: &Rc<Bench>) {
    let pool = bench.cluster.pool();
    assert_eq!(pool.waiting_count(), 0);
    assert_eq!(bench.metrics.pending_active.value(), 0);
    assert_eq!(bench.metrics.requests_active.value(), 0);
    // Every slot still works, and then every one comes back.
    assert_eq!(bench.fetch("/last").await.unwrap(), "/last");
    bench.clusters.drain();
    while pool.open_count() > 0 {
        yield_now().await;
    }
    assert_eq!(bench.metrics.connections_active.value(), 0);
    assert_eq!(pool.opening_count(), 0);
}

#[test]
fn http1_requests_that_are_dropped_leak_no_slot_and_no_place_in_line() {
    for seed in 0..24 {
        worker(async {
            let server = http1_server(echo_path).await;
            let mut plan = plan(&[server.address]);
            plan.pool.connections_max = 3;
            let bench = Rc::new(bench(plan));
            storm(&bench, seed).await;
            nothing_is_left(&bench).await;
        });
    }
}

#[test]
fn http2_requests_that_are_dropped_leak_no_slot_and_no_place_in_line() {
    for seed in 0..24 {
        worker(async {
            let server = http2_server(echo_path).await;
            let mut plan = plan(&[server.address]);
            plan.protocol = UpstreamProtocol::Http2;
            plan.pool.connections_max = 2;
            plan.pool.streams_per_connection_max = 4;
            let bench = Rc::new(bench(plan));
            storm(&bench, seed).await;
            nothing_is_left(&bench).await;
        });
    }
}
