//! One request at a time on each connection.

use std::{cell::Cell, rc::Rc};

use host_extension::PoolMode;
use tokio::{sync::Notify, task::yield_now};

use crate::{
    ConnectionEnd, UpstreamError,
    testing::{
        jumping_worker, pass, plan,
        rpc::{Tiny, call_on, caller, peers, text},
        worker,
    },
};

fn tiny() -> Tiny {
    Tiny::new(PoolMode::PingPong)
}

#[test]
fn there_are_never_two_requests_under_way_on_a_connection() {
    worker(async {
        let server = peers(|mut peer, _| async move {
            while let Some(got) = peer.request().await {
                // What came too early would lie in the socket by now.
                for _ in 0..3 {
                    yield_now().await;
                }
                let early = peer.0.try_read(&mut [0; 1]);
                assert!(early.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock));
                peer.answer(&got).await;
            }
        })
        .await;
        let mut plan = plan(&[server.address]);
        plan.pool.connections_max = 4;
        let caller = caller(plan, tiny());
        let bodies = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
        let calls: Vec<_> = bodies.iter().map(|body| (*body, caller.spawn(1, body))).collect();
        for (body, call) in calls {
            assert_eq!(call.await.unwrap().unwrap(), body);
        }
        assert_eq!(server.connections.get(), 4);
        assert_eq!(caller.bench.metrics.reused_total.value(), 6);
    });
}

#[test]
fn the_request_keeps_its_id_and_any_response_is_its_own() {
    worker(async {
        let server = peers(|mut peer, _| async move {
            while let Some(got) = peer.request().await {
                assert_eq!(got.id, 42);
                peer.write(b'r', 4711, &got.body).await;
            }
        })
        .await;
        let caller = caller(plan(&[server.address]), tiny());
        for _ in 0..3 {
            let place = caller.place().await.unwrap();
            assert_eq!(place.id(), None);
            assert_eq!(text(&call_on(place, 42, "x").await.unwrap()), "x");
        }
        assert_eq!(server.connections.get(), 1);
        assert_eq!(caller.bench.cluster.pool().rpc.borrow().idle_count(), 1);
    });
}

#[test]
fn a_request_that_is_given_up_takes_its_connection_with_it() {
    worker(async {
        let got = Rc::new(Notify::new());
        let peer_got = Rc::clone(&got);
        let server = peers(move |mut peer, number| {
            let got = Rc::clone(&peer_got);
            async move {
                if number == 1 {
                    peer.request().await.unwrap();
                    got.notify_one();
                    peer.closed().await;
                    got.notify_one();
                } else {
                    peer.echo().await;
                }
            }
        })
        .await;
        let caller = caller(plan(&[server.address]), tiny());
        tokio::select! {
            _ = caller.call(1, "late") => panic!("nothing was answered"),
            () = got.notified() => {}
        }
        got.notified().await;
        assert_eq!(caller.call(1, "next").await.unwrap(), "next");
        assert_eq!(server.connections.get(), 2);
    });
}

#[test]
fn a_response_out_of_turn_ends_the_connection() {
    worker(async {
        let done = Rc::new(Notify::new());
        let peer_done = Rc::clone(&done);
        let server = peers(move |mut peer, number| {
            let done = Rc::clone(&peer_done);
            async move {
                if number > 1 {
                    return peer.echo().await;
                }
                let got = peer.request().await.unwrap();
                peer.answer(&got).await;
                peer.answer(&got).await;
                peer.closed().await;
                done.notify_one();
            }
        })
        .await;
        let caller = caller(plan(&[server.address]), tiny());
        assert_eq!(caller.call(1, "once").await.unwrap(), "once");
        done.notified().await;
        assert_eq!(caller.bench.metrics.rpc_unknown_total.value(), 1);
        assert_eq!(caller.call(1, "next").await.unwrap(), "next");
        assert_eq!(server.connections.get(), 2);
    });
}

#[test]
fn who_wants_a_new_connection_gets_one() {
    worker(async {
        let server = peers(|peer, _| peer.echo()).await;
        let caller = caller(plan(&[server.address]), tiny());
        assert_eq!(caller.call(1, "x").await.unwrap(), "x");
        let place = caller.place_of(&caller.session, true).await.unwrap();
        assert!(!place.is_reused());
        assert_eq!(caller.bench.metrics.connects_total.value(), 2);
        drop(place);
        assert!(caller.place().await.unwrap().is_reused());
    });
}

#[test]
fn no_heartbeat_overtakes_a_request_and_none_is_overtaken() {
    jumping_worker(async {
        let (asked, beats) = (Rc::new(Notify::new()), Rc::new(Cell::new(0)));
        let (peer_asked, peer_beats) = (Rc::clone(&asked), Rc::clone(&beats));
        let server = peers(move |mut peer, number| {
            let (asked, beats) = (Rc::clone(&peer_asked), Rc::clone(&peer_beats));
            async move {
                if number > 1 {
                    return peer.echo().await;
                }
                let got = peer.read().await.unwrap();
                assert_eq!(got.letter, b'q');
                // Several intervals: no heartbeat comes while the request is under way.
                pass(std::time::Duration::from_secs(60)).await;
                peer.answer(&got).await;
                let beat = peer.read().await.unwrap();
                assert_eq!(beat.letter, b'h');
                beats.set(1);
                asked.notify_one();
                peer.closed().await;
            }
        })
        .await;
        let mut plan = plan(&[server.address]);
        plan.pool.idle_timeout = std::time::Duration::from_secs(600);
        let caller = caller(plan, tiny());
        assert_eq!(caller.call(1, "slow").await.unwrap(), "slow");
        assert_eq!(beats.get(), 0);
        asked.notified().await;
        assert_eq!(caller.call(1, "beside").await.unwrap(), "beside");
        assert_eq!(server.connections.get(), 2, "the first one is busy with its heartbeat");
    });
}

#[test]
fn a_connection_that_ended_in_the_pool_is_not_used() {
    worker(async {
        let server = peers(|mut peer, number| async move {
            let got = peer.request().await.unwrap();
            peer.answer(&got).await;
            if number > 1 {
                peer.echo().await;
            }
        })
        .await;
        let caller = caller(plan(&[server.address]), tiny());
        assert_eq!(caller.call(1, "x").await.unwrap(), "x");
        // Its end may be seen before the next request takes it, or with it, but before a byte
        // of that is written.
        let error = match caller.call(1, "y").await {
            Ok(body) => return assert_eq!(body, "y"),
            Err(error) => error,
        };
        assert!(error.unsent, "{error:?}");
        let UpstreamError::ConnectionEnded { source, .. } = &error.error else {
            panic!("{error:?}")
        };
        assert!(matches!(**source, ConnectionEnd::Closed), "{source:?}");
        assert_eq!(caller.call(1, "y").await.unwrap(), "y");
    });
}

#[test]
fn a_codec_that_has_no_heartbeat_after_all_does_not_block_its_connection() {
    jumping_worker(async {
        let server = peers(|peer, _| peer.echo()).await;
        let mut plan = plan(&[server.address]);
        plan.pool.idle_timeout = std::time::Duration::from_secs(600);
        for later in [false, true] {
            let caller = caller(plan.clone(), Tiny { heartless: true, later, ..tiny() });
            let before = server.connections.get();
            assert_eq!(caller.call(1, "x").await.unwrap(), "x");
            pass(std::time::Duration::from_secs(100)).await;
            assert_eq!(caller.call(1, "x").await.unwrap(), "x");
            assert_eq!(server.connections.get() - before, 1);
        }
    });
}
