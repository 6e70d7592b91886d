//! The short commands: what they print and how they end.

use std::{fs, path::PathBuf};

use serde_json::Value;
use tests_support::{Config, check, mortise};

/// A file with a configuration, in a folder of its own.
fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("mortise.yaml");
    fs::write(&file, text).expect("written");
    (folder, file)
}

fn fine() -> Config {
    Config::to_app(([127, 0, 0, 1], 9).into())
}

#[test]
fn a_good_configuration_is_ok() {
    let (_folder, file) = file(&fine().to_string());
    let finished = check(&file);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(finished.stdout.contains("ok"), "{finished:?}");
}

#[test]
fn all_errors_are_told_at_once_with_their_places() {
    let text = "listeners:\n\
        \x20 - name: web\n\
        \x20   address: nowhere\n\
        \x20   protocl: http\n\
        \x20   routes: [{ match: { prefix: / }, cluster: ap }]\n\
        clusters:\n\
        \x20 - name: app\n\
        \x20   endpoints: [\"127.0.0.1:9\"]\n\
        \x20   connect_timeout_ms: fast\n";
    let (_folder, file) = file(text);
    let finished = check(&file);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let said = format!("{}{}", finished.stdout, finished.stderr);
    for part in ["nowhere", "protocl", "protocol", "connect_timeout_ms", "mortise.yaml:3"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn an_unknown_name_is_told_with_the_one_that_was_meant() {
    let text = fine().to_string().replace("cluster: app", "cluster: ap");
    let (_folder, file) = file(&text);
    let finished = check(&file);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let said = format!("{}{}", finished.stdout, finished.stderr);
    assert!(said.contains("`ap`") && said.contains("`app`"), "{said}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let (folder, _file) = file("");
    let finished = check(&folder.path().join("absent.yaml"));
    assert_ne!(finished.code, Some(0));
    let said = format!("{}{}", finished.stdout, finished.stderr);
    assert!(said.contains("absent.yaml"), "{said}");
}

/// A configuration with one plugin in the path.
fn with_plugin(source: &std::path::Path, config: &str) -> String {
    let lines = format!(
        "stream_filters: [{{ plugin: p, config: {config} }}]\n\
         routes: [{{ match: {{ prefix: / }}, cluster: app }}]"
    );
    Config::new()
        .listener("web", &lines)
        .cluster("app", ([127, 0, 0, 1], 9).into(), "")
        .plugin("p", source, "")
        .to_string()
}

#[test]
fn a_plugin_that_would_not_load_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, reason) in [
        ("not_wasm", ""),
        ("no_abi", "proxy_abi_version"),
        ("unknown_import", ""),
        ("trap_at_start", ""),
    ] {
        let module = folder.path().join(format!("{name}.wasm"));
        fs::write(&module, tests_fixtures::wat(name)).expect("written");
        let (_folder, file) = file(&with_plugin(&module, "{}"));
        let finished = check(&file);
        assert_eq!(finished.code, Some(1), "{name}: {finished:?}");
        let said = format!("{}{}", finished.stdout, finished.stderr);
        assert!(said.contains('p') && said.contains(reason), "{name}: {said}");
    }
    let (_folder, missing) = file(&with_plugin(&folder.path().join("missing.wasm"), "{}"));
    let finished = check(&missing);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let (_folder, refused) = file(&with_plugin(tests_fixtures::greet(), "{ header: '' }"));
    let finished = check(&refused);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let (_folder, good) = file(&with_plugin(tests_fixtures::greet(), "{ header: x, value: y }"));
    assert_eq!(check(&good).code, Some(0));
}

#[test]
fn a_use_that_does_not_start_is_told_with_its_line() {
    let good = "{ plugin: p, config: { header: x, value: y } }";
    let bad = "{ plugin: p, config: { header: '' } }";
    let filters = format!(
        "stream_filters:\n- {good}\n- {bad}\n- {bad}\n\
         routes: [{{ match: {{ prefix: / }}, cluster: app }}]"
    );
    let text = Config::new()
        .listener("web", &filters)
        .cluster("app", ([127, 0, 0, 1], 9).into(), "")
        .plugin("p", tests_fixtures::greet(), "")
        .to_string();
    let (first, _) = text.lines().enumerate().find(|(_, line)| line.contains(bad)).expect("it");
    let (line, second) = (first + 1, first + 2);
    let (_folder, file) = file(&text);
    let finished = check(&file);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let said = format!("{}{}", finished.stdout, finished.stderr);
    assert!(said.contains(&format!("mortise.yaml:{line}:")), "{said}");
    assert!(said.contains(&format!("; the same at {second}:")), "{said}");
    let path = file.to_str().expect("text");
    let finished = mortise(["check", "-c", path, "--output", "json"]);
    let findings: Value = serde_json::from_str(&finished.stdout).expect("JSON");
    assert_eq!(findings["errors"][0]["line"], line, "{findings}");
}

#[test]
fn findings_can_be_read_by_programs() {
    let (_folder, file) = file("listeners: 5\n");
    let path = file.to_str().expect("text");
    let finished = mortise(["check", "-c", path, "--output", "json"]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let findings: Value = serde_json::from_str(&finished.stdout).expect("JSON");
    assert!(findings.to_string().contains("listeners"), "{findings}");
}

#[test]
fn the_schema_is_json() {
    let finished = mortise(["schema"]);
    assert_eq!(finished.code, Some(0));
    let schema: Value = serde_json::from_str(&finished.stdout).expect("JSON");
    assert!(schema["properties"]["listeners"].is_object(), "{schema}");
}

#[test]
fn wrong_usage_is_code_2() {
    for arguments in [&["fly"][..], &["run", "--wings"], &["check", "-c"]] {
        assert_eq!(mortise(arguments).code, Some(2), "{arguments:?}");
    }
    let version = mortise(["--version"]);
    assert_eq!(version.code, Some(0));
    assert!(version.stdout.starts_with("mortise "), "{version:?}");
}
