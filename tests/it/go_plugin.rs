//! A child that hashicorp/go-plugin itself serves; skipped where Go or its modules are missing.

use std::path::Path;

use http::StatusCode;
use tests_support::{Config, Http, Process, Proxy, Upstream, until};

use crate::common::{Load, ask, get};

/// What the configuration says of the fixture, and `more` beside it.
fn child(more: &str) -> String {
    format!(
        "process: {{ call_timeout_ms: 10000, start_timeout_ms: 20000, \
         restart: {{ crashes_max: 100, backoff_ms: 10 }}, \
         go_plugin: {{ cookie_key: MORTISE_TEST_PLUGIN, cookie_value: \"0f8e6f6c\"{more} }} }}"
    )
}

fn config(upstream: &Upstream, program: &Path, lines: &str) -> Config {
    let listener = "stream_filters:\n\
        - { plugin: go, config: { header: x-greeting, value: hello }, on_error: closed }\n\
        routes: [{ match: { prefix: / }, cluster: app }]";
    Config::new()
        .top("workers: 1")
        .listener("web", listener)
        .cluster("app", upstream.address(), "")
        .plugin_on("process", "go", program, lines)
}

/// The one child of the proxy, another one than `last`.
async fn child_of(proxy: &Proxy, last: Option<&Process>) -> Process {
    until("a child", async || {
        let fresh = |child: &Process| last.is_none_or(|last| last.id() != child.id());
        proxy.process().children().into_iter().find(fresh)
    })
    .await
}

async fn greets(proxy: &Proxy) {
    for version in [Http::One, Http::Two] {
        let reply = ask(version, proxy.web(), get("/", &[])).await;
        assert_eq!(reply.echoed("x-greeting"), ["hello"]);
        assert_eq!(reply.header("x-greeting"), "hello");
    }
}

async fn lives_and_ends(more: &str) {
    let Some(program) = tests_fixtures::children::go_plugin() else { return };
    let upstream = Upstream::echo(Http::One).await;
    let proxy = Proxy::start(&config(&upstream, program, &child(more))).await;
    greets(&proxy).await;

    // What it logs, in its own levels, and what it writes to the pipes of go-plugin.
    until("its lines", async || {
        let log = proxy.stderr();
        let lines = ["said hello", "greets with x-greeting", "said on standard error"];
        lines.iter().all(|line| log.contains(line)).then_some(())
    })
    .await;

    let first = child_of(&proxy, None).await;
    first.kill();
    let second = child_of(&proxy, Some(&first)).await;
    until("its service again", async || {
        let reply = ask(Http::One, proxy.web(), get("/", &[])).await;
        (reply.status == StatusCode::OK).then_some(())
    })
    .await;
    greets(&proxy).await;

    let (status, left) = proxy.stop_and_look().await;
    assert!(status.success() && left.is_empty(), "{status}, left: {left:?}");
    assert!(!first.lives() && !second.lives());
}

#[tokio::test]
async fn a_child_of_go_plugin_serves_is_started_again_and_leaves_nothing() {
    lives_and_ends("").await;
}

#[tokio::test]
async fn a_child_of_go_plugin_serves_with_certificates_on_both_sides() {
    lives_and_ends(", mutual_tls: true").await;
}

#[tokio::test]
async fn a_child_of_go_plugin_is_replaced_under_load() {
    let Some(program) = tests_fixtures::children::go_plugin() else { return };
    let upstream = Upstream::echo(Http::One).await;
    let plain = config(&upstream, program, &child(""));
    let mut proxy = Proxy::start(&plain).await;
    let load = Load::start(4, proxy.web(), "/", |reply| {
        reply.status == StatusCode::OK && reply.header("x-greeting") == "hello"
    });
    load.replies(50).await;
    for more in [", mutual_tls: true", ""] {
        proxy.reload(&config(&upstream, program, &child(more))).await;
        load.replies(50).await;
    }
    assert!(load.finish().await > 150);
}
