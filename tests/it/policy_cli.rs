//! `mortise policy`, the warnings of `check`, and what the admin page says of policies.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use tests_support::{Client, Config, Finished, Http, Proxy, Upstream, check, mortise};

/// A configuration with `greet` under this policy, and its file.
fn greeting(upstream: &Upstream, policy: &str) -> Config {
    let lines = "stream_filters: [{ plugin: greet, config: { header: x-greeting, value: hi } }]\n\
        routes: [{ match: { prefix: / }, cluster: app }]";
    Config::new().listener("web", lines).cluster("app", upstream.address(), "").plugin(
        "greet",
        tests_fixtures::greet(),
        policy,
    )
}

fn file(config: &Config) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("mortise.yaml");
    fs::write(&file, config.to_string()).expect("written");
    (folder, file)
}

fn explain(config: &Config, plugin: &str, permission: &str) -> Finished {
    let (_folder, file) = file(config);
    let file = file.to_str().expect("text");
    mortise(["policy", "explain", plugin, permission, "-c", file])
}

#[tokio::test]
async fn a_person_and_a_program_see_what_a_plugin_may_do() {
    let upstream = Upstream::echo(Http::One).await;
    let (_folder, file) = file(&greeting(&upstream, "policy: read_only"));
    let path = file.to_str().expect("text");
    let finished = mortise(["policy", "show", "-c", path]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    for part in ["read request headers: all", "change request headers: the policy does not grant"] {
        assert!(finished.stdout.contains(part), "{part}: {finished:?}");
    }
    let finished = mortise(["policy", "show", "--config", path, "--output", "json"]);
    let shown: Value = serde_json::from_str(&finished.stdout).expect("JSON");
    assert_eq!(shown["plugins"][0]["policy"]["preset"], "read_only", "{shown}");
}

#[tokio::test]
async fn an_explanation_ends_as_the_answer_is() {
    let upstream = Upstream::echo(Http::One).await;
    let config = greeting(&upstream, "policy: read_only");
    let yes = explain(&config, "greet", "log");
    assert_eq!((yes.code, yes.stdout.starts_with("yes: ")), (Some(0), true), "{yes:?}");
    let no = explain(&config, "greet", "headers.request.write:x-greeting");
    assert_eq!((no.code, no.stdout.starts_with("no: ")), (Some(1), true), "{no:?}");
    assert!(no.stdout.contains("to change that: "), "{no:?}");
    let nobody = explain(&config, "nobody", "log");
    assert_eq!(nobody.code, Some(2), "{nobody:?}");
    let nothing = explain(&config, "greet", "lgo");
    assert_eq!(nothing.code, Some(2), "{nothing:?}");
    assert!(nothing.stderr.contains("lgo"), "{nothing:?}");
}

#[test]
fn the_catalogue_names_every_permission() {
    let finished = mortise(["policy", "catalogue"]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    for word in ["headers.request.read", "http_call", "files.read", "read_only", "trusted"] {
        assert!(finished.stdout.contains(word), "{word}: {finished:?}");
    }
}

#[tokio::test]
async fn what_a_plugin_may_miss_is_a_warning_and_no_error() {
    let upstream = Upstream::echo(Http::One).await;
    let (_folder, narrow) = file(&greeting(&upstream, "policy: none"));
    let finished = check(&narrow);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(finished.stdout.contains("warning: plugin `greet` may use `"), "{finished:?}");
    assert!(finished.stdout.contains("mortise.yaml: ok\n"), "{finished:?}");
    let path = narrow.to_str().expect("text");
    let finished = mortise(["check", "-c", path, "-o", "json"]);
    let found: Value = serde_json::from_str(&finished.stdout).expect("JSON");
    assert_eq!(found["errors"], json!([]));
    assert_eq!(found["warnings"][0]["plugin"], "greet", "{found}");
    let (_folder, wide) = file(&greeting(&upstream, "policy: trusted"));
    let finished = check(&wide);
    assert!(!finished.stdout.contains("warning"), "{finished:?}");
    let proxy = Proxy::start(&greeting(&upstream, "policy: none")).await;
    assert!(proxy.stderr().contains("may use `"), "{}", proxy.stderr());
}

#[test]
fn a_module_is_warned_of_for_what_it_calls_and_not_for_what_its_sdk_could() {
    let warned = |name: &str, module: &Path, config: &str| {
        let lines = format!(
            "stream_filters: [{{ plugin: {name}, config: {config} }}]\n\
             routes: [{{ match: {{ prefix: / }}, respond: {{ status: 200 }} }}]"
        );
        let (_folder, file) = file(&Config::new().listener("web", &lines).plugin(name, module, ""));
        let finished = check(&file);
        assert_eq!(finished.code, Some(0), "{finished:?}");
        finished.stdout
    };
    let greet = warned("greet", tests_fixtures::greet(), "{ header: x-greeting, value: hi }");
    assert!(!greet.contains("warning"), "{greet}");
    let deny = warned("deny", tests_fixtures::deny(), "{ paths: [/no] }");
    assert!(!deny.contains("warning"), "{deny}");
    let auth = warned("auth", tests_fixtures::http_auth(), "{ cluster: a, path: / }");
    assert!(auth.contains("warning: plugin `auth` may use `http_call`"), "{auth}");
}

#[tokio::test]
async fn traffic_does_not_go_on_without_a_security_plugin() {
    let upstream = Upstream::echo(Http::One).await;
    let open = greeting(&upstream, "security: true").to_string();
    let open = open.replace("plugin: greet, config", "plugin: greet, on_error: open, config");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("mortise.yaml");
    fs::write(&file, open).expect("written");
    let finished = check(&file);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let said = format!("{}{}", finished.stdout, finished.stderr);
    assert!(said.contains("traffic must not go on without `greet`"), "{said}");
}

#[tokio::test]
async fn what_was_recorded_is_what_is_needed() {
    let upstream = Upstream::echo(Http::One).await;
    let proxy = Proxy::start_recording(&greeting(&upstream, "policy: none")).await;
    let mut client = Client::connect(Http::One, proxy.web()).await;
    let reply = client.get("/").await;
    assert_eq!(reply.header("x-greeting"), "hi", "a recorded plugin is let");
    let finished = proxy.finish().await;
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let recorded = finished.stdout;
    assert!(recorded.contains("\"headers.response.write:x-greeting\""), "{recorded}");
    assert!(!recorded.contains("http_call"), "{recorded}");
    // Under what was recorded it does all that it did, and nothing else is allowed.
    let needed = greeting(&upstream, "policy: greet").to_string() + &recorded;
    let proxy = Proxy::start(&needed).await;
    let mut client = Client::connect(Http::One, proxy.web()).await;
    assert_eq!(client.get("/").await.header("x-greeting"), "hi");
    let page = proxy.admin_json("/plugins").await;
    assert_eq!(page[0]["denied"], json!({}), "{page}");
}

#[test]
fn recording_ends_by_itself() {
    let config = Config::to_app(([127, 0, 0, 1], 9).into());
    let (_folder, file) = file(&config);
    let path = file.to_str().expect("text");
    let finished = mortise(["policy", "record", "-c", path, "--for", "1"]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(finished.stdout.ends_with("policies: []\n"), "{finished:?}");
}

#[tokio::test]
async fn the_admin_page_says_what_was_denied() {
    let upstream = Upstream::echo(Http::One).await;
    let proxy = Proxy::start(&greeting(&upstream, "policy: read_only")).await;
    let mut client = Client::connect(Http::One, proxy.web()).await;
    assert_eq!(client.get("/").await.header("x-greeting"), "");
    let page = proxy.admin_json("/plugins").await;
    let policy = json!({ "name": "read_only", "preset": "read_only", "mode": "enforce" });
    assert_eq!(page[0]["policy"], policy, "{page}");
    assert!(page[0]["denied"]["headers.response.write"].as_u64() >= Some(1), "{page}");
    let (_status, text) = proxy.admin("/plugins?text").await;
    let line = "greet: wasm, loaded, policy read_only (enforce), 0 faults, denied: ";
    assert!(text.starts_with(line) && text.contains("headers.response.write "), "{text}");
}
