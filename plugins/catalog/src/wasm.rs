//! The `wasm` backend, as the catalog asks for it.

use std::sync::Arc;

use host_extension::{LoadedPlugin, PluginFault};
use plugins_wasm::{WasmBackend, WasmSpec};

use crate::{PluginBackend, PluginSpec};

impl PluginBackend for WasmBackend {
    fn load(&self, spec: PluginSpec<'_>) -> Result<Arc<dyn LoadedPlugin>, PluginFault> {
        let PluginSpec { name, bytes, limits, phases, vm, grants, .. } = spec;
        Self::load(self, WasmSpec { name, bytes, limits, phases, vm, grants })
    }
}

#[cfg(test)]
mod tests;
