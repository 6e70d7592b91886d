//! Plugins: where they come from and what they may use.

use std::{collections::HashMap, fs, path::Path};

use host_extension::Phases;
use host_types::{PluginLimits, PluginName, VmSettings};
use plugins_catalog::{BackendKind, PluginPlan};

use super::{Scope, Seen};
use crate::{
    cursor::Cursor,
    model::{BackendWord, PhaseWord, PluginConfig},
};

pub(super) fn plugins(
    models: &[PluginConfig],
    policies: &HashMap<String, PluginLimits>,
    at: &Cursor<'_>,
    scope: &Scope<'_>,
) -> Vec<PluginPlan> {
    let mut seen = Seen::default();
    let plans = at.zip(models).filter_map(|(at, model)| {
        seen.check(&model.name, "plugin", &at.key("name"));
        plugin(model, policies, &at, scope)
    });
    plans.collect()
}

fn plugin(
    model: &PluginConfig,
    policies: &HashMap<String, PluginLimits>,
    at: &Cursor<'_>,
    scope: &Scope<'_>,
) -> Option<PluginPlan> {
    let backend = backend(model.backend, &at.key("backend"));
    let policy = model.policy.as_deref();
    let policy = policy.map(|name| scope.policy::<String>(name, &at.key("policy")));
    let source = scope.path(&model.source);
    look_for(&source, &at.key("source"), scope);
    let limits = match policy {
        None => PluginLimits::default(),
        // A policy that was refused has no limits here; then the plan is not used.
        Some(name) => policies.get(&name?).cloned().unwrap_or_default(),
    };
    Some(PluginPlan {
        name: PluginName::from(model.name.as_str()),
        backend: backend?,
        source,
        limits,
        phases: model.phases.as_deref().map(phases),
        vm: VmSettings::default(),
    })
}

/// A file that is not there does not make the configuration a bad one: it may come, and until
/// then `on_error` decides.
fn look_for(source: &Path, at: &Cursor<'_>, scope: &Scope<'_>) {
    match fs::metadata(source) {
        Ok(found) if found.is_file() => {}
        Ok(_) => {
            let message = format!("`{}` is no file", source.display());
            scope.missing.add(at.problem(message, "not a file"));
        }
        Err(error) => {
            let message = format!("cannot read the plugin `{}`: {error}", source.display());
            let help = "the path is relative to the directory of this configuration";
            scope.missing.add(at.problem(message, "not readable").help(help));
        }
    }
}

fn backend(word: BackendWord, at: &Cursor<'_>) -> Option<BackendKind> {
    let name = match word {
        BackendWord::Wasm => return Some(BackendKind::Wasm),
        BackendWord::Process => "process",
        BackendWord::Native => "native",
    };
    let message = format!("the backend `{name}` is not in this version");
    at.refuse_with(message, "not in this version", "use `wasm`")
}

fn phases(words: &[PhaseWord]) -> Phases {
    let phase = |word: &PhaseWord| match word {
        PhaseWord::RequestHeaders => Phases::REQUEST_HEADERS,
        PhaseWord::RequestBody => Phases::REQUEST_BODY,
        PhaseWord::RequestTrailers => Phases::REQUEST_TRAILERS,
        PhaseWord::ResponseHeaders => Phases::RESPONSE_HEADERS,
        PhaseWord::ResponseBody => Phases::RESPONSE_BODY,
        PhaseWord::ResponseTrailers => Phases::RESPONSE_TRAILERS,
        PhaseWord::Log => Phases::LOG,
    };
    words.iter().map(phase).fold(Phases::NONE, |all, phase| all | phase)
}
