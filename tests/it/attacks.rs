//! `mortise doctor --attack`: the evil plugins of the collection, against the built proxy.

use std::{fs, net::SocketAddr, os::unix::fs::PermissionsExt, path::Path};

use serde_json::Value;
use tests_support::{Config, Finished, Http, Proxy, Upstream, mortise, mortise_binary};

use crate::common::{ask, get};

fn attack(arguments: &[&str]) -> Finished {
    mortise(["doctor", "--attack"].iter().chain(arguments))
}

#[track_caller]
fn json(finished: &Finished) -> Value {
    serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:?}"))
}

#[test]
fn every_attack_is_contained_counted_and_named_and_the_neighbour_loses_nothing() {
    let finished = attack(&["--output", "json"]);
    let report = json(&finished);
    let attacks = report["attacks"].as_array().expect("attacks");
    let (skipped, tried): (Vec<_>, Vec<_>) =
        attacks.iter().partition(|attack| !attack["skipped"].is_null());
    for attack in skipped {
        println!("SKIPPED: {}: {}", attack["name"], attack["skipped"]);
    }
    for backend in ["wasm", "process"] {
        assert!(attacks.iter().any(|attack| attack["backend"] == backend), "{backend}");
    }
    assert!(tried.len() > 35, "{}", tried.len());
    let is_held =
        |attack: &Value| ["contained", "counted", "named"].iter().all(|word| attack[*word] == true);
    let loose: Vec<_> = tried.into_iter().filter(|attack| !is_held(attack)).collect();
    assert!(loose.is_empty(), "{loose:#?}");
    let neighbour = &report["neighbour"];
    assert_eq!(neighbour["failed"], 0, "{neighbour}");
    assert!(neighbour["requests"].as_u64() > Some(100), "{neighbour}");
    assert_eq!((finished.code, &report["broken"]), (Some(0), &Value::Null), "{finished:?}");
}

#[test]
fn a_person_reads_a_table() {
    let finished = attack(&["--filter", "recursion"]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let line = finished.stdout.lines().find(|line| line.starts_with("recursion"));
    let words: Vec<_> = line.expect("a line").split_whitespace().take(5).collect();
    assert_eq!(words, ["recursion", "wasm", "yes", "yes", "yes"]);
    assert!(finished.stdout.contains("1 of 1 attacks were contained"), "{finished:?}");
    assert!(finished.stdout.contains("the neighbour: "), "{finished:?}");
}

#[test]
fn a_filter_that_chooses_nothing_is_no_success() {
    let finished = attack(&["--filter", "no such attack", "-o", "json"]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert_eq!(json(&finished)["attacks"].as_array().map(Vec::len), Some(0));
    let finished = attack(&["--filter", "no such attack"]);
    assert_eq!(finished.stdout, "no attack has `no such attack` in its name\n");
}

#[test]
fn the_evil_child_is_not_for_people() {
    let finished = mortise(["plugin-attack"]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(!finished.stderr.is_empty(), "{finished:?}");
}

/// Modules that tell what they could.
const MODULES: [&str; 6] =
    ["metric_flood", "call_flood", "others_data", "properties", "cookie", "foreign_functions"];
/// Words of the child that change nothing where nothing holds it.
const WORDS: [&str; 3] = ["secrets", "sockets", "trace"];

#[tokio::test]
async fn what_is_granted_the_same_plugins_can_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let upstream = Upstream::echo(Http::One).await;
    let proxy = Proxy::start(&trusting(folder.path(), upstream.address())).await;
    for name in MODULES.iter().chain(&WORDS) {
        let reply = ask(Http::One, proxy.web(), get(&format!("/{name}/"), &[("cookie", "evil=1")]));
        let reply = reply.await;
        assert_eq!(reply.header("x-tried"), "yes", "{name}: {reply:?}");
        assert!(!reply.header("x-could").is_empty(), "{name}: {reply:?}");
    }
}

/// All of them, trusted; the child without a sandbox.
fn trusting(folder: &Path, upstream: SocketAddr) -> Config {
    let mut routes = String::from("routes:\n");
    let mut route = |name: &str, plugin: &str, config: &str| {
        routes.push_str(&format!(
            "- {{ match: {{ prefix: /{name}/ }}, cluster: allowed, \
             stream_filters: [{{ plugin: {plugin}{config} }}] }}\n"
        ));
    };
    let mut config = Config::new()
        .cluster("allowed", upstream, "")
        .policy("all", "preset: trusted\nlimits: { cpu_ms_per_call: 1000 }");
    for name in MODULES.iter().chain(&["victim"]) {
        let source = folder.join(name);
        fs::write(&source, plugins_attacks::module(name).expect("a module")).expect("written");
        config = config.plugin(name, &source, "policy: all");
        route(name, name, "");
    }
    for word in WORDS {
        route(word, "child", &format!(", config: {word} {upstream}"));
    }
    let script = folder.join("child");
    let interpreter = mortise_binary().display();
    let text = format!("#!{interpreter} {}\n", plugins_attacks::child::ARGUMENT);
    fs::write(&script, text).expect("written");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("made executable");
    let lines = "policy: trusted\nprocess: { sandbox: none, call_timeout_ms: 10000 }";
    config.listener("web", &routes).plugin_on("process", "child", &script, lines)
}
