use std::{rc::Rc, time::Duration};

use host_types::ReplyReason;
use http_body_util::BodyExt as _;
use tokio::io::AsyncReadExt as _;

use crate::{
    ClusterPlan, UpstreamError,
    testing::{Bench, bench, echo_path, get, http1_server, plan, server, worker},
};

async fn small(connections_max: usize, pending_max: usize) -> (Rc<Bench>, ClusterPlan) {
    let server = http1_server(echo_path).await;
    let mut plan = plan(&[server.address]);
    plan.pool.connections_max = connections_max;
    plan.pool.pending_max = pending_max;
    (Rc::new(bench(plan.clone())), plan)
}

#[test]
fn past_the_limits_a_request_is_refused_and_those_in_line_are_served() {
    worker(async {
        let (bench, _) = small(1, 1).await;
        let held = bench.send(get("/held")).await.unwrap();
        let other = Rc::clone(&bench);
        let waiting = tokio::task::spawn_local(async move { other.fetch("/waiting").await });
        tokio::task::yield_now().await;
        assert_eq!(bench.metrics.pending_active.value(), 1);
        let error = bench.fetch("/over").await.unwrap_err();
        assert!(matches!(error, UpstreamError::PoolFull { .. }), "{error:?}");
        assert_eq!(error.reason(), ReplyReason::Overload);
        assert_eq!(bench.metrics.overflow_total.value(), 1);
        drop(held.message.into_body().collect().await.unwrap());
        drop(held.lease);
        assert_eq!(waiting.await.unwrap().unwrap(), "/waiting");
        assert_eq!(bench.metrics.pending_active.value(), 0);
        assert_eq!(bench.metrics.connects_total.value(), 1);
    });
}

#[test]
fn waiting_has_a_limit() {
    worker(async {
        let (_, mut plan) = small(1, 8).await;
        plan.pool.pending_timeout = Duration::from_millis(30);
        let bench = bench(plan);
        let held = bench.send(get("/held")).await.unwrap();
        let error = bench.fetch("/late").await.unwrap_err();
        assert!(matches!(error, UpstreamError::PendingTimedOut { .. }), "{error:?}");
        assert!(error.nothing_sent());
        assert_eq!(bench.metrics.pending_active.value(), 0);
        drop(held);
    });
}

#[test]
fn those_in_line_are_served_in_order() {
    worker(async {
        let (bench, _) = small(1, 100).await;
        let held = bench.send(get("/held")).await.unwrap();
        let (tell, mut told) = tokio::sync::mpsc::channel(100);
        for number in 0..50 {
            let (bench, tell) = (Rc::clone(&bench), tell.clone());
            tokio::task::spawn_local(async move {
                bench.fetch("/").await.unwrap();
                tell.send(number).await.unwrap();
            });
        }
        tokio::task::yield_now().await;
        drop(held.message.into_body().collect().await.unwrap());
        drop(held.lease);
        for number in 0..50 {
            assert_eq!(told.recv().await, Some(number));
        }
        assert_eq!(bench.metrics.connects_total.value(), 1);
    });
}

#[test]
fn idle_connections_to_one_endpoint_make_room_for_another() {
    worker(async {
        let one = http1_server(echo_path).await;
        let two = http1_server(echo_path).await;
        let mut plan = plan(&[one.address, two.address]);
        plan.pool.connections_max = 1;
        let bench = bench(plan);
        for _ in 0..6 {
            assert_eq!(bench.fetch("/x").await.unwrap(), "/x");
            assert!(bench.cluster.pool().open_count() <= 1);
        }
        assert_eq!(one.connections.get() + two.connections.get(), 6);
    });
}

#[test]
fn a_tcp_connection_counts_in_the_limits() {
    worker(async {
        let server =
            server(|mut stream, _| async move { while stream.read_u8().await.is_ok() {} }).await;
        let mut plan = plan(&[server.address]);
        plan.pool.connections_max = 1;
        plan.pool.pending_timeout = Duration::from_millis(30);
        let bench = bench(plan);
        let (stream, endpoint, lease) = bench.cluster.connect_tcp().await.unwrap();
        assert_eq!(endpoint, server.address);
        assert_eq!(bench.metrics.connections_active.value(), 1);
        let error = bench.cluster.connect_tcp().await.unwrap_err();
        assert!(matches!(error, UpstreamError::PendingTimedOut { .. }), "{error:?}");
        drop((stream, lease));
        bench.cluster.connect_tcp().await.unwrap();
        assert_eq!(bench.metrics.connections_active.value(), 0);
        assert_eq!(bench.metrics.requests_active.value(), 0);
    });
}

#[test]
fn a_tcp_connection_gets_the_place_of_an_http_connection_that_became_idle() {
    worker(async {
        let (bench, _) = small(1, 8).await;
        let held = bench.send(get("/held")).await.unwrap();
        let other = Rc::clone(&bench);
        let tcp = tokio::task::spawn_local(async move { other.cluster.connect_tcp().await });
        tokio::task::yield_now().await;
        drop(held.message.into_body().collect().await.unwrap());
        drop(held.lease);
        tcp.await.unwrap().unwrap();
    });
}
