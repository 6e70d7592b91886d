//! What the configuration says of a plugin, checked and complete.

use std::{path::PathBuf, sync::Arc};

use host_extension::Phases;
use host_types::{
    Isolation, NativeSettings, PluginLimits, PluginName, ProcessSettings, VmSettings,
};
use plugins_policy::Policy;

use crate::{confine::has_process, source};

/// One plugin: where it comes from and how it runs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PluginPlan {
    /// Its name; unique.
    pub name: PluginName,
    /// How it runs.
    pub backend: BackendKind,
    /// The artifact; absolute, or relative to the working directory. The name of a plugin that is
    /// compiled in.
    pub source: PathBuf,
    /// What it may do.
    pub policy: Arc<Policy>,
    /// How much of that.
    pub limits: PluginLimits,
    /// True where traffic must never go on without it: it has no use with `on_error: open`.
    pub is_security: bool,
    /// The phases that it is shown; `None` shows all that it exports hooks for.
    pub phases: Option<Phases>,
    /// How its virtual machines are made and shared, where it runs in some.
    pub vm: VmSettings,
    /// How its child process is started, where it runs in one.
    pub process: ProcessSettings,
    /// How its library is loaded, where it is one.
    pub native: NativeSettings,
}

impl PluginPlan {
    /// The name under which it keeps shared data and queues.
    #[must_use]
    pub fn shared_namespace(&self) -> &str {
        self.vm.id.as_deref().unwrap_or(self.name.as_str())
    }

    /// The files whose change may mean a new generation.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        source::files(self)
    }

    /// True where what runs by this plan is held to all that `next` holds it to: it may do and
    /// take the same, is as confined, and what allowed it to be loaded still does.
    pub(crate) fn is_held_as(&self, next: &Self) -> bool {
        let is_confined_as =
            self.process.sandbox == next.process.sandbox && has_process(self) == has_process(next);
        let is_library = self.backend == BackendKind::Native && !has_process(self);
        let mut allowed = self.native.allow.iter();
        let is_allowed = !is_library || allowed.all(|one| next.native.allow.contains(one));
        self.policy == next.policy && self.limits == next.limits && is_confined_as && is_allowed
    }

    /// True where several uses may live in one machine.
    pub(crate) fn shares_machines(&self) -> bool {
        let has_machines = self.backend == BackendKind::Wasm && self.vm.id.is_some();
        has_machines && self.vm.isolation == Isolation::Shared
    }
}

/// How a plugin runs.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum BackendKind {
    /// Compiled in.
    Builtin,
    /// In a Proxy-Wasm sandbox.
    Wasm,
    /// As a child process.
    Process,
    /// As a library.
    Native,
}

impl BackendKind {
    /// The word in the configuration, in metrics and on the admin page.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Builtin => "builtin",
            Self::Wasm => "wasm",
            Self::Process => "process",
            Self::Native => "native",
        }
    }
}
