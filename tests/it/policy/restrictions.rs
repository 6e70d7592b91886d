//! What is refused before anything runs: restrictions that nobody can enforce, and plugins of
//! security that traffic could pass without.

use std::fs;

use tests_support::{Config, Http, Proxy, Upstream, check};

use super::packages;
use crate::{
    common::{ask, get},
    matrix::Backend,
};

/// One filter with a policy of these lines.
fn config(backend: Backend, upstream: &Upstream, policy: &str, lines: &str) -> Config {
    let listener = "stream_filters: [{ plugin: it, root_id: matrix, config: {} }]\n\
        routes: [{ match: { prefix: / }, cluster: app }]";
    let config = Config::new()
        .top("workers: 1")
        .listener("web", listener)
        .cluster("app", upstream.address(), "")
        .policy("stated", policy)
        .plugin_on(backend.word(), "it", &backend.source(), &format!("{lines}\npolicy: stated"));
    backend.prepare(config)
}

/// A policy, and the restriction that the backend cannot enforce; none where it can.
struct Row {
    backend: Backend,
    policy: &'static str,
    unenforced: Option<&'static str>,
}

fn rows() -> Vec<Row> {
    use Backend::{Builtin, Native, Process, Wasm};
    let row = |backend, policy, unenforced| Row { backend, policy, unenforced };
    vec![
        row(Wasm, "limits: { memory_mib: 16 }", None),
        row(Wasm, "limits: { cpu_ms_per_call: 500, cpu_ms_per_second: 500 }", None),
        row(Wasm, "limits: { table_elements_max: 5000 }", None),
        row(Wasm, "denials: [clock]", None),
        row(Wasm, "denials: [random]", None),
        // Whether it holds depends on the machine; let it is everywhere.
        row(Process, "limits: { memory_mib: 64 }\nallow_unenforced: [memory]", None),
        row(Process, "limits: { cpu_ms_per_call: 500 }", Some("cpu_per_call")),
        row(Process, "limits: { cpu_ms_start: 20000 }", Some("cpu_per_call")),
        row(Process, "denials: [clock]", Some("clock")),
        row(Process, "denials: [random]", Some("random")),
        row(Process, "denials: [environment]", None),
        row(Process, "denials: [\"files.read:/usr/share\"]", Some("files")),
        row(Native, "limits: { memory_mib: 16 }", Some("memory")),
        row(Native, "limits: { cpu_ms_per_call: 500 }", Some("cpu_per_call")),
        row(Native, "limits: { cpu_ms_start: 20000 }", Some("cpu_per_call")),
        row(Native, "limits: { cpu_ms_per_second: 500 }", Some("cpu")),
        row(Native, "denials: [clock]", Some("clock")),
        row(Native, "denials: [random]", Some("random")),
        row(Native, "denials: [\"files.read:/etc/passwd\"]", Some("files")),
        row(Native, "denials: [environment]", Some("environment")),
        row(Builtin, "limits: { memory_mib: 16 }", Some("memory")),
        row(Builtin, "limits: { cpu_ms_per_call: 500 }", Some("cpu_per_call")),
        // What is not stated is not relied on.
        row(Native, "preset: trusted", None),
        row(Native, "limits: { metrics_max: 5 }", None),
    ]
}

#[tokio::test]
async fn a_restriction_that_cannot_be_enforced_refuses_the_plugin_and_says_what_would_let_it() {
    let upstream = Upstream::echo(Http::One).await;
    for Row { backend, policy, unenforced } in rows() {
        let lines = match backend {
            Backend::Process => "process: { call_timeout_ms: 10000 }",
            Backend::Builtin | Backend::Wasm | Backend::ProcessTcp | Backend::Native => "",
        };
        let what = format!("{} with {policy}", backend.name());
        let proxy = backend.start(&config(backend, &upstream, policy, lines)).await;
        let status = ask(Http::One, proxy.web(), get("/", &[])).await.status.as_u16();
        let Some(restriction) = unenforced else {
            assert_eq!(status, 200, "{what}");
            continue;
        };
        assert_eq!(status, 503, "{what}");
        for said in [proxy.stderr(), proxy.admin("/plugins").await.1] {
            let names = said.contains(&format!("`{restriction}`"));
            let advises = said.contains(&format!("allow_unenforced: [{restriction}]"));
            assert!(names && advises, "{what}: {said}");
        }
        let policy = format!("{policy}\nallow_unenforced: [{restriction}]");
        let proxy = backend.start(&config(backend, &upstream, &policy, lines)).await;
        let status = ask(Http::One, proxy.web(), get("/", &[])).await.status.as_u16();
        assert_eq!(status, 200, "{what}, which is let");
    }
}

/// The kernel's limit of a process's data, in bytes.
fn data_max(pid: u64) -> u64 {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).expect("it lives");
    let line = limits.lines().find(|line| line.starts_with("Max data size")).expect("a line");
    let word = line.split_ascii_whitespace().nth(3).expect("a limit");
    word.parse().expect("a number")
}

#[tokio::test]
async fn a_child_has_the_lesser_memory_of_its_policy_and_its_sandbox() {
    let upstream = Upstream::echo(Http::One).await;
    let sandbox = "process: { call_timeout_ms: 10000, sandbox: { memory_mib: 128 } }";
    let rows = [
        ("", "process: { call_timeout_ms: 10000 }", 512),
        ("limits: { memory_mib: 96 }", "process: { call_timeout_ms: 10000 }", 96),
        ("limits: { memory_mib: 96 }", sandbox, 96),
        ("limits: { memory_mib: 256 }", sandbox, 128),
    ];
    for (policy, lines, mib) in rows {
        // Not every machine has a control group for it.
        let policy = format!("{policy}\nallow_unenforced: [memory]");
        let config = config(Backend::Process, &upstream, &policy, lines);
        let proxy = Backend::Process.start(&config).await;
        assert_eq!(ask(Http::One, proxy.web(), get("/", &[])).await.status.as_u16(), 200);
        let plugins = proxy.admin_json("/plugins").await;
        let pid = plugins[0]["process"]["pid"].as_u64();
        let pid = pid.unwrap_or_else(|| panic!("no child: {plugins}"));
        assert_eq!(data_max(pid), mib << 20, "{policy}, {lines}");
    }
}

#[tokio::test]
async fn check_refuses_what_run_would_not_load() {
    let upstream = Upstream::echo(Http::One).await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("mortise.yaml");
    let stated = config(Backend::Native, &upstream, "limits: { memory_mib: 16 }", "");
    fs::write(&file, stated.to_string()).expect("written");
    let finished = check(&file);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let said = format!("{}{}", finished.stdout, finished.stderr);
    assert!(said.contains("allow_unenforced: [memory]"), "{said}");
}

/// A filter that is a matter of security, used with an `on_error`.
fn guarding(source: &std::path::Path, lines: &str, on_error: &str, upstream: &Upstream) -> Config {
    let listener = format!(
        "stream_filters: [{{ plugin: it, on_error: {on_error}, config: {{ header: x-who, value: it }} }}]\n\
         routes: [{{ match: {{ prefix: / }}, cluster: app }}]"
    );
    Config::new()
        .listener("web", &listener)
        .cluster("app", upstream.address(), "")
        .plugin("it", source, lines)
}

#[tokio::test]
async fn traffic_never_goes_on_without_a_plugin_of_security() {
    let upstream = Upstream::echo(Http::One).await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("mortise.yaml");
    let said_by_check = |config: &Config| {
        fs::write(&file, config.to_string()).expect("written");
        let finished = check(&file);
        (finished.code, format!("{}{}", finished.stdout, finished.stderr))
    };
    // The configuration says so: refused at the place of the use.
    let greet = tests_fixtures::greet();
    let (code, said) = said_by_check(&guarding(greet, "security: true", "open", &upstream));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("on_error") && said.contains("security"), "{said}");
    for on_error in ["closed", "reload"] {
        let (code, said) = said_by_check(&guarding(greet, "security: true", on_error, &upstream));
        assert_eq!(code, Some(0), "{said}");
    }
    // Only the manifest says so: the plugin is not loaded, and nothing passes.
    let package = packages::package(Backend::Wasm, "security", greet, &["headers", "log"]);
    let manifest = package.join("plugin.toml");
    let text = fs::read_to_string(&manifest).expect("a manifest");
    fs::write(&manifest, text.replace("[plugin]\n", "[plugin]\nsecurity = true\n"))
        .expect("written");
    let config = guarding(&package, "", "open", &upstream);
    let (code, said) = said_by_check(&config);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("security"), "{said}");
    let proxy = Proxy::start(&config).await;
    let reply = ask(Http::One, proxy.web(), get("/", &[])).await;
    assert_eq!((reply.status.as_u16(), upstream.requests()), (503, 0));
    let proxy = Proxy::start(&guarding(&package, "", "closed", &upstream)).await;
    let reply = ask(Http::One, proxy.web(), get("/", &[])).await;
    assert_eq!((reply.status.as_u16(), reply.header("x-who")), (200, "it"));
}
