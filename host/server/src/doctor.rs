//! `mortise doctor`: what this machine can do for plugins.

use plugins_process::doctor::{Feature, State, report};
use serde_json::{Value, json};

use crate::cli::CheckReport;

/// Tries everything that child processes are confined and watched with.
#[must_use]
pub fn doctor() -> CheckReport {
    let features = report();
    let is_clean = features.iter().all(|feature| feature.state != State::Missing);
    let json = json!({ "features": features.iter().map(entry).collect::<Vec<Value>>() });
    CheckReport { is_clean, text: features.iter().map(line).collect(), json }
}

fn entry(feature: &Feature) -> Value {
    json!({
        "name": feature.name,
        "state": feature.state.to_string(),
        "how": feature.how,
        "used_for": feature.used_for,
    })
}

fn line(feature: &Feature) -> String {
    let Feature { name, state, how, used_for } = feature;
    format!("{name:<24} {:<7} {how}\n{:<32} {used_for}\n", state.to_string(), "")
}
