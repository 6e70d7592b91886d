//! Many requests at a time on one connection.

use std::rc::Rc;

use host_extension::PoolMode;
use tokio::{io::AsyncWriteExt as _, sync::Notify};

use crate::{
    RpcResponse, RpcTried,
    testing::{
        plan,
        rpc::{Peer, Tiny, call_on, caller, peers, text, wire},
        worker,
    },
};

fn tiny() -> Tiny {
    Tiny::new(PoolMode::Multiplexed)
}

#[test]
fn requests_share_a_connection_with_ids_of_their_own() {
    worker(async {
        let server = peers(|mut peer, _| async move {
            let mut all = Vec::new();
            for _ in 0..3 {
                all.push(peer.request().await.unwrap());
            }
            all.sort_by_key(|got| got.id);
            all.dedup_by_key(|got| got.id);
            assert_eq!(all.len(), 3, "each has its own");
            for got in all.iter().rev() {
                peer.answer(got).await;
            }
        })
        .await;
        let caller = caller(plan(&[server.address]), tiny());
        // All three have the same id at their client.
        let calls = ["one", "two", "three"].map(|body| (body, caller.spawn(7, body)));
        for (body, call) in calls {
            assert_eq!(call.await.unwrap().unwrap(), body);
        }
        let metrics = &caller.bench.metrics;
        assert_eq!(server.connections.get(), 1);
        assert_eq!(metrics.connects_total.value(), 1);
        assert_eq!(metrics.requests_total.value(), 3);
        assert_eq!(metrics.reused_total.value(), 2);
        assert_eq!(metrics.requests_active.value(), 0);
    });
}

#[test]
fn a_response_says_who_sent_it_and_has_the_id_that_went_out() {
    worker(async {
        let server = peers(|peer, _| peer.echo()).await;
        let caller = caller(plan(&[server.address]), tiny());
        let place = caller.place().await.unwrap();
        let id = place.id().expect("it is given one");
        assert_eq!(place.endpoint(), server.address);
        assert!(!place.is_reused());
        assert!(place.local_address().is_some());
        let response: RpcResponse = call_on(place, 7, "x").await.unwrap();
        assert_eq!(response.endpoint, server.address);
        assert_eq!((response.frame.id, &response.frame.raw[..]), (id, &wire(b'r', id, b"x")[..]));
        assert!(caller.place().await.unwrap().is_reused());
    });
}

#[test]
fn a_burst_opens_one_connection() {
    worker(async {
        let server = peers(|peer, _| peer.echo()).await;
        let caller = caller(plan(&[server.address]), tiny());
        let calls: Vec<_> = (0..200).map(|id| caller.spawn(id, "x")).collect();
        for call in calls {
            assert_eq!(call.await.unwrap().unwrap(), "x");
        }
        assert_eq!(server.connections.get(), 1);
    });
}

#[test]
fn a_full_connection_gets_company_and_then_requests_wait() {
    worker(async {
        let server = peers(|peer, _| peer.echo()).await;
        let mut plan = plan(&[server.address]);
        plan.rpc.requests_per_connection_max = 2;
        plan.rpc.connections_per_endpoint_max = 2;
        let caller = caller(plan, tiny());
        let mut places = Vec::new();
        for _ in 0..4 {
            places.push(caller.place().await.unwrap());
        }
        assert_eq!(caller.bench.metrics.connects_total.value(), 2);
        let waiting = caller.spawn(1, "waiting");
        tokio::task::yield_now().await;
        assert_eq!(caller.bench.metrics.pending_active.value(), 1);
        drop(places.pop());
        assert_eq!(waiting.await.unwrap().unwrap(), "waiting");
        assert_eq!(caller.bench.metrics.pending_active.value(), 0);
        assert_eq!(caller.bench.metrics.connects_total.value(), 2);
    });
}

#[test]
fn where_the_endpoint_is_full_another_one_serves() {
    worker(async {
        let one = peers(|peer, _| peer.echo()).await;
        let two = peers(|peer, _| peer.echo()).await;
        let mut plan = plan(&[one.address, two.address]);
        plan.rpc.requests_per_connection_max = 2;
        let caller = caller(plan, tiny());
        let first = caller.place().await.unwrap();
        let second = caller.place().await.unwrap();
        assert_ne!(first.endpoint(), second.endpoint(), "each in turn");
        let mut of_first = vec![caller.place().await.unwrap()];
        drop(second);
        of_first.extend([caller.place().await.unwrap(), caller.place().await.unwrap()]);
        let endpoints: Vec<_> = of_first.iter().map(|place| place.endpoint()).collect();
        let at_first = endpoints.iter().filter(|address| **address == first.endpoint()).count();
        assert_eq!(at_first, 1, "the third would be one too many: {endpoints:?}");
        assert_eq!(caller.bench.metrics.connects_total.value(), 2);
        assert_eq!(caller.bench.metrics.requests_active.value(), 4);
    });
}

#[test]
fn a_late_response_is_counted_and_its_id_is_free_again() {
    worker(async {
        let (got, go) = (Rc::new(Notify::new()), Rc::new(Notify::new()));
        let (peer_got, peer_go) = (Rc::clone(&got), Rc::clone(&go));
        let server = peers(move |mut peer, _| {
            let (got, go) = (Rc::clone(&peer_got), Rc::clone(&peer_go));
            async move {
                let late = peer.request().await.unwrap();
                got.notify_one();
                go.notified().await;
                peer.answer(&late).await;
                peer.echo().await;
            }
        })
        .await;
        let caller = caller(plan(&[server.address]), tiny());
        let place = caller.place().await.unwrap();
        let connection = Rc::clone(&place.seat.connection);
        tokio::select! {
            _ = call_on(place, 1, "late") => panic!("nothing was answered yet"),
            () = got.notified() => {}
        }
        assert_eq!(caller.bench.metrics.requests_active.value(), 0);
        assert_eq!(connection.ids_taken(), 1, "not free while its response may come");
        go.notify_one();
        assert_eq!(caller.call(1, "next").await.unwrap(), "next");
        assert_eq!(caller.bench.metrics.rpc_late_total.value(), 1);
        assert_eq!(caller.bench.metrics.rpc_unknown_total.value(), 0);
        assert_eq!(connection.ids_taken(), 0);
        assert_eq!(server.connections.get(), 1);
    });
}

#[test]
fn frames_that_nobody_waits_for_are_counted_and_hurt_nobody() {
    worker(async {
        let server = peers(|mut peer, _| async move {
            let got = peer.request().await.unwrap();
            peer.write(b'r', got.id + 1, "not its own").await;
            peer.write(b'q', got.id, "a request").await;
            peer.write(b'o', got.id, "one way").await;
            peer.answer(&got).await;
            peer.answer(&got).await;
            peer.echo().await;
        })
        .await;
        let caller = caller(plan(&[server.address]), tiny());
        assert_eq!(caller.call(1, "mine").await.unwrap(), "mine");
        assert_eq!(caller.call(1, "next").await.unwrap(), "next");
        assert_eq!(caller.bench.metrics.rpc_unknown_total.value(), 4);
        assert_eq!(server.connections.get(), 1);
    });
}

#[test]
fn a_one_way_request_is_done_when_it_is_written() {
    worker(async {
        let server = peers(|mut peer, _| async move {
            let got = peer.request().await.unwrap();
            assert_eq!((got.letter, &*got.body), (b'o', "fire"));
            peer.echo().await;
        })
        .await;
        let caller = caller(plan(&[server.address]), tiny());
        let place = caller.place().await.unwrap();
        let connection = Rc::clone(&place.seat.connection);
        let bytes = wire(b'o', place.id().unwrap(), b"fire");
        place.notify(bytes).await.unwrap();
        assert_eq!(connection.ids_taken(), 0);
        assert_eq!(caller.call(1, "next").await.unwrap(), "next");
        assert_eq!(caller.bench.metrics.requests_active.value(), 0);
    });
}

#[test]
fn a_codec_that_answers_later_reads_everything_in_order() {
    worker(async {
        let server = peers(|mut peer, _| async move {
            let mut bytes = Vec::new();
            for _ in 0..20 {
                let got = peer.request().await.unwrap();
                bytes.extend_from_slice(&wire(b'r', got.id, got.body.as_bytes()));
            }
            // In pieces that end within frames.
            for piece in bytes.chunks(33) {
                peer.0.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
            peer.closed().await;
        })
        .await;
        let caller = caller(plan(&[server.address]), Tiny { later: true, ..tiny() });
        let calls: Vec<_> = (0..20).map(|id| caller.spawn(id, "later")).collect();
        for call in calls {
            assert_eq!(call.await.unwrap().unwrap(), "later");
        }
        assert_eq!(caller.bench.metrics.rpc_unknown_total.value(), 0);
    });
}

#[test]
fn many_frames_of_one_read_are_all_taken() {
    worker(async {
        let server = peers(|mut peer, _| async move {
            let got = peer.request().await.unwrap();
            let mut bytes = Vec::new();
            for _ in 0..5000 {
                bytes.extend_from_slice(&wire(b'p', 1, b""));
            }
            bytes.extend_from_slice(&wire(b'r', got.id, b"behind them"));
            peer.0.write_all(&bytes).await.unwrap();
            peer.closed().await;
        })
        .await;
        let caller = caller(plan(&[server.address]), tiny());
        assert_eq!(caller.call(1, "x").await.unwrap(), "behind them");
    });
}

#[test]
fn protocols_with_other_codecs_have_connections_of_their_own() {
    worker(async {
        let server = peers(|peer: Peer, _| peer.echo()).await;
        let one = caller(plan(&[server.address]), tiny());
        let other = crate::testing::rpc::protocol(&Rc::new(tiny()));
        let places = [
            one.place().await.unwrap(),
            one.bench
                .cluster
                .rpc(&other, &one.session, false, &mut RpcTried::default())
                .await
                .unwrap(),
            one.place().await.unwrap(),
        ];
        assert_eq!(one.bench.metrics.connects_total.value(), 2);
        for place in places {
            assert_eq!(text(&call_on(place, 1, "x").await.unwrap()), "x");
        }
    });
}
