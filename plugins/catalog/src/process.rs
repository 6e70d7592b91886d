//! The `process` backend, as the catalog asks for it.

use std::sync::Arc;

use host_extension::{FaultKind, LoadedPlugin, PluginFault};
use plugins_process::{ProcessBackend, ProcessSpec, Program};

use crate::{PluginBackend, PluginSpec};

impl PluginBackend for ProcessBackend {
    fn load(&self, spec: PluginSpec<'_>) -> Result<Arc<dyn LoadedPlugin>, PluginFault> {
        if spec.source.extension().is_some_and(|extension| extension == "so") {
            let message = format!(
                "`{}` is a shared library, no program: say `backend: native`, with \
                 `native: {{ run_in: runner }}` where it is to have a process of its own",
                spec.source.display()
            );
            return Err(PluginFault::new(FaultKind::LoadFailed, message));
        }
        let PluginSpec { name, source, bytes, limits, phases, vm, process, denied_lines, .. } =
            spec;
        let (vm_id, program) = (vm.id.as_ref(), Program::Artifact(bytes));
        let settings = process;
        let spec =
            ProcessSpec { name, vm_id, source, program, limits, phases, settings, denied_lines };
        Self::load(self, spec)
    }
}
