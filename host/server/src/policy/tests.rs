mod kept;

use std::{fs, path::Path};

use expect_test::{Expect, expect, expect_file};
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::cli::Output;

/// A package whose manifest asks for some things, and a module alone. There is no code.
const CONFIG: &str = "\
listeners: [{ address: 127.0.0.1:0, protocol: tcp, cluster: app },
  { name: calls, address: 127.0.0.1:0, protocol: alone, routes: [{ match: { prefix: / }, cluster: app }] }]
clusters: [{ name: app, endpoints: [127.0.0.1:9] }]
plugins:
  - { name: asks, backend: wasm, source: package, policy: strict }
  - name: alone
    backend: wasm
    source: alone.wasm
  - { name: inside, backend: builtin, source: inside, policy: loose }
policies:
  - name: strict
    preset: read_only
    grants:
      - headers.request.write:x-*
      - http_call:auth
      - http_call:other
    denials: [\"headers.request.read:cookie\", clock]
    limits: { cpu_ms_per_second: 100, held_body_kib: 8 }
  - name: loose
    preset: trusted
    mode: permissive
    denials: [foreign]
    allow_unenforced: [memory]
    limits: { memory_mib: 8, cpu_ms_per_call: 5 }
";

const MANIFEST: &str = r#"
schema = 1
permissions = ["headers.request", "http_call:a*", "clock", "reply"]
[plugin]
name = "asks"
version = "1.0.0"
security = true
[[provides]]
point = "stream_filter"
phases = ["request_headers"]
[[artifact]]
backend = "wasm"
file = "asks.wasm"
"#;

fn house() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("package")).unwrap();
    fs::write(folder.path().join("package/plugin.toml"), MANIFEST).unwrap();
    let file = folder.path().join("mortise.yaml");
    fs::write(&file, CONFIG).unwrap();
    (folder, file)
}

fn show_in(file: &Path) -> CheckReport {
    let command = PolicyCommand::Show { config: Some(file.to_path_buf()), output: Output::Text };
    policy(command, &[]).unwrap()
}

#[test]
fn what_plugins_may_do_is_shown_in_words() {
    let (folder, file) = house();
    let text = show_in(&file).text.replace(&format!("{}/", folder.path().display()), "");
    expect_file!["tests/show.txt"].assert_eq(&text);
}

#[test]
fn what_plugins_may_do_is_shown_to_programs() {
    let (_folder, file) = house();
    let plugins = show_in(&file).json["plugins"].clone();
    let [asks, alone, inside] = &plugins.as_array().unwrap()[..] else { panic!() };
    let policy = json!({
        "name": "strict",
        "preset": "read_only",
        "mode": "enforce",
        "grants": ["headers.request.write:x-*", "http_call:auth", "http_call:other"],
        "denials": ["headers.request.read:cookie", "clock"],
    });
    assert_eq!(asks["policy"], policy);
    assert_eq!(asks["asks"].as_array().unwrap().len(), 4);
    assert_eq!((&asks["security"], &alone["security"]), (&json!(true), &json!(false)));
    assert_eq!((&asks["reads"], &alone["reads"]), (&json!([]), &json!(["calls"])));
    assert_eq!(alone["asks"], json!(null));
    assert_eq!(alone["limits"]["calls_max"], 1024);
    assert_eq!(asks["limits"]["cpu_ms_per_second"], 100);
    let capability = |plugin: &Value, word: &str| {
        let all = plugin["capabilities"].as_array().unwrap();
        all.iter().find(|one| one["permission"] == word).unwrap().clone()
    };
    let read = capability(asks, "headers.request.read");
    assert_eq!(read["names"], json!([{ "pattern": "*", "within": null }]));
    assert_eq!(read["denied"], json!(["headers.request.read:cookie"]));
    let call = capability(asks, "http_call");
    assert_eq!(call["names"], json!([{ "pattern": "auth", "within": null }]));
    assert_eq!(call["granted"][0], json!({ "pattern": "auth", "by": "http_call:auth" }));
    let why_not = |word: &str| capability(asks, word)["why_not"].clone();
    assert_eq!(why_not("clock"), "denied");
    assert_eq!(why_not("reply"), "not_granted");
    assert_eq!(why_not("log"), "not_asked");
    assert_eq!(capability(alone, "shared_data.read")["names"][0]["pattern"], json!(null));
    let unenforced = inside["unenforced"].as_array().unwrap();
    let words: Vec<_> =
        unenforced.iter().map(|one| (&one["restriction"], &one["allowed"])).collect();
    assert_eq!(words, [(&json!("memory"), &json!(true)), (&json!("cpu_per_call"), &json!(false))]);
    assert_eq!(inside["not_held"], json!(["memory_mib", "cpu_ms_per_call", "cpu_ms_start"]));
    assert_eq!(asks["not_held"], json!([]));
}

#[expect(clippy::needless_pass_by_value, reason = "`expect!` makes a value")]
#[track_caller]
fn explained(plugin: &str, permission: &str, allowed: bool, expect: Expect) {
    let (folder, file) = house();
    let command = PolicyCommand::Explain {
        plugin: plugin.to_owned(),
        permission: permission.parse().unwrap(),
        config: Some(file),
        output: Output::Text,
    };
    let report = policy(command, &[]).unwrap();
    assert_eq!((report.is_clean, &report.json["allowed"]), (allowed, &json!(allowed)));
    expect.assert_eq(&report.text.replace(&format!("{}/", folder.path().display()), ""));
}

#[test]
fn a_yes_names_its_rule() {
    explained(
        "asks",
        "http_call:auth",
        true,
        expect![[r#"
        yes: `http_call:auth`: `grants` of the policy `strict` has `http_call:auth` (mortise.yaml:15:9)
    "#]],
    );
    explained(
        "asks",
        "headers.request.read:accept",
        true,
        expect![[r#"
        yes: `headers.request.read:accept`: the preset `read_only` grants it (mortise.yaml:11:11)
    "#]],
    );
    explained(
        "alone",
        "log",
        true,
        expect![[r#"
        yes: `log`: the preset `default` grants it
    "#]],
    );
    explained(
        "alone",
        "shared_data",
        true,
        expect![[r#"
        yes: `shared_data.read`: the preset `default` grants it
        yes: `shared_data.write`: the preset `default` grants it
    "#]],
    );
    explained(
        "alone",
        "headers.request.read",
        true,
        expect![[r#"
        yes: `headers.request.read`: the preset `default` grants it
    "#]],
    );
}

#[test]
fn a_no_says_what_would_make_it_a_yes() {
    explained(
        "asks",
        "headers.request.read:cookie",
        false,
        expect![[r#"
        no: `headers.request.read:cookie`: `denials` of the policy `strict` has `headers.request.read:cookie` (mortise.yaml:17:15)
          to change that: take `headers.request.read:cookie` out of `denials`, or narrow it down
    "#]],
    );
    explained(
        "asks",
        "headers.request.read",
        false,
        expect![[r#"
        no: `headers.request.read`: only for all but `cookie`
          to change that: name one to ask about it: `headers.request.read:NAME`
    "#]],
    );
    explained(
        "asks",
        "http_call:other",
        false,
        expect![[r#"
        no: `http_call:other`: its plugin.toml does not ask for it
          to change that: its author adds "http_call:other" to `permissions` in package/plugin.toml
    "#]],
    );
    explained(
        "asks",
        "grpc_call:auth",
        false,
        expect![[r#"
        no: `grpc_call:auth`: its plugin.toml does not ask for it
          to change that: its author adds "grpc_call:auth" to `permissions` in package/plugin.toml; then add "grpc_call:auth" to `grants` of the policy `strict`
    "#]],
    );
    explained(
        "asks",
        "reply",
        false,
        expect![[r#"
        no: `reply`: nothing grants it: the policy is `strict` (mortise.yaml:11:11)
          to change that: add "reply" to `grants` of the policy `strict`
    "#]],
    );
}

#[test]
fn a_no_of_fields_of_the_host_and_of_presets_does_too() {
    explained(
        "asks",
        "headers.request.write:host",
        false,
        expect![[r#"
        no: `headers.request.write:host`: the field routes requests, which takes `route` (mortise.yaml:11:11)
          to change that: add "route" to `grants` of the policy `strict`
    "#]],
    );
    explained(
        "asks",
        "headers.request.write:te",
        false,
        expect![[r#"
        no: `headers.request.write:te`: the field frames messages, and no grant names it (mortise.yaml:11:11)
          to change that: add "headers.request.write:te" to `grants` of the policy `strict`
    "#]],
    );
    explained(
        "alone",
        "http_call:auth",
        false,
        expect![[r#"
        no: `http_call:auth`: nothing grants it: the policy is `default`
          to change that: add `{ name: alone-policy, preset: default, grants: ["http_call:auth"] }` to `policies`, and `policy: alone-policy` to the plugin (mortise.yaml:6:11)
    "#]],
    );
    explained(
        "alone",
        "shared_data.read:other",
        false,
        expect![[r#"
        no: `shared_data.read:other`: nothing grants it: the policy is `default`
          to change that: add `{ name: alone-policy, preset: default, grants: ["shared_data.read:other"] }` to `policies`, and `policy: alone-policy` to the plugin (mortise.yaml:6:11)
    "#]],
    );
    explained(
        "inside",
        "foreign:f",
        false,
        expect![[r#"
        no: `foreign:f`: `denials` of the policy `loose` has `foreign` (mortise.yaml:22:15)
          to change that: take `foreign` out of `denials`, or narrow it down
        The policy is permissive: it is logged, and carried out all the same.
    "#]],
    );
}

#[test]
fn programs_learn_where_a_rule_stands() {
    let (_folder, file) = house();
    let command = PolicyCommand::Explain {
        plugin: "asks".to_owned(),
        permission: "http_call:auth".parse().unwrap(),
        config: Some(file.clone()),
        output: Output::Json,
    };
    let json = policy(command, &[]).unwrap().json;
    let answer = &json["answers"][0];
    let place = json!({ "file": file.display().to_string(), "line": 15, "column": 9 });
    assert_eq!((&answer["place"], &answer["rule"]), (&place, &json!("grant")));
    assert_eq!((&json["allowed"], &json["permissive"]), (&json!(true), &json!(false)));
}

#[test]
fn a_plugin_that_is_not_there_is_no_answer() {
    let (_folder, file) = house();
    let command = PolicyCommand::Explain {
        plugin: "nobody".to_owned(),
        permission: "log".parse().unwrap(),
        config: Some(file),
        output: Output::Text,
    };
    let failure = policy(command, &[]).unwrap_err();
    let Failure::Usage(report) = failure else { panic!("{failure:?}") };
    assert!(report.to_string().ends_with("it has `asks`, `alone`, `inside`"), "{report}");
}

#[test]
fn a_configuration_that_is_refused_is_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mortise.yaml");
    fs::write(&file, "listeners: 5\n").unwrap();
    let command = PolicyCommand::Show { config: Some(file), output: Output::Text };
    assert!(matches!(policy(command, &[]), Err(Failure::Findings(_))));
}

#[test]
fn a_package_with_a_bad_manifest_is_told() {
    let (folder, file) = house();
    fs::write(folder.path().join("package/plugin.toml"), "schema = 9\n").unwrap();
    let report = show_in(&file);
    assert!(report.text.contains("  it is not loaded: "), "{}", report.text);
    let asks = report.text.split("\n\n").next().unwrap();
    assert!(asks.contains("  what its plugin.toml asks for is not known\n"), "{asks}");
    assert!(!asks.contains("does not ask to"), "{asks}");
    assert!(report.json["plugins"][0]["problem"].is_string());
}

#[test]
fn what_was_recorded_is_a_configuration() {
    let (_folder, file) = house();
    let surveyed = survey(&file).unwrap();
    let grants = |words: &[&str]| words.iter().map(|word| word.parse().unwrap()).collect();
    let records = [
        ("asks".into(), grants(&["http_call:auth", "clock", "log", "headers.request.read:\"x\""])),
        ("broken".into(), grants(&["log"])),
        ("idle".into(), grants(&[])),
        ("loose".into(), grants(&["shared_data"])),
        ("none".into(), grants(&["foreign:f"])),
    ];
    let failed = [("broken".into(), "the artifact\nis gone".to_owned())];
    let report =
        record::policies(&surveyed, &record::Seen { grants: &records, not_loaded: &failed });
    expect![[r##"
        # What plugins did while they were watched. Name its policy at each plugin (`policy: NAME`);
        # denials and limits are those of the policies in use.
        policies:
          # plugin `asks`; it runs under `strict`
          - name: "asks"
            grants:
              - "http_call:auth"
              - "log" # its plugin.toml does not ask for this
              - "headers.request.read:\"x\""
            denials:
              - "headers.request.read:cookie"
              - "clock"
            # it did "clock", which `strict` denies
            limits: { cpu_ms_per_second: 100, held_body_kib: 8 }
          # plugin `idle` did nothing that takes a permission
          - name: "idle"
            grants: []
          # plugin `loose`
          - name: "loose-recorded"
            grants:
              - "shared_data"
          # plugin `none`
          - name: "none-recorded"
            grants:
              - "foreign:f"
          # plugin `broken` was not loaded, and nothing is known of what it needs: the artifact\nis gone
    "##]]
    .assert_eq(&report.text);
    let before = CONFIG.split("policies:\n").next().unwrap();
    let both = format!("{before}{}", report.text).replace("policy: strict", "policy: asks");
    let both = both.replace("policy: loose", "policy: idle");
    let format = host_config::Format::Yaml;
    let loaded = host_config::parse("pasted", &both, format, file.parent().unwrap()).unwrap();
    let (was, is) = (&surveyed.plugins[0].plan, &loaded.plan.plugins[0]);
    let kept: Vec<_> = records[0].1.iter().filter(|one| one.to_string() != "clock").collect();
    assert_eq!(is.policy.grants.iter().collect::<Vec<_>>(), kept);
    // What the operator forbids stays forbidden, and limited.
    assert_eq!((&is.policy.denials, &is.limits), (&was.policy.denials, &was.limits));
    assert_eq!(is.policy.stated, was.policy.stated);
    assert_eq!(report.json["policies"][0]["denied"], json!(["clock"]));
    assert_eq!(report.json["not_loaded"][0]["plugin"], "broken");
    let nothing = record::policies(&surveyed, &record::Seen { grants: &[], not_loaded: &[] });
    assert_eq!(nothing.text.lines().last(), Some("policies: []"));
}
