//! `mortise check`: says everything that `mortise run` would refuse, and what is odd about
//! permissions.

use std::{
    path::Path,
    time::{Duration, SystemTime},
};

use host_config::Loaded;
use host_telemetry::Metrics;
use plugins_catalog::{LoadFailure, LoadWarning, Moment};
use plugins_native::Builtin;
use serde_json::json;

use crate::{
    assembly,
    cli::CheckReport,
    policy::{self, Useless},
};

/// Checks a configuration file for a program with these plugins compiled in, and loads and starts
/// each of its plugins once.
#[must_use]
pub fn check(path: &Path, builtins: &[Builtin]) -> CheckReport {
    let loaded = match host_config::load(path) {
        Ok(Loaded { missing: Some(errors), .. }) | Err(errors) => {
            let text = errors.report(use_colour());
            return CheckReport { is_clean: false, text, json: errors.to_json() };
        }
        Ok(loaded) => loaded,
    };
    let useless = policy::useless(&loaded);
    let plan = loaded.plan;
    let settings = assembly::wasm_settings(&plan);
    let catalog = match assembly::catalog(&Metrics::new(), &settings, builtins) {
        Ok(catalog) => catalog,
        Err(fault) => return report(path, &[fault.to_string()], &[], &useless),
    };
    let moment = Moment { wall: SystemTime::now(), monotonic: Duration::ZERO };
    let snapshot = catalog.load(&plan.plugins, &assembly::filter_uses(&plan), moment);
    let failures: Vec<String> = snapshot.failures().iter().map(line).collect();
    report(path, &failures, &snapshot.warnings(), &useless)
}

fn line(failure: &LoadFailure) -> String {
    format!("{failure} ({})", failure.source_path.display())
}

/// Failures make the configuration a bad one; warnings do not.
fn report(
    path: &Path,
    failures: &[String],
    warnings: &[LoadWarning],
    useless: &[Useless],
) -> CheckReport {
    let file = path.display();
    let errors = failures.iter().map(|line| format!("{file}: {line}\n"));
    let odd = policy::told(warnings).into_iter();
    let odd = odd.map(|(_plugin, line)| format!("{file}: warning: {line}\n"));
    let vain = useless.iter().map(|one| {
        let place = one.place.map(|at| format!(":{}:{}", at.line, at.column)).unwrap_or_default();
        format!("{file}{place}: warning: {}\n", one.line)
    });
    let text = errors.chain(odd).chain(vain).collect();
    let errors: Vec<_> = failures.iter().map(|line| json!({ "message": line })).collect();
    let odd = warnings.iter().map(
        |warning| json!({ "plugin": warning.plugin.as_str(), "message": warning.to_string() }),
    );
    let vain = useless.iter().map(|one| json!({ "policy": one.policy, "message": one.line }));
    let json = json!({ "errors": errors, "warnings": odd.chain(vain).collect::<Vec<_>>() });
    CheckReport { is_clean: failures.is_empty(), text, json }
}

/// Colour for a person at a terminal who did not ask for none (no-color.org).
fn use_colour() -> bool {
    use std::io::IsTerminal as _;
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty())
}
