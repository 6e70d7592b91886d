use expect_test::{Expect, expect};

use super::*;

const WHOLE: &str = r#"
schema = 1
[plugin]
name = "acme/greet"
version = "1.2.3"
summary = "Says hello"
license = "Apache-2.0"
[[provides]]
point = "stream_filter"
phases = ["request_headers", "log"]
[[provides]]
point = "network_filter"
root_id = "tcp"
phases = ["downstream_data"]
[[artifact]]
backend = "wasm"
file = "greet.wasm"
[[artifact]]
backend = "process"
file = "bin/greet"
platform = "linux/x86_64"
arguments = ["--fast"]
go_plugin = { cookie_key = "K", cookie_value = "v" }
[[artifact]]
backend = "process"
file = "bin/greet.py"
"#;

#[test]
fn a_whole_manifest_is_read() {
    let manifest = Manifest::parse(WHOLE).unwrap();
    assert_eq!((manifest.name.as_str(), manifest.version.minor), ("acme/greet", 2));
    let phases: Vec<_> = manifest.phases().collect();
    assert_eq!(phases, [Phase::RequestHeaders, Phase::Log, Phase::DownstreamData]);
    let here = manifest.artifact("process", "linux/x86_64").unwrap();
    assert_eq!(here.file, "bin/greet");
    assert_eq!(here.go_plugin.as_ref().map(|one| one.cookie_key.as_str()), Some("K"));
    let elsewhere = manifest.artifact("process", "linux/riscv64").unwrap();
    assert_eq!(elsewhere.file, "bin/greet.py");
}

#[test]
fn what_is_not_there_is_said_with_what_is() {
    let manifest = Manifest::parse(WHOLE).unwrap();
    let missing = manifest.artifact("native", "linux/x86_64").unwrap_err().to_string();
    expect!["the package has no artifact for `backend: native` on linux/x86_64; it has `wasm`, `process` on linux/x86_64, `process`"].assert_eq(&missing);
}

/// The refusal of the whole manifest with something replaced.
#[track_caller]
fn check(from: &str, to: &str, expect: &Expect) {
    assert!(WHOLE.contains(from), "{from}");
    let refused = Manifest::parse(&WHOLE.replacen(from, to, 1)).unwrap_err();
    expect.assert_eq(&refused.to_string());
}

#[test]
fn what_makes_no_sense_is_refused_with_its_reason() {
    check(
        "schema = 1",
        "schema = 2",
        &expect!["`schema = 2` is not known; this version reads `schema = 1`"],
    );
    check("schema = 1", "", &expect!["at line 1, column 1: missing field `schema`"]);
    check(
        "summary",
        "sumary",
        &expect![
            "at line 6, column 1: unknown field `sumary`, expected one of `name`, `version`, `summary`, `security`, `license`, `homepage`"
        ],
    );
    check(
        "1.2.3",
        "1.2",
        &expect![[
            r#"`version` is no semantic version (unexpected end of input while parsing minor version number): "1.2""#
        ]],
    );
    check(
        "acme/greet",
        "../greet",
        &expect![[
            r#"`name` must be lower-case letters, digits, `-` and `_`, with one `/` after a namespace: "../greet""#
        ]],
    );
    check(
        "acme/greet",
        "Greet",
        &expect![[
            r#"`name` must be lower-case letters, digits, `-` and `_`, with one `/` after a namespace: "Greet""#
        ]],
    );
    check(
        "\"log\"",
        "\"logs\"",
        &expect![
            "at line 10, column 30: unknown variant `logs`, expected one of `request_headers`, `request_body`, `request_trailers`, `response_headers`, `response_body`, `response_trailers`, `log`, `new_connection`, `downstream_data`, `upstream_data`, `close`"
        ],
    );
    check(
        "point = \"network_filter\"\nroot_id = \"tcp\"",
        "point = \"stream_filter\"",
        &expect!["the same `provides` is there twice: StreamFilter ``"],
    );
    check(
        "greet.wasm",
        "../greet.wasm",
        &expect![[r#"`file` must stay inside of the package: "../greet.wasm""#]],
    );
    check(
        "greet.wasm",
        "/greet.wasm",
        &expect![[r#"`file` must stay inside of the package: "/greet.wasm""#]],
    );
    check(
        "backend = \"wasm\"",
        "backend = \"process\"",
        &expect!["two artifacts are for `process`"],
    );
    check(
        "backend = \"process\"",
        "backend = \"native\"",
        &expect![[r#"`arguments` and `go_plugin` are for artifacts with `backend = "process"`"#]],
    );
}

#[test]
fn a_package_of_nothing_is_refused() {
    let nothing = "schema = 1\n[plugin]\nname = \"a\"\nversion = \"1.0.0\"\n";
    let refused = Manifest::parse(nothing).unwrap_err().to_string();
    expect!["`provides` is missing: say at least once where the plugin can stand"]
        .assert_eq(&refused);
    let one = format!("{nothing}[[provides]]\npoint = \"service\"\nphases = []\n");
    expect!["`artifact` is missing: name at least one file"]
        .assert_eq(&Manifest::parse(&one).unwrap_err().to_string());
}
