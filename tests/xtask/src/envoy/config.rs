//! The same scenario as a configuration of either proxy.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::scenario::{Protocol, Scenario, Use};

/// Where everything listens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addresses {
    pub(crate) listener: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) upstream: SocketAddr,
    pub(crate) asked: SocketAddr,
}

/// For Mortise. JSON is YAML.
pub(crate) fn mortise(scenario: &Scenario, at: &Addresses) -> Value {
    let name = |each: &Use| format!("p{}", index(scenario, each));
    let filter = |each: &Use| {
        let mut filter = json!({ "plugin": name(each) });
        insert(&mut filter, "root_id", each.root_id);
        insert(&mut filter, "config", &each.config);
        filter
    };
    let filters = |uses: &[Use]| uses.iter().map(filter).collect::<Vec<_>>();
    let mut listener = json!({ "address": at.listener.to_string() });
    if !scenario.network_filters.is_empty() {
        extend(&mut listener, json!({ "network_filters": filters(&scenario.network_filters) }));
    }
    extend(
        &mut listener,
        match scenario.protocol {
            Protocol::Tcp => json!({ "protocol": "tcp", "cluster": "app" }),
            Protocol::Http => json!({
                "protocol": "http",
                "stream_filters": filters(&scenario.stream_filters),
                "routes": [{ "match": { "prefix": "/" }, "cluster": "app" }],
            }),
        },
    );
    let plugin = |each: &Use| {
        let mut plugin = json!({
            "name": name(each), "backend": "wasm", "source": each.module, "policy": "patient",
        });
        if !each.vm_id.is_empty() {
            extend(&mut plugin, json!({ "vm": { "id": each.vm_id } }));
        }
        plugin
    };
    let limits = json!({ "cpu_ms_per_call": 1000, "cpu_ms_start": 10_000 });
    let mut config = json!({
        "workers": 1,
        "listeners": [listener],
        "clusters": [
            { "name": "app", "endpoints": [at.upstream.to_string()] },
            { "name": "asked", "endpoints": [at.asked.to_string()] },
        ],
        "plugins": scenario.uses().map(plugin).collect::<Vec<_>>(),
        "policies": [{ "name": "patient", "preset": "trusted", "limits": limits }],
        "admin": { "address": at.admin.to_string() },
    });
    if let Some(service) = &scenario.service {
        extend(&mut config, json!({ "services": [filter(service)] }));
    }
    config
}

/// For Envoy.
pub(crate) fn envoy(scenario: &Scenario, at: &Addresses) -> Value {
    let plugin = |each: &Use| {
        json!({
            "name": format!("p{}", index(scenario, each)),
            "root_id": each.root_id,
            "configuration": {
                "@type": "type.googleapis.com/google.protobuf.StringValue",
                "value": each.config,
            },
            "vm_config": {
                "vm_id": each.vm_id,
                "runtime": "envoy.wasm.runtime.v8",
                "code": { "local": { "filename": each.module } },
            },
        })
    };
    let filter = |kind: &str, each: &Use| {
        typed(&format!("filters.{kind}.wasm.v3.Wasm"), json!({ "config": plugin(each) }))
    };
    let mut filters: Vec<Value> =
        scenario.network_filters.iter().map(|each| filter("network", each)).collect();
    filters.push(match scenario.protocol {
        Protocol::Tcp => {
            let proxy = json!({ "stat_prefix": "tcp", "cluster": "app" });
            typed("filters.network.tcp_proxy.v3.TcpProxy", proxy)
        }
        Protocol::Http => {
            let uses = scenario.stream_filters.iter().map(|each| filter("http", each));
            let router = typed("filters.http.router.v3.Router", json!({}));
            let filters: Vec<Value> = uses.chain([router]).collect();
            let route = json!({ "match": { "prefix": "/" }, "route": { "cluster": "app" } });
            let host = json!({ "name": "all", "domains": ["*"], "routes": [route] });
            let manager = json!({
                "stat_prefix": "http",
                "http_filters": filters,
                "route_config": { "virtual_hosts": [host] },
            });
            let name = "filters.network.http_connection_manager.v3.HttpConnectionManager";
            typed(name, manager)
        }
    });
    let service = scenario.service.iter().map(|each| {
        let service = json!({ "singleton": true, "config": plugin(each) });
        let mut service = typed("wasm.v3.WasmService", service);
        extend(&mut service, json!({ "name": "envoy.bootstrap.wasm" }));
        service
    });
    json!({
        "admin": { "address": socket(at.admin) },
        "bootstrap_extensions": service.collect::<Vec<_>>(),
        "static_resources": {
            "listeners": [{
                "name": "web",
                "address": socket(at.listener),
                "filter_chains": [{ "filters": filters }],
            }],
            "clusters": [cluster("app", at.upstream), cluster("asked", at.asked)],
        },
    })
}

/// An extension of Envoy by the name of its configuration's type.
fn typed(kind: &str, mut config: Value) -> Value {
    let kind = format!("type.googleapis.com/envoy.extensions.{kind}");
    extend(&mut config, json!({ "@type": kind }));
    json!({ "name": kind, "typed_config": config })
}

fn cluster(name: &str, endpoint: SocketAddr) -> Value {
    let endpoint = json!({ "endpoint": { "address": socket(endpoint) } });
    json!({
        "name": name,
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{ "lb_endpoints": [endpoint] }],
        },
    })
}

fn socket(address: SocketAddr) -> Value {
    json!({ "socket_address": {
        "address": address.ip().to_string(),
        "port_value": address.port(),
    } })
}

fn index(scenario: &Scenario, wanted: &Use) -> usize {
    scenario.uses().position(|each| std::ptr::eq(each, wanted)).unwrap_or_default()
}

fn insert(object: &mut Value, name: &str, text: &str) {
    if !text.is_empty() {
        extend(object, json!({ name: text }));
    }
}

fn extend(object: &mut Value, more: Value) {
    if let (Value::Object(object), Value::Object(more)) = (object, more) {
        object.extend(more);
    }
}
