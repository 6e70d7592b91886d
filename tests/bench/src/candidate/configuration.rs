//! The candidates' configuration files: the same work, each in its own words.

use std::{
    fmt::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// Where a candidate stands.
#[derive(Debug)]
pub(super) struct Place<'a> {
    pub(super) folder: &'a Path,
    pub(super) address: SocketAddr,
    pub(super) upstream: SocketAddr,
    pub(super) access_log: Option<PathBuf>,
}

/// The filters of a candidate.
#[derive(Debug)]
pub(super) struct Greets<'a> {
    pub(super) greet: &'a Path,
    pub(super) backend: &'static str,
    pub(super) count: usize,
    pub(super) all_phases: bool,
}

/// One worker, one route; the filters, each of a configuration of its own, and so with an
/// instance of its own.
pub(super) fn mortise(place: &Place<'_>, greets: &Greets<'_>) -> String {
    let Place { address, upstream, .. } = place;
    let access_log = match &place.access_log {
        Some(file) => format!("{{ file: {file:?} }}"),
        None => "off".to_owned(),
    };
    let mut text = format!(
        "workers: 1\nlog: {{ level: warn }}\naccess_log: {access_log}\n\
         listeners:\n  - address: {address}\n    protocol: http\n    \
         routes: [{{ match: {{ prefix: / }}, cluster: app }}]\n"
    );
    if greets.count > 0 {
        text.push_str("    stream_filters:\n");
    }
    for number in 0..greets.count {
        let field = if number == 0 { "x-bench".to_owned() } else { format!("x-bench-{number}") };
        let config = format!("{{ header: {field}, value: hello }}");
        let line = writeln!(text, "      - {{ plugin: greet, config: {config} }}");
        debug_assert!(line.is_ok(), "a string takes every write");
    }
    text.push_str(&format!("clusters: [{{ name: app, endpoints: [\"{upstream}\"] }}]\n"));
    if greets.count > 0 {
        let phases =
            if greets.all_phases { "" } else { ", phases: [request_headers, response_headers]" };
        let Greets { greet, backend, .. } = greets;
        text.push_str(&format!(
            "plugins: [{{ name: greet, backend: {backend}, source: {greet:?}{phases} }}]\n"
        ));
        let folder = greet.parent().filter(|_folder| *backend == "native");
        if let Some(folder) = folder {
            text.push_str(&format!("native: {{ allow: [{{ directory: {folder:?} }}] }}\n"));
        }
    }
    text
}

/// One worker, one route, and bolt by the codec that is built in, or by the one of a plugin: its
/// backend and artifact.
pub(super) fn bolt(place: &Place<'_>, codec: Option<(&'static str, &Path)>) -> String {
    let Place { address, upstream, access_log, .. } = place;
    let access_log = access_log
        .as_ref()
        .map_or_else(|| "off".to_owned(), |file| format!("{{ file: {file:?} }}"));
    let protocol = if codec.is_some() { "bolt-codec" } else { "bolt" };
    let mut text = format!(
        "workers: 1\nlog: {{ level: warn }}\naccess_log: {access_log}\n\
         listeners:\n  - address: {address}\n    protocol: {protocol}\n    \
         routes: [{{ match: {{ service: \"bench.Echo:1.0\" }}, cluster: app }}]\n\
         clusters: [{{ name: app, endpoints: [\"{upstream}\"] }}]\n"
    );
    if let Some((backend, artifact)) = codec {
        text.push_str(&format!(
            "plugins: [{{ name: bolt-codec, backend: {backend}, source: {artifact:?} }}]\n"
        ));
        if let Some(folder) = artifact.parent().filter(|_folder| backend == "native") {
            text.push_str(&format!("native: {{ allow: [{{ directory: {folder:?} }}] }}\n"));
        }
    }
    text
}

/// One process, whose master is the worker.
pub(super) fn nginx(place: &Place<'_>) -> String {
    let Place { address, upstream, .. } = place;
    let folder = place.folder.display();
    let access_log = match &place.access_log {
        Some(file) => format!("{file:?} combined buffer=32k flush=1s"),
        None => "off".to_owned(),
    };
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("  {kind}_temp_path \"{folder}/{kind}\";\n"))
        .concat();
    format!(
        "worker_processes 1;\ndaemon off;\nmaster_process off;\npid \"{folder}/pid\";\n\
         error_log stderr warn;\nevents {{ worker_connections 9000; }}\nhttp {{\n{temporary}  \
         access_log {access_log};\n  keepalive_requests 1000000000;\n  keepalive_timeout 600s;\n  \
         upstream app {{ server {upstream}; keepalive 256; keepalive_requests 1000000000; \
         keepalive_timeout 600s; }}\n  server {{\n    listen {address} backlog=4096;\n    \
         location / {{\n      proxy_pass http://app;\n      proxy_http_version 1.1;\n      \
         proxy_set_header Connection \"\";\n      proxy_set_header Host $http_host;\n      \
         proxy_set_header X-Forwarded-For $remote_addr;\n      \
         proxy_set_header X-Forwarded-Proto http;\n      \
         proxy_set_header X-Request-Id $request_id;\n    }}\n  }}\n}}\n"
    )
}

/// One thread.
pub(super) fn haproxy(place: &Place<'_>) -> String {
    let Place { address, upstream, .. } = place;
    format!(
        "global\n  nbthread 1\n  maxconn 6000\ndefaults\n  mode http\n  timeout connect 5s\n  \
         timeout client 600s\n  timeout server 600s\n  timeout http-keep-alive 600s\n  \
         option forwardfor\nfrontend web\n  bind {address}\n  \
         http-request set-header x-forwarded-proto http\n  \
         http-request set-header x-request-id %[uuid()]\n  default_backend app\n\
         backend app\n  http-reuse always\n  server one {upstream}\n"
    )
}

/// One worker by its command line.
pub(super) fn envoy(place: &Place<'_>) -> String {
    const TYPES: &str = "type.googleapis.com/envoy.extensions.filters";
    let socket = |address: SocketAddr| {
        let (ip, port) = (address.ip(), address.port());
        format!("{{ socket_address: {{ address: {ip}, port_value: {port} }} }}")
    };
    let (address, upstream) = (socket(place.address), socket(place.upstream));
    format!(
        "static_resources:
  listeners:
    - address: {address}
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                \"@type\": {TYPES}.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: web
                use_remote_address: true
                http_filters:
                  - name: envoy.filters.http.router
                    typed_config: {{ \"@type\": {TYPES}.http.router.v3.Router }}
                route_config:
                  virtual_hosts:
                    - name: all
                      domains: [\"*\"]
                      routes: [{{ match: {{ prefix: / }}, route: {{ cluster: app }} }}]
  clusters:
    - name: app
      connect_timeout: 5s
      type: STATIC
      load_assignment:
        cluster_name: app
        endpoints: [{{ lb_endpoints: [{{ endpoint: {{ address: {upstream} }} }}] }}]
"
    )
}
