use expect_test::{Expect, expect};
use proptest::prelude::*;

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

#[test]
fn a_codec_has_no_phases_and_all_else_says_which() {
    let codec = WHOLE.replacen(
        "[[artifact]]",
        "[[provides]]\npoint = \"codec\"\nroot_id = \"frames\"\n[[artifact]]",
        1,
    );
    let manifest = Manifest::parse(&codec).unwrap();
    let last = manifest.provides.last().unwrap();
    assert_eq!(
        (last.point, last.root_id.as_str(), &last.phases[..]),
        (Point::Codec, "frames", &[][..])
    );
    assert_eq!(manifest.phases().count(), 3);
    check(
        "point = \"network_filter\"",
        "point = \"codec\"",
        &expect![
            "a `provides` with `point = \"codec\"` has no `phases`: a codec is given all bytes"
        ],
    );
    check(
        "phases = [\"downstream_data\"]",
        "",
        &expect!["a `provides` has no `phases`: say what the plugin asks to see there"],
    );
    check(
        "point = \"network_filter\"",
        "point = \"codecs\"",
        &expect![
            "at line 12, column 9: unknown variant `codecs`, expected one of `stream_filter`, `network_filter`, `codec`, `service`"
        ],
    );
}

fn asking(permissions: &str) -> Result<Manifest, ManifestError> {
    Manifest::parse(&WHOLE.replacen("schema = 1", &format!("schema = 1\n{permissions}"), 1))
}

#[test]
fn what_a_plugin_asks_for_is_read_in_its_order() {
    let manifest = asking(r#"permissions = ["log", "headers:x-*", "log"]"#).unwrap();
    let asked: Vec<_> = manifest.permissions.iter().map(ToString::to_string).collect();
    assert_eq!(asked, ["log", "headers:x-*", "log"]);
    assert!(asking("").unwrap().permissions.is_empty(), "without the key it asks for nothing");
}

#[test]
fn a_plugin_for_security_says_so() {
    assert!(!Manifest::parse(WHOLE).unwrap().is_security);
    let security = WHOLE.replacen("version", "security = true\nversion", 1);
    assert!(Manifest::parse(&security).unwrap().is_security);
}

/// The refusal of a list of permissions.
#[track_caller]
fn check_permissions(permissions: &str, expect: &str) {
    let refused = asking(permissions).unwrap_err().to_string();
    assert_eq!(refused, expect, "{permissions}");
}

#[test]
fn permissions_that_are_none_refuse_the_manifest_at_their_place() {
    check_permissions(
        r#"permissions = ["log", "htp_call"]"#,
        "at line 3, column 23: there is no permission `htp_call`; did you mean `http_call`?",
    );
    check_permissions(
        "permissions = [\n  \"log\",\n  \"reply:x\",\n]",
        "at line 5, column 3: `reply` is granted as a whole: nothing comes behind it",
    );
    check_permissions(
        r#"permissions = ["http_call:"]"#,
        "at line 3, column 16: `` is no pattern: it is empty; leave the `:` out, or write `*`, for \
         every name",
    );
    check_permissions(
        r#"permissions = ["files.read:etc"]"#,
        "at line 3, column 16: `etc` is no pattern: it is no absolute path; `*` stands for all of \
         them, and in none",
    );
    check_permissions(
        "permissions = [7]",
        "at line 3, column 16: invalid type: integer `7`, expected a string",
    );
    check_permissions(
        r#"permissions = "log""#,
        "at line 3, column 15: invalid type: string \"log\", expected a sequence",
    );
    check_permissions(
        &format!("permissions = [\"{}\"]", "x".repeat(257)),
        "at line 3, column 16: a permission is at most 256 bytes long",
    );
    let security = WHOLE.replacen("version", "security = \"yes\"\nversion", 1);
    let refused = Manifest::parse(&security).unwrap_err().to_string();
    assert_eq!(refused, "at line 5, column 12: invalid type: string \"yes\", expected a boolean");
}

#[test]
fn permissions_are_limited_in_number() {
    let list = |count: usize| format!("permissions = [{}]", "\"log\",".repeat(count));
    assert_eq!(asking(&list(256)).unwrap().permissions.len(), 256);
    check_permissions(&list(257), "at most 256 `permissions` are read");
    let wild = |count: usize| {
        let wild: Vec<_> = (0..count).map(|number| format!("\"headers:x-{number}-*\"")).collect();
        format!("permissions = [\"headers:exact\", {}]", wild.join(", "))
    };
    assert_eq!(asking(&wild(8)).unwrap().permissions.len(), 9);
    check_permissions(
        &wild(9),
        "at most 8 `permissions` for `headers.request.read` may have a `*`",
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// A manifest is a stranger's: it is read, or refused with one line.
    #[test]
    fn a_spoilt_manifest_is_read_or_refused_with_one_line(
        start in 0_usize..700, length in 0_usize..40, with in ".{0,12}|[\\[\\]\"=,:*#\n]{0,6}",
    ) {
        let permissions = "schema = 1\npermissions = [\"log\", \"http_call:a*\"]";
        let mut text: Vec<char> = WHOLE.replacen("schema = 1", permissions, 1).chars().collect();
        let start = start.min(text.len());
        let end = (start + length).min(text.len());
        text.splice(start..end, with.chars());
        let text: String = text.into_iter().collect();
        if let Err(refused) = Manifest::parse(&text) {
            let line = refused.to_string();
            prop_assert!(!line.is_empty() && !line.contains('\n'), "{line:?}");
        }
    }
}
