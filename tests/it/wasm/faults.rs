//! Filters that fail on a stream: what the client gets under each `on_error`.

use tests_support::{Client, Config, Http, Proxy, Reply, Upstream, within};

use super::{BAD, act, act_with, filtered, start};
use crate::common::{VERSIONS, ask, get, post};

/// Acts that fail before anything was sent, and the fault that they are.
const EARLY: [(&str, &str); 7] = [
    ("trap_on_create", "trapped"),
    ("trap_in_request_headers", "trapped"),
    ("loop_in_request_headers", "timed_out"),
    ("hog_memory", "out_of_memory"),
    ("recurse", "trapped"),
    ("trap_in_response_headers", "trapped"),
    ("loop_in_response_headers", "timed_out"),
];

#[tokio::test]
async fn a_fault_answers_503_where_the_filter_must_not_be_missing() {
    for (doing, kind) in EARLY {
        let (_upstream, proxy) = start(&[act(doing)]).await;
        for version in VERSIONS {
            let reply = ask(version, proxy.web(), get("/", &[])).await;
            assert_eq!(reply.status.as_u16(), 503, "{doing} {version:?}");
            let plain = ask(version, proxy.web(), get("/plain", &[])).await;
            assert_eq!(plain.status.as_u16(), 200, "{doing} {version:?}");
        }
        let records = proxy.access_log(4).await;
        let failed = records.iter().find(|record| record["status"] == 503).expect("logged");
        assert_eq!(failed["reason"], "plugin_failed", "{doing}: {failed}");
        assert_eq!(failed["plugin"], "bad", "{doing}: {failed}");
        let faults =
            proxy.metrics().await.sum("mortise_plugin_faults_total", &[BAD, ("kind", kind)]);
        assert!(faults >= 1.0, "{doing}: {kind}");
    }
}

#[tokio::test]
async fn a_fault_is_passed_over_where_the_filter_may_be_missing() {
    for (doing, kind) in EARLY {
        let (_upstream, proxy) = start(&[act_with(doing, "", "open")]).await;
        for version in VERSIONS {
            let reply = ask(version, proxy.web(), post("/x", &[], "a body")).await;
            assert_eq!(reply.status.as_u16(), 200, "{doing} {version:?}");
            assert_eq!((reply.echo("path"), reply.echo("body")), ("/x".into(), "a body".into()));
        }
        let metrics = proxy.metrics().await;
        assert!(metrics.sum("mortise_plugin_fail_open_total", &[BAD]) >= 2.0, "{doing}");
        assert!(metrics.sum("mortise_plugin_faults_total", &[BAD, ("kind", kind)]) >= 1.0);
    }
}

#[tokio::test]
async fn a_filter_that_fails_open_never_lets_its_neighbour_be_skipped() {
    let upstream = Upstream::echo(Http::One).await;
    let lines = format!(
        "stream_filters:\n\
         - {}\n\
         - {{ plugin: deny, config: {{ paths: [/admin] }} }}\n\
         routes: [{{ match: {{ prefix: / }}, cluster: app }}]",
        act_with("trap_in_request_headers", "", "open")
    );
    let config = Config::new()
        .listener("web", &lines)
        .cluster("app", upstream.address(), "")
        .plugin("bad", tests_fixtures::misbehave(), "")
        .plugin("deny", tests_fixtures::deny(), "");
    let proxy = Proxy::start(&config).await;
    for _ in 0..20 {
        assert_eq!(ask(Http::One, proxy.web(), get("/admin", &[])).await.status.as_u16(), 403);
        assert_eq!(ask(Http::One, proxy.web(), get("/", &[])).await.status.as_u16(), 200);
    }
    assert_eq!(upstream.requests(), 20);
}

#[tokio::test]
async fn a_fault_in_a_body_never_looks_like_a_clean_end() {
    for doing in [
        "trap_in_request_body",
        "loop_in_request_body",
        "trap_in_response_body",
        "loop_in_response_body",
    ] {
        for on_error in ["closed", "reload"] {
            let (_upstream, proxy) = start(&[act_with(doing, "", on_error)]).await;
            for version in VERSIONS {
                let mut client = Client::connect(version, proxy.web()).await;
                let sent = within("an end", client.try_send(post("/", &[], "a body"))).await;
                if let Ok(response) = sent {
                    let read = within("an end", Reply::try_read(response)).await;
                    let broken = read.map_or(true, |reply| reply.status.as_u16() == 503);
                    assert!(broken, "{doing} {on_error} {version:?}");
                }
            }
            assert_eq!(ask(Http::One, proxy.web(), get("/plain", &[])).await.status.as_u16(), 200);
        }
    }
}

#[tokio::test]
async fn a_body_goes_on_without_a_filter_that_fails_open_in_it() {
    for doing in ["trap_in_request_body", "trap_in_response_body"] {
        let (_upstream, proxy) = start(&[act_with(doing, "", "open")]).await;
        for version in VERSIONS {
            let reply = ask(version, proxy.web(), post("/", &[], "a body")).await;
            assert_eq!((reply.status.as_u16(), reply.echo("body")), (200, "a body".into()));
        }
    }
}

#[tokio::test]
async fn a_fault_after_the_stream_does_not_touch_its_reply() {
    for doing in ["trap_in_done", "trap_in_log", "trap_in_delete", "loop_in_log"] {
        let (_upstream, proxy) = start(&[act(doing)]).await;
        let reply = ask(Http::One, proxy.web(), get("/", &[])).await;
        assert_eq!(reply.status.as_u16(), 200, "{doing}");
        // The next stream finds the dead instance, and a fresh one serves it.
        let reply = ask(Http::One, proxy.web(), get("/", &[])).await;
        assert_eq!(reply.status.as_u16(), 200, "{doing}");
        proxy.until_metric("mortise_plugin_faults_total", &[BAD], |n| n >= 1.0).await;
        assert_eq!(ask(Http::One, proxy.web(), get("/plain", &[])).await.status.as_u16(), 200);
    }
}

#[tokio::test]
async fn a_fresh_instance_serves_right_after_the_first_fault() {
    for (doing, header) in [("trap_on_header", "x-trap"), ("loop_on_header", "x-loop")] {
        let (_upstream, proxy) = start(&[act(doing)]).await;
        let mut client = Client::connect(Http::Two, proxy.web()).await;
        for count in ["1", "2"] {
            assert_eq!(client.get("/").await.header("x-count"), count);
        }
        let failed = client.ask(get("/", &[(header, "1")])).await;
        assert_eq!(failed.status.as_u16(), 503, "{doing}");
        for count in ["1", "2"] {
            let reply = client.get("/").await;
            assert_eq!((reply.status.as_u16(), reply.header("x-count")), (200, count), "{doing}");
        }
        let restarts = proxy.metrics().await.sum("mortise_plugin_restarts_total", &[BAD]);
        assert_eq!(restarts, 1.0, "{doing}");
    }
}

#[tokio::test]
async fn streams_of_a_lost_instance_follow_on_error() {
    for (on_error, wanted) in [("closed", 503), ("open", 200)] {
        let upstream = Upstream::echo(Http::One).await;
        let mut gate = upstream.requests();
        let config = filtered(&upstream, &[act_with("trap_on_header", "", on_error)]);
        let proxy = Proxy::start(&config).await;
        // Waits in its request body while its instance is lost.
        let mut client = Client::connect(Http::Two, proxy.web()).await;
        let (sender, body) = tests_support::channel();
        let request = crate::common::with(tests_support::request("POST", "/"), &[], body);
        let waiting = client.start(request).await;
        assert!(sender.data("begun ").await);
        tests_support::until("the head upstream", async || {
            gate = upstream.requests();
            (gate > 0).then_some(())
        })
        .await;
        let trapped = ask(Http::One, proxy.web(), get("/", &[("x-trap", "1")])).await;
        assert_eq!(trapped.status.as_u16(), wanted, "{on_error}");
        assert!(sender.data("ended").await || wanted == 503);
        drop(sender);
        let answered = within("an end", waiting).await.expect("no panic");
        let reply = match answered {
            Ok(response) => within("an end", Reply::try_read(response)).await.ok(),
            Err(_broken) => None,
        };
        match wanted {
            200 => assert_eq!(reply.map(|reply| reply.echo("body")), Some("begun ended".into())),
            _ => assert!(reply.is_none_or(|reply| reply.status.as_u16() == 503)),
        }
    }
}

#[tokio::test]
async fn a_plugin_that_fails_too_often_is_given_a_rest() {
    let (_upstream, proxy) = start(&[act("trap_in_request_headers")]).await;
    let mut client = Client::connect(Http::One, proxy.web()).await;
    let breaker = "mortise_plugin_breaker_open";
    tests_support::until("an open breaker", async || {
        assert_eq!(client.get("/").await.status.as_u16(), 503);
        (proxy.metrics().await.sum(breaker, &[BAD]) >= 1.0).then_some(())
    })
    .await;
    let faults = proxy.metrics().await.sum("mortise_plugin_faults_total", &[BAD]);
    for _ in 0..50 {
        assert_eq!(client.get("/").await.status.as_u16(), 503);
    }
    let later =
        proxy.metrics().await.sum("mortise_plugin_faults_total", &[BAD, ("kind", "trapped")]);
    assert!(later <= faults + 1.0, "it rests: {faults} faults, then {later}");
    assert_eq!(client.get("/plain").await.status.as_u16(), 200);
    assert!(proxy.stderr().contains("bad"), "the log names the plugin");
}

#[tokio::test]
async fn a_flood_of_log_lines_is_cut() {
    let upstream = Upstream::echo(Http::One).await;
    let lines = format!(
        "stream_filters: [{}]\nroutes: [{{ match: {{ prefix: / }}, cluster: app }}]",
        act("log_flood, count: 2000, bytes: 100")
    );
    let config = Config::new()
        .top("workers: 1")
        .listener("web", &lines)
        .cluster("app", upstream.address(), "")
        .plugin("bad", tests_fixtures::misbehave(), "policy: quiet")
        .policy("quiet", "limits: { log_lines_per_second_max: 20, cpu_ms_per_call: 1000 }");
    let proxy = Proxy::start(&config).await;
    let reply = ask(Http::One, proxy.web(), get("/", &[])).await;
    assert_eq!(reply.status.as_u16(), 200);
    let written = proxy.stderr().matches(&"x".repeat(100)).count();
    assert!((1..=100).contains(&written), "{written} lines");
}

#[tokio::test]
async fn dropped_log_lines_are_counted() {
    let (_upstream, proxy) = start(&[act("log_flood, count: 2000, bytes: 10")]).await;
    assert_eq!(ask(Http::One, proxy.web(), get("/", &[])).await.status.as_u16(), 200);
    let refused = "mortise_plugin_host_calls_refused_total";
    proxy.until_metric(refused, &[BAD, ("call", "log")], |n| n >= 900.0).await;
}

#[tokio::test]
async fn a_log_line_cannot_forge_others() {
    let (_upstream, proxy) = start(&[act("log_control_characters")]).await;
    ask(Http::One, proxy.web(), get("/", &[])).await;
    tests_support::until("the line", async || {
        proxy.stderr().contains("misbehave: one").then_some(())
    })
    .await;
    let log = proxy.stderr();
    let line = log.lines().find(|line| line.contains("misbehave: one")).expect("the line");
    assert!(line.contains("two") && line.contains("end"), "one line: {line}");
    assert!(!log.contains('\x1b') && !log.contains('\0') && !log.contains('\r'), "{log:?}");
}

#[tokio::test]
async fn memory_is_bounded_by_the_policy() {
    for mib in [4, 16] {
        let upstream = Upstream::echo(Http::One).await;
        let lines = format!(
            "stream_filters: [{}]\nroutes: [{{ match: {{ prefix: / }}, cluster: app }}]",
            act("hog_memory_politely")
        );
        let limits = format!("limits: {{ memory_mib: {mib}, cpu_ms_per_call: 1000 }}");
        let config = Config::new()
            .top("workers: 1")
            .listener("web", &lines)
            .cluster("app", upstream.address(), "")
            .plugin("bad", tests_fixtures::misbehave(), "policy: small")
            .policy("small", &limits);
        let proxy = Proxy::start(&config).await;
        let reply = ask(Http::One, proxy.web(), get("/", &[])).await;
        let allocated: u32 = reply.header("x-allocated-mib").parse().expect("a number");
        assert!(allocated <= mib && allocated + 4 >= mib, "{allocated} of {mib} MiB");
    }
}
