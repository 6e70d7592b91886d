//! What `/plugins` and `/clusters` show.

use std::time::UNIX_EPOCH;

use host_telemetry::Metrics;
use host_upstream::ClusterStatus;
use plugins_catalog::PluginStatus;
use serde_json::{Value, json};

/// The content of `/plugins`.
pub(crate) fn plugins(status: &[PluginStatus], metrics: &Metrics) -> Value {
    let page = |plugin: &PluginStatus| {
        let loaded_at = plugin.loaded_at.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let failures: Vec<String> =
            plugin.failures.iter().map(|failure| failure.fault.to_string()).collect();
        json!({
            "name": plugin.name.as_str(),
            "backend": plugin.backend,
            "source": plugin.source.display().to_string(),
            "policy": {
                "name": &*plugin.policy.name,
                "preset": plugin.policy.preset.word(),
                "mode": plugin.policy.mode.word(),
            },
            "denied": metrics.denials(&plugin.name),
            "state": plugin.state.label(),
            "generation": plugin.generation,
            "digest": plugin.digest.as_ref().map(ToString::to_string),
            "loaded_at_unix_ms": loaded_at.map(|at| at.as_millis()),
            "uses": plugin.uses,
            "process": plugin.condition.as_ref().map(|condition| json!({
                "state": condition.state,
                "pid": condition.pid,
                "restarts": condition.restarts,
                "story": condition.story,
            })),
            "faults": plugin.faults,
            "restarts": plugin.restarts,
            "breakers_open": plugin.breakers_open,
            "last_error": plugin.last_error().map(ToString::to_string),
            "failures": failures,
        })
    };
    Value::Array(status.iter().map(page).collect())
}

/// The content of `/clusters`.
pub(crate) fn clusters(status: &[ClusterStatus]) -> Value {
    let page = |cluster: &ClusterStatus| {
        let endpoints = cluster.endpoints.iter().map(|endpoint| {
            json!({ "address": endpoint.address.to_string(), "weight": endpoint.weight })
        });
        json!({
            "name": cluster.name.as_str(),
            "source": cluster.source.label(),
            "names": cluster.names,
            "endpoints": endpoints.collect::<Vec<Value>>(),
            "last_error": cluster.last_error,
        })
    };
    Value::Array(status.iter().map(page).collect())
}

#[cfg(test)]
mod tests;
