//! What a plugin may do, found out without loading any code of it.

use std::path::PathBuf;

use abi_manifest::FILE_NAME;
use plugins_policy::{Enforcement, Permission, Rights, Unenforced};

use crate::{
    BackendKind, PluginPlan,
    confine::{enforcement, own_places},
    source,
};

/// What a plugin may do. Only the manifest of its package is read.
#[derive(Debug)]
pub struct Survey {
    /// The manifest of its package, where it has one.
    pub manifest: Option<PathBuf>,
    /// What the manifest asks for; `None` where there is no manifest, and everything is asked
    /// for.
    pub asked: Option<Vec<Permission>>,
    /// Traffic must never go on without it: the configuration says so, or the manifest does, or
    /// may, since it cannot be read.
    pub is_security: bool,
    /// What it may do.
    pub rights: Rights,
    /// How it runs: which restrictions hold, whoever states them.
    pub enforcement: Enforcement,
    /// Where it lies; a child can read all that is there.
    pub own_places: Vec<PathBuf>,
    /// What its policy states and does not hold here.
    pub unenforced: Vec<Unenforced>,
    /// Why the manifest cannot be read; then nothing is asked for, and it will not be loaded.
    pub problem: Option<String>,
}

impl Survey {
    /// Looks at one plugin.
    #[must_use]
    pub fn of(plan: &PluginPlan) -> Self {
        let is_package = plan.backend != BackendKind::Builtin && source::is_package(&plan.source);
        let manifest = is_package.then(|| plan.source.join(FILE_NAME));
        let (said, problem) = match is_package.then(|| source::manifest_of(&plan.source)) {
            None => (None, None),
            Some(Ok((_text, manifest))) => (Some(manifest), None),
            Some(Err(error)) => (None, Some(error.to_string())),
        };
        let says_security = said.as_ref().map_or(is_package, |said| said.is_security);
        let is_security = plan.is_security || says_security;
        let asked = is_package.then(|| said.map_or_else(Vec::new, |said| said.permissions));
        let enforcement = enforcement(plan);
        let own_places = own_places(plan);
        let own: Vec<_> = own_places.iter().map(PathBuf::as_path).collect();
        Self {
            rights: Rights::new(&plan.policy, asked.as_deref(), plan.shared_namespace()),
            unenforced: enforcement.unenforced(&plan.policy, &own),
            enforcement,
            own_places,
            manifest,
            asked,
            is_security,
            problem,
        }
    }
}

#[cfg(test)]
mod tests;
