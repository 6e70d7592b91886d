//! R14: the child is killed again and again under load.

use std::{path::Path, time::Duration};

use tests_support::{Config, Process, Proxy, until};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::{
    run::Run,
    storm::{Storm, ms, until_filtered},
};

/// The steps of the filter: it marks the response.
pub(super) const MARK: &str = "{ response_headers: [{ set: [response, x-matrix, seen] }] }";

/// Starts again at once, however often. Only heads are shown to it: a crash in the middle of a
/// body that was begun breaks it off, which is no status.
const RESTLESS: &str = "phases: [request_headers, response_headers]\nprocess: { call_timeout_ms: 5000, start_timeout_ms: 10000, \
    restart: { crashes_max: 1000000, window_ms: 60000, backoff_ms: 5, backoff_max_ms: 20 } }";

const WARM_UP: usize = 200;
const BETWEEN_KILLS: Duration = Duration::from_millis(50);

/// Routes that go on without the plugin, and that do not. The proxy answers itself, so that all
/// that it has open is for its clients and its child.
pub(super) fn config(lines: &str) -> Config {
    config_of(tests_fixtures::matrix::executable(), lines)
}

/// The same with another program.
pub(super) fn config_of(program: &Path, lines: &str) -> Config {
    let filter = |on_error: &str| {
        format!(
            "stream_filters: [{{ plugin: it, root_id: matrix, on_error: {on_error}, config: {MARK} }}]"
        )
    };
    let routes = format!(
        "routes:\n\
         - {{ match: {{ prefix: /open }}, respond: {{ status: 200 }}, {} }}\n\
         - {{ match: {{ prefix: /closed }}, respond: {{ status: 200 }}, {} }}\n\
         - {{ match: {{ prefix: / }}, respond: {{ status: 200 }} }}",
        filter("open"),
        filter("closed")
    );
    Config::new()
        .top("workers: 2")
        .listener("web", &routes)
        .plugin_on("process", "it", program, lines)
}

pub(crate) async fn kills(run: &mut Run, lasting: Duration) {
    let proxy = Proxy::start(&config(RESTLESS)).await;
    let (web, process) = (proxy.web(), proxy.process());
    until_filtered(web, "/open").await;
    until_filtered(web, "/closed").await;
    // All workers know the child.
    let (open, closed) = (Storm::start(2, web, "/open"), Storm::start(2, web, "/closed"));
    open.replies(WARM_UP).await;
    closed.replies(WARM_UP).await;
    drop((open.finish().await, closed.finish().await));
    let (files, memory) = (process.open_files(), proxy.rss_bytes());

    let open = Storm::start(2, web, "/open");
    let closed = Storm::start(2, web, "/closed");
    let mut killed: Vec<Process> = Vec::new();
    let mut timer = interval(BETWEEN_KILLS);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let begun = Instant::now();
    while begun.elapsed() < lasting {
        timer.tick().await;
        for child in process.children() {
            child.kill();
            killed.push(child);
        }
    }
    let back = until_filtered(web, "/closed").await;
    let (open, closed) = (open.finish().await, closed.finish().await);

    run.figure("kills", count(killed.len()));
    run.figure("open_requests", count(open.count()));
    run.figure("open_failed", count(open.other_than(&[200])));
    run.figure("open_filtered", count(open.filtered));
    run.figure("closed_requests", count(closed.count()));
    run.figure("closed_other_status", count(closed.other_than(&[200, 503])));
    run.figure("closed_filtered", count(closed.filtered));
    run.figure("back_ms", ms(back));
    run.must(killed.len() > 5, format_args!("only {} kills", killed.len()));
    run.must(open.other_than(&[200]) == 0, format_args!("open: {open:?}"));
    run.must(closed.other_than(&[200, 503]) == 0, format_args!("closed: {closed:?}"));
    run.must(closed.filtered > 0, "the plugin never served in between");
    run.must_where_optimised(
        back <= Duration::from_millis(200),
        format_args!("back after {back:?}"),
    );

    // The connections of the clients end a little after them.
    let after = until("as many files as before", async || {
        let now = process.open_files();
        (now <= files).then_some(now)
    });
    let after = tokio::time::timeout(Duration::from_secs(10), after).await;
    let leaked = after.map_or_else(|_| process.open_files().saturating_sub(files), |_| 0);
    run.figure("leaked_files", count(leaked));
    run.must(leaked == 0, format_args!("{leaked} files leaked"));
    let grown = proxy.rss_bytes().saturating_sub(memory);
    run.figure("rss_grown_mib", mib(grown));
    leaves_nothing(run, proxy, killed).await;
}

/// Stops the proxy; no child and no file of it may be left.
pub(super) async fn leaves_nothing(run: &mut Run, proxy: Proxy, mut known: Vec<Process>) {
    known.extend(proxy.process().children());
    let (status, left) = proxy.stop_and_look().await;
    run.must(status.success(), "the proxy did not stop well");
    run.figure("leftover_files", count(left.len()));
    run.must(left.is_empty(), format_args!("leftover files: {left:?}"));
    let orphans = known.iter().filter(|process| process.lives()).count();
    run.figure("orphans", count(orphans));
    run.must(orphans == 0, format_args!("{orphans} orphans"));
}

/// A count, as a figure.
pub(super) fn count(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// Bytes in MiB, as a figure.
pub(super) fn mib(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes / 1024).unwrap_or(u32::MAX)) / 1024.0
}
