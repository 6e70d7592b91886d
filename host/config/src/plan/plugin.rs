//! Plugins: where they come from and what they may use.

use std::{collections::HashMap, env, fs, path::Path, sync::Arc};

use host_extension::Phases;
use host_types::{
    Isolation, NativeSettings, PluginLimits, PluginName, ProcessSettings, VmSettings,
};
use plugins_catalog::{BackendKind, PluginPlan};

use super::{Scope, Seen, instance::opaque};
use crate::{
    cursor::Cursor,
    model::{BackendWord, IsolationWord, PhaseWord, PluginConfig, VmConfig},
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
        vm: vm(&model.vm, &at.key("vm"))?,
        process: ProcessSettings::default(),
        native: NativeSettings::default(),
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
        PhaseWord::NewConnection => Phases::NEW_CONNECTION,
        PhaseWord::DownstreamData => Phases::DOWNSTREAM_DATA,
        PhaseWord::UpstreamData => Phases::UPSTREAM_DATA,
        PhaseWord::Close => Phases::CLOSE,
    };
    words.iter().map(phase).fold(Phases::NONE, |all, phase| all | phase)
}

/// The environment is the given one, with what is taken of the proxy's own; a variable that the
/// proxy does not have is not there.
fn vm(model: &VmConfig, at: &Cursor<'_>) -> Option<VmSettings> {
    let mut environment = Vec::new();
    let mut is_right = true;
    let given = at.key("environment");
    for (name, value) in &model.environment {
        is_right &= variable(name, value, &given.name(name)).is_some();
        environment.push((Arc::from(name.as_str()), Arc::from(value.as_str())));
    }
    for (at, name) in at.key("host_environment").zip(&model.host_environment) {
        is_right &= variable(name, "", &at).is_some();
        if model.environment.contains_key(name) {
            let message = format!("the variable `{name}` has a value in `environment` already");
            at.add(at.problem(message, "again here"));
            is_right = false;
        } else if let Ok(value) = env::var(name) {
            environment.push((Arc::from(name.as_str()), Arc::from(value)));
        }
    }
    if !is_right {
        return None;
    }
    Some(VmSettings {
        id: model.id.as_deref().map(Arc::from),
        configuration: opaque(model.config.as_ref()),
        environment,
        isolation: match model.isolation {
            IsolationWord::Shared => Isolation::Shared,
            IsolationWord::PerStream => Isolation::PerStream,
        },
    })
}

/// Programs read `NAME=value` up to a NUL.
fn variable(name: &str, value: &str, at: &Cursor<'_>) -> Option<()> {
    if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
        let message = format!("`{}` cannot be an environment variable", name.escape_debug());
        return at.refuse_with(message, "no variable", "a name without `=`, and no NUL in either");
    }
    Some(())
}
