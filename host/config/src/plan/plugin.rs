//! Plugins: where they come from and what they may use.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use host_extension::Phases;
use host_types::{Isolation, NativeAllowed, PluginName, RunIn, SandboxSettings, VmSettings};
use plugins_catalog::{BackendKind, PluginPlan};
use plugins_policy::{Policy, Preset, Restriction};

use super::{
    Scope, Seen, environment,
    instance::opaque,
    native,
    policy::{Policies, Ruling},
    process, protocol, stated,
};
use crate::{
    cursor::Cursor,
    model::{BackendWord, IsolationWord, PhaseWord, PluginConfig, VmConfig},
};

/// What all plugins of a file have in common.
pub(super) struct Shared<'a> {
    /// The policies that there are.
    pub(super) policies: &'a Policies,
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
        if protocol::builtin(&model.name).is_some() || protocol::is_plain(&model.name) {
            let message = format!("`{}` is the name of a protocol of the proxy's own", model.name);
            at.key("name").refuse::<()>(message, "a plugin needs another one");
        }
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
    let ruling = match model.policy.as_deref() {
        None => Some(Preset::Default.word().to_owned()),
        Some(name) => scope.policy::<String>(name, &at.key("policy")),
    };
    let source = source(&model.source, backend, &at.key("source"), scope);
    let vm = vm(&model.vm, &at.key("vm"));
    let process = model.process.clone().unwrap_or_default();
    let process = process::process(&process, &at.key("process"), scope);
    let native = native::native(model.native.unwrap_or_default(), shared.native);
    // A policy that was refused is none here; then the plan is not used.
    let mut ruling = shared.policies.get(&ruling?).cloned().unwrap_or_default();
    let (vm, mut process) = (vm?, process?);
    if backend == BackendKind::Process || (backend, native.run_in) == IN_RUNNER {
        bound_memory(&mut ruling, &mut process.sandbox);
        state_sandbox(&mut ruling.policy, &at.key("process").key("sandbox"));
    }
    let need_not = |restriction| ruling.policy.allow_unenforced.contains(&restriction);
    process.sandbox.may_lack_files = need_not(Restriction::Files);
    process.sandbox.may_lack_network = need_not(Restriction::Network);
    Some(PluginPlan {
        name: PluginName::from(model.name.as_str()),
        backend,
        source,
        policy: Arc::new(ruling.policy),
        limits: ruling.limits,
        is_security: model.security,
        phases: model.phases.as_deref().map(phases),
        vm,
        process,
        native,
    })
}

/// A library that runs in a process of its own.
const IN_RUNNER: (BackendKind, RunIn) = (BackendKind::Native, RunIn::Runner);

/// The limits of a sandbox that are written are stated, too.
fn state_sandbox(policy: &mut Policy, at: &Cursor<'_>) {
    for restriction in stated::by_sandbox(at) {
        if !policy.stated.contains(&restriction) {
            policy.stated.push(restriction);
        }
    }
}

/// A confined child has the lesser of what its sandbox says and what its policy says. The default
/// of a policy is that of a Wasm module, and too little for most programs.
fn bound_memory(ruling: &mut Ruling, sandbox: &mut SandboxSettings) {
    if !sandbox.enabled {
        return;
    }
    if ruling.policy.stated.contains(&Restriction::Memory) {
        let most = u64::try_from(ruling.limits.memory_bytes_max).unwrap_or(u64::MAX);
        sandbox.memory_bytes_max = sandbox.memory_bytes_max.min(most);
    }
    let bytes = usize::try_from(sandbox.memory_bytes_max).unwrap_or(usize::MAX);
    ruling.limits.memory_bytes_max = bytes;
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
