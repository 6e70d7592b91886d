//! Bad filters under load beside a healthy route, which loses nothing.

use std::time::Duration;

use tests_support::{Client, Config, Http, Proxy, Upstream};
use tokio::time::Instant;

use super::BAD;
use crate::common::{Load, VERSIONS, get, is_ok};

#[tokio::test]
async fn filters_that_trap_loop_and_hog_take_no_request_from_a_healthy_route() {
    const BAD_REQUESTS: usize = 40;
    let upstream = Upstream::echo(Http::One).await;
    let mut routes = String::from("routes:\n");
    for (path, act) in [
        ("/trap", "trap_in_request_headers"),
        ("/loop", "loop_in_request_headers"),
        ("/hog", "hog_memory"),
        ("/body", "trap_in_response_body"),
        ("/log", "loop_in_log"),
    ] {
        routes.push_str(&format!(
            "- {{ match: {{ prefix: {path} }}, cluster: app, stream_filters: [{}] }}\n",
            super::act(act)
        ));
    }
    routes.push_str(
        "- { match: { prefix: / }, cluster: app, stream_filters: \
         [{ plugin: greet, config: { header: x-greeting, value: hello } }] }",
    );
    let config = Config::new()
        .top("workers: 2")
        .listener("web", &routes)
        .cluster("app", upstream.address(), "")
        .plugin("bad", tests_fixtures::misbehave(), "")
        .plugin("greet", tests_fixtures::greet(), "");
    let mut proxy = Proxy::start(&config).await;
    let greeted =
        |reply: &tests_support::Reply| is_ok(reply) && reply.header("x-greeting") == "hello";
    let load = Load::start(4, proxy.web(), "/", greeted);
    load.replies(20).await;
    for path in ["/trap", "/loop", "/hog", "/body", "/log"] {
        for version in VERSIONS {
            for _ in 0..BAD_REQUESTS / 2 {
                let mut client = Client::connect(version, proxy.web()).await;
                // What it gets is the business of other tests.
                drop(client.try_send(get(path, &[])).await);
            }
        }
        load.replies(20).await;
    }
    let done = load.finish().await;
    assert!(done >= 120, "{done} replies");
    assert!(proxy.is_running());
    let metrics = proxy.metrics().await;
    assert!(metrics.sum("mortise_plugin_faults_total", &[BAD]) >= 5.0);
    assert_eq!(metrics.sum("mortise_plugin_faults_total", &[("plugin", "greet")]), 0.0);
}

#[tokio::test]
async fn an_endless_loop_is_stopped_within_its_budget() {
    let upstream = Upstream::echo(Http::One).await;
    let lines = format!(
        "routes: [{{ match: {{ prefix: / }}, cluster: app, stream_filters: [{}] }}]",
        super::act("loop_on_header")
    );
    let config = Config::new()
        .top("workers: 1")
        .listener("web", &lines)
        .cluster("app", upstream.address(), "")
        .plugin("bad", tests_fixtures::misbehave(), "policy: p")
        .policy("p", "limits: { cpu_ms_per_call: 50 }");
    let proxy = Proxy::start(&config).await;
    let mut client = Client::connect(Http::One, proxy.web()).await;
    assert_eq!(client.get("/").await.status.as_u16(), 200);
    let begun = Instant::now();
    assert_eq!(client.ask(get("/", &[("x-loop", "1")])).await.status.as_u16(), 503);
    let took = begun.elapsed();
    // Half of the budget at least; the machine may be busy with other tests.
    assert!(took >= Duration::from_millis(25), "{took:?}");
    assert!(took < Duration::from_secs(10), "{took:?}");
}
