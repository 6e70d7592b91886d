//! The `native` and `builtin` backends, as the catalog asks for them.

use std::sync::Arc;

use host_extension::{LoadedPlugin, PluginFault};
use plugins_native::{NativeBackend, NativeSpec};

use crate::{PluginBackend, PluginSpec};

/// Plugins that are compiled in.
#[derive(Debug)]
pub struct Builtins(pub Arc<NativeBackend>);

impl PluginBackend for NativeBackend {
    fn load(&self, spec: PluginSpec<'_>) -> Result<Arc<dyn LoadedPlugin>, PluginFault> {
        Self::load(self, native(spec))
    }
}

impl PluginBackend for Builtins {
    fn load(&self, spec: PluginSpec<'_>) -> Result<Arc<dyn LoadedPlugin>, PluginFault> {
        self.0.load_builtin(native(spec))
    }
}

fn native(spec: PluginSpec<'_>) -> NativeSpec<'_> {
    let PluginSpec { name, source, bytes, limits, phases, native, .. } = spec;
    NativeSpec { name, source, bytes, limits, phases, settings: native }
}
