//! The examples do what their pages say, in every language.

use std::path::{Path, PathBuf};

use http::StatusCode;
use tests_support::{Client, Config, Http, Proxy, Upstream};

use crate::common::{VERSIONS, ask, get, post};

async fn greets(module: &Path) {
    let upstream = Upstream::echo(Http::One).await;
    let lines = "stream_filters:\n\
        - { plugin: greet, config: { header: x-greeting, value: hello } }\n\
        routes: [{ match: { prefix: / }, cluster: app }]";
    let config = Config::new()
        .listener("web", lines)
        .cluster("app", upstream.address(), "")
        .plugin("greet", module, "");
    let proxy = Proxy::start(&config).await;
    for version in VERSIONS {
        let mut client = Client::connect(version, proxy.web()).await;
        for _ in 0..10 {
            let reply = client.ask(post("/", &[("x-greeting", "forged")], "a body")).await;
            assert_eq!(reply.status, StatusCode::OK);
            assert_eq!(reply.header("x-greeting"), "hello", "the client sees it");
            assert_eq!(reply.echoed("x-greeting"), ["hello"], "the upstream sees it");
            assert_eq!(reply.echo("body"), "a body");
        }
    }
    let streams = proxy.metrics().await.sum("mortise_plugin_streams_total", &[("plugin", "greet")]);
    assert_eq!(streams, 20.0);
    let record = &proxy.access_log(20).await[0];
    assert_eq!(record["plugins"][0]["name"], "greet", "{record}");
    assert!(record["plugins"][0]["us"].is_number(), "{record}");
}

#[tokio::test]
async fn greet_adds_its_header_on_both_sides() {
    greets(tests_fixtures::greet()).await;
}

async fn greets_if_built(language: &str, module: Option<PathBuf>) {
    match module {
        Some(module) => greets(&module).await,
        None => eprintln!("SKIPPED: greet in {language} was not built; run `cargo xtask setup`"),
    }
}

#[tokio::test]
async fn greet_in_assemblyscript_does_the_same() {
    greets_if_built("AssemblyScript", tests_fixtures::greet_assemblyscript()).await;
}

#[tokio::test]
async fn greet_in_zig_does_the_same() {
    greets_if_built("Zig", tests_fixtures::greet_zig()).await;
}

#[tokio::test]
async fn deny_answers_by_path_and_lets_the_rest_pass() {
    let upstream = Upstream::echo(Http::One).await;
    let lines = "stream_filters:\n\
        - { plugin: deny, config: { paths: [/admin], status: 451, body: no } }\n\
        routes: [{ match: { prefix: / }, cluster: app }]";
    let config = Config::new()
        .listener("web", lines)
        .cluster("app", upstream.address(), "")
        .plugin("deny", tests_fixtures::deny(), "");
    let proxy = Proxy::start(&config).await;
    for version in VERSIONS {
        let mut client = Client::connect(version, proxy.web()).await;
        for path in ["/admin", "/admin/users?x=1"] {
            let reply = client.ask(post(path, &[], "some body")).await;
            assert_eq!((reply.status.as_u16(), reply.text()), (451, "no".into()), "{path}");
        }
        assert_eq!(client.get("/administrator").await.status, StatusCode::OK);
    }
    assert_eq!(upstream.requests(), 2);
    let records = proxy.access_log(6).await;
    let denied = records.iter().filter(|record| record["reason"] == "plugin");
    assert!(denied.clone().all(|record| record["plugin"] == "deny"), "{records:#?}");
    assert_eq!(denied.count(), 4);
}

#[tokio::test]
async fn several_filters_run_in_order_on_the_way_in_and_back_on_the_way_out() {
    let upstream = Upstream::echo(Http::One).await;
    let lines = "stream_filters:\n\
        - { plugin: greet, config: { header: x-who, value: first } }\n\
        - { plugin: greet, config: { header: x-who, value: second } }\n\
        routes:\n\
        - match: { prefix: / }\n  cluster: app\n  stream_filters:\n\
        \x20 - { plugin: greet, config: { header: x-who, value: third } }";
    let config = Config::new()
        .listener("web", lines)
        .cluster("app", upstream.address(), "")
        .plugin("greet", tests_fixtures::greet(), "");
    let proxy = Proxy::start(&config).await;
    let reply = ask(Http::One, proxy.web(), get("/", &[])).await;
    assert_eq!(reply.echoed("x-who"), ["third"], "the last one on the way in");
    assert_eq!(reply.header("x-who"), "first", "the first one on the way out");
}
