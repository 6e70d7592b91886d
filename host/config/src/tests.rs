use std::{sync::Arc, time::Duration};

use expect_test::expect_file;
use host_codec::{BoltSettings, BuiltinCodec};
use host_extension::{ExtensionPoint, OnError, Phases};
use host_pipeline::{AcceptBalance, CodecSource, Forwarding, ListenerProtocol};
use host_router::{HostRewrite, PathMatch, Retry, RouteAction, RpcMatch};
use host_types::{
    Address, Bootstrap, Isolation, NativeAllowed, PluginLimits, ProcessSettings, RestartSettings,
    RunIn, Transport,
};
use host_upstream::{Balance, EndpointSource, RpcPoolPlan, UpstreamProtocol};
use plugins_catalog::BackendKind;

use super::*;

#[expect(clippy::too_many_lines, reason = "lists of cases, each with its words")]
mod errors;
mod hostile;
mod policies;

/// The first configuration that a newcomer sees.
const FIRST: &str = r#"listeners:
  - address: 127.0.0.1:8080
    protocol: http                 # auto | http | tcp
    stream_filters:
      - plugin: greet
        config: { header: x-greeting, value: hello }
    routes:
      - match: { prefix: / }
        cluster: app
clusters:
  - name: app
    endpoints: [127.0.0.1:9000]
plugins:
  - name: greet
    backend: wasm                  # wasm | process | native: the rest stays as it is
    source: ./greet.wasm
    policy: small
policies:
  - name: small
    preset: read_only
    grants: ["headers.response.write:x-greeting"]
    limits: { memory_mib: 16, cpu_ms_per_call: 10 }
"#;

/// Every key there is.
const EVERYTHING: &str = include_str!("tests/everything.yaml");

/// A directory with the plugin that the texts name.
fn base() -> tempfile::TempDir {
    let base = tempfile::tempdir().unwrap();
    std::fs::write(base.path().join("greet.wasm"), b"").unwrap();
    base
}

fn parse_here(text: &str, format: Format) -> Result<Loaded, ConfigErrors> {
    parse("mortise", text, format, base().path())
}

#[test]
fn the_first_configuration_becomes_a_plan() {
    let base = base();
    let plan = parse("mortise.yaml", FIRST, Format::Yaml, base.path()).unwrap().plan;
    assert!((1..=256).contains(&plan.workers));
    assert_eq!(plan.drain_timeout, Duration::from_secs(30));
    assert_eq!(plan.admin, AdminPlan { address: None });
    assert_eq!(plan.log, LogPlan { level: "info".into(), format: LogFormat::Text });
    assert_eq!(plan.access_log.target, AccessLogTarget::Stdout);
    let plugin = &plan.plugins[0];
    assert_eq!(plugin.source, base.path().join("./greet.wasm"));
    let limits = PluginLimits { memory_bytes_max: 16 << 20, ..PluginLimits::default() };
    assert_eq!(plugin.limits, limits);
    assert_eq!(plugin.phases, None);
    let listener = &plan.listeners[0];
    assert_eq!(listener.name.as_str(), "127.0.0.1:8080");
    assert_eq!(listener.limits, host_types::Limits::default());
    let ListenerProtocol::Http(http) = &listener.protocol else { panic!() };
    let filter = &http.stream_filters[0];
    assert_eq!(&*filter.spec.config, br#"{"header":"x-greeting","value":"hello"}"#);
    assert_eq!(filter.on_error, OnError::Closed);
    assert_eq!(http.route_filters, [[]]);
    let (_, route) = http.router.routes().next().unwrap();
    let RouteAction::Forward(forward) = &route.action else { panic!() };
    assert_eq!(forward.timeout, Some(Duration::from_secs(15)));
    assert_eq!(plan.clusters[0].connect_timeout, Duration::from_secs(1));
    assert_eq!(plan.clusters[0].pool, host_upstream::PoolLimits::default());
    assert_eq!(plan.clusters[0].rpc, RpcPoolPlan::default());
}

#[test]
fn every_key_of_a_child_process_and_of_a_library_reaches_the_plan() {
    let plan = parse_here(EVERYTHING, Format::Yaml).unwrap().plan;
    let [_, child, free, library, inside] = &plan.plugins[..] else { panic!() };
    let milliseconds = Duration::from_millis;
    let process = &child.process;
    assert_eq!(process.arguments, [Arc::from("--fast")]);
    assert_eq!(process.environment, [(Arc::from("MODE"), Arc::from("test"))]);
    let bootstrap = Bootstrap::GoPlugin {
        cookie_key: "COOKIE".into(),
        cookie_value: "crumbs".into(),
        mutual_tls: true,
    };
    assert_eq!((&process.bootstrap, process.transport), (&bootstrap, Transport::Tcp));
    let times = [process.start_timeout, process.call_timeout, process.unresponsive_timeout];
    assert_eq!(times, [milliseconds(1), milliseconds(2), milliseconds(300)]);
    assert_eq!(process.drain_timeout, milliseconds(4));
    let restart = RestartSettings {
        crashes_max: 1,
        window: milliseconds(2000),
        backoff: milliseconds(3),
        backoff_max: milliseconds(4),
    };
    assert_eq!(process.restart, restart);
    let sandbox = &process.sandbox;
    assert!(sandbox.enabled && sandbox.read[0].ends_with("data"), "{sandbox:?}");
    let limits = (sandbox.memory_bytes_max, sandbox.processes_max, sandbox.files_max);
    assert_eq!(limits, (8 << 20, 9, 16));
    assert!(!free.process.sandbox.enabled);
    assert_eq!((library.backend, library.native.run_in), (BackendKind::Native, RunIn::Runner));
    let [NativeAllowed::Sha256(digest), NativeAllowed::Directory(lib)] = &library.native.allow[..]
    else {
        panic!()
    };
    assert_eq!((digest[1], digest[31]), (0x11, 0xff));
    assert!(lib.ends_with("lib"));
    assert_eq!((inside.backend, inside.source.to_str()), (BackendKind::Builtin, Some("a-name")));
    let defaults = &plan.plugins[0];
    assert_eq!(defaults.process, ProcessSettings::default());
}

#[test]
fn every_key_reaches_the_plan() {
    let plan = parse_here(EVERYTHING, Format::Yaml).unwrap().plan;
    assert_eq!(plan.workers, 3);
    assert_eq!(plan.admin.address, Some("127.0.0.1:9901".parse().unwrap()));
    assert!(
        matches!(plan.access_log.target, AccessLogTarget::File(file) if file.ends_with("a.log"))
    );
    let [main, raw, auto, ..] = &plan.listeners[..] else { panic!() };
    assert_eq!((main.name.as_str(), main.balance), ("main", AcceptBalance::Exact));
    assert_eq!(main.limits.header_timeout, Duration::from_millis(1));
    let ListenerProtocol::Http(http) = &main.protocol else { panic!() };
    assert_eq!(http.forwarding, Forwarding { trust_client: true, via: Some("edge".into()) });
    assert_eq!(&*http.stream_filters[0].spec.config, b"text as it stands");
    assert_eq!(http.stream_filters[1].on_error, OnError::Reload);
    let filters: Vec<_> = http.route_filters.iter().map(Vec::len).collect();
    assert_eq!(filters, [0, 1, 0, 0, 0]);
    let routes: Vec<_> = http.router.routes().map(|(_, route)| route).collect();
    let RouteAction::Forward(forward) = &routes[1].action else { panic!() };
    assert_eq!(forward.host_rewrite, HostRewrite::Endpoint);
    assert_eq!(forward.timeout, None);
    let shares: Vec<_> =
        forward.clusters.iter().map(|(name, share)| (name.as_str(), share)).collect();
    assert_eq!(shares, [("app", 9), ("names", 1)]);
    assert!(matches!(&raw.protocol, ListenerProtocol::Tcp(tcp) if tcp.cluster.as_str() == "app"));
    assert!(
        matches!(&auto.protocol, ListenerProtocol::Auto(_, tcp) if tcp.cluster.as_str() == "app")
    );
    let [app, names] = &plan.clusters[..] else { panic!() };
    assert_eq!((app.balance, app.protocol), (Balance::LeastRequest, UpstreamProtocol::Http2));
    let rpc = RpcPoolPlan {
        connections_per_endpoint_max: 2,
        requests_per_connection_max: 3,
        heartbeat_interval: Duration::ZERO,
        heartbeat_timeout: Duration::from_millis(4),
        heartbeat_misses_max: 5,
    };
    assert_eq!((&app.rpc, &names.rpc), (&rpc, &RpcPoolPlan::default()));
    let EndpointSource::Static(endpoints) = &app.endpoints else { panic!() };
    assert_eq!(endpoints.iter().map(|endpoint| endpoint.weight).collect::<Vec<_>>(), [1, 5]);
    assert!(
        matches!(&names.endpoints, EndpointSource::Dns(names) if names[0].host == "db.internal")
    );
    let greet = &plan.plugins[0];
    assert_eq!(greet.phases, Some(Phases::REQUEST_HEADERS | Phases::RESPONSE_BODY));
    assert_eq!(greet.vm.id.as_deref(), Some("shared"));
    assert_eq!(&*greet.vm.configuration, br#"{"a":1}"#);
    assert_eq!(greet.vm.environment, [("MODE".into(), "test".into())]);
    assert_eq!(greet.vm.isolation, Isolation::PerStream);
    let network = &main.network_filters[0].spec;
    assert_eq!((network.point, &*network.root_id), (ExtensionPoint::NetworkFilter, "tcp"));
    let [ticker, plain] = &plan.services[..] else { panic!() };
    assert_eq!(&*ticker.service.spec.config, br#"{"b":2}"#);
    assert_eq!((&*ticker.service.spec.root_id, ticker.every_worker), ("ticker", true));
    assert_eq!((&*plain.service.spec.root_id, plain.every_worker), ("", false));
    assert_eq!(plain.service.spec.point, ExtensionPoint::Service);
    assert!(matches!(&plan.wasm.cache, WasmCache::Directory(path) if path.ends_with("compiled")));
}

#[test]
fn every_key_of_a_listener_with_codecs_reaches_the_plan() {
    let plan = parse_here(EVERYTHING, Format::Yaml).unwrap().plan;
    let [.., frames, tars] = &plan.listeners[..] else { panic!() };
    let limits = &frames.limits;
    assert_eq!((limits.frame_bytes_max, limits.rpc_bytes_max), (1024, 2048));
    assert_eq!(limits.frame_timeout_max, Duration::from_millis(6));
    let ListenerProtocol::Rpc(rpc) = &frames.protocol else { panic!() };
    assert!(rpc.http);
    assert_eq!(rpc.tcp.as_ref().map(|tcp| tcp.cluster.as_str()), Some("app"));
    let names: Vec<_> = rpc.codecs.iter().map(|codec| codec.name.as_str()).collect();
    assert_eq!(names, ["bolt", "dubbo", "greet/frames"]);
    let bolt = BuiltinCodec::Bolt(BoltSettings { go_away: true });
    assert_eq!(rpc.codecs[0].source, CodecSource::Builtin(bolt));
    let CodecSource::Plugin(plugin) = &rpc.codecs[2].source else { panic!() };
    assert_eq!((plugin.plugin.as_str(), plugin.on_error), ("greet", OnError::Closed));
    assert_eq!((plugin.spec.point, &*plugin.spec.root_id), (ExtensionPoint::Codec, "frames"));
    assert_eq!(&*plugin.spec.config, br#"{"b":1}"#);
    let routes: Vec<_> = rpc.streams.router.routes().map(|(_, route)| route).collect();
    let names = RpcMatch { service: Some("com.demo.Echo".into()), method: Some("say".into()) };
    assert_eq!(routes[0].condition.path, PathMatch::Rpc(names));
    let (RouteAction::Forward(say), RouteAction::Forward(ping)) =
        (&routes[0].action, &routes[1].action)
    else {
        panic!()
    };
    assert_eq!(say.frame_timeout, Some(Duration::from_millis(20)));
    assert_eq!(say.retry, Retry { max: 3, on_reset: true, on_statuses: vec![503] });
    assert_eq!((ping.timeout, ping.frame_timeout), (None, None));
    assert_eq!(ping.retry, Retry::default());
    let RouteAction::Respond(gone) = &routes[2].action else { panic!() };
    assert_eq!(gone.headers["content-type"], "text/plain; charset=utf-8");
    let ListenerProtocol::Rpc(rpc) = &tars.protocol else { panic!() };
    assert!(!rpc.http && rpc.tcp.is_none());
    assert_eq!(rpc.codecs[0].source, CodecSource::Builtin(BuiltinCodec::Tars));
    let (_, route) = rpc.streams.router.routes().next().unwrap();
    let RouteAction::Respond(closed) = &route.action else { panic!() };
    assert!(closed.headers.is_empty(), "frames have no content type");
}

#[test]
fn large_frames_raise_what_may_be_under_way_unless_it_is_written() {
    let with = |limits: &str| {
        let listener = format!("protocol: bolt\n    limits: {{ {limits} }} #");
        let loaded = parse_here(&FIRST.replace("protocol: http", &listener), Format::Yaml).unwrap();
        let under_way = loaded.plan.listeners[0].limits.rpc_bytes_max;
        assert_eq!(loaded.effective["listeners"][0]["limits"]["rpc_bytes_max"], under_way);
        under_way
    };
    assert_eq!(with("frame_bytes_max: 33554432"), 32 << 20);
    assert_eq!(with("frame_bytes_max: 1024"), 16 << 20);
    assert_eq!(with("frame_bytes_max: 1024, rpc_bytes_max: 1024"), 1024);
}

#[test]
fn a_list_without_a_codec_is_what_its_words_are() {
    let protocol = |word: &str| {
        let text = format!(
            "listeners: [{{ address: '127.0.0.1:1', protocol: {word}, cluster: app, \
             routes: [{{ match: {{ prefix: / }}, cluster: app }}] }}]\n\
             clusters: [{{ name: app, endpoints: ['127.0.0.1:2'] }}]\n"
        );
        let without = |text: &str, from: &str| text.replace(from, "");
        let text = match word {
            "[http]" => without(&text, "cluster: app, "),
            "[tcp]" => without(&text, ", routes: [{ match: { prefix: / }, cluster: app }]"),
            _ => text,
        };
        parse_here(&text, Format::Yaml).unwrap().plan.listeners.remove(0).protocol
    };
    assert!(matches!(protocol("[http]"), ListenerProtocol::Http(_)));
    assert!(matches!(protocol("[http, tcp]"), ListenerProtocol::Auto(..)));
    assert!(matches!(protocol("[tcp]"), ListenerProtocol::Tcp(_)));
}

#[test]
fn a_route_of_frames_has_no_timeout_of_its_own() {
    let text = FIRST.replace("protocol: http ", "protocol: bolt ");
    let loaded = parse_here(&text, Format::Yaml).unwrap();
    assert!(loaded.effective["listeners"][0]["routes"][0].get("timeout_ms").is_none());
    assert_eq!(loaded.effective["listeners"][0]["protocol"], "bolt");
    let ListenerProtocol::Rpc(rpc) = &loaded.plan.listeners[0].protocol else { panic!() };
    let (_, route) = rpc.streams.router.routes().next().unwrap();
    let RouteAction::Forward(forward) = &route.action else { panic!() };
    assert_eq!(forward.frame_timeout, None);
    assert_eq!(forward.timeout, Some(Duration::from_secs(15)), "for HTTP beside frames");
}

#[test]
fn json_and_toml_give_the_same_plan_as_yaml() {
    let base = base();
    let loaded = parse("mortise", EVERYTHING, Format::Yaml, base.path()).unwrap();
    let json = serde_json::to_string_pretty(&loaded.effective).unwrap();
    let toml = toml::to_string(&loaded.effective).unwrap();
    for (text, format) in [(json, Format::Json), (toml, Format::Toml)] {
        let other = parse("mortise", &text, format, base.path()).unwrap();
        assert_eq!(format!("{:?}", other.plan), format!("{:?}", loaded.plan), "{format:?}");
        assert_eq!(other.effective, loaded.effective);
    }
}

#[test]
fn what_is_in_force_says_every_default() {
    let effective = parse_here(FIRST, Format::Yaml).unwrap().effective;
    assert!(effective["workers"].is_u64());
    assert_eq!(effective["listeners"][0]["name"], "127.0.0.1:8080");
    assert_eq!(effective["listeners"][0]["limits"]["idle_timeout_ms"], 60_000);
    assert_eq!(effective["listeners"][0]["routes"][0]["timeout_ms"], 15_000);
    assert_eq!(effective["policies"][0]["limits"]["calls_max"], 1024);
    assert_eq!(effective["access_log"], "stdout");
}

#[test]
fn what_is_in_force_means_the_same_when_it_is_read_again() {
    let base = base();
    let child = "  - { name: child, backend: process, source: ./greet.wasm, process: { sandbox: { files_max: 32 } } }\npolicies:\n  - { name: plain }\n";
    let text = FIRST.replace("policies:\n", child).replace("memory_mib: 16", "memory_mib: 64");
    let loaded = parse("mortise", &text, Format::Yaml, base.path()).unwrap();
    let again = serde_json::to_string(&loaded.effective).unwrap();
    let again = parse("mortise", &again, Format::Json, base.path()).unwrap();
    assert_eq!(format!("{:?}", again.plan), format!("{:?}", loaded.plan));
    assert_eq!(again.effective, loaded.effective);
    // What is written stays, also where it is the default.
    let limits = |place: usize| &loaded.effective["policies"][place]["limits"];
    assert_eq!((&limits(1)["memory_mib"], &limits(1)["cpu_ms_per_call"]), (&64.into(), &10.into()));
    for key in ["memory_mib", "table_elements_max", "cpu_ms_per_call", "cpu_ms_start"] {
        assert!(limits(0).get(key).is_none(), "{key}");
    }
    assert!(limits(1).get("cpu_ms_start").is_none());
    let sandbox = &loaded.effective["plugins"][1]["process"]["sandbox"];
    assert_eq!((sandbox.get("memory_mib"), &sandbox["files_max"]), (None, &32.into()));
}

#[test]
fn the_defaults_are_those_of_the_rooms() {
    let text = FIRST.replace(", cpu_ms_per_call: 10", "").replace("memory_mib: 16", "");
    let plan = parse_here(&text, Format::Yaml).unwrap().plan;
    assert_eq!(plan.plugins[0].limits, PluginLimits::default());
    assert_eq!(plan.listeners[0].limits, host_types::Limits::default());
}

#[test]
fn a_file_is_read_by_its_ending() {
    let base = base();
    for ending in ["yaml", "YML"] {
        let file = base.path().join(format!("mortise.{ending}"));
        std::fs::write(&file, format!("\u{feff}{FIRST}")).unwrap();
        let plan = load(&file).unwrap().plan;
        let address: Address = "127.0.0.1:8080".parse().unwrap();
        assert_eq!(plan.listeners[0].address, address);
    }
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_without_a_place() {
    let base = base();
    let refused = |name: &str| {
        let errors = load(&base.path().join(name)).unwrap_err();
        let errors: Vec<_> =
            errors.iter().map(|error| (error.to_string(), error.place())).collect();
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0].1, None);
        errors[0].0.clone()
    };
    assert!(refused("missing.yaml").starts_with("cannot read the file: "));
    let ending = "the name of the file must end in .yaml, .yml, .json or .toml";
    assert_eq!(refused("mortise.ini"), ending);
    std::fs::write(base.path().join("bytes.yaml"), b"a: \xff").unwrap();
    assert_eq!(refused("bytes.yaml"), "the file is not UTF-8 text from byte 3 on");
    std::fs::write(base.path().join("big.yaml"), vec![b' '; FILE_BYTES_MAX + 1]).unwrap();
    assert_eq!(refused("big.yaml"), "the file is larger than 4194304 bytes");
}

#[test]
fn the_schema_is_the_one_that_editors_have() {
    let schema = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    expect_file!["../schema.json"].assert_eq(&schema);
}

#[test]
fn an_error_without_a_place_is_said_once() {
    let folder = tempfile::tempdir().unwrap();
    let errors = load(&folder.path().join("missing.yaml")).unwrap_err();
    let told = format!("{:?}", miette::Report::new(errors));
    assert_eq!(told.matches("cannot read the file").count(), 1, "{told}");
}
