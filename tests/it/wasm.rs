//! Wasm filters in the path: what they can do, and what they cannot do to others.

mod bodies;
mod callouts;
mod faults;
mod fields;
mod grpc_calls;
mod load;
mod loading;
mod pauses;
mod properties;
mod replies;
mod sdks;
mod shared;

use std::path::PathBuf;

use tests_support::{Config, Http, Proxy, Upstream};

/// A use of `misbehave` as one entry of `stream_filters`.
fn act(act: &str) -> String {
    act_with(act, "", "closed")
}

/// As [`act`], with more orders (`, bytes: 5`) and another `on_error`.
fn act_with(act: &str, orders: &str, on_error: &str) -> String {
    format!("{{ plugin: bad, config: {{ do: {act}{orders} }}, on_error: {on_error} }}")
}

/// One worker; the route `/` goes through `filters`, `/plain` does not.
fn filtered(upstream: &Upstream, filters: &[String]) -> Config {
    let lines = format!(
        "routes:\n\
         - {{ match: {{ prefix: /plain }}, cluster: app }}\n\
         - {{ match: {{ prefix: / }}, cluster: app, stream_filters: [{}] }}",
        filters.join(", ")
    );
    Config::new()
        .top("workers: 1")
        .listener("web", &lines)
        .cluster("app", upstream.address(), "")
        .plugin("bad", tests_fixtures::misbehave(), "policy: bad")
        // Enough time to fill the memory even where the machine is busy.
        .policy("bad", "preset: trusted\nlimits: { cpu_ms_per_call: 200, memory_mib: 16 }")
}

/// An echoing upstream behind a proxy whose route `/` goes through `filters`.
async fn start(filters: &[String]) -> (Upstream, Proxy) {
    let upstream = Upstream::echo(Http::One).await;
    let proxy = Proxy::start(&filtered(&upstream, filters)).await;
    (upstream, proxy)
}

/// The labels of the plugin that misbehaves.
const BAD: (&str, &str) = ("plugin", "bad");

/// A small module, written into a file.
fn module(folder: &tempfile::TempDir, name: &str) -> PathBuf {
    let file = folder.path().join(format!("{name}.wasm"));
    std::fs::write(&file, tests_fixtures::wat(name)).expect("written");
    file
}
