//! The `process` backend, as the catalog asks for it.

use std::sync::Arc;

use host_extension::{LoadedPlugin, PluginFault};
use plugins_process::{ProcessBackend, ProcessSpec, Program};

use crate::{PluginBackend, PluginSpec};

impl PluginBackend for ProcessBackend {
    fn load(&self, spec: PluginSpec<'_>) -> Result<Arc<dyn LoadedPlugin>, PluginFault> {
        let PluginSpec { name, source, bytes, limits, phases, vm, process: settings, .. } = spec;
        let (vm_id, program) = (vm.id.as_ref(), Program::Artifact(bytes));
        Self::load(self, ProcessSpec { name, vm_id, source, program, limits, phases, settings })
    }
}
