//! Policies: what they become, and every error with its place and words.

use expect_test::{Expect, expect};
use host_extension::{ExtensionPoint, InstanceSpec};
use host_types::PluginName;
use plugins_policy::{Mode, Permission, Policy, Preset, Restriction};

use super::*;

/// A configuration with these policies, and plugins.
fn with(policies: &str, plugins: &str) -> String {
    format!(
        "listeners:
  - {{ address: 127.0.0.1:0, protocol: tcp, cluster: app }}
clusters: [{{ name: app, endpoints: [127.0.0.1:9] }}]
plugins:
{plugins}policies:
{policies}"
    )
}

const PLUGIN: &str = "  - { name: p, backend: wasm, source: greet.wasm, policy: a }\n";

/// The policy and the limits of the only plugin of a configuration.
#[track_caller]
fn ruling(policies: &str, plugins: &str) -> (Policy, PluginLimits) {
    let loaded = parse_here(&with(policies, plugins), Format::Yaml).unwrap();
    let plugin = &loaded.plan.plugins[0];
    (Policy::clone(&plugin.policy), plugin.limits.clone())
}

#[track_caller]
fn stated(policies: &str, plugins: &str) -> Vec<&'static str> {
    let (policy, _limits) = ruling(policies, plugins);
    policy.stated.into_iter().map(Restriction::word).collect()
}

#[expect(clippy::needless_pass_by_value, reason = "`expect!` makes a value")]
#[track_caller]
fn refused(policies: &str, expect: Expect) {
    let errors = parse_here(&with(policies, PLUGIN), Format::Yaml).unwrap_err();
    expect.assert_eq(&(errors.to_string() + "\n"));
}

fn permission(text: &str) -> Permission {
    text.parse().unwrap()
}

#[test]
fn every_key_of_a_policy_reaches_the_plan() {
    let plan = parse_here(EVERYTHING, Format::Yaml).unwrap().plan;
    let [greet, child, free, library, _inside] = &plan.plugins[..] else { panic!() };
    let policy = Policy {
        name: "tight".into(),
        preset: Preset::ReadOnly,
        grants: vec![permission("headers.request.write:x-*"), permission("http_call:auth")],
        denials: vec![permission("headers.request.read:cookie"), permission("clock")],
        mode: Mode::Permissive,
        stated: vec![
            Restriction::Memory,
            Restriction::Cpu,
            Restriction::CpuPerCall,
            Restriction::Table,
        ],
        allow_unenforced: vec![Restriction::Memory, Restriction::Clock],
    };
    assert_eq!(*greet.policy, policy);
    let limits = PluginLimits {
        memory_bytes_max: 1 << 20,
        table_elements_max: 2,
        call_budget: Duration::from_millis(3),
        start_budget: Duration::from_millis(4),
        contexts_max: 5,
        cpu_per_second: Some(Duration::from_millis(6)),
        calls_max: 7,
        call_bytes_max: 8,
        call_timeout_max: Duration::from_millis(9),
        tick_period_min: Duration::from_millis(10),
        metrics_max: 11,
        shared_data_bytes_max: 12 << 10,
        held_body_bytes_max: Some(13 << 10),
        log_lines_per_second_max: 0,
        log_line_bytes_max: 14,
    };
    assert_eq!(greet.limits, limits);
    assert_eq!((greet.is_security, free.is_security), (false, true));
    assert_eq!(child.policy.preset, Preset::Default);
    assert_eq!(*free.policy, Policy::of(Preset::Trusted));
    // Of a child the sandbox's memory holds.
    let child = PluginLimits { memory_bytes_max: 512 << 20, ..PluginLimits::default() };
    assert_eq!(library.limits, child);
}

#[test]
fn without_a_policy_the_preset_default_is_in_force() {
    let (policy, limits) = ruling("  []\n", "  - { name: p, backend: wasm, source: greet.wasm }\n");
    assert_eq!(policy, Policy::default());
    assert_eq!(limits, PluginLimits::default());
}

#[test]
fn a_plugin_may_name_a_preset() {
    for preset in Preset::ALL {
        let plugin = PLUGIN.replace("policy: a", &format!("policy: {}", preset.word()));
        assert_eq!(ruling("  []\n", &plugin), (Policy::of(preset), PluginLimits::default()));
    }
}

#[test]
fn grants_alone_say_everything() {
    let preset = |lines: &str| ruling(&format!("  - {{ name: a{lines} }}\n"), PLUGIN).0.preset;
    assert_eq!(preset(""), Preset::Default);
    assert_eq!(preset(", denials: [log]"), Preset::Default);
    assert_eq!(preset(", grants: []"), Preset::None);
    assert_eq!(preset(", grants: [log]"), Preset::None);
    assert_eq!(preset(", grants: [log], preset: network"), Preset::Network);
}

#[test]
fn the_presets_of_policies_are_those_that_there_are() {
    for preset in Preset::ALL {
        let policy = format!("  - {{ name: a, preset: {} }}\n", preset.word());
        assert_eq!(ruling(&policy, PLUGIN).0.preset, preset);
    }
    for restriction in Restriction::ALL {
        let policy = format!("  - {{ name: a, allow_unenforced: [{}] }}\n", restriction.word());
        assert_eq!(ruling(&policy, PLUGIN).0.allow_unenforced, [restriction]);
    }
}

#[test]
fn what_is_written_is_stated_and_what_is_default_is_not() {
    let of = |lines: &str| stated(&format!("  - {{ name: a{lines} }}\n"), PLUGIN);
    assert_eq!(of(""), [""; 0]);
    assert_eq!(of(", limits: { contexts_max: 1, calls_max: 1 }"), [""; 0]);
    assert_eq!(of(", limits: { memory_mib: 64 }"), ["memory"]);
    assert_eq!(of(", limits: { cpu_ms_per_second: 1 }"), ["cpu"]);
    assert_eq!(of(", limits: { cpu_ms_start: 1 }"), ["cpu_per_call"]);
    let two = of(", limits: { table_elements_max: 1, cpu_ms_per_call: 1 }");
    assert_eq!(two, ["cpu_per_call", "table"]);
    assert_eq!(of(", preset: none"), [""; 0]);
}

#[test]
fn a_sandbox_states_the_limits_that_are_written() {
    let of = |lines: &str| {
        let plugin = format!("  - {{ name: p, source: greet.wasm, policy: a, {lines} }}\n");
        stated("  - { name: a, limits: { table_elements_max: 1 } }\n", &plugin)
    };
    assert_eq!(of("backend: process"), ["table"]);
    assert_eq!(of("backend: process, process: { sandbox: none }"), ["table"]);
    let limits = "process: { sandbox: { memory_mib: 8, processes_max: 9, files_max: 16 } }";
    let with = |backend: &str| of(&format!("backend: {backend}, {limits}"));
    assert_eq!(with("process"), ["table", "memory", "processes"]);
    assert_eq!(with("native, native: { run_in: runner }"), ["table", "memory", "processes"]);
    // It waits until the backend is chosen that it is said for.
    assert_eq!(with("native"), ["table"]);
    assert_eq!(with("wasm"), ["table"]);
}

#[test]
fn a_child_has_the_lesser_memory_of_its_policy_and_its_sandbox() {
    let of = |limits: &str, lines: &str| {
        let policy = format!("  - {{ name: a, limits: {{ {limits} }} }}\n");
        let plugin = format!("  - {{ name: p, source: greet.wasm, policy: a, {lines} }}\n");
        let plan = parse_here(&with(&policy, &plugin), Format::Yaml).unwrap().plan;
        let plugin = &plan.plugins[0];
        (plugin.process.sandbox.memory_bytes_max >> 20, plugin.limits.memory_bytes_max >> 20)
    };
    let in_runner = "backend: native, native: { run_in: runner }";
    for child in ["backend: process", in_runner] {
        let large = format!("{child}, process: {{ sandbox: {{ memory_mib: 128 }} }}");
        assert_eq!(of("", child), (512, 512), "the default of a policy is a module's");
        assert_eq!(of("memory_mib: 16", child), (16, 16));
        assert_eq!(of("memory_mib: 64", child), (64, 64), "as the default, but written");
        assert_eq!(of("memory_mib: 4096", child), (512, 512));
        assert_eq!(of("", &large), (128, 128));
        assert_eq!(of("memory_mib: 16", &large), (16, 16));
        assert_eq!(of("memory_mib: 256", &large), (128, 128));
    }
    assert_eq!(of("memory_mib: 16", "backend: wasm"), (512, 16));
    let free = "backend: process, process: { sandbox: none }";
    assert_eq!(of("memory_mib: 16", free), (512, 16), "nobody holds it, and it is refused");
}

#[test]
fn a_sandbox_may_lack_what_need_not_be_enforced() {
    let of = |words: &str| {
        let policy = format!("  - {{ name: a, allow_unenforced: [{words}] }}\n");
        let plugin = "  - { name: p, backend: process, source: greet.wasm, policy: a }\n";
        let plan = parse_here(&with(&policy, plugin), Format::Yaml).unwrap().plan;
        let sandbox = &plan.plugins[0].process.sandbox;
        (sandbox.may_lack_files, sandbox.may_lack_network)
    };
    assert_eq!(of(""), (false, false));
    assert_eq!(of("files, memory"), (true, false));
    assert_eq!(of("network"), (false, true));
}

#[test]
fn places_lead_back_into_the_file() {
    let text = with("  - name: a\n    grants:\n      - log\n    denials: [clock]\n", PLUGIN);
    let places = parse_here(&text, Format::Yaml).unwrap().places;
    let line = |place: Option<Place>| place.map(|place| (place.line, place.column));
    assert_eq!(line(places.plugin("p")), Some((5, 13)));
    assert_eq!(line(places.policy("a")), Some((7, 11)));
    assert_eq!(line(places.grant("a", &permission("log"))), Some((9, 9)));
    assert_eq!(line(places.denial("a", &permission("clock"))), Some((10, 15)));
    assert_eq!(line(places.grant("a", &permission("clock"))), None);
    assert_eq!(line(places.policy("default")), None);
}

#[test]
fn places_lead_back_to_uses() {
    let text = "listeners:
  - address: 127.0.0.1:1
    protocol: { name: p, config: 1 }
    stream_filters: [{ plugin: p, config: 1 }, { plugin: p, config: 2 }]
    routes:
      - { match: { prefix: / }, cluster: app, stream_filters: [{ plugin: p, config: 2 }] }
clusters: [{ name: app, endpoints: [\"127.0.0.1:2\"] }]
plugins: [{ name: p, backend: wasm, source: greet.wasm }]
services: [{ plugin: p }]
";
    let places = parse_here(text, Format::Yaml).unwrap().places;
    let uses = |point, config: &str| -> Vec<_> {
        let spec = InstanceSpec { point, config: config.as_bytes().into(), ..Default::default() };
        let found = places.uses(&PluginName::from("p"), &spec);
        found.iter().map(|place| (place.line, place.column)).collect()
    };
    assert_eq!(uses(ExtensionPoint::Codec, "1"), [(3, 23)]);
    assert_eq!(uses(ExtensionPoint::StreamFilter, "1"), [(4, 32)]);
    assert_eq!(uses(ExtensionPoint::StreamFilter, "2"), [(4, 58), (6, 74)]);
    assert_eq!(uses(ExtensionPoint::Service, ""), [(9, 22)]);
    assert_eq!(uses(ExtensionPoint::NetworkFilter, ""), []);
}

#[test]
fn what_is_no_permission_is_told_with_its_place() {
    refused(
        "  - { name: a, grants: [lgo, header, zzz, \"\", \"log:x\", \"http_call:\", \"http_call:a b\"] }\n",
        expect![[r#"
            mortise:7:25: there is no permission `lgo` (did you mean `log`?)
            mortise:7:30: there is no permission `header` (did you mean `headers`?)
            mortise:7:38: there is no permission `zzz` (`mortise policy catalogue` prints all permissions)
            mortise:7:43: a permission is empty (`mortise policy catalogue` prints all permissions)
            mortise:7:47: `log` is granted as a whole: nothing comes behind it (write `log`)
            mortise:7:56: `` is no pattern: it is empty; leave the `:` out, or write `*`, for every name
            mortise:7:70: `a b` is no pattern: it has spaces, control characters or letters outside of ASCII
        "#]],
    );
    refused(
        "  - { name: a, denials: [headers.reqest.read, log ] }\n",
        expect![[r#"
        mortise:7:26: there is no permission `headers.reqest.read` (did you mean `headers.request.read`?)
    "#]],
    );
    refused(
        "  - { name: a, grants: [\"http_call:**********\"] }\n",
        expect![[r#"
        mortise:7:25: `**********` is no pattern: it has more than 8 `*`
    "#]],
    );
    let long = format!("  - {{ name: a, grants: [\"http_call:{}\"] }}\n", "x".repeat(300));
    refused(
        &long,
        expect![[r#"
        mortise:7:25: a permission is at most 256 bytes long
    "#]],
    );
    refused(
        "  - { name: a, grants: [1, [log]], denials: log }\n",
        expect![[r#"
        mortise:7:25: an entry of `grants` must be text, not a number
        mortise:7:29: an entry of `grants` must be text, not a list
        mortise:7:45: `denials` must be a list, not text
    "#]],
    );
}

#[test]
fn what_stands_twice_is_told() {
    refused(
        "  - { name: a, grants: [log, \"log\"], denials: [clock, clock], allow_unenforced: [memory, memory] }\n",
        expect![[r#"
            mortise:7:30: the grant `log` is there twice
            mortise:7:55: the denial `clock` is there twice
            mortise:7:90: the restriction `memory` is there twice
        "#]],
    );
}

#[test]
fn lists_of_permissions_end() {
    let many = |count: usize| {
        let names: Vec<_> = (0..count).map(|number| format!("foreign:f{number}")).collect();
        format!("  - {{ name: a, grants: [{0}], denials: [{0}] }}\n", names.join(", "))
    };
    assert_eq!(ruling(&many(256), PLUGIN).0.denials.len(), 256);
    refused(
        &many(257),
        expect![[r#"
        mortise:7:25: `grants` has 257 entries; at most 256 are allowed
        mortise:7:3524: `denials` has 257 entries; at most 256 are allowed
    "#]],
    );
}

#[test]
fn words_and_numbers_of_policies_are_known() {
    refused(
        "  - { name: a, preset: readonly, mode: audit, allow_unenforced: [memroy] }\n",
        expect![[r#"
            mortise:7:24: `preset` cannot be `readonly` (did you mean `read_only`?)
            mortise:7:40: `mode` cannot be `audit` (the choices are: `enforce`, `permissive`)
            mortise:7:66: an entry of `allow_unenforced` cannot be `memroy` (did you mean `memory`?)
        "#]],
    );
    refused(
        "  - { name: a, limits: { cpu_ms_per_second: 0, calls_max: -1, call_bytes_max: 0, tick_ms_min: 0, metrics_max: 100001, held_body_mib: 1 } }\n",
        expect![[r#"
            mortise:7:45: `cpu_ms_per_second` must be between 1 and 64000, not 0
            mortise:7:59: `calls_max` must be between 0 and 1000000, not -1
            mortise:7:79: `call_bytes_max` must be between 1 and 1073741824, not 0
            mortise:7:95: `tick_ms_min` must be between 1 and 3600000, not 0
            mortise:7:111: `metrics_max` must be between 0 and 100000, not 100001
            mortise:7:119: unknown key `held_body_mib` (did you mean `held_body_kib`?)
        "#]],
    );
}

#[test]
fn a_policy_has_no_name_of_a_preset() {
    refused(
        "  - { name: default, limits: { memory_mib: 16 } }\n  - { name: a }\n",
        expect![[r#"
            mortise:7:13: a policy cannot have the name of the preset `default` (give it a name of its own; `policy: default` of a plugin means the preset)
        "#]],
    );
}

#[test]
fn a_policy_must_be_there_or_be_a_preset() {
    refused(
        "  - { name: b }\n",
        expect![[r#"
        mortise:5:59: unknown policy `a` (the policies are: `b`, `default`, `network`, `none`, `read_only`, `trusted`)
    "#]],
    );
    let preset = PLUGIN.replace("policy: a", "policy: trustd");
    let errors = parse_here(&with("  []\n", &preset), Format::Yaml).unwrap_err();
    expect![[r#"
        mortise:5:59: unknown policy `trustd` (did you mean `trusted`?)
    "#]]
    .assert_eq(&(errors.to_string() + "\n"));
}

#[test]
fn traffic_never_goes_on_without_a_security_plugin() {
    let text = |security: &str, uses: &str| {
        format!(
            "listeners:
  - address: 127.0.0.1:0
    network_filters: [{{ plugin: p, on_error: open }}]
    stream_filters: [{{ plugin: p, on_error: closed }}, {{ plugin: p }}]
    routes:
      - match: {{ prefix: / }}
        cluster: app
        stream_filters: [{{ plugin: p, on_error: reload }}, {{ plugin: p, on_error: {uses} }}]
clusters: [{{ name: app, endpoints: [127.0.0.1:9] }}]
services: [{{ plugin: p }}]
plugins: [{{ name: p, backend: wasm, source: greet.wasm, security: {security} }}]
"
        )
    };
    let errors = parse_here(&text("true", "open"), Format::Yaml).unwrap_err();
    expect![[r#"
        mortise:3:46: traffic must not go on without `p`: it has `security: true` (write `on_error: closed` or `on_error: reload`)
        mortise:8:82: traffic must not go on without `p`: it has `security: true` (write `on_error: closed` or `on_error: reload`)
    "#]].assert_eq(&(errors.to_string() + "\n"));
    assert!(errors.report(false).contains("stated here"));
    assert!(parse_here(&text("false", "open"), Format::Yaml).is_ok());
    let closed = text("true", "closed").replace("on_error: open", "on_error: closed");
    let plan = parse_here(&closed, Format::Yaml).unwrap().plan;
    assert!(plan.plugins[0].is_security);
}
