//! R8: a plugin never leaves a callback, each of those that a stream has, again and again.

use std::{fs, path::Path, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response};
use hyper::body::Frame;
use tests_support::{Client, Config, Http, Proxy, Reply, TestBody, Upstream, drain, frames};
use tokio::time::Instant;

use super::{kills::count, pace::Pace, run::Run, storm::ms};
use crate::common::with;

/// The budget of a callback.
const BUDGET: Duration = Duration::from_millis(10);
/// A callback is interrupted by then, whatever it does.
const INTERRUPTED_MAX: Duration = Duration::from_millis(50);
/// The budget, and two ticks of the clock that finds it spent: so long a neighbour may wait.
const GROWTH_MAX: Duration = Duration::from_millis(12);
/// For a machine that does much else.
const MUCH_LATER: Duration = Duration::from_secs(2);

/// The callbacks of a stream.
const CALLBACKS: [&str; 11] = [
    "allocator",
    "stream_create",
    "request_headers",
    "request_body",
    "request_trailers",
    "response_headers",
    "response_body",
    "response_trailers",
    "log",
    "done",
    "delete",
];

fn config(upstream: &Upstream, folder: &Path) -> Config {
    let mut routes = String::from("routes:\n");
    for name in CALLBACKS {
        routes.push_str(&format!(
            "- {{ match: {{ prefix: /{name}/ }}, cluster: app, \
             stream_filters: [{{ plugin: {name} }}] }}\n"
        ));
    }
    routes.push_str("- { match: { prefix: / }, respond: { status: 200 } }");
    let mut config = Config::new()
        .top("workers: 1\nlog: { level: error }\naccess_log: \"off\"")
        .listener("web", &routes)
        .cluster("app", upstream.address(), "protocol: http2")
        .policy("evil", &format!("limits: {{ cpu_ms_per_call: {} }}", BUDGET.as_millis()));
    for name in CALLBACKS {
        let source = folder.join(name);
        let module = plugins_attacks::module(&format!("loop_{name}")).expect("a module");
        fs::write(&source, module).expect("written");
        // Each stream has a machine of its own, so that each call is interrupted.
        config = config.plugin(name, &source, "policy: evil\nvm: { isolation: per_stream }");
    }
    config
}

/// So many hostile requests for each callback, beside a neighbour on the same worker.
pub(crate) async fn loops(run: &mut Run, each: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let upstream = Upstream::serve(Http::Two, async |request| {
        drain(request.into_body()).await?;
        Ok(Response::new(body()))
    })
    .await;
    let mut proxy = Proxy::start(&config(&upstream, folder.path())).await;
    let before = {
        let quiet = Pace::start(proxy.web(), "/");
        quiet.replies(500).await;
        quiet.finish().await
    };
    let neighbour = Pace::start(proxy.web(), "/");
    let (mut longest, mut hostile, mut wrong) = (Duration::ZERO, 0, Vec::new());
    let begun = Instant::now();
    for name in CALLBACKS {
        for _ in 0..each {
            let (took, reply) = one(&proxy, name).await;
            longest = longest.max(took);
            hostile += 1;
            if !is_defined(name, reply.as_ref()) {
                wrong.push(format!("{name}: {reply:?}"));
            }
        }
    }
    let lasted = begun.elapsed();
    let during = neighbour.finish().await;
    let labels = [("kind", "timed_out")];
    let faults = proxy.metrics().await.sum("mortise_plugin_faults_total", &labels);
    let grown = during.p99.saturating_sub(before.p99);

    run.figure("callbacks", count(CALLBACKS.len()));
    run.figure("hostile_requests", count(hostile));
    run.figure("interrupted", faults);
    run.figure("longest_hostile_ms", ms(longest));
    run.figure("seconds", lasted.as_secs_f64());
    run.figure("neighbour_requests", count(during.requests));
    run.figure("neighbour_failed", count(during.failed));
    run.figure("neighbour_p99_before_ms", ms(before.p99));
    run.figure("neighbour_p99_during_ms", ms(during.p99));
    run.figure("neighbour_longest_ms", ms(during.longest));
    run.must(proxy.is_running(), "the proxy ended");
    run.must(wrong.is_empty(), format_args!("{} answers: {:?}", wrong.len(), wrong.first()));
    run.must(faults >= count(hostile), format_args!("{faults} of {hostile} were interrupted"));
    run.must(longest <= MUCH_LATER, format_args!("an answer after {longest:?}"));
    run.must_where_optimised(
        longest <= INTERRUPTED_MAX,
        format_args!("interrupted after {longest:?}"),
    );
    run.must(during.failed == 0, format_args!("the neighbour: {during:?}"));
    run.must_where_optimised(
        grown <= GROWTH_MAX,
        format_args!("the neighbour's p99 grew by {grown:?}"),
    );
}

/// One request with everything, on a connection of its own: how long it took.
async fn one(proxy: &Proxy, name: &str) -> (Duration, Option<Reply>) {
    let mut client = Client::connect(Http::Two, proxy.web()).await;
    let path = format!("/{name}/x");
    let begun = Instant::now();
    let request = with(tests_support::request("POST", &path), &[], body());
    let reply = match client.try_send(request).await {
        Ok(response) => Reply::try_read(response).await.ok(),
        Err(_broken) => None,
    };
    (begun.elapsed(), reply)
}

/// A body with trailers.
fn body() -> TestBody {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-trailer", HeaderValue::from_static("one"));
    frames([Frame::data(Bytes::from_static(b"a body")), Frame::trailers(trailers)])
}

/// At the end of a stream its reply has gone; before its head has, it is 503; between the two
/// it breaks off.
fn is_defined(name: &str, reply: Option<&Reply>) -> bool {
    let status = reply.map(|reply| reply.status.as_u16());
    match name {
        "log" | "done" | "delete" => status == Some(200),
        "response_body" | "response_trailers" => status.is_none_or(|status| status == 503),
        _ => status == Some(503),
    }
}
