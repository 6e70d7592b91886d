//! `mortise check`: says everything that `mortise run` would refuse, and what is odd about
//! permissions.

use std::{
    path::Path,
    time::{Duration, SystemTime},
};

use host_config::{Loaded, Place, Places};
use host_telemetry::Metrics;
use plugins_catalog::{LoadFailure, LoadWarning, Moment};
use plugins_native::Builtin;
use serde_json::{Value, json};

use crate::{
    assembly,
    cli::CheckReport,
    policy::{self, Useless},
};

/// Most places that are named beside the first one with the same failure.
const PLACES_MAX: usize = 8;

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
        Err(fault) => return report(path, &[Failure::of_file(fault.to_string())], &[], &useless),
    };
    let moment = Moment { wall: SystemTime::now(), monotonic: Duration::ZERO };
    let snapshot = catalog.load(&plan.plugins, &assembly::filter_uses(&plan), moment);
    let failures = snapshot.failures();
    let failures: Vec<_> = failures.iter().map(|one| Failure::of(one, &loaded.places)).collect();
    report(path, &failures, &snapshot.warnings(), &useless)
}

/// A plugin, or a use of one, that does not start.
struct Failure {
    /// The use, or the plugin where that is no good for any use.
    place: Option<Place>,
    line: String,
}

impl Failure {
    fn of_file(line: String) -> Self {
        Self { place: None, line }
    }

    fn of(failure: &LoadFailure, places: &Places) -> Self {
        let uses = failure.spec.as_ref().map(|spec| places.uses(&failure.plugin, spec));
        let (first, others) = uses.and_then(<[Place]>::split_first).unzip();
        let source = failure.source_path.display();
        let line = format!("{failure} ({source}){}", the_same(others.unwrap_or_default()));
        Self { place: first.copied().or_else(|| places.plugin(failure.plugin.as_str())), line }
    }

    fn to_json(&self, file: &Path) -> Value {
        json!({
            "file": file.display().to_string(),
            "line": self.place.map(|place| place.line),
            "column": self.place.map(|place| place.column),
            "message": self.line,
        })
    }
}

/// Where else a use is written in the same way, and fails in the same way.
fn the_same(others: &[Place]) -> String {
    let (told, more) = others.split_at(others.len().min(PLACES_MAX));
    let mut words: Vec<_> = told.iter().map(|at| format!("{}:{}", at.line, at.column)).collect();
    if !more.is_empty() {
        words.push(format!("{} more", more.len()));
    }
    if words.is_empty() { String::new() } else { format!("; the same at {}", words.join(", ")) }
}

/// Failures make the configuration a bad one; warnings do not.
fn report(
    path: &Path,
    failures: &[Failure],
    warnings: &[LoadWarning],
    useless: &[Useless],
) -> CheckReport {
    let file = path.display();
    let at = |place: Option<Place>| {
        place.map(|place| format!(":{}:{}", place.line, place.column)).unwrap_or_default()
    };
    let errors =
        failures.iter().map(|failure| format!("{file}{}: {}\n", at(failure.place), failure.line));
    let odd = policy::told(warnings).into_iter();
    let odd = odd.map(|(_plugin, line)| format!("{file}: warning: {line}\n"));
    let vain =
        useless.iter().map(|one| format!("{file}{}: warning: {}\n", at(one.place), one.line));
    let text = errors.chain(odd).chain(vain).collect();
    let errors: Vec<_> = failures.iter().map(|failure| failure.to_json(path)).collect();
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
