//! R9: every call of a Wasm plugin traps.

use std::time::Duration;

use tests_support::{Config, Http, Proxy, Upstream};
use tokio::time::{Instant, sleep};

use super::{
    kills::{count, mib},
    run::Run,
    storm::Storm,
};

/// Requests that trap in a second, at least.
const RATE_MIN: f64 = 1000.0;
const CLIENTS: usize = 4;

fn config(upstream: &Upstream) -> Config {
    let filter = |on_error: &str| {
        format!(
            "stream_filters: [{{ plugin: bad, on_error: {on_error}, config: {{ do: trap_in_request_headers }} }}]"
        )
    };
    let routes = format!(
        "routes:\n\
         - {{ match: {{ prefix: /open }}, cluster: app, {} }}\n\
         - {{ match: {{ prefix: /closed }}, cluster: app, {} }}\n\
         - {{ match: {{ prefix: / }}, cluster: app }}",
        filter("open"),
        filter("closed")
    );
    Config::new()
        .top("workers: 2\nlog: { level: error }")
        .listener("web", &routes)
        .cluster("app", upstream.address(), "")
        // Each stream has a machine of its own, so that each call traps.
        .plugin("bad", tests_fixtures::misbehave(), "vm: { isolation: per_stream }")
}

pub(crate) async fn traps(run: &mut Run, lasting: Duration) {
    let upstream = Upstream::echo(Http::One).await;
    let mut proxy = Proxy::start(&config(&upstream)).await;
    storm(&proxy, Duration::from_secs(2)).await;
    let before = proxy.rss_bytes();
    let faults = faults(&proxy).await;
    let begun = Instant::now();
    let (open, closed) = storm(&proxy, lasting).await;
    let seconds = begun.elapsed().as_secs_f64();
    let after = proxy.rss_bytes();
    let trapped = self::faults(&proxy).await - faults;

    let requests = count(open.count() + closed.count());
    run.figure("requests", requests);
    run.figure("requests_per_second", requests / seconds);
    run.figure("traps", trapped);
    run.figure("open_failed", count(open.other_than(&[200])));
    run.figure("closed_other_status", count(closed.other_than(&[503])));
    run.figure("rss_before_mib", mib(before));
    run.figure("rss_after_mib", mib(after));
    run.must(proxy.is_running(), "the proxy ended");
    run.must(trapped >= requests * 0.9, format_args!("{trapped} traps of {requests} requests"));
    run.must(open.other_than(&[200]) == 0, format_args!("open: {open:?}"));
    run.must(closed.other_than(&[503]) == 0, format_args!("closed: {closed:?}"));
    run.must(mib(after) <= mib(before) * 1.05, "memory grew by more than 5 %");
    let rate = requests / seconds;
    run.must_where_optimised(rate >= RATE_MIN, format_args!("{rate:.0} requests a second"));
}

async fn storm(proxy: &Proxy, lasting: Duration) -> (super::storm::Tally, super::storm::Tally) {
    let open = Storm::start(CLIENTS, proxy.web(), "/open");
    let closed = Storm::start(CLIENTS, proxy.web(), "/closed");
    sleep(lasting).await;
    (open.finish().await, closed.finish().await)
}

async fn faults(proxy: &Proxy) -> f64 {
    let labels = [("plugin", "bad"), ("kind", "trapped")];
    proxy.metrics().await.sum("mortise_plugin_faults_total", &labels)
}
