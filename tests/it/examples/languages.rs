//! Greet as a child process in other languages, straight on the protocol.

use std::path::PathBuf;

use http::StatusCode;
use tests_support::{Client, Config, Http, Proxy, Upstream};

use super::form::{Form, skipped};
use crate::common::{VERSIONS, ask, get, post};

const GO_PLUGIN: &str = "process: { call_timeout_ms: 10000, start_timeout_ms: 60000, \
    go_plugin: { cookie_key: MORTISE_PLUGIN, cookie_value: greet } }";
const TCP: &str = "process: { call_timeout_ms: 10000, start_timeout_ms: 60000, transport: tcp }";

fn greeting(form: &Form, config: &str, upstream: &Upstream) -> Config {
    let lines = format!(
        "stream_filters: [{{ plugin: greet, config: {config} }}]\n\
         routes: [{{ match: {{ prefix: / }}, cluster: app }}]"
    );
    let config = Config::new().top("workers: 2").listener("web", &lines);
    form.plugin(config.cluster("app", upstream.address(), ""), "greet", "")
}

async fn greets(form: &Form) {
    let upstream = Upstream::echo(Http::One).await;
    let good = "{ header: x-greeting, value: hello }";
    let proxy = Proxy::start(&greeting(form, good, &upstream)).await;
    for version in VERSIONS {
        let mut client = Client::connect(version, proxy.web()).await;
        for _ in 0..5 {
            let reply = client.ask(post("/", &[("x-greeting", "forged")], "a body")).await;
            assert_eq!(reply.status, StatusCode::OK);
            assert_eq!(reply.header("x-greeting"), "hello", "the client sees it");
            assert_eq!(reply.echoed("x-greeting"), ["hello"], "the upstream sees it");
            assert_eq!(reply.echo("body"), "a body");
        }
    }
}

/// A child that refuses its configuration says why, and its routes do not serve without it.
async fn refuses(form: &Form) {
    let upstream = Upstream::echo(Http::One).await;
    let bad = "{ header: X-Big, value: hello }";
    let proxy = Proxy::start(&greeting(form, bad, &upstream)).await;
    assert_eq!(ask(Http::One, proxy.web(), get("/", &[])).await.status.as_u16(), 503);
    assert_eq!(upstream.requests(), 0);
    let log = proxy.stderr();
    assert!(log.contains("bad configuration: `header` is not a lower-case header name"), "{log}");
}

async fn serves(name: &str, child: Option<PathBuf>, ways: &[fn(PathBuf) -> Form]) {
    let Some(child) = child else { return skipped(name) };
    for way in ways {
        let form = way(child.clone());
        greets(&form).await;
        refuses(&form).await;
    }
}

#[tokio::test]
async fn greet_in_python_does_the_same() {
    let ways: [fn(PathBuf) -> Form; 1] = [|child| Form::process_with(child, GO_PLUGIN)];
    serves("greet-python", tests_fixtures::greet_python(), &ways).await;
}

#[tokio::test]
async fn greet_in_go_does_the_same() {
    let ways: [fn(PathBuf) -> Form; 2] = [Form::process, |child| Form::process_with(child, TCP)];
    serves("greet-go-child", tests_fixtures::greet_go_child(), &ways).await;
}
