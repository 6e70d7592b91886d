//! R25: plugins flood the log and the metrics: a module, and a child.

use std::{fs, path::Path, time::Duration};

use tests_support::{Client, Config, Http, Proxy, until};
use tokio::time::Instant;

use super::{
    egress::with_child,
    kills::{count, mib},
    pace::Pace,
    run::Run,
    storm::ms,
};
use crate::common::get;

/// Lines of each plugin that reach the log in a second.
const LINES_MAX: u32 = 100;
/// Metrics that a plugin may define.
const METRICS_MAX: usize = 1000;
/// By which the proxy may grow.
const MEMORY_MAX: u64 = 64 << 20;
const LASTING: Duration = Duration::from_secs(5);

fn config(folder: &Path) -> Config {
    let route = |name: &str, config: &str| {
        format!(
            "- {{ match: {{ prefix: /{name} }}, respond: {{ status: 200 }}, \
             stream_filters: [{{ plugin: {name}{config} }}] }}\n"
        )
    };
    let routes = format!(
        "routes:\n{}{}{}- {{ match: {{ prefix: / }}, respond: {{ status: 200 }} }}",
        route("log_flood", ""),
        route("metric_flood", ""),
        route("child", ", config: log_flood"),
    );
    let limits = format!("log_lines_per_second_max: {LINES_MAX}, metrics_max: {METRICS_MAX}");
    let mut config = Config::new()
        .top("workers: 1\naccess_log: \"off\"")
        .listener("web", &routes)
        .policy("flood", &format!("limits: {{ cpu_ms_per_call: 1000, {limits} }}"));
    for name in ["log_flood", "metric_flood"] {
        let source = folder.join(name);
        fs::write(&source, plugins_attacks::module(name).expect("a module")).expect("written");
        config = config.plugin(name, &source, "policy: flood");
    }
    with_child(config, folder, &format!("limits: {{ {limits} }}"))
}

pub(crate) async fn floods(run: &mut Run) {
    let folder = tempfile::tempdir().expect("a folder");
    let proxy = Proxy::start(&config(folder.path())).await;
    let neighbour = Pace::start(proxy.web(), "/");
    neighbour.replies(100).await;
    let (memory, written) = (proxy.rss_bytes(), proxy.stderr().len());
    let mut client = Client::connect(Http::One, proxy.web()).await;
    let (mut requests, mut failed, begun) = (0, 0, Instant::now());
    while begun.elapsed() < LASTING {
        for path in ["/log_flood", "/metric_flood", "/child"] {
            let reply = client.ask(get(path, &[])).await;
            failed += usize::from(!reply.status.is_success());
            requests += 1;
        }
    }
    let refused = async |plugin: &str, call: &str| {
        let labels = [("plugin", plugin), ("call", call)];
        proxy.metrics().await.sum("mortise_plugin_host_calls_refused_total", &labels)
    };
    let (of_module, of_child) = (refused("log_flood", "log").await, refused("child", "log").await);
    let of_metrics = refused("metric_flood", "define_metric").await;
    let series = proxy.metrics().await.samples;
    let series = series.iter().filter(|sample| sample.name.starts_with("plugin_flood_")).count();
    until("the log at rest", async || {
        let before = proxy.stderr().len();
        tokio::task::yield_now().await;
        (proxy.stderr().len() == before).then_some(())
    })
    .await;
    let seconds = begun.elapsed().as_secs_f64();
    let log = proxy.stderr();
    let log = log.get(written..).unwrap_or_default();
    let of_flood = log.lines().filter(|line| line.contains("forged"));
    let lines = |of: &str| of_flood.clone().filter(|line| line.contains(of)).count();
    let (module_lines, child_lines) = (lines("log_flood"), lines("child"));
    let forged = log.lines().filter(|line| line.starts_with("forged")).count();
    let raw = log.chars().filter(|c| is_raw(*c)).count();
    let during = neighbour.finish().await;
    let grown = proxy.rss_bytes().saturating_sub(memory);

    run.figure("requests", count(requests));
    run.figure("requests_failed", count(failed));
    run.figure("module_lines_written", count(module_lines));
    run.figure("module_lines_dropped", of_module);
    run.figure("child_lines_written", count(child_lines));
    run.figure("child_lines_dropped", of_child);
    run.figure("lines_forged", count(forged));
    run.figure("raw_control_characters", count(raw));
    run.figure("metric_series", count(series));
    run.figure("metrics_refused", of_metrics);
    run.figure("rss_grown_mib", mib(grown));
    run.figure("neighbour_failed", count(during.failed));
    run.figure("neighbour_p99_ms", ms(during.p99));
    // The first second may be in the middle of one, and a child has two ways to the log.
    let lines_max = (seconds + 2.0) * f64::from(LINES_MAX);
    run.must(count(module_lines) <= lines_max, format_args!("{module_lines} lines of a module"));
    run.must(count(child_lines) <= 2.0 * lines_max, format_args!("{child_lines} lines of a child"));
    run.must(failed == 0, format_args!("{failed} requests failed"));
    run.must(module_lines > 0 && child_lines > 0, "no line at all");
    run.must(of_module > 0.0 && of_child > 0.0 && of_metrics > 0.0, "nothing was refused");
    run.must(forged == 0, format_args!("{forged} lines were forged"));
    run.must(raw == 0, format_args!("{raw} raw control characters"));
    run.must(series <= METRICS_MAX, format_args!("{series} series"));
    run.must(grown <= MEMORY_MAX, format_args!("{} MiB more", mib(grown)));
    run.must(during.failed == 0, format_args!("the neighbour: {during:?}"));
}

/// What turns or erases what a terminal shows, or ends a line.
fn is_raw(character: char) -> bool {
    let turns = matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || (character.is_control() && character != '\n')
}
