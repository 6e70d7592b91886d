//! What plugins share and count, over workers, instances and reloads.

use http::StatusCode;
use tests_support::{Config, Http, Proxy, Upstream};

use super::module;
use crate::common::{SocketAddr, ask, get};

const IT: [(&str, &str); 1] = [("plugin", "it")];

/// A filter that counts its starts and survives no request.
fn counting(source: &std::path::Path, config: &str, upstream: SocketAddr) -> Config {
    let lines = format!(
        "stream_filters: [{{ plugin: it, config: {config} }}]\n\
         routes: [{{ match: {{ prefix: / }}, cluster: app }}]"
    );
    Config::new()
        .top("workers: 2")
        .listener("web", &lines)
        .cluster("app", upstream, "")
        .plugin("it", source, "")
}

#[tokio::test]
async fn what_was_counted_and_kept_outlives_instances_and_reloads_and_no_trial_touches_it() {
    let upstream = Upstream::echo(Http::One).await;
    let folder = tempfile::tempdir().expect("a folder");
    let source = module(&folder, "count_starts");
    let mut proxy = Proxy::start(&counting(&source, "{}", upstream.address())).await;
    let metrics = proxy.metrics().await;
    assert_eq!(metrics.sum("plugin_starts_total", &IT), 2.0, "one of each worker");
    assert!(metrics.sum("plugin_found_total", &IT) <= 1.0, "the trial left nothing");

    // One of two workers sees a second request by the third, and replaces its instance at once;
    // a third one there would have to wait for its turn.
    let mut requests = 0.0;
    let mut starts = 2.0;
    while starts == 2.0 {
        let reply = ask(Http::One, proxy.web(), get("/", &[])).await;
        assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
        requests += 1.0;
        let metrics = proxy.metrics().await;
        assert_eq!(metrics.sum("plugin_requests_total", &IT), requests);
        starts = metrics.sum("plugin_starts_total", &IT);
        assert!(requests < 3.0 || starts > 2.0, "the instances that trapped were replaced");
    }
    let found = proxy.metrics().await.sum("plugin_found_total", &IT);

    proxy.reload(&counting(&source, "{ other: 1 }", upstream.address())).await;
    let metrics = proxy.metrics().await;
    assert_eq!(metrics.sum("plugin_starts_total", &IT), starts + 2.0);
    assert_eq!(metrics.sum("plugin_found_total", &IT), found + 2.0);
    assert_eq!(metrics.sum("plugin_requests_total", &IT), requests);
}

/// Three listeners with a limiter each, of which two plugins have one name for what they share.
fn limited(upstream: SocketAddr, plugins: &[(&str, &str)]) -> Config {
    let mut config = Config::new().cluster("app", upstream, "");
    for (name, lines) in plugins {
        let limit = "{ requests: 1, window_seconds: 3600, key_header: x-key }";
        let listener = format!(
            "stream_filters: [{{ plugin: {name}, config: {limit} }}]\n\
             routes: [{{ match: {{ prefix: / }}, cluster: app }}]"
        );
        let module = tests_fixtures::shared_data_limiter();
        config = config.listener(name, &listener).plugin(name, module, lines);
    }
    config
}

const ONE_ID: &str = "vm: { id: limits }";

async fn asked(proxy: &Proxy, listener: &str) -> StatusCode {
    ask(Http::One, proxy.address(listener), get("/", &[])).await.status
}

#[tokio::test]
async fn plugins_share_under_one_id_only_and_what_nobody_names_any_more_is_gone() {
    let upstream = Upstream::echo(Http::One).await;
    let (to, limits) = (upstream.address(), [("one", ONE_ID), ("two", ONE_ID), ("alone", "")]);
    let mut proxy = Proxy::start(&limited(to, &limits)).await;
    assert_eq!(asked(&proxy, "one").await, StatusCode::OK);
    assert_eq!(asked(&proxy, "two").await, StatusCode::TOO_MANY_REQUESTS, "they share a count");
    assert_eq!(asked(&proxy, "alone").await, StatusCode::OK, "it has a count of its own");
    assert_eq!(asked(&proxy, "alone").await, StatusCode::TOO_MANY_REQUESTS);

    proxy.reload(&limited(to, &[("two", ONE_ID)])).await;
    assert_eq!(asked(&proxy, "two").await, StatusCode::TOO_MANY_REQUESTS, "the count stays");
    proxy.reload(&limited(to, &limits)).await;
    assert_eq!(asked(&proxy, "one").await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(asked(&proxy, "alone").await, StatusCode::OK, "its count went with it");
}
