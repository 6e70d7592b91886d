//! R16: children that do all that a child must not do while it starts.
//!
//! Each is a small script. A reload brings it in beside a healthy route: the start fails within
//! a second of its deadline with a text that names the plugin, its route answers 503, the other
//! route answers as ever, and nothing of the child is left.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use tests_support::{Config, Http, Proxy, Upstream, until};
use tokio::time::Instant;

use super::{
    kills::{count, leaves_nothing, mib},
    run::Run,
    storm::{Storm, ms},
};
use crate::common;

const START_TIMEOUT: Duration = Duration::from_millis(400);
const GRACE: Duration = Duration::from_secs(1);
/// For a program that was not optimised, on a machine that does much else.
const MUCH_LATER: Duration = Duration::from_secs(3);
const MEMORY_MAX: u64 = 16 << 20;

/// How a child learns where to listen.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    /// As file descriptor 3.
    Ours,
    /// By the rules of go-plugin.
    Go,
}

/// A child: its name, its way, its program.
type Evil = (&'static str, Way, &'static str);

const SHELL: [Evil; 30] = [
    ("never-answers", Way::Ours, "#!/bin/sh\nexec sleep 60\n"),
    ("dies-at-once", Way::Ours, "#!/bin/sh\nexit 1\n"),
    ("ends-well", Way::Ours, "#!/bin/sh\nexit 0\n"),
    ("says-not-found", Way::Ours, "#!/bin/sh\nexit 127\n"),
    ("says-not-executable", Way::Ours, "#!/bin/sh\nexit 126\n"),
    ("segfaults", Way::Ours, "#!/bin/sh\nkill -SEGV $$\n"),
    ("kills-itself", Way::Ours, "#!/bin/sh\nkill -KILL $$\n"),
    ("prints-garbage", Way::Ours, "#!/bin/sh\necho garbage\nexec sleep 60\n"),
    ("floods-errors", Way::Ours, "#!/bin/sh\nexec yes evil >&2\n"),
    ("floods-output", Way::Ours, "#!/bin/sh\nexec yes evil\n"),
    ("closes-the-socket", Way::Ours, "#!/bin/sh\nexec 3<&-\nexec sleep 60\n"),
    ("closes-its-input", Way::Ours, "#!/bin/sh\nexec <&-\nexec sleep 60\n"),
    ("ignores-the-end", Way::Ours, "#!/bin/sh\ntrap '' TERM INT HUP\nwhile :; do sleep 1; done\n"),
    ("has-children", Way::Ours, "#!/bin/sh\nsleep 60 & sleep 60 & sleep 60 &\nwait\n"),
    ("leaves-a-child", Way::Ours, "#!/bin/sh\nsleep 60 &\nexit 0\n"),
    ("one-long-line", Way::Ours, "#!/bin/sh\nhead -c 10000000 /dev/zero >&2\nexec sleep 60\n"),
    ("noise", Way::Ours, "#!/bin/sh\nhead -c 1000000 /dev/urandom >&2\nexit 3\n"),
    ("is-busy", Way::Ours, "#!/bin/sh\nwhile :; do :; done\n"),
    ("no-interpreter", Way::Ours, "#!/no/such/interpreter\n"),
    ("no-program", Way::Ours, "\u{7f}ELF but not really"),
    ("empty", Way::Ours, ""),
    ("wants-memory", Way::Ours, "#!/bin/sh\nexec tail /dev/zero\n"),
    ("go-never-prints", Way::Go, "#!/bin/sh\nexec sleep 60\n"),
    ("go-dies-at-once", Way::Go, "#!/bin/sh\nexit 1\n"),
    ("go-garbage", Way::Go, "#!/bin/sh\necho hello\nexec sleep 60\n"),
    ("go-other-core", Way::Go, "#!/bin/sh\necho '2|1|unix|/nowhere|grpc'\nexec sleep 60\n"),
    ("go-other-version", Way::Go, "#!/bin/sh\necho '1|99|unix|/nowhere|grpc'\nexec sleep 60\n"),
    ("go-net-rpc", Way::Go, "#!/bin/sh\necho '1|1|unix|/nowhere|netrpc'\nexec sleep 60\n"),
    ("go-far-away", Way::Go, "#!/bin/sh\necho '1|1|tcp|192.0.2.1:80|grpc'\nexec sleep 60\n"),
    (
        "go-endless-line",
        Way::Go,
        "#!/bin/sh\nhead -c 50000000 /dev/zero | tr '\\0' a\nexec sleep 60\n",
    ),
];

/// Children that do accept, and then talk otherwise than they should; in Python.
const TALKERS: [Evil; 5] = [
    ("speaks-http1", Way::Ours, "c.sendall(b'HTTP/1.1 400 no\\r\\n\\r\\n'); time.sleep(60)"),
    ("hangs-up", Way::Ours, "c.close()"),
    ("pours", Way::Ours, "b = b'x' * 65536\n    while True: c.sendall(b)"),
    ("drips", Way::Ours, "while True: c.sendall(b'\\0'); time.sleep(0.05)"),
    (
        "huge-frame",
        Way::Ours,
        "c.sendall(b'\\xff\\xff\\xff\\0\\0\\0\\0\\0\\0' * 10); time.sleep(60)",
    ),
];

pub(crate) async fn evil(run: &mut Run) {
    let folder = tempfile::tempdir().expect("a folder");
    let upstream = Upstream::echo(Http::One).await;
    let mut proxy = Proxy::start(&config(&upstream, None)).await;
    assert!(common::status(proxy.web(), "/").await.is_success());
    let storm = Storm::start(1, proxy.web(), "/");
    let before = proxy.rss_bytes();
    let mut longest = Duration::ZERO;
    let mut children = 0;
    for (name, way, program) in all() {
        let source = folder.path().join(name);
        fs::write(&source, program).expect("written");
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(&source, mode).expect("made executable");
        let took = one(run, &mut proxy, &config(&upstream, Some((name, way, &source))), name).await;
        longest = longest.max(took);
        children += 1;
    }
    proxy.reload(&config(&upstream, None)).await;
    let left = until("the end of all children", async || {
        proxy.process().children().is_empty().then_some(())
    });
    let left = tokio::time::timeout(Duration::from_secs(10), left).await;
    run.must(left.is_ok(), "children are left");
    let peak = proxy.peak_rss_bytes().saturating_sub(before);
    let healthy = storm.finish().await;
    run.figure("children", count(children));
    run.figure("longest_refusal_ms", ms(longest));
    run.figure("rss_grown_at_most_mib", mib(peak));
    run.figure("healthy_requests", count(healthy.count()));
    run.must(peak <= MEMORY_MAX, format_args!("{} MiB more", mib(peak)));
    run.must(healthy.other_than(&[200]) == 0, format_args!("the healthy route: {healthy:?}"));
    leaves_nothing(run, proxy, Vec::new()).await;
}

/// All children that this machine can run.
fn all() -> Vec<(&'static str, Way, String)> {
    let mut all: Vec<_> =
        SHELL.iter().map(|(name, way, text)| (*name, *way, (*text).to_owned())).collect();
    if Path::new("/usr/bin/python3").exists() {
        all.extend(TALKERS.iter().map(|(name, way, talk)| {
            let accept = "import socket, time\ns = socket.socket(fileno=3)\nwhile True:\n    c, _ = s.accept()\n";
            (*name, *way, format!("#!/usr/bin/python3\n{accept}    {talk}\n"))
        }));
    }
    all
}

/// Brings a child in: how long the reload took.
async fn one(run: &mut Run, proxy: &mut Proxy, config: &Config, name: &str) -> Duration {
    let failed = "mortise_config_reload_failures_total";
    let (generation, failures) = (proxy.generation().await, proxy.metrics().await.sum(failed, &[]));
    let begun = Instant::now();
    proxy.rewrite(config);
    proxy.signal(tests_support::Signal::Hup);
    let outcome = until(name, async || {
        let now = proxy.metrics().await;
        let taken = proxy.generation().await > generation;
        (taken || now.sum(failed, &[]) > failures).then_some(taken)
    })
    .await;
    let took = begun.elapsed();
    let named =
        until("the plugin's name in the log", async || proxy.stderr().contains(name).then_some(()));
    let named = tokio::time::timeout(GRACE, named).await.is_ok();
    run.must(named, format_args!("{name}: nothing in the log names it"));
    let late = took > START_TIMEOUT + GRACE;
    run.must_where_optimised(!late, format_args!("{name}: refused after {took:?}"));
    run.must(took <= MUCH_LATER, format_args!("{name}: refused after {took:?}"));
    if outcome {
        let status = common::status(proxy.web(), "/evil").await.as_u16();
        run.must(status == 503, format_args!("{name}: its route answered {status}"));
    }
    took
}

fn config(upstream: &Upstream, evil: Option<(&str, Way, &Path)>) -> Config {
    let mut routes = String::from("routes:\n");
    if let Some((name, _way, _source)) = evil {
        routes.push_str(&format!(
            "- {{ match: {{ prefix: /evil }}, cluster: app, stream_filters: [{{ plugin: {name} }}] }}\n"
        ));
    }
    routes.push_str("- { match: { prefix: / }, cluster: app }");
    let config = Config::new().top("workers: 1").listener("web", &routes).cluster(
        "app",
        upstream.address(),
        "",
    );
    let Some((name, way, source)) = evil else { return config };
    let go = match way {
        Way::Ours => "",
        Way::Go => "go_plugin: { cookie_key: EVIL, cookie_value: yes-please },",
    };
    let timeout = START_TIMEOUT.as_millis();
    let lines = format!("process: {{ {go} start_timeout_ms: {timeout}, call_timeout_ms: 100 }}");
    config.plugin_on("process", name, source, &lines)
}
