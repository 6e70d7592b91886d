//! One upstream connection for each connection of a client.

use std::rc::Rc;

use host_extension::PoolMode;
use host_types::ReplyReason;
use tokio::sync::Notify;

use crate::{
    RpcSession, UpstreamError,
    testing::{
        plan,
        rpc::{Peer, Tiny, call_on, caller, peers, text},
        worker,
    },
};

fn tiny() -> Tiny {
    Tiny::new(PoolMode::Bound)
}

#[test]
fn each_client_connection_has_one_of_its_own_and_ids_stay() {
    worker(async {
        let server = peers(|mut peer, _| async move {
            let one = peer.request().await.unwrap();
            let two = peer.request().await.unwrap();
            assert_eq!([one.id, two.id], [70, 80]);
            peer.answer(&two).await;
            peer.answer(&one).await;
            peer.closed().await;
        })
        .await;
        let caller = caller(plan(&[server.address]), tiny());
        for session in [&caller.session, &RpcSession::default()] {
            let one = caller.place_of(session, false).await.unwrap();
            let two = caller.place_of(session, true).await.unwrap();
            assert_eq!((one.id(), two.id()), (None, None));
            let (one, two) = tokio::join!(call_on(one, 70, "one"), call_on(two, 80, "two"));
            assert_eq!((text(&one.unwrap()), text(&two.unwrap())), ("one".into(), "two".into()));
        }
        assert_eq!(server.connections.get(), 2);
        assert_eq!(caller.bench.metrics.requests_active.value(), 0);
    });
}

#[test]
fn requests_that_come_together_make_one_connection() {
    worker(async {
        let server = peers(|peer, _| peer.echo()).await;
        let caller = caller(plan(&[server.address]), tiny());
        let calls: Vec<_> = (0..20).map(|id| caller.spawn(id, "x")).collect();
        for call in calls {
            assert_eq!(call.await.unwrap().unwrap(), "x");
        }
        assert_eq!(server.connections.get(), 1);
    });
}

#[test]
fn an_id_that_is_under_way_is_refused_and_the_first_one_is_served() {
    worker(async {
        let server = peers(|peer, _| peer.echo()).await;
        let caller = caller(plan(&[server.address]), tiny());
        let (one, two) = (caller.place().await.unwrap(), caller.place().await.unwrap());
        let (first, second) = tokio::join!(call_on(one, 7, "first"), call_on(two, 7, "second"));
        assert_eq!(text(&first.unwrap()), "first");
        let error = second.unwrap_err();
        assert!(error.unsent);
        assert_eq!(error.error.reason(), ReplyReason::Malformed);
        assert_eq!(caller.call(7, "again").await.unwrap(), "again");
    });
}

#[test]
fn the_upstreams_end_is_told_and_nothing_is_sent_any_more() {
    worker(async {
        let server = peers(|mut peer, _| async move {
            let one = peer.request().await.unwrap();
            peer.request().await.unwrap();
            peer.answer(&one).await;
        })
        .await;
        let caller = caller(plan(&[server.address]), tiny());
        let (one, two) = (caller.spawn(1, "one"), caller.spawn(2, "two"));
        caller.session.until_upstream_closed().await;
        assert_eq!(one.await.unwrap().unwrap(), "one");
        let error = two.await.unwrap().unwrap_err();
        assert!(!error.unsent, "{error:?}");
        assert_eq!(error.error.reason(), ReplyReason::UpstreamFailed);
        let error = caller.call(3, "three").await.unwrap_err();
        assert!(error.unsent, "{error:?}");
        assert_eq!(server.connections.get(), 1);
    });
}

#[test]
fn the_clients_end_ends_the_upstream_connection_when_nothing_is_under_way() {
    worker(async {
        let closed = Rc::new(Notify::new());
        let peer_closed = Rc::clone(&closed);
        let server = peers(move |mut peer, _| {
            let closed = Rc::clone(&peer_closed);
            async move {
                let got = peer.request().await.unwrap();
                peer.answer(&got).await;
                peer.closed().await;
                closed.notify_one();
            }
        })
        .await;
        let caller = caller(plan(&[server.address]), tiny());
        let session = RpcSession::default();
        let place = caller.place_of(&session, false).await.unwrap();
        drop(session);
        assert_eq!(text(&call_on(place, 1, "last").await.unwrap()), "last");
        closed.notified().await;
        while caller.bench.cluster.pool().open_count() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(caller.bench.metrics.connections_active.value(), 0);
    });
}

#[test]
fn a_drained_cluster_serves_its_clients_until_they_are_quiet() {
    worker(async {
        let server = peers(|peer: Peer, _| peer.echo()).await;
        let caller = caller(plan(&[server.address]), tiny());
        let place = caller.place().await.unwrap();
        caller.bench.clusters.drain();
        assert_eq!(caller.call(1, "still").await.unwrap(), "still");
        assert_eq!(text(&call_on(place, 2, "last").await.unwrap()), "last");
        caller.session.until_upstream_closed().await;
        let error = caller.call(3, "after").await.unwrap_err();
        assert!(error.unsent, "{error:?}");
        assert!(matches!(error.error, UpstreamError::ConnectionEnded { .. }), "{error:?}");
    });
}

#[test]
fn after_a_go_away_nothing_new_is_sent_and_the_client_has_to_go() {
    worker(async {
        let (went, go) = (Rc::new(Notify::new()), Rc::new(Notify::new()));
        let (peer_went, peer_go) = (Rc::clone(&went), Rc::clone(&go));
        let server = peers(move |mut peer, _| {
            let (went, go) = (Rc::clone(&peer_went), Rc::clone(&peer_go));
            async move {
                let got = peer.request().await.unwrap();
                peer.write(b'g', 0, "").await;
                went.notify_one();
                go.notified().await;
                peer.answer(&got).await;
                assert_eq!(peer.read().await, None);
            }
        })
        .await;
        let caller = caller(plan(&[server.address]), tiny());
        let first = caller.spawn(1, "first");
        went.notified().await;
        while caller.bench.metrics.go_aways_total.value() == 0 {
            tokio::task::yield_now().await;
        }
        let error = caller.call(2, "second").await.unwrap_err();
        assert!(error.unsent, "{error:?}");
        go.notify_one();
        assert_eq!(first.await.unwrap().unwrap(), "first");
        caller.session.until_upstream_closed().await;
    });
}
