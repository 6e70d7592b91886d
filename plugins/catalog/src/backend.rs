//! What the catalog asks of a backend, and which backend stands behind which word.

use std::{collections::HashMap, fmt, path::Path, sync::Arc};

use host_extension::{FaultKind, LoadedPlugin, Phases, PluginFault};
use host_types::{NativeSettings, PluginLimits, PluginName, ProcessSettings, VmSettings};
use plugins_process::DeniedLines;

use crate::{BackendKind, PluginPlan, source::Artifact};

/// One artifact with what its plan says of it.
#[derive(Clone, Copy, Debug)]
pub struct PluginSpec<'a> {
    /// The plugin's name.
    pub name: &'a PluginName,
    /// Where the artifact was read.
    pub source: &'a Path,
    /// The artifact.
    pub bytes: &'a [u8],
    /// The limits of each of its instances.
    pub limits: &'a PluginLimits,
    /// The phases that it is shown; `None` shows all that it has hooks for.
    pub phases: Option<Phases>,
    /// How its virtual machines are made and shared, where it runs in some.
    pub vm: &'a VmSettings,
    /// How its child process is started, where it runs in one.
    pub process: &'a ProcessSettings,
    /// How its library is loaded, where it is one.
    pub native: &'a NativeSettings,
    /// What it may do and take, as a text that is the same for equal rights and limits: only
    /// equals share a machine.
    pub grants: &'a str,
    /// What becomes of the lines that a child process writes by itself, where it may not log.
    pub denied_lines: Option<&'a DeniedLines>,
}

/// A way of running plugins.
pub trait PluginBackend: fmt::Debug + Send + Sync {
    /// Verifies and compiles an artifact. Called on a control thread, which it may block.
    ///
    /// # Errors
    /// The artifact is not one of this backend, or breaks its rules.
    fn load(&self, spec: PluginSpec<'_>) -> Result<Arc<dyn LoadedPlugin>, PluginFault>;
}

/// The backends of this process.
#[derive(Clone, Debug, Default)]
pub struct Backends(HashMap<BackendKind, Arc<dyn PluginBackend>>);

impl Backends {
    /// Adds a backend, or replaces the one of its kind.
    #[must_use]
    pub fn with(mut self, kind: BackendKind, backend: Arc<dyn PluginBackend>) -> Self {
        self.0.insert(kind, backend);
        self
    }

    pub(crate) fn load(
        &self,
        plan: &PluginPlan,
        artifact: &Artifact,
        denied_lines: Option<&DeniedLines>,
    ) -> Result<Arc<dyn LoadedPlugin>, PluginFault> {
        let Some(backend) = self.0.get(&plan.backend) else {
            let message = format!("the backend `{}` is not available here", plan.backend.label());
            return Err(PluginFault::new(FaultKind::LoadFailed, message));
        };
        backend.load(PluginSpec {
            name: &plan.name,
            source: &artifact.path,
            bytes: &artifact.bytes,
            limits: &plan.limits,
            phases: artifact.package.phases(plan.phases),
            vm: &plan.vm,
            process: &artifact.package.process(&plan.process),
            native: &plan.native,
            grants: &format!("{:?} {:?}", artifact.package.rights(plan, false), plan.limits),
            denied_lines,
        })
    }
}
