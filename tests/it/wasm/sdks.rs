//! The same filter in every language, by whatever SDK, and modules that old tools made.

use std::path::{Path, PathBuf};

use http::StatusCode;
use tests_support::{Client, Config, Http, Proxy, Upstream, until};

use crate::{
    common::{VERSIONS, ask, get, post},
    examples::answering,
};

const ROUTES: &str = "routes: [{ match: { prefix: / }, cluster: app }]";

/// A policy for runtimes that start slowly and clean up after themselves in between.
const PATIENT: &str = "limits: { memory_mib: 64, cpu_ms_per_call: 1000, cpu_ms_start: 20000 }";

async fn greets(module: &Path) {
    let upstream = Upstream::echo(Http::One).await;
    let config = greeting(module, "{ header: x-greeting, value: hello }", &upstream);
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

/// A module that cannot be configured says why, and its routes do not serve without it.
async fn refuses(module: &Path) {
    let upstream = Upstream::echo(Http::One).await;
    let proxy = Proxy::start(&greeting(module, "{ header: X-Big, value: hello }", &upstream)).await;
    assert_eq!(ask(Http::One, proxy.web(), get("/", &[])).await.status.as_u16(), 503);
    assert_eq!(upstream.requests(), 0);
    let log = proxy.stderr();
    assert!(log.contains("greet: bad configuration: `header` is not a lower-case"), "{log}");
}

fn greeting(module: &Path, config: &str, upstream: &Upstream) -> Config {
    let filter = format!("stream_filters: [{{ plugin: greet, config: {config} }}]\n{ROUTES}");
    Config::new()
        .top("workers: 1")
        .listener("web", &filter)
        .cluster("app", upstream.address(), "")
        .plugin("greet", module, "policy: patient")
        .policy("patient", PATIENT)
}

async fn if_built(language: &str, module: Option<PathBuf>) {
    let Some(module) = module else {
        return eprintln!("SKIPPED: greet in {language} was not built; run `cargo xtask plugins`");
    };
    greets(&module).await;
    refuses(&module).await;
}

#[tokio::test]
async fn greet_adds_its_header_on_both_sides() {
    greets(tests_fixtures::greet()).await;
    refuses(tests_fixtures::greet()).await;
}

#[tokio::test]
async fn greet_in_assemblyscript_does_the_same() {
    if_built("AssemblyScript", tests_fixtures::greet_assemblyscript()).await;
}

#[tokio::test]
async fn greet_in_zig_does_the_same() {
    if_built("Zig", tests_fixtures::greet_zig()).await;
}

#[tokio::test]
async fn greet_in_cpp_does_the_same() {
    if_built("C++", tests_fixtures::greet_cpp()).await;
}

#[tokio::test]
async fn greet_in_go_does_the_same() {
    if_built("Go", tests_fixtures::greet_go()).await;
}

#[tokio::test]
async fn examples_do_the_same_where_each_stream_has_a_machine_of_its_own() {
    let (upstream, asked) = (Upstream::echo(Http::One).await, answering().await);
    let alone = "isolation: per_stream";
    let lines = format!(
        "stream_filters:\n\
         - {{ plugin: auth, config: {{ cluster: asked, path: /verify, timeout_ms: 5000 }} }}\n\
         - {{ plugin: limit, config: {{ requests: 2, window_seconds: 3600, key_header: x-key }} }}\n\
         - {{ plugin: count }}\n\
         - {{ plugin: greet, config: {{ header: x-greeting, value: hello }} }}\n\
         {ROUTES}"
    );
    let config = Config::new()
        .top("workers: 1")
        .listener("web", &lines)
        .cluster("app", upstream.address(), "")
        .cluster("asked", asked.address(), "")
        .plugin("auth", tests_fixtures::http_auth(), &format!("policy: network\nvm: {{ {alone} }}"))
        .plugin(
            "limit",
            tests_fixtures::shared_data_limiter(),
            &format!("vm: {{ id: limits, {alone} }}"),
        )
        .plugin("count", tests_fixtures::metrics(), &format!("policy: network\nvm: {{ {alone} }}"))
        .plugin("greet", tests_fixtures::greet(), &format!("vm: {{ {alone} }}"));
    let proxy = Proxy::start(&config).await;
    let mut client = Client::connect(Http::Two, proxy.web()).await;
    let good = [("authorization", "good")];
    for (number, left) in [("1", "1"), ("2", "0")] {
        let reply = client.ask(post("/", &good, "a body")).await;
        assert_eq!(reply.status, StatusCode::OK);
        assert_eq!(
            (reply.header("x-request-number"), reply.header("x-limit-left")),
            (number, left)
        );
        assert_eq!(reply.echoed("x-greeting"), ["hello"]);
        assert_eq!(reply.echoed("x-auth-user"), ["ada"]);
        assert_eq!(reply.echo("body"), "a body");
    }
    assert_eq!(client.ask(post("/", &[], "a body")).await.status.as_u16(), 403);
    assert_eq!(client.ask(post("/", &good, "a body")).await.status.as_u16(), 429);
}

#[tokio::test]
async fn a_module_of_the_oldest_sdk_runs_and_waits_for_a_call() {
    let (upstream, asked) = (Upstream::echo(Http::One).await, answering().await);
    let filter =
        |config: &str| format!("stream_filters: [{{ plugin: old, config: {config} }}]\n{ROUTES}");
    let config = |name: &str| {
        Config::new()
            .listener("web", &filter(name))
            .cluster("app", upstream.address(), "")
            .cluster("asked", asked.address(), "")
            .plugin("old", tests_fixtures::sdk_0_1(), "policy: network")
    };
    let proxy = Proxy::start(&config("asked")).await;
    for version in VERSIONS {
        let reply = ask(version, proxy.web(), get("/", &[])).await;
        assert_eq!((reply.status, reply.header("x-old")), (StatusCode::OK, "seen"));
        assert_eq!(reply.echoed("x-old"), ["asked"]);
        let reply = ask(version, proxy.web(), post("/", &[("x-ask", "1")], "waits")).await;
        assert_eq!(reply.status, StatusCode::OK);
        assert_eq!(reply.echoed("x-answer"), ["fields=true,body=4"]);
        assert_eq!(reply.echo("body"), "waits");
    }
    assert_eq!(asked.requests(), 2);
    let proxy = Proxy::start(&config("nowhere")).await;
    let reply = ask(Http::One, proxy.web(), get("/", &[("x-ask", "1")])).await;
    assert_eq!((reply.status.as_u16(), reply.header("x-failed")), (503, "BadArgument"));
}

#[tokio::test]
async fn a_command_of_old_runs_with_wasi_under_its_first_name() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let module = place.path().join("old.wasm");
    std::fs::write(&module, tests_fixtures::wat("old_wasi_command")).expect("a file");
    let upstream = Upstream::echo(Http::One).await;
    let config = Config::new()
        .listener("web", &format!("stream_filters: [{{ plugin: old }}]\n{ROUTES}"))
        .cluster("app", upstream.address(), "")
        .plugin("old", &module, "");
    let proxy = Proxy::start(&config).await;
    let reply = ask(Http::One, proxy.web(), get("/", &[])).await;
    assert_eq!((reply.status, reply.header("x-start")), (StatusCode::OK, "started"));
    until("what it wrote in the log", async || proxy.stderr().contains("started").then_some(()))
        .await;
}
