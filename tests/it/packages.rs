//! Packages: a directory with a `plugin.toml`, of which the backend is the one word that chooses.

use std::{fs, path::Path};

use http::StatusCode;
use tempfile::TempDir;
use tests_support::{Config, Http, Proxy, Upstream, until};

use crate::common::{Load, ask, get, is_ok};

const MANIFEST: &str = r#"
schema = 1
permissions = ["headers.request.write", "headers.response.write", "log"]
[plugin]
name = "greet"
version = "0.1.0"
[[provides]]
point = "stream_filter"
phases = ["response_headers"]
[[artifact]]
backend = "wasm"
file = "greet.wasm"
[[artifact]]
backend = "process"
file = "bin/greet"
[[artifact]]
backend = "native"
file = "lib/libgreet.so"
"#;

/// The package of `greet`, in all forms; `None`, and it says so, where the examples were not
/// built as programs and libraries.
fn package() -> Option<TempDir> {
    let (Some(program), Some(library)) =
        (tests_fixtures::program("greet"), tests_fixtures::library("greet"))
    else {
        eprintln!("SKIPPED: greet is not built as a program and a library (cargo xtask plugins)");
        return None;
    };
    let package = tempfile::tempdir().expect("a directory");
    let files = [
        (tests_fixtures::greet(), "greet.wasm"),
        (program.as_path(), "bin/greet"),
        (library.as_path(), "lib/libgreet.so"),
    ];
    for (from, to) in files {
        let to = package.path().join(to);
        fs::create_dir_all(to.parent().expect("a parent")).expect("a directory");
        fs::copy(from, to).expect("a copy");
    }
    fs::write(package.path().join("plugin.toml"), MANIFEST).expect("a file");
    Some(package)
}

fn config(upstream: &Upstream, backend: &str, package: &Path) -> Config {
    let lines = "stream_filters: [{ plugin: greet, config: { header: x-who, value: it } }]\n\
        routes: [{ match: { prefix: / }, cluster: app }]";
    let allow = format!("native: {{ allow: [{{ directory: \"{}\" }}] }}", package.display());
    Config::new()
        .top(&allow)
        .listener("web", lines)
        .cluster("app", upstream.address(), "")
        .plugin_on(backend, "greet", package, "")
}

#[tokio::test]
async fn one_word_chooses_the_backend_of_a_package_and_no_request_is_lost() {
    let Some(package) = package() else { return };
    let upstream = Upstream::echo(Http::One).await;
    let mut proxy = Proxy::start(&config(&upstream, "wasm", package.path())).await;
    let load = Load::start(4, proxy.web(), "/", is_ok);
    for backend in ["process", "native", "wasm"] {
        proxy.reload(&config(&upstream, backend, package.path())).await;
        load.replies(50).await;
        let reply = ask(Http::One, proxy.web(), get("/", &[])).await;
        assert_eq!(reply.header("x-who"), "it", "{backend}");
        assert_eq!(reply.echoed("x-who"), <[&str; 0]>::default(), "{backend}: not asked for");
        let plugins = proxy.admin_json("/plugins").await;
        assert_eq!(plugins[0]["backend"], backend, "{plugins:#}");
    }
    assert!(load.finish().await >= 150);
}

#[tokio::test]
async fn a_changed_manifest_is_a_new_generation_and_a_bad_one_changes_nothing() {
    let Some(package) = package() else { return };
    let upstream = Upstream::echo(Http::One).await;
    let proxy = Proxy::start(&config(&upstream, "wasm", package.path())).await;
    let manifest = package.path().join("plugin.toml");
    fs::write(&manifest, MANIFEST.replace("response_headers", "request_headers")).expect("a file");
    until("the request to be greeted", async || {
        let reply = ask(Http::One, proxy.web(), get("/", &[])).await;
        (reply.echoed("x-who") == ["it"]).then_some(())
    })
    .await;
    fs::write(&manifest, "schema = 7").expect("a file");
    until("the refusal to be told", async || {
        let plugins = proxy.admin("/plugins").await.1;
        (plugins.contains("stale") && plugins.contains("plugin.toml")).then_some(())
    })
    .await;
    let reply = ask(Http::One, proxy.web(), get("/", &[])).await;
    assert_eq!((reply.status, reply.echoed("x-who")), (StatusCode::OK, vec!["it".into()]));
}

#[tokio::test]
async fn a_package_without_the_artifact_is_refused_and_says_what_there_is() {
    let Some(package) = package() else { return };
    let manifest = MANIFEST.split("[[artifact]]\nbackend = \"process\"").next().expect("a start");
    fs::write(package.path().join("plugin.toml"), manifest).expect("a file");
    let upstream = Upstream::echo(Http::One).await;
    let proxy = Proxy::start(&config(&upstream, "native", package.path())).await;
    let reply = ask(Http::One, proxy.web(), get("/", &[])).await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    let plugins = proxy.admin("/plugins").await.1;
    assert!(plugins.contains("no artifact for `backend: native`"), "{plugins}");
}
