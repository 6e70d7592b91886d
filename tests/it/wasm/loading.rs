//! Plugins that do not load: that route answers by `on_error`, and the proxy runs on.

use std::{fs, path::PathBuf};

use http::StatusCode;
use tests_support::{Client, Config, Http, Proxy, Upstream, until};

use crate::common::{ask, get, status};

/// Files that are no usable plugins.
const BROKEN: [&str; 21] = [
    "empty",
    "not_wasm",
    "truncated",
    "no_abi",
    "unknown_abi",
    "unknown_import",
    "unknown_import_module",
    "wrong_import_type",
    "imported_memory",
    "no_memory",
    "trap_at_start",
    "trap_in_initialize",
    "loop_at_start",
    "loop_in_initialize",
    "bad_callback_type",
    "shared_memory",
    "memory64",
    "two_memories",
    "huge_memory",
    "huge_table",
    "data_out_of_bounds",
];

/// A plugin with the name of its fault, and its file.
fn broken_plugins(folder: &tempfile::TempDir) -> Vec<(String, PathBuf)> {
    let mut plugins = Vec::new();
    for name in BROKEN {
        let file = folder.path().join(format!("{name}.wasm"));
        fs::write(&file, tests_fixtures::wat(name)).expect("written");
        plugins.push((name.replace('_', "-"), file));
    }
    plugins
}

/// A route per plugin, and one without.
fn config(upstream: &Upstream, plugins: &[(String, PathBuf)], on_error: &str) -> Config {
    let mut routes = String::from("routes:\n");
    for (name, _) in plugins {
        routes.push_str(&format!(
            "- {{ match: {{ prefix: /{name} }}, cluster: app, \
             stream_filters: [{{ plugin: {name}, on_error: {on_error} }}] }}\n"
        ));
    }
    for act in ["trap_on_configure", "refuse_configuration", "loop_in_configure", "no_such_act"] {
        let filter = super::act_with(act, "", on_error);
        routes.push_str(&format!(
            "- {{ match: {{ prefix: /{act} }}, cluster: app, stream_filters: [{filter}] }}\n"
        ));
    }
    routes.push_str("- { match: { prefix: / }, cluster: app }");
    let mut config = Config::new()
        .top("workers: 1")
        .listener("web", &routes)
        .cluster("app", upstream.address(), "")
        .plugin("bad", tests_fixtures::misbehave(), "policy: short")
        .policy("short", "limits: { cpu_ms_start: 100, memory_mib: 8 }");
    for (name, file) in plugins {
        config = config.plugin(name, file, "policy: short");
    }
    config
}

const REFUSING: [&str; 4] =
    ["trap_on_configure", "refuse_configuration", "loop_in_configure", "no_such_act"];

#[tokio::test]
async fn a_plugin_that_does_not_load_fails_its_own_route_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let upstream = Upstream::echo(Http::One).await;
    let plugins = broken_plugins(&folder);
    let names: Vec<&str> = plugins.iter().map(|(name, _)| name.as_str()).chain(REFUSING).collect();
    for (on_error, wanted) in [("closed", 503), ("open", 200), ("reload", 503)] {
        let proxy = Proxy::start(&config(&upstream, &plugins, on_error)).await;
        let mut client = Client::connect(Http::Two, proxy.web()).await;
        let mut wrong = Vec::new();
        for name in &names {
            let status = client.get(&format!("/{name}")).await.status.as_u16();
            if status != wanted {
                wrong.push(format!("{name}: {status}"));
            }
            assert_eq!(client.get("/fine").await.status, StatusCode::OK, "beside {name}");
        }
        assert!(wrong.is_empty(), "{on_error}: {wrong:#?}");
        assert_eq!(proxy.admin("/readyz").await.0, StatusCode::OK);
        let page = proxy.admin("/plugins").await.1;
        for (name, _) in &plugins {
            assert!(page.contains(&format!("\"{name}\"")), "{name}: {page}");
        }
    }
}

#[tokio::test]
async fn odd_modules_that_load_neither_crash_nor_hang_the_proxy() {
    let folder = tempfile::tempdir().expect("a folder");
    let upstream = Upstream::echo(Http::One).await;
    let mut routes = String::from("routes:\n");
    let mut config = Config::new().top("workers: 1").cluster("app", upstream.address(), "");
    let names: Vec<String> = tests_fixtures::wat_names();
    // An unknown action waits, as a pause does, and nobody resumes it.
    let others = [&BROKEN[..], &["unknown_action"]].concat();
    let odd: Vec<&String> = names.iter().filter(|name| !others.contains(&name.as_str())).collect();
    for name in &odd {
        let file = folder.path().join(format!("{name}.wasm"));
        fs::write(&file, tests_fixtures::wat(name)).expect("written");
        config = config.plugin(name, &file, "");
        routes.push_str(&format!(
            "- {{ match: {{ prefix: /{name} }}, cluster: app, stream_filters: [{{ plugin: {name} }}] }}\n"
        ));
    }
    routes.push_str("- { match: { prefix: / }, cluster: app }");
    let proxy = Proxy::start(&config.listener("web", &routes)).await;
    for name in &odd {
        for _ in 0..2 {
            let status = status(proxy.web(), &format!("/{name}")).await.as_u16();
            let works = ["minimal", "abi_0_1_0", "abi_0_2_0", "old_marker_new_arity", "add_header"];
            if works.contains(&name.as_str()) {
                assert_eq!(status, 200, "{name}");
            } else if name.as_str() == "no_callback" {
                assert_eq!(status, 503, "it would do nothing");
                assert!(proxy.stderr().contains("no callback of requests"), "{}", proxy.stderr());
            } else {
                assert!([200, 503].contains(&status), "{name}: {status}");
            }
            assert_eq!(self::status(proxy.web(), "/fine").await, StatusCode::OK, "beside {name}");
        }
    }
}

/// A proxy with one plugin from `file` in the path.
fn with_plugin(upstream: &Upstream, file: &std::path::Path) -> Config {
    let lines = "stream_filters:\n\
        - { plugin: late, on_error: reload, config: { header: x-greeting, value: hello } }\n\
        routes: [{ match: { prefix: / }, cluster: app }]";
    Config::new()
        .listener("web", lines)
        .cluster("app", upstream.address(), "")
        .plugin("late", file, "")
}

#[tokio::test]
async fn a_plugin_whose_file_is_missing_fails_its_own_route_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let upstream = Upstream::echo(Http::One).await;
    let plugins = [
        ("missing".to_owned(), folder.path().join("missing.wasm")),
        ("directory".to_owned(), folder.path().to_owned()),
    ];
    for (on_error, wanted) in [("closed", 503), ("open", 200), ("reload", 503)] {
        let proxy = Proxy::start(&config(&upstream, &plugins, on_error)).await;
        for (name, _) in &plugins {
            let status = status(proxy.web(), &format!("/{name}")).await.as_u16();
            // A directory is a package, whose manifest may say that it is for security.
            let wanted = if name == "directory" { 503 } else { wanted };
            assert_eq!(status, wanted, "{name} {on_error}");
        }
        assert_eq!(status(proxy.web(), "/fine").await, StatusCode::OK);
        assert_eq!(proxy.admin("/readyz").await.0, StatusCode::OK);
    }
}

async fn status_of_greet(proxy: &Proxy) -> (u16, String) {
    let reply = ask(Http::One, proxy.web(), get("/", &[])).await;
    (reply.status.as_u16(), reply.header("x-greeting").to_owned())
}

#[tokio::test]
async fn a_plugin_whose_file_comes_later_is_tried_again() {
    let upstream = Upstream::echo(Http::One).await;
    for first in [None, Some("truncated")] {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("late.wasm");
        if let Some(name) = first {
            fs::write(&file, tests_fixtures::wat(name)).expect("written");
        }
        let proxy = Proxy::start(&with_plugin(&upstream, &file)).await;
        assert_eq!(status_of_greet(&proxy).await, (503, String::new()));
        let draft = folder.path().join("draft");
        fs::copy(tests_fixtures::greet(), &draft).expect("copied");
        fs::rename(&draft, &file).expect("in place");
        until("the plugin to serve", async || {
            (status_of_greet(&proxy).await == (200, "hello".into())).then_some(())
        })
        .await;
    }
}
