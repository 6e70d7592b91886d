//! What an operator does and sees: stopping, logs, metrics, admin pages.

mod stopping;

use std::collections::BTreeSet;

use http::StatusCode;
use serde_json::Value;
use tests_support::{Client, Config, Http, Proxy, Signal, Upstream};

use crate::common::{VERSIONS, ask, get, post, until_equals};

#[tokio::test]
async fn the_access_log_tells_each_stream_once() {
    let upstream = Upstream::echo(Http::One).await;
    let proxy = Proxy::start(&Config::to_app(upstream.address())).await;
    let mut wanted = BTreeSet::new();
    for version in VERSIONS {
        let mut client = Client::connect(version, proxy.web()).await;
        for turn in 0..5 {
            let path = format!("/{version:?}/{turn}?q=\"quoted\"");
            let path = path.replace('"', "%22");
            let fields = [("host", "site.example"), ("user-agent", "ua/\"1\"")];
            assert_eq!(client.ask(post(&path, &fields, "12345")).await.status, StatusCode::OK);
            wanted.insert(path);
        }
    }
    let records = proxy.access_log(10).await;
    assert_eq!(records.len(), 10);
    let paths = records.iter().map(|record| record["path"].as_str().expect("text").to_owned());
    assert_eq!(paths.collect::<BTreeSet<_>>(), wanted);
    for record in &records {
        let text = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
        assert_eq!((text("listener"), text("method")), ("web".into(), "POST".into()), "{record}");
        assert_eq!((text("reason"), text("cluster")), ("upstream".into(), "app".into()));
        assert_eq!(text("authority"), "site.example");
        assert_eq!(text("user_agent"), "ua/\"1\"");
        assert_eq!(text("upstream"), upstream.address().to_string());
        assert!(text("peer").starts_with("127.0.0.1:"), "{record}");
        assert!(text("protocol").starts_with("HTTP/"), "{record}");
        assert!(text("time").contains('T') && text("time").ends_with('Z'), "{record}");
        assert!(!text("request_id").is_empty(), "{record}");
        assert_eq!((&record["status"], &record["request_bytes"]), (&200.into(), &5.into()));
        assert!(record["response_bytes"].as_u64().is_some_and(|bytes| bytes > 50), "{record}");
        let [whole, first] =
            ["duration_us", "upstream_us"].map(|key| record[key].as_u64().expect("a number"));
        assert!(whole >= first && first > 0, "{record}");
    }
}

#[tokio::test]
async fn what_clients_send_cannot_forge_log_lines() {
    let upstream = Upstream::echo(Http::One).await;
    let proxy = Proxy::start(&Config::to_app(upstream.address())).await;
    let agent = http::HeaderValue::from_bytes(b"a\x80\xff\"}\t{\"x\":1").expect("a value");
    let mut request = get("/%0a%22", &[]);
    request.headers_mut().insert("user-agent", agent);
    ask(Http::One, proxy.web(), request).await;
    let records = proxy.access_log(1).await;
    assert_eq!(records.len(), 1);
    assert_eq!(records[0]["path"], "/%0a%22");
    assert!(records[0].get("x").is_none());
}

#[tokio::test]
async fn a_renamed_access_log_is_opened_again_on_a_signal() {
    let upstream = Upstream::echo(Http::One).await;
    let proxy = Proxy::start(&Config::to_app(upstream.address())).await;
    ask(Http::One, proxy.web(), get("/before", &[])).await;
    proxy.access_log(1).await;
    let file = proxy.folder().join("access.log");
    std::fs::rename(&file, proxy.folder().join("access.old")).expect("renamed");
    proxy.signal(Signal::Hup);
    tests_support::until("a new file", async || file.exists().then_some(())).await;
    ask(Http::One, proxy.web(), get("/after", &[])).await;
    assert_eq!(proxy.access_log(1).await[0]["path"], "/after");
}

#[tokio::test]
async fn the_log_is_json_where_it_is_asked_for() {
    let upstream = Upstream::echo(Http::One).await;
    let config = Config::to_app(upstream.address()).top("log: { level: debug, format: json }");
    let mut proxy = Proxy::start(&config).await;
    ask(Http::One, proxy.web(), get("/", &[])).await;
    proxy.signal(Signal::Term);
    assert!(proxy.exited().await.success());
    let log = proxy.stderr();
    assert!(log.lines().count() > 0);
    for line in log.lines() {
        serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    }
}

#[tokio::test]
async fn metrics_count_what_happened() {
    let upstream = Upstream::echo(Http::One).await;
    let routes = "routes:\n\
        - { match: { path: /here }, respond: { status: 200 } }\n\
        - { match: { prefix: /app }, cluster: app }";
    let config = Config::new().listener("web", routes).cluster("app", upstream.address(), "");
    let proxy = Proxy::start(&config).await;
    for version in VERSIONS {
        let mut client = Client::connect(version, proxy.web()).await;
        for _ in 0..6 {
            client.ask(post("/app", &[], "0123456789")).await;
        }
        for _ in 0..3 {
            client.get("/here").await;
        }
        client.get("/none").await;
        client.ask(get("/app", &[("x-reply-status", "500")])).await;
    }
    until_equals(&proxy, "mortise_listener_streams_active", &[], 0.0).await;
    until_equals(&proxy, "mortise_listener_connections_active", &[], 0.0).await;
    let metrics = proxy.metrics().await;
    let listener = |name: &str, key: &str, value: &str| {
        let labels = [("listener", "web"), (key, value)];
        metrics.sum(&format!("mortise_listener_{name}"), &labels)
    };
    assert_eq!(listener("connections_total", "listener", "web"), 2.0);
    assert_eq!(listener("responses_total", "class", "2xx"), 18.0);
    assert_eq!(listener("responses_total", "class", "4xx"), 2.0);
    assert_eq!(listener("responses_total", "class", "5xx"), 2.0);
    assert_eq!(listener("replies_total", "reason", "upstream"), 14.0);
    assert_eq!(listener("replies_total", "reason", "route"), 6.0);
    assert_eq!(listener("replies_total", "reason", "no_route"), 2.0);
    assert_eq!(listener("request_duration_seconds_count", "listener", "web"), 22.0);
    assert_eq!(listener("request_body_bytes_total", "listener", "web"), 120.0);
    assert!(listener("response_body_bytes_total", "listener", "web") > 500.0);
    let cluster =
        |name: &str| metrics.sum(&format!("mortise_cluster_{name}"), &[("cluster", "app")]);
    assert_eq!(cluster("requests_total"), 14.0);
    assert_eq!(cluster("requests_active"), 0.0);
    let connects = cluster("connects_total");
    assert_eq!(connects, upstream.connections() as f64);
    assert_eq!(cluster("reused_total"), 14.0 - connects);
    until_equals(&proxy, "mortise_access_log_lines_total", &[], 22.0).await;
}

#[tokio::test]
async fn admin_pages_show_what_runs() {
    let upstream = Upstream::echo(Http::One).await;
    let config = Config::to_app(upstream.address()).plugin("greet", tests_fixtures::greet(), "");
    let proxy = Proxy::start(&config).await;
    for page in ["/", "/healthz", "/readyz", "/metrics", "/config_dump"] {
        assert_eq!(proxy.admin(page).await.0, StatusCode::OK, "{page}");
    }
    let (_, index) = proxy.admin("/").await;
    for page in ["/healthz", "/readyz", "/metrics", "/config_dump", "/plugins", "/clusters"] {
        assert!(index.contains(page), "{page}: {index}");
    }
    let dump = proxy.admin("/config_dump").await.1;
    assert!(dump.contains("drain_timeout_ms") && dump.contains("\"app\""), "with defaults: {dump}");
    let clusters = proxy.admin_json("/clusters").await.to_string();
    assert!(clusters.contains(&upstream.address().to_string()), "{clusters}");
    let plugins = proxy.admin_json("/plugins").await.to_string();
    assert!(plugins.contains("\"greet\"") && plugins.contains("wasm"), "{plugins}");
    assert_eq!(proxy.admin("/nothing").await.0, StatusCode::NOT_FOUND);
    let (status, _) = proxy.admin_ask("POST", "/readyz").await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn exact_balance_gives_each_worker_the_same_number_of_connections() {
    let upstream = Upstream::echo(Http::One).await;
    let lines = "balance: exact\n\
        stream_filters: [{ plugin: bad, config: { do: count } }]\n\
        routes: [{ match: { prefix: / }, cluster: app }]";
    let config = Config::new()
        .top("workers: 2")
        .listener("web", lines)
        .cluster("app", upstream.address(), "")
        .plugin("bad", tests_fixtures::misbehave(), "");
    let proxy = Proxy::start(&config).await;
    let (mut clients, mut counts) = (Vec::new(), Vec::new());
    for _ in 0..20 {
        let mut client = Client::connect(Http::One, proxy.web()).await;
        // Each worker's instance counts its own streams.
        counts.push(client.get("/").await.header("x-count").parse::<u32>().expect("a number"));
        clients.push(client);
    }
    counts.sort_unstable();
    let wanted: Vec<u32> = (1..=10).flat_map(|count| [count, count]).collect();
    assert_eq!(counts, wanted);
}

#[tokio::test]
async fn a_port_that_is_taken_ends_the_start_with_code_3() {
    let taken = tests_support::RawUpstream::bind().await;
    let config = format!(
        "listeners:\n  - name: web\n    address: {}\n    routes: [{{ match: {{ prefix: / }}, respond: {{ status: 200 }} }}]\n",
        taken.address()
    );
    let finished = Proxy::try_start(&config).await.expect_err("it cannot listen");
    assert_eq!(finished.code, Some(3), "{finished:?}");
    assert!(finished.stderr.contains(&taken.address().to_string()), "{finished:?}");
}

#[tokio::test]
async fn a_bad_configuration_ends_the_start_with_code_1() {
    let finished = Proxy::try_start("listeners: nonsense\n").await.expect_err("it is refused");
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains("listeners"), "{finished:?}");
}
