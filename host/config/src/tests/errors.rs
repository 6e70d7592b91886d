//! Every error with its place and words. `UPDATE_EXPECT=1` writes them anew.

use expect_test::{Expect, expect};

use super::*;

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
    let errors = parse("mortise", text, format, base.path()).unwrap_err();
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
  - name: default
    grants: [log]
";
    let errors = parse_here(text, Format::Yaml).unwrap_err();
    assert_eq!(errors.iter().count(), 16);
    check_text(
        text,
        Format::Yaml,
        expect![[r#"
            mortise:2:5: unknown key `adress` (did you mean `address`?)
            mortise:3:15: `protocol` cannot be `htp` (did you mean `http`?)
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
            mortise:25:5: grants are not offered by this version (remove `grants`: plugins may use every host call that there is)
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
        mortise:2:5: unknown key `zzz` (the keys are: `name`, `address`, `protocol`, `balance`, `limits`, `forwarding`, `stream_filters`, `routes`, `virtual_hosts`, `cluster`)
    "#]],
    );
    check(
        "routes:",
        "protocol: TCP\n    routes:",
        expect![[r#"
        mortise:3:15: `protocol` cannot be `TCP` (did you mean `tcp`?)
    "#]],
    );
    check(
        "routes:",
        "protocol: bolt\n    routes:",
        expect![[r#"
        mortise:3:15: `protocol` cannot be `bolt` (the choices are: `http`, `auto`, `tcp`)
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

#[test]
fn listeners_must_fit_together() {
    check(
        "127.0.0.1:8080",
        "localhost:8080",
        expect![[r#"
        mortise:2:14: `localhost:8080` is no address to listen on (write `IP:PORT` or `[IPv6]:PORT`, as in `127.0.0.1:8080`)
    "#]],
    );
    check(
        "127.0.0.1:8080",
        "unix:/a",
        expect![[r#"
        mortise:2:14: a listener cannot listen on a Unix socket
    "#]],
    );
    check(
        "routes:",
        "cluster: app\n    routes:",
        expect![[r#"
        mortise:3:5: a listener with `protocol: http` has no `cluster` (name the cluster in a route: `routes: [{ match: { prefix: / }, cluster: … }]`)
    "#]],
    );
    check(
        "routes:",
        "protocol: tcp\n    routes:",
        expect![[r#"
        mortise:3:5: the listener has no `cluster` (add `cluster: …` to the listener)
        mortise:4:5: a listener with `protocol: tcp` has no `routes`
    "#]],
    );
    check(
        "routes:",
        "protocol: auto\n    routes:",
        expect![[r#"
        mortise:3:5: the listener has no `cluster` (add `cluster: …` to the listener)
    "#]],
    );
    check(
        "routes:",
        "forwarding: { via: a b }\n    routes:",
        expect![[r#"
        mortise:3:24: `a b` cannot stand in a `via` field (write a host name or a single word)
    "#]],
    );
    check(
        "routes:",
        "virtual_hosts: [{ domains: [a], routes: [{ match: { prefix: / }, cluster: app }] }]\n    routes:",
        expect![[r#"
            mortise:3:5: a listener has either `routes` or `virtual_hosts` (put the routes into a virtual host with `domains: ["*"]`)
        "#]],
    );
    let twice = "127.0.0.1:8080\n    protocol: tcp\n    cluster: app\n  - address: 127.0.0.1:8080";
    check(
        "127.0.0.1:8080",
        twice,
        expect![[r#"
        mortise:5:14: the address `127.0.0.1:8080` is there twice
    "#]],
    );
    let named = "127.0.0.1:1\n    name: a\n    protocol: tcp\n    cluster: app\n  - name: a\n    address: 127.0.0.1:8080";
    check(
        "127.0.0.1:8080",
        named,
        expect![[r#"
        mortise:6:11: the listener `a` is there twice
    "#]],
    );
    check(
        "    routes:\n      - match: { prefix: / }\n        cluster: app\n",
        "",
        expect![[r#"
        mortise:2:5: the listener has no routes (for example `routes: [{ match: { prefix: / }, cluster: … }]`)
    "#]],
    );
    let hosts = "virtual_hosts:
      - { name: a, domains: [A.b, \"*x\"], routes: [{ match: { prefix: / }, cluster: app }] }
      - { name: a, domains: [a.B, \"\"], routes: [{ match: { prefix: / }, cluster: app }] }
";
    let routes = "routes:\n      - match: { prefix: / }\n        cluster: app\n";
    check(
        routes,
        hosts,
        expect![[r#"
        mortise:4:35: `*x` is no domain: write `example.com`, `*.example.com` or `*`, with `:port` or without
        mortise:5:17: the virtual host `a` is there twice
        mortise:5:30: the domain `a.b` is there twice
        mortise:5:35: `` is no domain: write `example.com`, `*.example.com` or `*`, with `:port` or without
    "#]],
    );
}

#[test]
fn a_match_must_be_one_that_can_match() {
    let r#match = |to: &str, expect: Expect| check("{ prefix: / }", to, expect);
    r#match(
        "{}",
        expect![[r#"
        mortise:4:16: a match needs one of `prefix`, `path`, `regex`
    "#]],
    );
    r#match(
        "{ prefix: /, path: / }",
        expect![[r#"
        mortise:4:29: a match has `path` beside `prefix` (a match has one of `prefix`, `path`, `regex`)
    "#]],
    );
    r#match(
        "{ prefix: api }",
        expect![[r#"
        mortise:4:26: `api` is no path: it must begin with `/`
    "#]],
    );
    r#match(
        "{ path: /a?b }",
        expect![[r#"
        mortise:4:24: `/a?b` can match no path (match the query with `query`)
    "#]],
    );
    r#match(
        "{ regex: \"(\" }",
        expect![[r#"
        mortise:4:25: the regular expression is not valid: unclosed group
    "#]],
    );
    r#match(
        "{ regex: \"(\\\\w{900}){900}\" }",
        expect![[r#"
        mortise:4:25: the regular expression is too large
    "#]],
    );
    r#match(
        "{ prefix: /, methods: [get, \"\"] }",
        expect![[r#"
        mortise:4:39: `get` is no method (did you mean `GET`?)
        mortise:4:44: `` is no method (the usual ones are: `GET`, `HEAD`, `POST`, `PUT`, `DELETE`, `PATCH`, `OPTIONS`, `CONNECT`)
    "#]],
    );
    r#match(
        "{ prefix: /, headers: [{ name: a b, present: true }, { name: a }] }",
        expect![[r#"
        mortise:4:47: `a b` is no name of a header field
        mortise:4:71: a header condition needs one of `exact`, `prefix`, `suffix`, `contains`, `regex`, `present`
    "#]],
    );
    r#match(
        "{ prefix: /, headers: [{ name: a, exact: b, regex: c }] }",
        expect![[r#"
        mortise:4:60: a header condition has `regex` beside `exact` (a header condition has one of `exact`, `prefix`, `suffix`, `contains`, `regex`, `present`)
    "#]],
    );
    r#match(
        "{ prefix: /, query: [{ name: a, regex: \"[\" }] }",
        expect![[r#"
        mortise:4:55: the regular expression is not valid: unclosed character class
    "#]],
    );
}

#[test]
fn an_action_must_be_one_that_can_be_done() {
    let action = |to: &str, expect: Expect| check("cluster: app", to, expect);
    action(
        "name: nothing",
        expect![[r#"
        mortise:4:9: a route needs one of `cluster`, `clusters`, `redirect`, `respond`
    "#]],
    );
    action(
        "cluster: app\n        respond: {}",
        expect![[r#"
        mortise:6:9: a route has `respond` beside `cluster` (a route has one of `cluster`, `clusters`, `redirect`, `respond`)
    "#]],
    );
    action(
        "clusters: [{ name: app, weight: 0 }]",
        expect![[r#"
        mortise:5:22: at least one cluster needs a weight above zero
    "#]],
    );
    action(
        "clusters: [{ name: ap, weight: 1 }, { name: app }]",
        expect![[r#"
        mortise:5:28: unknown cluster `ap` (did you mean `app`?)
        mortise:5:47: an entry of `clusters` has no `weight`
    "#]],
    );
    action(
        "respond: { status: 100 }\n        timeout_ms: 1",
        expect![[r#"
        mortise:5:28: `status` must be between 200 and 599, not 100
        mortise:6:9: `timeout_ms` means nothing beside `respond`
    "#]],
    );
    action(
        "respond: { headers: { Content-Length: \"1\" } }",
        expect![[r#"
        mortise:5:31: `content-length` is written by the proxy
    "#]],
    );
    action(
        "respond: { headers: { a b: c } }",
        expect![[r#"
        mortise:5:31: `a b` is no name of a header field
    "#]],
    );
    action(
        "respond: { headers: { a: \"b\\nc\" } }",
        expect![[r#"
        mortise:5:34: the value has characters that no header field may have
    "#]],
    );
    action(
        "redirect: {}",
        expect![[r#"
        mortise:5:19: the redirect changes nothing (say what is different: `scheme`, `host`, `port`, `path` or `prefix`)
    "#]],
    );
    action(
        "redirect: { status: 200, path: / }",
        expect![[r#"
        mortise:5:29: `status` cannot be `200` (the choices are: `301`, `302`, `303`, `307`, `308`)
    "#]],
    );
    action(
        "redirect: { path: /, prefix: / }",
        expect![[r#"
        mortise:5:30: a redirect has `prefix` beside `path`
    "#]],
    );
    action(
        "redirect: { path: a }",
        expect![[r#"
        mortise:5:27: `a` is no path: it must begin with `/`, without a query
    "#]],
    );
    action(
        "redirect: { host: \"a:80\" }",
        expect![[r#"
        mortise:5:27: `a:80` is no host without a port
    "#]],
    );
    action(
        "redirect: { scheme: ftp }",
        expect![[r#"
        mortise:5:29: `scheme` cannot be `ftp` (the choices are: `http`, `https`)
    "#]],
    );
    action(
        "cluster: app\n        rewrite: {}",
        expect![[r#"
        mortise:6:18: a rewrite needs one of `prefix`, `regex`
    "#]],
    );
    action(
        "cluster: app\n        rewrite: { prefix: a }",
        expect![[r#"
        mortise:6:28: `a` is no path: it must begin with `/`, without a query
    "#]],
    );
    action(
        "cluster: app\n        rewrite: { regex: a }",
        expect![[r#"
        mortise:6:20: a rewrite with `regex` needs `substitution`
    "#]],
    );
    action(
        "cluster: app\n        rewrite: { regex: a, substitution: $1 }",
        expect![[r#"
        mortise:6:44: the substitution names the group `1`, which the regular expression has not
    "#]],
    );
    action(
        "cluster: app\n        rewrite: { prefix: /a, substitution: b }",
        expect![[r#"
        mortise:6:32: `substitution` means nothing beside `prefix`
    "#]],
    );
    action(
        "cluster: app\n        host_rewrite: app",
        expect![[r#"
        mortise:6:23: `host_rewrite` cannot be `app` (the choices are: `endpoint`)
    "#]],
    );
    action(
        "cluster: app\n        host_rewrite: { host: a/b }",
        expect![[r#"
        mortise:6:31: `a/b` is no host
    "#]],
    );
    action(
        "cluster: app\n        stream_filters: [{ plugin: x }]",
        expect![[r#"
        mortise:6:36: unknown plugin `x`
    "#]],
    );
}

#[test]
fn endpoints_must_be_of_one_kind() {
    let endpoints = |to: &str, expect: Expect| check("[127.0.0.1:9000]", to, expect);
    endpoints(
        "[127.0.0.1]",
        expect![[r#"
        mortise:8:17: `127.0.0.1` is no endpoint (write `IP:PORT`, `[IPv6]:PORT` or `host:port`)
    "#]],
    );
    endpoints(
        "[127.0.0.1:0]",
        expect![[r#"
        mortise:8:17: an endpoint cannot have the port 0
    "#]],
    );
    endpoints(
        "[127.0.0.256:80]",
        expect![[r#"
        mortise:8:17: `127.0.0.256:80` is no endpoint (write `IP:PORT`, `[IPv6]:PORT` or `host:port`)
    "#]],
    );
    endpoints(
        "[\"a b:80\", \"a..b:80\", \":80\"]",
        expect![[r#"
        mortise:8:17: `a b:80` is no endpoint (write `IP:PORT`, `[IPv6]:PORT` or `host:port`)
        mortise:8:27: `a..b:80` is no endpoint (write `IP:PORT`, `[IPv6]:PORT` or `host:port`)
        mortise:8:38: `:80` is no endpoint (write `IP:PORT`, `[IPv6]:PORT` or `host:port`)
    "#]],
    );
    endpoints(
        "[127.0.0.1:1, a:1]",
        expect![[r#"
        mortise:8:30: a cluster cannot have addresses beside names (make two clusters, or use one kind)
    "#]],
    );
    endpoints(
        "[127.0.0.1:1, 127.0.0.1:1]",
        expect![[r#"
        mortise:8:30: the endpoint `127.0.0.1:1` is there twice
    "#]],
    );
    endpoints(
        "[{ address: \"a:1\", weight: 2 }]",
        expect![[r#"
        mortise:8:28: a name that DNS resolves cannot have a weight (give the weight to addresses, or to clusters of a route)
    "#]],
    );
    endpoints(
        "[{ address: \"127.0.0.1:1\", weight: 0 }]",
        expect![[r#"
        mortise:8:51: `weight` must be between 1 and 65535, not 0
    "#]],
    );
    endpoints(
        "[{ adress: \"127.0.0.1:1\" }]",
        expect![[r#"
        mortise:8:19: unknown key `adress` (did you mean `address`?)
    "#]],
    );
    check(
        "[127.0.0.1:9000]",
        "[127.0.0.1:1]\n    connect_timeout_ms: 0",
        expect![[r#"
        mortise:9:25: `connect_timeout_ms` must be between 1 and 600000, not 0
    "#]],
    );
}

#[test]
fn plugins_and_policies_must_be_there() {
    let plugin = |text: &str, expect: Expect| {
        check_with(&format!("plugins:\n  - {{ name: a, {text} }}\n"), expect);
    };
    plugin(
        "backend: wasm",
        expect![[r#"
        mortise:10:7: an entry of `plugins` has no `source`
    "#]],
    );
    plugin(
        "backend: wasm, source: gone.wasm",
        expect![[r#"
        mortise:10:39: cannot read the plugin `gone.wasm`: No such file or directory (os error 2) (the path is relative to the directory of this configuration)
    "#]],
    );
    plugin(
        "backend: wasm, source: .",
        expect![[r#"
        mortise:10:39: `.` is no file
    "#]],
    );
    plugin(
        "backend: process, source: greet.wasm",
        expect![[r#"
        mortise:10:25: the backend `process` is not in this version (use `wasm`)
    "#]],
    );
    plugin(
        "backend: native, source: greet.wasm",
        expect![[r#"
        mortise:10:25: the backend `native` is not in this version (use `wasm`)
    "#]],
    );
    plugin(
        "backend: wsam, source: greet.wasm",
        expect![[r#"
        mortise:10:25: `backend` cannot be `wsam` (did you mean `wasm`?)
    "#]],
    );
    plugin(
        "backend: wasm, source: greet.wasm, policy: p",
        expect![[r#"
        mortise:10:59: unknown policy `p`
    "#]],
    );
    plugin(
        "backend: wasm, source: greet.wasm, phases: []",
        expect![[r#"
        mortise:10:59: `phases` is empty
    "#]],
    );
    check_with(
        "policies: [{ name: a, grants: [] }, { name: a }]\n",
        expect![[r#"
        mortise:9:23: grants are not offered by this version (remove `grants`: plugins may use every host call that there is)
        mortise:9:45: the policy `a` is there twice
    "#]],
    );
}

#[test]
fn only_this_machine_may_reach_the_admin_server() {
    check_with(
        "admin: { address: \"0.0.0.0:9901\" }\n",
        expect![[r#"
        mortise:9:19: the admin server cannot listen on `0.0.0.0:9901` (whoever reaches it needs no password: use `unix:/path` or a loopback address)
    "#]],
    );
    check_with(
        "admin: { address: \"127.0.0.1:8080\" }\n",
        expect![[r#"
        mortise:9:19: a listener has the address `127.0.0.1:8080`, too
    "#]],
    );
    check_with(
        "admin: { address: \"unix:relative\" }\n",
        expect![[r#"
        mortise:9:19: `unix:relative` is no address: write `IP:PORT`, `[IPv6]:PORT` or `unix:/absolute/path`
    "#]],
    );
    check_with(
        "admin: {}\n",
        expect![[r#"
        mortise:9:8: `admin` has no `address`
    "#]],
    );
}

#[test]
fn what_is_no_yaml_is_refused_with_its_place() {
    check(
        "[127.0.0.1:9000]",
        "[127.0.0.1:9000",
        expect![[r#"
        mortise:9:1: the file is no YAML: while parsing a flow sequence, expected ',' or ']'
    "#]],
    );
    check(
        "address",
        "\taddress",
        expect![[r#"
        mortise:3:5: the file is no YAML: while parsing a block collection, did not find expected '-' indicator
    "#]],
    );
    check(
        "routes:",
        "virtual_hosts: [{ domains: [*] }]\n    routes:",
        expect![[r#"
        mortise:3:33: the file is no YAML: while scanning an anchor or alias, did not find expected alphabetic or numeric character (text that begins with `*` or `&` must stand in quotes: "*.example.com")
    "#]],
    );
    check(
        "routes:",
        "virtual_hosts: [{ domains: [*.a] }]\n    routes:",
        expect![[r#"
        mortise:3:33: the file is no YAML: while parsing node, found unknown anchor (text that begins with `*` or `&` must stand in quotes: "*.example.com")
    "#]],
    );
    check(
        "name: app",
        "name: app\n    name: b",
        expect![[r#"
        mortise:8:5: the key `name` stands here twice
    "#]],
    );
    check(
        "name: app",
        "name: !!str app",
        expect![[r#"
        mortise:7:11: tags mean nothing here (remove the `!…` before it; quotes make text of a value)
    "#]],
    );
    check(
        "name: app",
        "? [a]\n    : app",
        expect![[r#"
        mortise:7:8: a key must be text
    "#]],
    );
    check(
        "name: app",
        "name: .inf",
        expect![[r#"
        mortise:5:18: unknown cluster `app`
        mortise:7:11: the number `.inf` is not finite or too large
        mortise:7:11: `name` must be text, not nothing
    "#]],
    );
    check_with(
        "---\na: b\n",
        expect![[r#"
        mortise:9:1: the file has more than one document
    "#]],
    );
    check_with(
        "a: &a [*a]\n",
        expect![[r#"
        mortise:9:8: the alias stands inside of what it names
    "#]],
    );
    check_with(
        "größe: 1\nworkers: zwei\n",
        expect![[r#"
        mortise:9:1: unknown key `größe` (the keys are: `listeners`, `clusters`, `plugins`, `policies`, `workers`, `drain_timeout_ms`, `admin`, `log`, `access_log`)
        mortise:10:10: `workers` must be a whole number, not text
    "#]],
    );
}

#[test]
fn what_is_no_json_or_toml_is_refused_with_its_place() {
    let json = |text: &str, expect: Expect| check_text(text, Format::Json, expect);
    json(
        "",
        expect![[r#"
        mortise:1:1: expected a value, found the end of the file
    "#]],
    );
    json(
        "{\n  \"a\" 1\n}",
        expect![[r#"
        mortise:2:7: expected `:`, found `1`
    "#]],
    );
    json(
        "{\"a\": [1, 2}",
        expect![[r#"
        mortise:1:12: expected `,` or `]`, found `}`
    "#]],
    );
    json(
        "{\"a\": 1,}",
        expect![[r#"
        mortise:1:9: expected a key in double quotes, found `}`
    "#]],
    );
    json(
        "{\"listeners\": \"a\\x\"}",
        expect![[r#"
        mortise:1:15: the text is no JSON string
    "#]],
    );
    json(
        "{\"a\": \"b",
        expect![[r#"
        mortise:1:7: the text has no closing quote
    "#]],
    );
    json(
        "{\"workers\": 1, \"workers\": 2}",
        expect![[r#"
        mortise:1:2: the file has no `listeners`
        mortise:1:16: the key `workers` stands here twice
    "#]],
    );
    json(
        "{} x",
        expect![[r#"
        mortise:1:4: expected the end of the file, found `x`
    "#]],
    );
    json(
        "[01]",
        expect![[r#"
        mortise:1:2: the number is no JSON number
    "#]],
    );
    json(
        "[tru]",
        expect![[r#"
        mortise:1:2: expected a value, found `t`
    "#]],
    );
    let toml = |text: &str, expect: Expect| check_text(text, Format::Toml, expect);
    toml(
        "workers = ",
        expect![[r#"
        mortise:1:11: the file is no TOML: string values must be quoted, expected literal string
    "#]],
    );
    toml(
        "workers = 1\nworkers = 2\n",
        expect![[r#"
        mortise:2:1: the file is no TOML: duplicate key
    "#]],
    );
    toml(
        "workers = nan\n",
        expect![[r#"
        mortise:1:1: the file has no `listeners`
        mortise:1:11: the number is not finite
    "#]],
    );
    toml(
        "[[listeners]]\nadress = \"127.0.0.1:1\"\n[listeners.limits]\nidle = 1\n",
        expect![[r#"
        mortise:2:1: unknown key `adress` (did you mean `address`?)
        mortise:4:1: unknown key `idle` (did you mean `idle_timeout_ms`?)
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
