//! Every error with its place and words. `UPDATE_EXPECT=1` writes them anew.

use expect_test::{Expect, expect};

use super::*;

mod formats;
mod rooms;

const SMALL: &str = "\
listeners:
  - address: 127.0.0.1:8080
    routes:
      - match: { prefix: / }
        cluster: app
clusters:
  - name: app
    endpoints: [127.0.0.1:9000]
";

#[expect(clippy::needless_pass_by_value, reason = "`expect!` makes a value")]
#[track_caller]
fn check_text(text: &str, format: Format, expect: Expect) {
    let base = base();
    let errors = match parse("mortise", text, format, base.path()) {
        Ok(loaded) => loaded.missing.expect("something is wrong"),
        Err(errors) => errors,
    };
    let base = format!("{}/", base.path().display());
    expect.assert_eq(&(errors.to_string().replace(&base, "") + "\n"));
}

/// Checks the small configuration with one piece of it changed.
#[track_caller]
fn check(from: &str, to: &str, expect: Expect) {
    assert!(SMALL.contains(from), "{from}");
    check_text(&SMALL.replacen(from, to, 1), Format::Yaml, expect);
}

/// Checks the small configuration with more at its end.
#[track_caller]
fn check_with(more: &str, expect: Expect) {
    check_text(&format!("{SMALL}{more}"), Format::Yaml, expect);
}

#[test]
fn the_small_configuration_is_right() {
    assert!(parse_here(SMALL, Format::Yaml).is_ok());
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let text = "\
listeners:
  - adress: 127.0.0.1:8080
    protocol: htp
    stream_filters:
      - plugin: great
        on_eror: open
    routes:
      - match: { prefix: api }
        cluster: ap
  - address: 127.0.0.1
    limits: { idle_timeout_ms: 0, connections_max: many }
    routes: []
clusters:
  - name: app
    endpoint: [127.0.0.1:9000]
  - name: app
    endpoints: [127.0.0.1:9000, db:5432]
plugins:
  - name: greet
    backend: wasm
    source: gone.wasm
    policy: defualt
policies:
  - name: small
    grants: [lgo]
";
    let errors = parse_here(text, Format::Yaml).unwrap_err();
    assert_eq!(errors.iter().count(), 16);
    check_text(
        text,
        Format::Yaml,
        expect![[r#"
            mortise:2:5: unknown key `adress` (did you mean `address`?)
            mortise:3:15: unknown protocol `htp` (did you mean `http`?)
            mortise:5:17: unknown plugin `great` (did you mean `greet`?)
            mortise:6:9: unknown key `on_eror` (did you mean `on_error`?)
            mortise:8:26: `api` is no path: it must begin with `/`
            mortise:9:18: unknown cluster `ap` (did you mean `app`?)
            mortise:10:5: the listener has no routes (for example `routes: [{ match: { prefix: / }, cluster: … }]`)
            mortise:10:14: `127.0.0.1` is no address to listen on (write `IP:PORT` or `[IPv6]:PORT`, as in `127.0.0.1:8080`)
            mortise:11:32: `idle_timeout_ms` must be between 1 and 86400000, not 0
            mortise:11:52: `connections_max` must be a whole number, not text
            mortise:15:5: unknown key `endpoint` (did you mean `endpoints`?)
            mortise:16:11: the cluster `app` is there twice
            mortise:17:33: a cluster cannot have addresses beside names (make two clusters, or use one kind)
            mortise:21:13: cannot read the plugin `gone.wasm`: No such file or directory (os error 2) (the path is relative to the directory of this configuration)
            mortise:22:13: unknown policy `defualt` (did you mean `default`?)
            mortise:25:14: there is no permission `lgo` (did you mean `log`?)
        "#]],
    );
}

#[test]
fn keys_and_words_are_suggested() {
    check(
        "routes:",
        "rotues:",
        expect![[r#"
        mortise:3:5: unknown key `rotues` (did you mean `routes`?)
    "#]],
    );
    check(
        "address:",
        "zzz: 1\n    address:",
        expect![[r#"
            mortise:2:5: unknown key `zzz` (the keys are: `name`, `address`, `protocol`, `balance`, `limits`, `forwarding`, `network_filters`, `stream_filters`, `routes`, `virtual_hosts`, `cluster`)
        "#]],
    );
    check(
        "routes:",
        "protocol: TCP\n    routes:",
        expect![[r#"
            mortise:3:15: unknown protocol `TCP` (did you mean `tcp`?)
        "#]],
    );
    check(
        "routes:",
        "protocol: rtmp\n    routes:",
        expect![[r#"
        mortise:3:15: unknown protocol `rtmp` (a protocol is one of these or a plugin: `http`, `auto`, `tcp`, `bolt`, `dubbo`, `dubbothrift`, `tars`)
    "#]],
    );
    check(
        "cluster: app",
        "cluster: apq",
        expect![[r#"
        mortise:5:18: unknown cluster `apq` (did you mean `app`?)
    "#]],
    );
    check(
        "cluster: app",
        "cluster: zzz",
        expect![[r#"
        mortise:5:18: unknown cluster `zzz` (the clusters are: `app`)
    "#]],
    );
    check_with(
        "access_log: stdin\n",
        expect![[r#"
        mortise:9:13: `access_log` cannot be `stdin` (the choices are: `off`, `stdout`)
    "#]],
    );
    check_with(
        "log: { level: inof }\n",
        expect![[r#"
        mortise:9:15: `inof` is no log level (did you mean `info`?)
    "#]],
    );
    check_with(
        "log: { level: \"a b=info\" }\n",
        expect![[r#"
        mortise:9:15: `a b` names no part of the proxy (write `part=level`, as in `info,host_upstream=debug`)
    "#]],
    );
}

#[test]
fn limits_that_contradict_each_other_are_refused() {
    check(
        "routes:",
        "limits: { rpc_bytes_max: 1048576 }\n    routes:",
        expect![[r#"
        mortise:3:30: `rpc_bytes_max` is less than `frame_bytes_max` (raise it to `frame_bytes_max` at least, or lower that one)
    "#]],
    );
    check(
        "routes:",
        "limits: { frame_timeout_max_ms: 0 }\n    routes:",
        expect![[r#"
        mortise:3:37: `frame_timeout_max_ms` must be between 1 and 86400000, not 0
    "#]],
    );
}

#[test]
fn values_of_the_wrong_kind_are_refused() {
    check(
        "address: 127.0.0.1:8080",
        "address: 8080",
        expect![[r#"
        mortise:2:14: `address` must be text, not a number
    "#]],
    );
    check(
        "[127.0.0.1:9000]",
        "127.0.0.1:9000",
        expect![[r#"
        mortise:8:16: `endpoints` must be a list, not text
    "#]],
    );
    check(
        "[127.0.0.1:9000]",
        "[[127.0.0.1:9000]]",
        expect![[r#"
        mortise:8:18: an entry of `endpoints` must be text or a map, not a list
    "#]],
    );
    check(
        "[127.0.0.1:9000]",
        "[]",
        expect![[r#"
        mortise:8:16: `endpoints` is empty
    "#]],
    );
    check(
        "{ prefix: / }",
        "/",
        expect![[r#"
        mortise:4:16: `match` must be a map, not text
    "#]],
    );
    check(
        "{ prefix: / }",
        "",
        expect![[r#"
        mortise:4:14: `match` must be a map, not nothing
    "#]],
    );
    check_with(
        "workers: 1.5\n",
        expect![[r#"
            mortise:9:10: `workers` must be a whole number, not a fraction
        "#]],
    );
    check_with(
        "workers: 257\n",
        expect![[r#"
        mortise:9:10: `workers` must be between 1 and 256, not 257
    "#]],
    );
    check_with(
        "workers: -1\n",
        expect![[r#"
        mortise:9:10: `workers` must be between 1 and 256, not -1
    "#]],
    );
    check_with(
        "workers: 99999999999999999999\n",
        expect![[r#"
            mortise:9:10: `workers` must be a whole number, not a number so large
        "#]],
    );
    check_with(
        "drain_timeout_ms: 3600001\n",
        expect![[r#"
        mortise:9:19: `drain_timeout_ms` must be between 0 and 3600000, not 3600001
    "#]],
    );
    check_with(
        "access_log: [stdout]\n",
        expect![[r#"
        mortise:9:14: `access_log` must be text or a map, not a list
    "#]],
    );
    check_text(
        "",
        Format::Yaml,
        expect![[r#"
        mortise:1:1: the file must be a map, not nothing
    "#]],
    );
    check_text(
        "- a\n",
        Format::Yaml,
        expect![[r#"
        mortise:1:3: the file must be a map, not a list
    "#]],
    );
    check_text(
        "{}",
        Format::Json,
        expect![[r#"
        mortise:1:1: the file has no `listeners`
    "#]],
    );
}

#[expect(clippy::needless_pass_by_value, reason = "`expect!` makes a value")]
fn check_report(text: &str, expect: Expect) {
    let errors = parse("mortise.yaml", text, Format::Yaml, base().path()).unwrap_err();
    expect.assert_eq(&errors.report(false));
    let coloured = errors.report(true);
    assert!(coloured.contains("\u{1b}["));
}

#[test]
fn a_report_shows_the_lines_of_the_file() {
    let text = SMALL.replace("cluster: app", "cluster: ap");
    check_report(
        &text.replace("name: app", "name: app\n    name: app2"),
        expect![[r#"
              × unknown cluster `ap`
               ╭─[mortise.yaml:5:18]
             4 │       - match: { prefix: / }
             5 │         cluster: ap
               ·                  ─┬
               ·                   ╰── no cluster has this name
             6 │ clusters:
               ╰────
              help: did you mean `app`?

              × the key `name` stands here twice
               ╭─[mortise.yaml:8:5]
             6 │ clusters:
             7 │   - name: app
               ·     ──┬─
               ·       ╰── first here
             8 │     name: app2
               ·     ──┬─
               ·       ╰── again here
             9 │     endpoints: [127.0.0.1:9000]
               ╰────

            2 errors
        "#]],
    );
}

#[test]
fn programs_get_json() {
    let errors = parse_here(&SMALL.replace("cluster: app", "cluster: ap"), Format::Yaml);
    let json = serde_json::to_string_pretty(&errors.unwrap_err().to_json()).unwrap();
    expect![[r#"
        {
          "errors": [
            {
              "file": "mortise",
              "line": 5,
              "column": 18,
              "path": "listeners[0].routes[0].cluster",
              "message": "unknown cluster `ap`",
              "help": "did you mean `app`?"
            }
          ],
          "more": false
        }"#]]
    .assert_eq(&json);
}

#[test]
fn a_plugin_file_that_is_missing_is_told_and_the_plan_can_be_used() {
    let text = format!("{SMALL}plugins: [{{ name: a, backend: wasm, source: gone.wasm }}]\n");
    let loaded = parse_here(&text, Format::Yaml).expect("it can be used");
    assert_eq!(loaded.plan.plugins.len(), 1);
    let missing = loaded.missing.expect("it is told").to_string();
    assert!(missing.contains("gone.wasm"), "{missing}");
    assert!(parse_here(SMALL, Format::Yaml).expect("fine").missing.is_none());
}
