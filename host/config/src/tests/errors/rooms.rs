//! What the rooms cannot do with a file whose form is right.

use super::*;

#[test]
fn an_environment_holds_variables_only() {
    let plugin = |vm: &str| {
        format!("plugins: [{{ name: a, backend: wasm, source: ./greet.wasm, vm: {{ {vm} }} }}]\n")
    };
    check_with(
        &plugin("environment: { \"a=b\": c }"),
        expect![[r#"
        mortise:9:80: `a=b` cannot be an environment variable (a name without `=`, and no NUL in either)
    "#]],
    );
    let twice = "environment: { A: c }, host_environment: [A, \"\"]";
    check_with(
        &plugin(twice),
        expect![[r#"
            mortise:9:107: the variable `A` has a value in `environment` already
            mortise:9:110: `` cannot be an environment variable (a name without `=`, and no NUL in either)
        "#]],
    );
    check_with(
        &plugin("host_environment: [\"\"]"),
        expect![[r#"
        mortise:9:84: `` cannot be an environment variable (a name without `=`, and no NUL in either)
    "#]],
    );
    check_with(
        &plugin("isolation: none"),
        expect![[r#"
        mortise:9:76: `isolation` cannot be `none` (the choices are: `shared`, `per_stream`)
    "#]],
    );
}

#[test]
fn child_processes_and_libraries_are_described_whole() {
    let process = |settings: &str| {
        format!(
            "plugins: [{{ name: a, backend: process, source: ./greet.wasm, process: {{ {settings} }} }}]\n"
        )
    };
    check_with(
        &process("restart: { backoff_ms: 2, backoff_max_ms: 1 }"),
        expect![[r#"
        mortise:9:84: `backoff_ms` is longer than `backoff_max_ms` (the first wait is the shortest)
    "#]],
    );
    check_with(
        &process("environment: { \"\": b }, arguments: [\"a\\0b\"]"),
        expect![[r#"
        mortise:9:88: `` cannot be an environment variable (a name without `=`, and no NUL in either)
        mortise:9:109: an argument cannot hold a NUL
    "#]],
    );
    check_with(
        &process("go_plugin: { cookie_key: \"a=b\", cookie_value: c }"),
        expect![[r#"
        mortise:9:98: `a=b` cannot be an environment variable (a name without `=`, and no NUL in either)
    "#]],
    );
    check_with(
        &process("go_plugin: {}"),
        expect![[r#"
        mortise:9:84: `go_plugin` has no `cookie_key`
        mortise:9:84: `go_plugin` has no `cookie_value`
    "#]],
    );
    check_with(
        &process("sandbox: off"),
        expect![[r#"
        mortise:9:82: `sandbox` cannot be `off` (the choices are: `default`, `none`)
    "#]],
    );
    check_with(
        &process("call_timeout_ms: 0, transport: udp"),
        expect![[r#"
        mortise:9:90: `call_timeout_ms` must be between 1 and 600000, not 0
        mortise:9:104: `transport` cannot be `udp` (the choices are: `unix`, `tcp`)
    "#]],
    );
    check_with(
        &process("sandbox: { memory_mib: 1 }"),
        expect![[r#"
        mortise:9:96: `memory_mib` must be between 8 and 1048576, not 1
    "#]],
    );
    check_with(
        "native: { allow: [{}, { sha256: abc }, { sha256: a, directory: b }] }\n",
        expect![[r#"
            mortise:9:19: an entry names either a `sha256` or a `directory` (write `{ sha256: … }` or `{ directory: … }`)
            mortise:9:33: a SHA-256 has 64 hexadecimal digits (as `sha256sum FILE` prints it)
            mortise:9:42: an entry names either a `sha256` or a `directory` (write `{ sha256: … }` or `{ directory: … }`)
        "#]],
    );
    let digits = "+".repeat(64);
    check_with(
        &format!("native: {{ allow: [{{ sha256: \"{digits}\" }}] }}\n"),
        expect![[r#"
        mortise:9:29: a SHA-256 has 64 hexadecimal digits (as `sha256sum FILE` prints it)
    "#]],
    );
    check_with(
        "plugins: [{ name: a, backend: native, source: ./greet.wasm, native: { run_in: there } }]\n",
        expect![[r#"
            mortise:9:79: `run_in` cannot be `there` (the choices are: `proxy`, `runner`)
        "#]],
    );
}

#[test]
fn services_and_network_filters_name_plugins_that_are_there() {
    check(
        "clusters:",
        "services: [{ plugin: gret, run_on: all }]\nclusters:",
        expect![[r#"
            mortise:6:22: unknown plugin `gret`
            mortise:6:36: `run_on` cannot be `all` (the choices are: `one_worker`, `every_worker`)
        "#]],
    );
    check(
        "    routes:",
        "    network_filters: [{ plugin: gret }]\n    routes:",
        expect![[r#"
        mortise:3:33: unknown plugin `gret`
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
            mortise:4:16: a match needs one of `prefix`, `path`, `regex`, `service` and/or `rpc_method`
        "#]],
    );
    r#match(
        "{ prefix: /, path: / }",
        expect![[r#"
            mortise:4:29: a match has `path` beside `prefix` (a match has one of `prefix`, `path`, `regex`, `service` and/or `rpc_method`)
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
            mortise:10:7: `` is no file and no package (name the file of the plugin, or a directory with a `plugin.toml`)
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
            mortise:10:39: `.` is no file and no package (name the file of the plugin, or a directory with a `plugin.toml`)
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
            mortise:10:59: unknown policy `p` (the policies are: `default`, `network`, `none`, `read_only`, `trusted`)
        "#]],
    );
    plugin(
        "backend: wasm, source: greet.wasm, phases: []",
        expect![[r#"
        mortise:10:59: `phases` is empty
    "#]],
    );
    check_with(
        "policies: [{ name: a }, { name: a }]\n",
        expect![[r#"
            mortise:9:33: the policy `a` is there twice
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
fn protocols_are_words_codecs_and_lists_of_them() {
    let plugin = "plugins: [{ name: framer, backend: wasm, source: ./greet.wasm }]\n";
    let listener = |protocol: &str| {
        let from = "    routes:";
        let to = format!("    protocol: {protocol}\n    routes:");
        format!("{}{plugin}", SMALL.replacen(from, &to, 1))
    };
    let refused = |protocol: &str, expect: Expect| {
        check_text(&listener(protocol), Format::Yaml, expect);
    };
    for right in ["bolt", "framer", "[bolt, framer, http]", "{ name: framer, config: x }"] {
        assert!(parse_here(&listener(right), Format::Yaml).is_ok(), "{right}");
    }
    refused(
        "bold",
        expect![[r#"
        mortise:3:15: unknown protocol `bold` (did you mean `bolt`?)
    "#]],
    );
    refused(
        "framr",
        expect![[r#"
        mortise:3:15: unknown protocol `framr` (did you mean `framer`?)
    "#]],
    );
    refused(
        "grpc-web",
        expect![[r#"
        mortise:3:15: unknown protocol `grpc-web` (a protocol is one of these or a plugin: `http`, `auto`, `tcp`, `bolt`, `dubbo`, `dubbothrift`, `tars`, `framer`)
    "#]],
    );
    refused(
        "7",
        expect![[r#"
        mortise:3:15: `protocol` must be text or a list or a map, not a number
    "#]],
    );
    refused(
        "[]",
        expect![[r#"
        mortise:3:15: `protocol` is empty
    "#]],
    );
    refused(
        "[http, bolt]",
        expect![[r#"
        mortise:3:22: `bolt` would never be asked behind `http` or `tcp` (put `http` and `tcp` behind all codecs)
    "#]],
    );
    refused(
        "[bolt, tcp, http]",
        expect![[r#"
        mortise:3:27: `http` would never be looked for behind `tcp` (put `tcp` at the end)
    "#]],
    );
    refused(
        "[auto, bolt]",
        expect![[r#"
        mortise:3:16: `auto` stands alone (put `http` and `tcp` at the end of the list)
    "#]],
    );
    refused(
        "[bolt, bolt]",
        expect![[r#"
        mortise:3:22: the protocol `bolt` is there twice
    "#]],
    );
    refused(
        "{ name: http, config: 1 }",
        expect![[r#"
        mortise:3:29: `http` has no `config`
    "#]],
    );
    refused(
        "{ name: dubbo, config: {} }",
        expect![[r#"
        mortise:3:30: `dubbo` has no `config`
    "#]],
    );
    refused(
        "{ name: dubbo, root_id: a }",
        expect![[r#"
        mortise:3:30: `dubbo` has no `root_id`
    "#]],
    );
    refused(
        "{ name: bolt, config: yes }",
        expect![[r#"
        mortise:3:37: the `config` of `bolt` must be a map
    "#]],
    );
    refused(
        "{ name: bolt, config: { go_away: 1 } }",
        expect![[r#"
        mortise:3:48: `go_away` must be true or false
    "#]],
    );
    refused(
        "{ name: bolt, config: { go_awy: true } }",
        expect![[r#"
        mortise:3:39: unknown key `go_awy` (did you mean `go_away`?)
    "#]],
    );
    refused(
        "{ nam: bolt }",
        expect![[r#"
        mortise:3:17: unknown key `nam` (did you mean `name`?)
    "#]],
    );
    refused(
        "[bolt, { name: [] }]",
        expect![[r#"
        mortise:3:30: `name` must be text, not a list
    "#]],
    );
}

#[test]
fn a_plugin_has_no_name_of_a_protocol_that_is_there() {
    let plugin = "plugins: [{ name: bolt, backend: wasm, source: ./greet.wasm }]\n";
    check_with(
        plugin,
        expect![[r#"
        mortise:9:19: `bolt` is the name of a protocol of the proxy's own
    "#]],
    );
    let plugin = "plugins: [{ name: http, backend: wasm, source: ./greet.wasm }]\n";
    check_with(
        plugin,
        expect![[r#"
        mortise:9:19: `http` is the name of a protocol of the proxy's own
    "#]],
    );
}

#[test]
fn what_has_no_meaning_for_frames_is_refused() {
    check(
        "routes:",
        "protocol: bolt\n    cluster: app\n    routes:",
        expect![[r#"
        mortise:4:5: a listener without `tcp` in its `protocol` has no `cluster` (name the cluster in a route: `routes: [{ match: { prefix: / }, cluster: … }]`)
    "#]],
    );
    check(
        "routes:",
        "protocol: [bolt, tcp]\n    routes:",
        expect![[r#"
        mortise:3:5: the listener has no `cluster` (add `cluster: …` to the listener)
    "#]],
    );
    check(
        "routes:",
        "protocol: bolt\n    forwarding: { via: a }\n    routes:",
        expect![[r#"
        mortise:4:5: a listener without `http` in its `protocol` has no `forwarding`
    "#]],
    );
    check(
        "    routes:\n      - match: { prefix: / }\n        cluster: app\n",
        "    protocol: bolt\n",
        expect![[r#"
            mortise:2:5: the listener has no routes (for example `routes: [{ match: { prefix: / }, cluster: … }]`)
        "#]],
    );
    check(
        "    routes:\n      - match: { prefix: / }\n        cluster: app\n",
        "    protocol: [bolt, http]\n    virtual_hosts: [{ domains: [a], routes: [{ match: { prefix: / }, cluster: app }] }]\n",
        expect![[r#"
            mortise:4:5: a listener with codecs needs a virtual host with the domain `*`
        "#]],
    );
    let route = |more: &str| {
        format!(
            "protocol: [bolt, http]\n    routes:\n      - match: {{ prefix: /x }}\n        {more}"
        )
    };
    check(
        "routes:",
        &route("cluster: app\n        rewrite: { prefix: /y }\n        host_rewrite: endpoint"),
        expect![[r#"
            mortise:7:9: a route of a listener with codecs has no `rewrite` (give HTTP a listener of its own)
            mortise:8:9: a route of a listener with codecs has no `host_rewrite` (give HTTP a listener of its own)
        "#]],
    );
    check(
        "routes:",
        &route("redirect: { path: /y }"),
        expect![[r#"
        mortise:6:9: a route of a listener with codecs has no `redirect` (give HTTP a listener of its own)
    "#]],
    );
}

#[test]
fn services_methods_and_retries_are_for_where_they_are_understood() {
    check(
        "{ prefix: / }",
        "{ prefix: /, service: a }",
        expect![[r#"
        mortise:4:29: a match has `service` beside `prefix` (a match has one of `prefix`, `path`, `regex`, `service` and/or `rpc_method`)
    "#]],
    );
    check(
        "{ prefix: / }",
        "{ path: /, rpc_method: a }",
        expect![[r#"
        mortise:4:27: a match has `rpc_method` beside `path` (a match has one of `prefix`, `path`, `regex`, `service` and/or `rpc_method`)
    "#]],
    );
    check(
        "{ prefix: / }",
        "{ service: \"\" }",
        expect![[r#"
        mortise:4:27: `service` is empty
    "#]],
    );
    check(
        "{ prefix: / }",
        "{ service: a, headers: [{ name: \":version\", exact: a }] }",
        expect![[r#"
            mortise:4:48: `:version` is no name of a header field
        "#]],
    );
    check(
        "cluster: app\n",
        "cluster: app\n        retry: { max: 2 }\n",
        expect![[r#"
        mortise:6:9: `retry` means nothing where the listener's `protocol` has no codec
    "#]],
    );
    let retry = |retry: &str| {
        format!("protocol: bolt\n    routes:\n      - match: {{ prefix: /x }}\n        {retry}")
    };
    check(
        "routes:",
        &retry("respond: {}\n        retry: {}"),
        expect![[r#"
        mortise:7:9: `retry` means nothing beside `respond`
    "#]],
    );
    check(
        "routes:",
        &retry("cluster: app\n        retry: { max: 11, on: [rest, 200, []] }"),
        expect![[r#"
            mortise:7:23: `max` must be between 0 and 10, not 11
            mortise:7:32: an entry of `on` cannot be `rest` (did you mean `reset`?)
            mortise:7:38: an entry of `on` must be between 400 and 599, not 200
            mortise:7:43: an entry of `on` must be text or a whole number, not a list
        "#]],
    );
}
