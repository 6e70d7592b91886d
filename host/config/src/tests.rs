use std::time::Duration;

use expect_test::{Expect, expect, expect_file};
use host_extension::OnError;
use host_pipeline::ListenerProtocol;
use host_types::PluginLimits;

use super::*;

mod errors;
mod hostile;

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
    policy: default
policies:
  - name: default
    limits: { memory_mib: 16, cpu_ms_per_call: 10 }
"#;

/// A directory with the plugin that the texts name.
fn base() -> tempfile::TempDir {
    let base = tempfile::tempdir().unwrap();
    std::fs::write(base.path().join("greet.wasm"), b"").unwrap();
    base
}

fn parse_here(text: &str, format: Format) -> Result<Loaded, ConfigErrors> {
    let base = base();
    parse("mortise", text, format, base.path())
}

fn accepted(text: &str, format: Format) -> Loaded {
    let base = base();
    parse("mortise", text, format, base.path()).unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn the_first_configuration_becomes_a_plan() {
    let base = base();
    let loaded = parse("mortise.yaml", FIRST, Format::Yaml, base.path()).unwrap();
    let plan = loaded.plan;
    assert!((1..=256).contains(&plan.workers));
    assert_eq!(plan.drain_timeout, Duration::from_secs(30));
    let plugin = &plan.plugins[0];
    assert_eq!(plugin.source, base.path().join("./greet.wasm"));
    let limits = PluginLimits { memory_bytes_max: 16 << 20, ..PluginLimits::default() };
    assert_eq!(plugin.limits, limits);
    let ListenerProtocol::Http(http) = &plan.listeners[0].protocol else { panic!() };
    let filter = &http.stream_filters[0];
    assert_eq!(&*filter.config, br#"{"header":"x-greeting","value":"hello"}"#);
    assert_eq!(filter.on_error, OnError::Closed);
    assert_eq!(http.route_filters.len(), http.router.routes().count());
}

#[test]
fn the_schema_is_the_one_that_editors_have() {
    let schema = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    expect_file!["../schema.json"].assert_eq(&schema);
}
