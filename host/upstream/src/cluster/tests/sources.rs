use std::{
    future::Future,
    net::{IpAddr, Ipv4Addr},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use host_telemetry::Metrics;
use http_body_util::BodyExt as _;
use parking_lot::Mutex;
use tokio::{
    runtime::Handle,
    sync::{Notify, watch},
};

use crate::{
    Cluster, ClusterPlan, Discovery, DnsName, Endpoint, EndpointSource, Resolve, ResolveError,
    Resolved, UpstreamError,
    testing::{bench, bench_with, discovery, echo_path, get, http1_server, plan, worker},
};

/// Answers once it is told to.
#[derive(Default)]
struct Gated {
    open: Notify,
    asked: Mutex<Vec<String>>,
}

impl Resolve for Gated {
    fn resolve<'a>(
        &'a self,
        host: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<Resolved, ResolveError>> + Send + 'a>> {
        Box::pin(async move {
            self.asked.lock().push(host.to_owned());
            self.open.notified().await;
            let addresses = vec![IpAddr::V4(Ipv4Addr::LOCALHOST)];
            Ok(Resolved { addresses, time_to_live: Duration::from_secs(60) })
        })
    }
}

fn named(port: u16) -> ClusterPlan {
    let names = vec![DnsName { host: "app.test".to_owned(), port }];
    ClusterPlan { endpoints: EndpointSource::Dns(names), ..plan(&[]) }
}

#[test]
fn a_request_waits_for_the_first_answer() {
    worker(async {
        let server = http1_server(echo_path).await;
        let resolver = Arc::new(Gated::default());
        let discovery =
            Discovery::new(Handle::current(), Arc::clone(&resolver) as Arc<dyn Resolve>);
        let bench = bench_with(named(server.address.port()), &discovery);
        let answer = async {
            tokio::task::yield_now().await;
            resolver.open.notify_one();
        };
        let (got, ()) = tokio::join!(bench.fetch("/x"), answer);
        assert_eq!(got.unwrap(), "/x");
        assert_eq!(*resolver.asked.lock(), ["app.test"]);
    });
}

#[test]
fn a_request_does_not_wait_for_ever() {
    worker(async {
        let resolver: Arc<dyn Resolve> = Arc::new(Gated::default());
        let discovery = Discovery::new(Handle::current(), resolver);
        let mut plan = named(1);
        plan.connect_timeout = Duration::from_millis(30);
        let error = bench_with(plan, &discovery).fetch("/").await.unwrap_err();
        assert!(matches!(error, UpstreamError::NoEndpoint { .. }), "{error:?}");
    });
}

#[test]
fn a_fixed_list_without_endpoints_answers_at_once() {
    worker(async {
        let error = bench(plan(&[])).fetch("/").await.unwrap_err();
        assert!(matches!(error, UpstreamError::NoEndpoint { .. }), "{error:?}");
    });
}

#[test]
fn a_cluster_keeps_its_connections_over_a_reload_that_does_not_change_it() {
    worker(async {
        let server = http1_server(echo_path).await;
        let discovery = discovery();
        let plan = plan(&[server.address]);
        let bench = bench_with(plan.clone(), &discovery);
        bench.fetch("/").await.unwrap();

        bench.clusters.apply(&[Arc::new(plan.clone())], &discovery);
        let same = bench.clusters.get(&plan.name).unwrap();
        assert!(std::rc::Rc::ptr_eq(&same, &bench.cluster));
        assert_eq!(same.pool().idle_count(), 1);

        let mut changed = plan.clone();
        changed.pool.idle_max += 1;
        bench.clusters.apply(&[Arc::new(changed)], &discovery);
        let other = bench.clusters.get(&plan.name).unwrap();
        assert!(!std::rc::Rc::ptr_eq(&other, &bench.cluster));
        assert_eq!(bench.cluster.pool().idle_count(), 0);
        // Whoever still holds the old one can use it.
        assert_eq!(bench.fetch("/old").await.unwrap(), "/old");

        bench.clusters.apply(&[], &discovery);
        assert!(bench.clusters.get(&plan.name).is_none());
    });
}

#[test]
fn requests_are_spread_over_the_endpoints() {
    worker(async {
        let (one, two) = (http1_server(echo_path).await, http1_server(echo_path).await);
        let bench = bench(plan(&[one.address, two.address]));
        let mut seen = Vec::new();
        for _ in 0..6 {
            let mut chosen = None;
            drop(bench.cluster.send(get("/"), &mut chosen).await.unwrap());
            seen.push(chosen.unwrap());
        }
        assert_eq!(seen.iter().filter(|address| **address == one.address).count(), 3);
        assert_ne!(seen[0], seen[1]);
    });
}

#[test]
fn connections_to_an_endpoint_that_is_gone_are_not_kept() {
    worker(async {
        let (old, new) = (http1_server(echo_path).await, http1_server(echo_path).await);
        let list = |server: &crate::testing::Server| -> Arc<[Endpoint]> {
            [Endpoint { address: server.address, weight: 1 }].into()
        };
        let (publish, endpoints) = watch::channel(list(&old));
        let metrics = Metrics::new().worker(0).cluster(&"app".into());
        let cluster = Cluster::new(Arc::new(plan(&[])), metrics, endpoints);
        let exchange = async |endpoint| {
            let response = cluster.send(get("/x"), &mut None).await.unwrap();
            assert_eq!(response.endpoint, endpoint);
            drop(response.message.into_body().collect().await.unwrap());
            drop(response.lease);
        };
        exchange(old.address).await;
        assert_eq!(cluster.pool().idle_count(), 1);
        let running = cluster.send(get("/running"), &mut None).await.unwrap();

        publish.send(list(&new)).unwrap();
        exchange(new.address).await;
        let body = running.message.into_body().collect().await.unwrap();
        assert_eq!(body.to_bytes(), "/running");
        drop(running.lease);
        assert_eq!(cluster.pool().idle_count(), 1, "only the new one");
        exchange(new.address).await;
        assert_eq!(new.connections.get(), 1);
    });
}
