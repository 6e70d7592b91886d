//! Plugins: where they come from and what they may use.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use host_extension::Phases;
use host_types::{Isolation, NativeAllowed, PluginLimits, PluginName, VmSettings};
use plugins_catalog::{BackendKind, PluginPlan};

use super::{Scope, Seen, environment, instance::opaque, native, process};
use crate::{
    cursor::Cursor,
    model::{BackendWord, IsolationWord, PhaseWord, PluginConfig, VmConfig},
};

/// What all plugins of a file have in common.
pub(super) struct Shared<'a> {
    /// The limits of each policy by its name.
    pub(super) policies: &'a HashMap<String, PluginLimits>,
    /// The libraries that may be loaded.
    pub(super) native: &'a [NativeAllowed],
}

pub(super) fn plugins(
    models: &[PluginConfig],
    shared: &Shared<'_>,
    at: &Cursor<'_>,
    scope: &Scope<'_>,
) -> Vec<PluginPlan> {
    let mut seen = Seen::default();
    let plans = at.zip(models).filter_map(|(at, model)| {
        seen.check(&model.name, "plugin", &at.key("name"));
        plugin(model, shared, &at, scope)
    });
    plans.collect()
}

fn plugin(
    model: &PluginConfig,
    shared: &Shared<'_>,
    at: &Cursor<'_>,
    scope: &Scope<'_>,
) -> Option<PluginPlan> {
    let backend = backend(model.backend);
    let policy = model.policy.as_deref();
    let policy = policy.map(|name| scope.policy::<String>(name, &at.key("policy")));
    let source = source(&model.source, backend, &at.key("source"), scope);
    let vm = vm(&model.vm, &at.key("vm"));
    let process = model.process.clone().unwrap_or_default();
    let process = process::process(&process, &at.key("process"), scope);
    let limits = match policy {
        None => PluginLimits::default(),
        // A policy that was refused has no limits here; then the plan is not used.
        Some(name) => shared.policies.get(&name?).cloned().unwrap_or_default(),
    };
    Some(PluginPlan {
        name: PluginName::from(model.name.as_str()),
        backend,
        source,
        policy: Arc::default(),
        limits,
        is_security: false,
        phases: model.phases.as_deref().map(phases),
        vm: vm?,
        process: process?,
        native: native::native(model.native.unwrap_or_default(), shared.native),
    })
}

/// Where the artifact is; what is compiled in has a name, no place.
fn source(word: &str, backend: BackendKind, at: &Cursor<'_>, scope: &Scope<'_>) -> PathBuf {
    if backend == BackendKind::Builtin {
        return PathBuf::from(word);
    }
    let source = scope.path(word);
    look_for(&source, at, scope);
    source
}

/// A file that is not there does not make the configuration a bad one: it may come, and until
/// then `on_error` decides.
fn look_for(source: &Path, at: &Cursor<'_>, scope: &Scope<'_>) {
    match fs::metadata(source) {
        Ok(found) if found.is_file() || source.join(abi_manifest::FILE_NAME).is_file() => {}
        Ok(_) => {
            let message = format!("`{}` is no file and no package", source.display());
            let help = "name the file of the plugin, or a directory with a `plugin.toml`";
            scope.missing.add(at.problem(message, "not a plugin").help(help));
        }
        Err(error) => {
            let message = format!("cannot read the plugin `{}`: {error}", source.display());
            let help = "the path is relative to the directory of this configuration";
            scope.missing.add(at.problem(message, "not readable").help(help));
        }
    }
}

fn backend(word: BackendWord) -> BackendKind {
    match word {
        BackendWord::Builtin => BackendKind::Builtin,
        BackendWord::Wasm => BackendKind::Wasm,
        BackendWord::Process => BackendKind::Process,
        BackendWord::Native => BackendKind::Native,
    }
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

fn vm(model: &VmConfig, at: &Cursor<'_>) -> Option<VmSettings> {
    let environment = environment::environment(&model.environment, &model.host_environment, at)?;
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
