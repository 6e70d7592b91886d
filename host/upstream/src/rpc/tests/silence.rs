//! Peers that are gone without a word, where no heartbeat asks for them.

use std::{cell::Cell, rc::Rc, time::Duration};

use host_extension::PoolMode;
use tokio::time::timeout;

use crate::testing::{
    Server, jumping_worker, pass, plan,
    rpc::{Caller, Peer, Tiny, caller, peers},
};

const SECOND: Duration = Duration::from_secs(1);

/// A caller of this server whose connections are idle for as long as they like.
fn patient(server: &Server) -> Rc<Caller> {
    let mut plan = plan(&[server.address]);
    plan.pool.idle_timeout = 1000 * SECOND;
    caller(plan, Tiny { heartbeats: false, ..Tiny::new(PoolMode::Multiplexed) })
}

/// Answers nothing on the first connection.
async fn silent_then_well(peer: Peer, number: usize) {
    if number > 1 {
        return peer.echo().await;
    }
    peer.closed().await;
}

#[test]
fn a_connection_that_answers_nothing_is_left() {
    jumping_worker(async {
        let server = peers(silent_then_well).await;
        let caller = patient(&server);
        for _ in 0..3 {
            assert!(timeout(2 * SECOND, caller.call(1, "x")).await.is_err(), "nobody answers");
            assert_eq!(server.connections.get(), 1);
        }
        assert_eq!(caller.call(1, "x").await.unwrap(), "x");
        assert_eq!(server.connections.get(), 2);
        assert_eq!(caller.bench.metrics.connections_active.value(), 1);
    });
}

#[test]
fn what_is_under_way_there_may_still_end_well() {
    jumping_worker(async {
        let server = peers(|mut peer, number| async move {
            if number > 1 {
                return peer.echo().await;
            }
            let mut slow = peer.request().await.unwrap();
            while slow.body != "slow" {
                slow = peer.request().await.unwrap();
            }
            pass(30 * SECOND).await;
            peer.answer(&slow).await;
            peer.closed().await;
        })
        .await;
        let caller = patient(&server);
        let slow = caller.spawn(1, "slow");
        for _ in 0..3 {
            assert!(timeout(3 * SECOND, caller.call(1, "x")).await.is_err());
        }
        assert_eq!(caller.call(1, "x").await.unwrap(), "x");
        assert_eq!(slow.await.unwrap().unwrap(), "slow");
        assert_eq!(server.connections.get(), 2);
    });
}

#[test]
fn a_few_impatient_callers_are_no_sign() {
    jumping_worker(async {
        let server = peers(silent_then_well).await;
        let caller = patient(&server);
        // Long idle: that says nothing of the peer.
        drop(caller.place().await.unwrap());
        pass(60 * SECOND).await;
        for _ in 0..20 {
            let call = caller.call(1, "x");
            assert!(timeout(SECOND / 10, call).await.is_err());
        }
        assert_eq!(server.connections.get(), 1);
    });
}

#[test]
fn a_peer_that_answers_now_and_then_is_kept() {
    jumping_worker(async {
        let count = Rc::new(Cell::new(0));
        let server = peers(move |mut peer, _| {
            let count = Rc::clone(&count);
            async move {
                while let Some(got) = peer.request().await {
                    count.set(count.get() + 1);
                    if count.get() % 3 == 0 {
                        peer.answer(&got).await;
                    }
                }
            }
        })
        .await;
        let caller = patient(&server);
        for number in 1..=12 {
            let answered = timeout(4 * SECOND, caller.call(1, "x")).await.is_ok();
            assert_eq!(answered, number % 3 == 0, "{number}");
        }
        assert_eq!(server.connections.get(), 1);
    });
}
