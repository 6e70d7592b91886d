//! What nobody keeps a plugin from, and what takes more than one permission.

use super::*;

const CONFIG: &str = "\
listeners:
  - { address: 127.0.0.1:0, protocol: tcp, cluster: app }
clusters: [{ name: app, endpoints: [127.0.0.1:9] }]
plugins:
  - { name: inside, backend: builtin, source: inside, policy: bare }
  - name: child
    backend: process
    source: child
    policy: reads
    process: { sandbox: { read: [/etc, /srv/data] } }
  - { name: module, backend: wasm, source: module.wasm, policy: hides }
policies:
  - { name: bare, preset: none }
  - { name: reads, preset: none, grants: [\"files.read:/etc/ssl\", \"files.read:/srv\"] }
  - name: hides
    preset: default
    denials: [\"headers.request.read:cookie\", \"headers.request.read::path\"]
";

fn file() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mortise.yaml");
    fs::write(&file, CONFIG).unwrap();
    (folder, file)
}

#[track_caller]
fn explained(plugin: &str, permission: &str) -> CheckReport {
    let (_folder, file) = file();
    let command = PolicyCommand::Explain {
        plugin: plugin.to_owned(),
        permission: permission.parse().unwrap(),
        config: Some(file),
        output: Output::Text,
    };
    policy(command, &[]).unwrap()
}

#[track_caller]
fn yes(plugin: &str, permission: &str) {
    let report = explained(plugin, permission);
    assert!(report.is_clean && report.text.starts_with("yes: "), "{}", report.text);
}

/// The rule of the answer, which has this in its text.
#[track_caller]
fn no(plugin: &str, permission: &str, text: &str) -> Value {
    let report = explained(plugin, permission);
    assert!(!report.is_clean && report.text.starts_with("no: "), "{}", report.text);
    assert!(report.text.contains(text), "{}", report.text);
    report.json["answers"][0].clone()
}

#[test]
fn a_property_that_is_a_field_takes_what_the_field_takes() {
    for (property, field) in [
        ("request.headers.cookie", "cookie"),
        ("request.headers.Cookie", "Cookie"),
        ("request.path", ":path"),
        ("request.url_path", ":path"),
    ] {
        let text = format!(
            "it tells of fields, which takes `headers.request.read:{field}`, too: `denials` of"
        );
        let answer = no("module", &format!("properties.read:{property}"), &text);
        assert_eq!(answer["rule"], "denial");
    }
    // Of all fields together it is not told where some are hidden; those that are not are listed.
    no("module", "properties.read:request.total_size", "takes `headers.request.read`, too");
    yes("module", "properties.read:request.headers");
    yes("module", "properties.read:request.headers.accept");
    yes("module", "properties.read:request.time");
    no("child", "properties.read:request.headers", "nothing grants it");
}

#[test]
fn what_nobody_keeps_a_plugin_from_is_said_beside_the_no() {
    let why =
        "\n  not enforced here: a library in the proxy's own process does what the proxy may do";
    for permission in ["files.read:/etc/passwd", "environment:HOME", "clock", "random"] {
        let answer = no("inside", permission, why);
        assert!(answer["not_enforced"].is_string());
    }
    // Calls are guarded everywhere, and an answer of yes needs no guard.
    assert!(no("inside", "log", "nothing grants it")["not_enforced"].is_null());
    assert!(no("child", "environment:HOME", "nothing grants it")["not_enforced"].is_null());
    no("child", "clock", "\n  not enforced here: ");
    assert!(!explained("module", "clock").text.contains("not enforced"));
}

#[test]
fn what_nobody_enforces_is_shown() {
    let (_folder, file) = file();
    let report = show_in(&file);
    let plugins = &report.json["plugins"];
    let all = ["memory", "cpu", "cpu_per_call", "files", "network", "processes"];
    let all = [&all[..], &["clock", "random", "environment"]].concat();
    assert_eq!(plugins[0]["not_enforced"], json!(all));
    assert_eq!(plugins[2]["not_enforced"], json!([]));
    let inside = report.text.split("\n\n").next().unwrap();
    for line in [
        "    read the clocks: the policy does not grant it (not enforced here)\n",
        "    read files: the policy does not grant it (not enforced here)\n",
        "    write to the log: the policy does not grant it\n",
        "  not enforced here: `memory`, `cpu`, `cpu_per_call`, `files`, ",
    ] {
        assert!(inside.contains(line), "{line}: {inside}");
    }
}

#[test]
fn a_child_reads_what_its_sandbox_lists_and_its_policy_grants() {
    yes("child", "files.read:/srv/data/a");
    let answer = no("child", "files.read:/srv/other", "`process.sandbox.read` of the plugin does");
    assert_eq!(answer["rule"], "not_listed");
    assert_eq!(answer["advice"], "add \"/srv/other\" to `process.sandbox.read` of the plugin");
    let answer = no("child", "files.read:/etc/ssl/certs", "but not all of `/etc`, which");
    let advice = answer["advice"].as_str().unwrap();
    assert!(advice.starts_with("list \"/etc/ssl/certs\" there; or add"), "{advice}");
    no("child", "files.read:/home", "nothing grants it");
    // A sandbox leaves these open to each child.
    for path in ["/usr/lib/os-release", "/etc/localtime"] {
        yes("child", &format!("files.read:{path}"));
        no("inside", &format!("files.read:{path}"), "nothing grants it");
    }
    let (_folder, file) = file();
    let text = show_in(&file).text;
    assert!(text.contains("  reads whatever its policy says\n    its own directory `/"), "{text}");
}

#[test]
fn what_a_child_was_shown_without_asking_is_marked_in_a_recording() {
    let (_folder, file) = file();
    let surveyed = survey(&file).unwrap();
    let grants = |words: &[&str]| words.iter().map(|word| word.parse().unwrap()).collect();
    let done = ["headers.request.read", "body.request.read", "log", "headers.response.read:etag"];
    let records = [("child".into(), grants(&done)), ("inside".into(), grants(&done))];
    let seen = record::Seen { grants: &records, not_loaded: &[] };
    let text = record::policies(&surveyed, &seen).text;
    assert_eq!(text.matches("# a child is shown all").count(), 2, "{text}");
    assert!(text.contains("\"body.request.read\" # a child is shown all"), "{text}");
}
