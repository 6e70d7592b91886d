//! Requests that go to another endpoint than those that were tried.

use std::{net::SocketAddr, rc::Rc, time::Duration};

use host_extension::PoolMode;
use tokio::net::TcpListener;

use crate::{
    Balance, ClusterPlan, RpcError, RpcTried,
    testing::{
        get, jumping_worker, pass, plan,
        rpc::{Caller, Tiny, call_on, caller, peers, protocol, text},
        worker,
    },
};

/// An address where nobody listens.
async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

fn plan_of(balance: Balance, endpoints: &[SocketAddr]) -> ClusterPlan {
    ClusterPlan { balance, ..plan(endpoints) }
}

/// A call that is tried so often, as a caller with retries does.
async fn call(caller: &Caller, attempts: usize) -> Result<String, RpcError> {
    let mut tried = RpcTried::default();
    let (cluster, protocol) = (&caller.bench.cluster, protocol(&caller.tiny));
    for left in (0..attempts).rev() {
        let place = cluster.rpc(&protocol, &caller.session, false, &mut tried).await;
        match place {
            Ok(place) => return call_on(place, 1, "x").await.map(|response| text(&response)),
            Err(error) if left == 0 => return Err(error.into()),
            Err(_) => {}
        }
    }
    panic!("it is tried at least once")
}

/// Many calls at a time, to a dead endpoint and one that is well.
fn check(balance: Balance, pool: PoolMode) {
    worker(async move {
        let well = peers(|peer, _| peer.echo()).await;
        for _ in 0..8 {
            let caller = caller(plan_of(balance, &[nobody().await, well.address]), Tiny::new(pool));
            // The one that is well is busy.
            let held: Vec<_> = futures_util::future::join_all((0..4).map(|_| caller.place())).await;
            let calls: Vec<_> = (0..40)
                .map(|_| {
                    let caller = Rc::clone(&caller);
                    tokio::task::spawn_local(async move { call(&caller, 2).await })
                })
                .collect();
            for call in calls {
                assert_eq!(call.await.unwrap().unwrap(), "x", "{balance:?} {pool:?}");
            }
            drop(held);
        }
    });
}

#[test]
fn one_retry_is_enough_beside_a_dead_endpoint() {
    for balance in [Balance::RoundRobin, Balance::LeastRequest] {
        check(balance, PoolMode::Multiplexed);
        check(balance, PoolMode::PingPong);
    }
}

#[test]
fn a_bound_client_is_not_bound_to_a_dead_endpoint() {
    worker(async {
        let well = peers(|peer, _| peer.echo()).await;
        for _ in 0..8 {
            let endpoints = [nobody().await, well.address];
            let plan = plan_of(Balance::LeastRequest, &endpoints);
            let caller = caller(plan, Tiny::new(PoolMode::Bound));
            assert_eq!(call(&caller, 2).await.unwrap(), "x");
        }
    });
}

#[test]
fn each_try_goes_elsewhere_as_long_as_there_is_another() {
    worker(async {
        let mut servers = Vec::new();
        for _ in 0..4 {
            servers.push(peers(|peer, _| peer.echo()).await);
        }
        let endpoints: Vec<_> = servers.iter().map(|server| server.address).collect();
        for balance in [Balance::RoundRobin, Balance::LeastRequest] {
            let caller = caller(plan_of(balance, &endpoints), Tiny::new(PoolMode::Multiplexed));
            let protocol = protocol(&caller.tiny);
            for _ in 0..10 {
                let (mut tried, mut places) = (RpcTried::default(), Vec::new());
                for _ in 0..endpoints.len() {
                    let cluster = &caller.bench.cluster;
                    let place = cluster.rpc(&protocol, &caller.session, false, &mut tried).await;
                    places.push(place.unwrap());
                    assert_eq!(tried.last(), places.last().map(|place| place.endpoint()));
                }
                places.sort_by_key(|place| place.endpoint());
                places.dedup_by_key(|place| place.endpoint());
                assert_eq!(places.len(), endpoints.len(), "{balance:?}");
                // All were tried: any will do.
                let cluster = &caller.bench.cluster;
                cluster.rpc(&protocol, &caller.session, false, &mut tried).await.unwrap();
            }
        }
    });
}

#[test]
fn an_endpoint_that_refused_is_left_alone_for_a_while() {
    for pool in [PoolMode::Multiplexed, PoolMode::PingPong, PoolMode::Bound] {
        jumping_worker(async move {
            let well = peers(|peer, _| peer.echo()).await;
            let plan = plan_of(Balance::RoundRobin, &[nobody().await, well.address]);
            let caller = caller(plan, Tiny::new(pool));
            let failures = &caller.bench.metrics.connect_failures_total;
            let some_calls = async || {
                for _ in 0..20 {
                    // A client's connection of its own, for protocols that bind them.
                    let place = caller.place_of(&crate::RpcSession::default(), false).await;
                    drop(place);
                }
            };
            some_calls().await;
            assert_eq!(failures.value(), 1, "{pool:?}");
            // One tries it again, and then it is left alone for twice as long.
            pass(Duration::from_secs(1)).await;
            some_calls().await;
            assert_eq!(failures.value(), 2, "{pool:?}");
            pass(Duration::from_secs(1)).await;
            some_calls().await;
            assert_eq!(failures.value(), 2, "{pool:?}");
            pass(Duration::from_secs(1)).await;
            some_calls().await;
            assert_eq!(failures.value(), 3, "{pool:?}");
        });
    }
}

#[test]
fn an_endpoint_that_refused_and_is_back_gets_its_share_again() {
    jumping_worker(async {
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = gone.local_addr().unwrap();
        drop(gone);
        let well = peers(|peer, _| peer.echo()).await;
        let endpoints = [address, well.address];
        let caller =
            caller(plan_of(Balance::RoundRobin, &endpoints), Tiny::new(PoolMode::PingPong));
        for _ in 0..4 {
            drop(caller.place().await);
        }
        assert_eq!(caller.bench.metrics.connect_failures_total.value(), 1);
        let _back = TcpListener::bind(address).await.unwrap();
        pass(Duration::from_secs(1)).await;
        let mut at_it = 0;
        for _ in 0..20 {
            at_it += usize::from(caller.place().await.unwrap().endpoint() == address);
        }
        assert!((9..=11).contains(&at_it), "{at_it}");
    });
}

#[test]
fn requests_of_http_leave_it_alone_too() {
    worker(async {
        let well = crate::testing::http1_server(crate::testing::echo_path).await;
        let plan = plan_of(Balance::LeastRequest, &[nobody().await, well.address]);
        let bench = crate::testing::bench(plan);
        let mut failed = 0;
        for _ in 0..50 {
            failed += usize::from(bench.send(get("/x")).await.is_err());
        }
        assert!(failed <= 1, "{failed}");
    });
}

#[test]
fn the_only_endpoint_is_tried_each_time() {
    worker(async {
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = gone.local_addr().unwrap();
        drop(gone);
        let caller = caller(plan(&[address]), Tiny::new(PoolMode::Multiplexed));
        for _ in 0..3 {
            assert!(call(&caller, 1).await.unwrap_err().unsent);
        }
        assert_eq!(caller.bench.metrics.connect_failures_total.value(), 3);
        // No rest that is left keeps requests from it once it is there.
        let _back = TcpListener::bind(address).await.unwrap();
        caller.place().await.unwrap();
    });
}
