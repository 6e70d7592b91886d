//! The configurations that put the probe into a proxy.

use std::{fmt::Write as _, net::SocketAddr, path::Path};

use crate::guests::{self, Guest};

/// What the probe is configured with; cases read it.
pub(crate) const PLUGIN_CONFIGURATION: &str = "the plugin's configuration";
/// What its machine is configured with; cases read it.
pub(crate) const VM_CONFIGURATION: &str = "the machine's configuration";
/// The id of its machine.
pub(crate) const VM_ID: &str = "conformance";
/// The id of its root.
pub(crate) const ROOT_ID: &str = "probe";
/// An environment variable of its machine.
pub(crate) const VARIABLE: (&str, &str) = ("PROBE", "set");

/// Where things are.
#[derive(Clone, Copy, Debug)]
pub struct Places<'a> {
    /// The probe's file.
    pub probe: &'a Path,
    /// The upstream's HTTP.
    pub http: SocketAddr,
    /// The upstream's bytes.
    pub tcp: SocketAddr,
    /// Guests to be put before routes of their own.
    pub guests: &'a [Guest],
}

/// Our own proxy's: one worker, listeners `http` and `tcp` on free ports, an admin socket.
#[must_use]
pub fn mortise(places: &Places<'_>, admin: &Path) -> String {
    let Places { probe, http, tcp, guests } = places;
    let (routes, plugins) = guests::configuration(guests);
    let use_of_probe =
        format!("{{ plugin: probe, root_id: {ROOT_ID}, config: \"{PLUGIN_CONFIGURATION}\" }}");
    let (name, value) = VARIABLE;
    format!(
        r#"workers: 1
drain_timeout_ms: 0
admin: {{ address: "unix:{admin}" }}
log: {{ level: "off" }}
access_log: "off"
listeners:
  - name: http
    address: 127.0.0.1:0
    limits: {{ header_bytes_max: 262144 }}
    stream_filters: [{use_of_probe}]
    routes:
{routes}      - {{ name: all, match: {{ prefix: / }}, cluster: upstream }}
  - name: tcp
    address: 127.0.0.1:0
    protocol: tcp
    cluster: bytes
    network_filters: [{use_of_probe}]
clusters:
  - {{ name: upstream, endpoints: ["{http}"], protocol: http2 }}
  - {{ name: bytes, endpoints: ["{tcp}"] }}
  - {{ name: dead, endpoints: ["127.0.0.1:1"], connect_timeout_ms: 200, protocol: http2 }}
plugins:
  - name: probe
    backend: wasm
    source: "{probe}"
    policy: probe
    vm:
      id: {VM_ID}
      config: "{VM_CONFIGURATION}"
      environment: {{ {name}: {value} }}
{plugins}policies:
  - {{ name: probe, preset: trusted, limits: {{ cpu_ms_per_call: 1000, log_lines_per_second_max: 1000000 }} }}
  - {{ name: guest, preset: network, limits: {{ memory_mib: 256, cpu_ms_per_call: 1000, cpu_ms_start: 60000 }} }}
"#,
        admin = admin.display(),
        probe = probe.display(),
    )
}

/// The same for Envoy, with its listeners on these ports. Run it with `--concurrency 1`.
#[must_use]
pub fn envoy(places: &Places<'_>, http_port: u16, tcp_port: u16) -> String {
    let Places { probe, http, tcp, .. } = places;
    let mut text = String::new();
    let _infallible = write!(
        text,
        r#"static_resources:
  listeners:
  - name: http
    address: {{ socket_address: {{ address: 127.0.0.1, port_value: {http_port} }} }}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: http
          max_request_headers_kb: 256
          http_protocol_options: {{ enable_trailers: true }}
          http_filters:
          - name: envoy.filters.http.wasm
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
              config: &probe
                name: probe
                root_id: {ROOT_ID}
                configuration: {{ "@type": type.googleapis.com/google.protobuf.StringValue, value: "{PLUGIN_CONFIGURATION}" }}
                vm_config:
                  vm_id: {VM_ID}
                  runtime: envoy.wasm.runtime.v8
                  configuration: {{ "@type": type.googleapis.com/google.protobuf.StringValue, value: "{VM_CONFIGURATION}" }}
                  environment_variables: {{ key_values: {{ {name}: {value} }} }}
                  code: {{ local: {{ filename: "{probe}" }} }}
          - name: envoy.filters.http.router
            typed_config: {{ "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }}
          route_config:
            virtual_hosts:
            - {{ name: all, domains: ["*"], routes: [{{ name: all, match: {{ prefix: / }}, route: {{ cluster: upstream }} }}] }}
  - name: tcp
    address: {{ socket_address: {{ address: 127.0.0.1, port_value: {tcp_port} }} }}
    filter_chains:
    - filters:
      - name: envoy.filters.network.wasm
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.wasm.v3.Wasm
          config: *probe
      - name: envoy.filters.network.tcp_proxy
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: tcp
          cluster: bytes
  clusters:
"#,
        name = VARIABLE.0,
        value = VARIABLE.1,
        probe = probe.display(),
    );
    envoy_cluster(&mut text, "upstream", *http, true);
    envoy_cluster(&mut text, "bytes", *tcp, false);
    envoy_cluster(&mut text, "dead", SocketAddr::from(([127, 0, 0, 1], 1)), true);
    text
}

fn envoy_cluster(text: &mut String, name: &str, address: SocketAddr, http2: bool) {
    let (ip, port) = (address.ip(), address.port());
    let _infallible = write!(
        text,
        r"  - name: {name}
    connect_timeout: 0.2s
    load_assignment:
      cluster_name: {name}
      endpoints: [{{ lb_endpoints: [{{ endpoint: {{ address: {{ socket_address: {{ address: {ip}, port_value: {port} }} }} }} }}] }}]
"
    );
    if http2 {
        text.push_str(
            r#"    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: { http2_protocol_options: {} }
"#,
        );
    }
}
