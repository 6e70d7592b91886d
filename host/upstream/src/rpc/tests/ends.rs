//! Connections that end in other ways than they should.

use host_extension::{FaultKind, PoolMode};
use host_types::ReplyReason;
use tokio::io::AsyncWriteExt as _;

use crate::{
    ConnectionEnd, RpcError, UpstreamError,
    testing::{
        jumping_worker, pass, plan,
        rpc::{Caller, Peer, Tiny, call_on, caller, peers, wire},
        worker,
    },
};

fn tiny() -> Tiny {
    Tiny::new(PoolMode::Multiplexed)
}

/// How the connection ended, where bytes of the request had been sent.
#[track_caller]
fn end(error: &RpcError) -> &ConnectionEnd {
    assert!(!error.unsent && !error.error.nothing_sent(), "{error:?}");
    assert_eq!(error.error.reason(), ReplyReason::UpstreamFailed);
    let UpstreamError::ConnectionEnded { source, .. } = &error.error else { panic!("{error:?}") };
    source
}

/// What two requests come to that are under way when the first connection sends these bytes,
/// behind the answer to a request of before.
async fn two_under(tail: &'static [u8], tiny: Tiny) -> (std::rc::Rc<Caller>, [RpcError; 2]) {
    let server = peers(move |mut peer: Peer, number| async move {
        if number > 1 {
            return peer.echo().await;
        }
        let mut all = Vec::new();
        for _ in 0..3 {
            all.push(peer.request().await.unwrap());
        }
        let first = all.iter().find(|got| got.body == "first").unwrap();
        let mut bytes = wire(b'r', first.id, b"first").to_vec();
        bytes.extend_from_slice(tail);
        peer.0.write_all(&bytes).await.unwrap();
        if tail.is_empty() {
            return;
        }
        peer.closed().await;
    })
    .await;
    let caller = caller(plan(&[server.address]), tiny);
    let first = caller.spawn(1, "first");
    let others = [caller.spawn(2, "second"), caller.spawn(3, "third")];
    assert_eq!(first.await.unwrap().unwrap(), "first", "what came before is served");
    let [second, third] = others;
    let errors = [second.await.unwrap().unwrap_err(), third.await.unwrap().unwrap_err()];
    assert_eq!(caller.bench.metrics.resets_total.value(), 2);
    assert_eq!(caller.call(4, "next").await.unwrap(), "next", "a new connection serves");
    (caller, errors)
}

#[test]
fn a_connection_that_is_lost_takes_what_is_under_way_with_it() {
    worker(async {
        let (_caller, errors) = two_under(b"", tiny()).await;
        for error in &errors {
            assert!(matches!(end(error), ConnectionEnd::Closed), "{error:?}");
        }
    });
}

#[test]
fn bytes_of_another_protocol_end_the_connection() {
    for later in [false, true] {
        worker(async {
            let tiny = Tiny { later, ..tiny() };
            let (caller, errors) = two_under(b"HTTP/1.1 200 OK\r\n\r\n", tiny).await;
            for error in &errors {
                assert!(matches!(end(error), ConnectionEnd::Lost(_)), "{error:?}");
            }
            assert!(caller.tiny.faults.borrow().is_empty());
        });
    }
}

#[test]
fn a_frame_that_says_it_is_too_long_ends_the_connection_before_it_comes() {
    worker(async {
        let (_caller, errors) = two_under(b"\x00\x01\x00\x01hXXXXXXXX", tiny()).await;
        for error in &errors {
            let end = end(error);
            assert!(matches!(end, ConnectionEnd::FrameTooLarge { bytes_max: 65_536 }), "{end:?}");
        }
    });
}

#[test]
fn a_fault_of_the_codec_is_told_and_ends_this_connection_only() {
    for later in [false, true] {
        worker(async {
            let tiny = Tiny { later, ..tiny() };
            let tail = b"\x00\x00\x00\x12rXXXXXXXXfault";
            let server = peers(|peer, _| peer.echo()).await;
            let other = caller(plan(&[server.address]), Tiny::new(PoolMode::PingPong));
            let place = other.place().await.unwrap();
            let error = {
                let server = peers(move |mut peer: Peer, number| async move {
                    if number > 1 {
                        return peer.echo().await;
                    }
                    peer.request().await.unwrap();
                    peer.0.write_all(tail).await.unwrap();
                    peer.closed().await;
                })
                .await;
                let caller = caller(plan(&[server.address]), tiny);
                let error = caller.call(1, "x").await.unwrap_err();
                assert_eq!(caller.call(1, "next").await.unwrap(), "next");
                let faults = caller.tiny.faults.borrow();
                assert_eq!(faults.len(), 1);
                assert_eq!(faults[0].kind, FaultKind::Trapped);
                error
            };
            assert!(matches!(end(&error), ConnectionEnd::CodecFailed(_)), "{error:?}");
            call_on(place, 1, "untouched").await.unwrap();
        });
    }
}

#[test]
fn without_a_codec_no_connection_is_opened() {
    worker(async {
        let server = peers(|peer, _| peer.echo()).await;
        let caller = caller(plan(&[server.address]), tiny());
        caller.tiny.no_codec.set(true);
        let error = caller.call(1, "x").await.unwrap_err();
        assert!(error.unsent, "{error:?}");
        assert!(matches!(error.error, UpstreamError::CodecFailed { .. }), "{error:?}");
        assert_eq!(error.error.reason(), ReplyReason::UpstreamFailed);
        assert_eq!(server.connections.get(), 0);
        assert_eq!(caller.bench.cluster.pool().open_count(), 0);
        caller.tiny.no_codec.set(false);
        assert_eq!(caller.call(1, "x").await.unwrap(), "x");
    });
}

#[test]
fn a_malformed_frame_that_does_not_look_like_a_response_fails_its_request_too() {
    for pool in [PoolMode::Multiplexed, PoolMode::PingPong, PoolMode::Bound] {
        worker(async move {
            let server = peers(|mut peer, _| async move {
                let got = peer.request().await.unwrap();
                peer.write(b'x', got.id, "what?").await;
                peer.echo().await;
            })
            .await;
            let caller = caller(plan(&[server.address]), Tiny::new(pool));
            let error = caller.call(7, "x").await.unwrap_err();
            let UpstreamError::MalformedResponse { .. } = &error.error else { panic!("{error:?}") };
            assert_eq!(caller.call(8, "next").await.unwrap(), "next");
            assert_eq!(server.connections.get(), 1);
            assert_eq!(caller.bench.metrics.rpc_unknown_total.value(), 0);
        });
    }
}

#[test]
fn a_malformed_frame_of_nobody_is_counted() {
    worker(async {
        let server = peers(|mut peer, _| async move {
            let got = peer.request().await.unwrap();
            peer.write(b'x', got.id + 1, "what?").await;
            peer.answer(&got).await;
            peer.closed().await;
        })
        .await;
        let caller = caller(plan(&[server.address]), tiny());
        assert_eq!(caller.call(7, "x").await.unwrap(), "x");
        assert_eq!(caller.bench.metrics.rpc_unknown_total.value(), 1);
    });
}

#[test]
fn a_malformed_response_fails_its_request_and_the_connection_lives() {
    worker(async {
        let server = peers(|mut peer, _| async move {
            let got = peer.request().await.unwrap();
            peer.write(b'm', got.id, "what?").await;
            peer.echo().await;
        })
        .await;
        let caller = caller(plan(&[server.address]), tiny());
        let error = caller.call(1, "x").await.unwrap_err();
        assert!(!error.unsent);
        assert_eq!(error.error.reason(), ReplyReason::UpstreamFailed);
        assert!(matches!(error.error, UpstreamError::MalformedResponse { .. }), "{error:?}");
        assert_eq!(caller.call(1, "y").await.unwrap(), "y");
        assert_eq!(server.connections.get(), 1);
        assert_eq!(caller.bench.metrics.resets_total.value(), 0);
    });
}

#[test]
fn a_peer_that_takes_nothing_is_given_up() {
    jumping_worker(async {
        let server = peers(|peer: Peer, _| async move {
            // It reads nothing, and stays.
            std::future::pending::<()>().await;
            drop(peer);
        })
        .await;
        let mut plan = plan(&[server.address]);
        plan.rpc.heartbeat_interval = std::time::Duration::ZERO;
        let caller = caller(plan, tiny());
        let place = caller.place().await.unwrap();
        let behind = caller.place().await.unwrap();
        let large = "x".repeat(16 * 1024 * 1024);
        let small = async {
            pass(std::time::Duration::from_secs(1)).await;
            call_on(behind, 2, "behind").await
        };
        let begun = tokio::time::Instant::now();
        let (first, refused) = tokio::join!(call_on(place, 1, &large), small);
        assert!(begun.elapsed() >= super::super::task::STALL);
        assert!(matches!(end(&first.unwrap_err()), ConnectionEnd::Stalled));
        let refused = refused.unwrap_err();
        assert!(refused.unsent, "{refused:?}");
        assert!(matches!(refused.error, UpstreamError::QueueFull { .. }), "{refused:?}");
        assert_eq!(refused.error.reason(), ReplyReason::Overload);
        assert_eq!(caller.bench.metrics.overflow_total.value(), 1);
    });
}

#[test]
fn what_waits_behind_a_frame_that_is_not_taken_was_not_sent() {
    jumping_worker(async {
        let server = peers(|peer: Peer, _| async move {
            pass(std::time::Duration::from_secs(5)).await;
            drop(peer);
        })
        .await;
        let caller = caller(plan(&[server.address]), tiny());
        let place = async || caller.place().await.unwrap();
        let (filler, two, three) = (place().await, place().await, place().await);
        let connection = std::rc::Rc::clone(&filler.seat.connection);
        // More than the sockets hold, in frames that fill the queue to just below its limit.
        let mut fillers = Vec::new();
        let body = "x".repeat(512 * 1024);
        for _ in 0..64 {
            let place = place().await;
            let bytes = wire(b'o', place.id().unwrap(), body.as_bytes());
            fillers.push(tokio::task::spawn_local(place.notify(bytes)));
            pass(std::time::Duration::from_millis(1)).await;
            if connection.queue.waits() > body.len() {
                break;
            }
        }
        let (call, one_way) =
            tokio::join!(call_on(two, 2, "behind"), three.notify(wire(b'o', 3, b"behind")));
        let (call, one_way) = (call.unwrap_err(), one_way.unwrap_err());
        for error in [&call, &one_way] {
            assert!(error.unsent, "{error:?}");
            assert!(
                matches!(error.error, UpstreamError::ConnectionEnded { sent: false, .. }),
                "{error:?}"
            );
        }
        drop((filler, fillers));
    });
}

#[test]
fn an_endpoint_that_refuses_connections_says_that_nothing_was_sent() {
    worker(async {
        let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = gone.local_addr().unwrap();
        drop(gone);
        let caller = caller(plan(&[address]), tiny());
        for _ in 0..3 {
            let error = caller.call(1, "x").await.unwrap_err();
            assert!(error.unsent, "{error:?}");
            assert!(matches!(error.error, UpstreamError::ConnectFailed { .. }), "{error:?}");
        }
        assert_eq!(caller.bench.cluster.pool().open_count(), 0);
        assert_eq!(caller.bench.metrics.connect_failures_total.value(), 3);
        assert_eq!(caller.bench.metrics.requests_active.value(), 0);
    });
}

#[test]
fn a_connection_whose_codec_was_lost_elsewhere_gets_no_request() {
    for pool in [PoolMode::Multiplexed, PoolMode::PingPong] {
        worker(async move {
            let server = peers(|peer: Peer, _number| peer.echo()).await;
            let caller = caller(plan(&[server.address]), Tiny::new(pool));
            let under_way = caller.place().await.unwrap();
            let first = std::rc::Rc::clone(&under_way.seat.connection);
            caller.tiny.lose();
            assert_eq!(caller.call(1, "anew").await.unwrap(), "anew");
            // What is under way may be served by what the peer sends before its codec is asked.
            assert!(!first.is_over());
            drop(under_way);
            assert!(first.is_over(), "nothing more is waited for");
            assert_eq!(caller.call(2, "again").await.unwrap(), "again");
            assert_eq!(caller.bench.metrics.connects_total.value(), 2);
            caller.tiny.lose();
            assert_eq!(caller.call(3, "third").await.unwrap(), "third", "the idle one is left");
            assert_eq!(caller.bench.metrics.connects_total.value(), 3);
            assert_eq!(caller.bench.metrics.requests_active.value(), 0);
        });
    }
}
