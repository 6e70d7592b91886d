//! `mortise check`: says everything that `mortise run` would refuse.

use std::{
    path::Path,
    time::{Duration, SystemTime},
};

use host_config::Loaded;
use host_telemetry::Metrics;
use plugins_catalog::{LoadFailure, Moment};
use plugins_native::Builtin;
use serde_json::json;

use crate::{assembly, cli::CheckReport};

/// Checks a configuration file for a program with these plugins compiled in, and loads and starts each of its plugins once.
#[must_use]
pub fn check(path: &Path, builtins: &[Builtin]) -> CheckReport {
    let plan = match host_config::load(path) {
        Ok(Loaded { missing: Some(errors), .. }) | Err(errors) => {
            let text = errors.report(use_colour());
            return CheckReport { is_clean: false, text, json: errors.to_json() };
        }
        Ok(loaded) => loaded.plan,
    };
    let settings = assembly::wasm_settings(&plan);
    let catalog = match assembly::catalog(&Metrics::new(), &settings, builtins) {
        Ok(catalog) => catalog,
        Err(fault) => return refused(path, &[fault.to_string()]),
    };
    let moment = Moment { wall: SystemTime::now(), monotonic: Duration::ZERO };
    let failures = catalog.load(&plan.plugins, &assembly::filter_uses(&plan), moment).failures();
    if failures.is_empty() {
        return CheckReport { is_clean: true, text: String::new(), json: json!({ "errors": [] }) };
    }
    let lines: Vec<String> = failures.iter().map(line).collect();
    refused(path, &lines)
}

fn line(failure: &LoadFailure) -> String {
    format!("{failure} ({})", failure.source_path.display())
}

fn refused(path: &Path, lines: &[String]) -> CheckReport {
    let text: String = lines.iter().map(|line| format!("{}: {line}\n", path.display())).collect();
    let errors: Vec<_> = lines.iter().map(|line| json!({ "message": line })).collect();
    CheckReport { is_clean: false, text, json: json!({ "errors": errors }) }
}

/// Colour for a person at a terminal who did not ask for none (no-color.org).
fn use_colour() -> bool {
    use std::io::IsTerminal as _;
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty())
}
