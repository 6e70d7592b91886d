//! Those who wait for a connection that somebody else was to make, or that breaks.

use std::{net::SocketAddr, pin::pin, rc::Rc, time::Duration};

use futures_util::poll;
use host_extension::PoolMode;
use host_types::ReplyReason;
use tokio::{net::TcpStream, sync::Notify, task::JoinHandle, task::yield_now, time::Instant};

use crate::{
    RpcError, UpstreamError,
    testing::{
        jumping_worker, plan,
        rpc::{Caller, Tiny, caller, peers},
        worker,
    },
};

type Calls = Vec<JoinHandle<Result<String, RpcError>>>;

fn tiny() -> Tiny {
    Tiny::new(PoolMode::Multiplexed)
}

/// So many more calls, all in line.
async fn in_line(caller: &Rc<Caller>, count: u64) -> Calls {
    let calls = (0..count).map(|id| caller.spawn(id, "x")).collect();
    while caller.bench.metrics.pending_active.value() < i64::try_from(count).unwrap() {
        yield_now().await;
    }
    calls
}

/// An address that takes no connection and says nothing; it does as long as the rest is held.
async fn silent() -> (SocketAddr, socket2::Socket, Vec<TcpStream>) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    socket.bind(&any.into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let mut held = Vec::new();
    while let Ok(stream) = host_net::connect(address, Duration::from_millis(50)).await {
        held.push(stream);
        assert!(held.len() < 64, "the backlog has no limit here");
    }
    (address, socket, held)
}

#[test]
fn where_who_opens_is_dropped_one_of_the_others_opens() {
    worker(async {
        let server = peers(|peer, _| peer.echo()).await;
        let caller = caller(plan(&[server.address]), tiny());
        let calls = {
            let mut opener = pin!(caller.place());
            assert!(poll!(opener.as_mut()).is_pending(), "it is connecting");
            in_line(&caller, 50).await
        };
        assert_eq!(caller.bench.cluster.pool().open_count(), 1);
        for call in calls {
            assert_eq!(call.await.unwrap().unwrap(), "x");
        }
        assert_eq!(caller.bench.metrics.connects_total.value(), 1);
        assert_eq!(caller.bench.cluster.pool().rpc.borrow().open_count(), 1);
    });
}

#[test]
fn where_a_full_connection_breaks_one_of_those_in_line_opens() {
    worker(async {
        let go = Rc::new(Notify::new());
        let peer_go = Rc::clone(&go);
        let server = peers(move |mut peer, number| {
            let go = Rc::clone(&peer_go);
            async move {
                if number > 1 {
                    return peer.echo().await;
                }
                for _ in 0..2 {
                    peer.request().await.unwrap();
                }
                go.notified().await;
            }
        })
        .await;
        let mut plan = plan(&[server.address]);
        plan.rpc.requests_per_connection_max = 2;
        let caller = caller(plan, tiny());
        let broken = [caller.spawn(1, "x"), caller.spawn(2, "x")];
        while caller.bench.metrics.requests_active.value() < 2
            || caller.bench.cluster.pool().opening_count() > 0
        {
            yield_now().await;
        }
        let calls = in_line(&caller, 50).await;
        go.notify_one();
        for call in broken {
            assert!(!call.await.unwrap().unwrap_err().unsent);
        }
        for call in calls {
            assert_eq!(call.await.unwrap().unwrap(), "x");
        }
        assert_eq!(server.connections.get(), 2);
        assert_eq!(caller.bench.metrics.connects_total.value(), 2);
    });
}

#[test]
fn where_the_connection_cannot_be_made_nobody_waits_for_it_any_more() {
    jumping_worker(async {
        let (address, _socket, _held) = silent().await;
        let mut plan = plan(&[address]);
        plan.connect_timeout = Duration::from_secs(1);
        plan.pool.pending_timeout = Duration::from_secs(5);
        let caller = caller(plan, tiny());
        let begun = Instant::now();
        let opener = caller.spawn(0, "x");
        let calls = in_line(&caller, 50).await;
        let error = opener.await.unwrap().unwrap_err();
        assert!(matches!(error.error, UpstreamError::ConnectTimedOut { .. }), "{error:?}");
        for call in calls {
            let error = call.await.unwrap().unwrap_err();
            assert!(matches!(error.error, UpstreamError::NotConnected { .. }), "{error:?}");
            assert_eq!((error.unsent, error.error.reason()), (true, ReplyReason::UpstreamFailed));
        }
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
        assert_eq!(caller.bench.metrics.connect_failures_total.value(), 1);
        assert_eq!(caller.bench.metrics.pending_active.value(), 0);
        assert_eq!(caller.bench.cluster.pool().open_count(), 0);
    });
}
