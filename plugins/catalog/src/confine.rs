//! What the configuration gives a plugin, as far as it may have it: variables of its environment,
//! and places that its process may read; and whether what its policy forbids can be forbidden.

mod place;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use host_extension::{FaultKind, PluginFault};
use host_types::{PluginName, RunIn};
use plugins_policy::{
    Access, Capability, Denial, Enforcement, KernelFacts, Recorder, Rights, Rule, Runs,
};

use crate::{BackendKind, LoadWarning, Oddity, PluginPlan};

/// The plan without what the plugin may not have; and a warning for each thing that it has not.
pub(crate) fn confine(
    plan: &PluginPlan,
    rights: &Rights,
    recorder: Option<&Recorder>,
) -> (PluginPlan, Vec<LoadWarning>) {
    let mut plan = plan.clone();
    let mut gate = Gate { rights, recorder, plugin: plan.name.clone(), warnings: Vec::new() };
    let process = has_process(&plan);
    if plan.backend == BackendKind::Wasm {
        plan.vm.environment.retain(|(name, _value)| gate.lets_see(name));
    }
    if process {
        plan.process.environment.retain(|(name, _value)| gate.lets_see(name));
    }
    if process && plan.process.sandbox.enabled {
        plan.process.sandbox.read.retain_mut(|place| gate.lets_read(place));
    }
    (plan, gate.warnings)
}

/// Whether the restrictions that a policy states hold for a plugin here. Gives those that do not
/// and need not.
///
/// # Errors
/// One must, and does not.
pub(crate) fn enforced(plan: &PluginPlan) -> Result<Vec<LoadWarning>, PluginFault> {
    let own = own_places(plan);
    let own: Vec<_> = own.iter().map(PathBuf::as_path).collect();
    let unenforced = enforcement(plan)
        .check(&plan.policy, &own)
        .map_err(|error| PluginFault::new(FaultKind::LoadFailed, error.to_string()))?;
    let warning = |unenforced| LoadWarning {
        plugin: plan.name.clone(),
        policy: Arc::clone(&plan.policy.name),
        oddity: Oddity::Unenforced(unenforced),
    };
    Ok(unenforced.into_iter().map(warning).collect())
}

/// Where a plugin lies: what its process can read whatever its policy says. Twice where a link
/// leads there, since denials are texts.
pub(crate) fn own_places(plan: &PluginPlan) -> Vec<PathBuf> {
    if !has_process(plan) {
        return Vec::new();
    }
    let source = &plan.source;
    let directory = |source: &Path| {
        if source.is_dir() {
            Some(source.to_path_buf())
        } else {
            source.parent().map(Path::to_path_buf)
        }
    };
    let real = source.canonicalize().ok();
    let as_written = std::path::absolute(source).ok();
    [real, as_written].into_iter().flatten().filter_map(|source| directory(&source)).collect()
}

/// How a plugin runs, and on what kernel.
pub(crate) fn enforcement(plan: &PluginPlan) -> Enforcement {
    let runs = match plan.backend {
        BackendKind::Wasm => Runs::Wasm,
        _ if has_process(plan) => Runs::Child { confined: plan.process.sandbox.enabled },
        BackendKind::Builtin | BackendKind::Native | BackendKind::Process => Runs::InProxy,
    };
    // Only for children the kernel matters, which is asked by trying.
    let kernel = if matches!(runs, Runs::Child { .. }) {
        plugins_process::facts()
    } else {
        KernelFacts::default()
    };
    Enforcement { runs, kernel }
}

/// True where a plugin runs in a process of its own.
pub(crate) fn has_process(plan: &PluginPlan) -> bool {
    match plan.backend {
        BackendKind::Process => true,
        BackendKind::Native => plan.native.run_in == RunIn::Runner,
        BackendKind::Wasm | BackendKind::Builtin => false,
    }
}

struct Gate<'a> {
    rights: &'a Rights,
    recorder: Option<&'a Recorder>,
    plugin: PluginName,
    warnings: Vec<LoadWarning>,
}

impl Gate<'_> {
    fn lets_see(&mut self, name: &Arc<str>) -> bool {
        let access = Access::to(Capability::Environment, name.as_bytes());
        self.lets(access, |denial| Oddity::Variable { name: name.clone(), denial })
    }

    /// Decides about where a place really is, and makes it that.
    fn lets_read(&mut self, place: &mut PathBuf) -> bool {
        let rights = self.rights;
        let path = place.clone();
        match place::real(place) {
            Ok(real) => *place = real,
            Err(_) if rights.is_permissive() => return true,
            Err(error) => {
                let denial = format!("nobody can tell where it leads: {error}");
                self.warn(Oddity::Place { path, denial });
                return false;
            }
        }
        let access = Access::to(Capability::FilesRead, place.as_os_str().as_encoded_bytes());
        let link = place::denied_by_link(rights.policy(), place);
        let rule = link.map_or_else(|| rights.explain(access), Rule::Denial);
        self.lets_by(rule, access, |denial| Oddity::Place { path, denial })
    }

    fn lets(&mut self, access: Access<'_>, oddity: impl FnOnce(String) -> Oddity) -> bool {
        let rights = self.rights;
        self.lets_by(rights.explain(access), access, oddity)
    }

    fn lets_by(
        &mut self,
        rule: Rule<'_>,
        access: Access<'_>,
        oddity: impl FnOnce(String) -> Oddity,
    ) -> bool {
        if let Some(recorder) = self.recorder {
            recorder.note(access);
        }
        if rule.allows() {
            return true;
        }
        let was_let = self.rights.is_permissive();
        let policy = &self.rights.policy().name;
        let denial = Denial { access, rule, was_let, policy }.to_string();
        let capability = access.capability;
        self.warn(if was_let { Oddity::WasLet { capability, denial } } else { oddity(denial) });
        was_let
    }

    fn warn(&mut self, oddity: Oddity) {
        let (plugin, policy) = (self.plugin.clone(), self.rights.policy().name.clone());
        self.warnings.push(LoadWarning { plugin, policy, oddity });
    }
}

#[cfg(test)]
mod tests;
