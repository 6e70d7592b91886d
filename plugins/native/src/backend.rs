//! The native backend: from the bytes of a library, or the name of a plugin that is compiled in,
//! to a plugin that can be started.

use std::{collections::HashMap, fmt, path::Path, rc::Rc, sync::Arc};

use host_extension::{
    FaultKind, FilterFactory, InstanceSpec, LoadedPlugin, Phases, PluginFault, WorkerScope,
};
use host_telemetry::Clock;
use host_types::{NativeSettings, PluginLimits, PluginName};
use parking_lot::Mutex;

use crate::{
    builtin::Builtin,
    callbacks::Callbacks,
    desk,
    filter::NativeFactory,
    instance::Instance,
    load::{self, Digest, LoadError},
};

/// Libraries that one process loads; nothing of one that is loaded is ever given back.
const LIBRARIES_MAX: usize = 64;

/// The native backend of a process.
pub struct NativeBackend {
    builtins: Vec<Builtin>,
    libraries: Mutex<Libraries>,
    libraries_max: usize,
    clock: Clock,
}

/// The libraries that were loaded.
#[derive(Default)]
struct Libraries {
    /// Those that serve, by the digest of their bytes.
    serving: HashMap<Digest, Callbacks>,
    /// How many there are, with those that were refused after they were loaded.
    loaded: usize,
}

/// What a plugin is loaded from.
#[derive(Clone, Copy, Debug)]
pub struct NativeSpec<'a> {
    /// Its name.
    pub name: &'a PluginName,
    /// The name under which it keeps what it shares, where that is not its own.
    pub vm_id: Option<&'a Arc<str>>,
    /// Where the library was read, or the name of one that is compiled in.
    pub source: &'a Path,
    /// The library.
    pub bytes: &'a [u8],
    /// The limits of each of its instances.
    pub limits: &'a PluginLimits,
    /// The phases that it is shown; `None` shows all that it wants.
    pub phases: Option<Phases>,
    /// Which libraries may be loaded.
    pub settings: &'a NativeSettings,
}

/// A plugin whose library is loaded.
pub(crate) struct Plugin {
    pub(crate) name: PluginName,
    pub(crate) vm_id: Option<Arc<str>>,
    pub(crate) limits: PluginLimits,
    pub(crate) phases: Option<Phases>,
    pub(crate) callbacks: Callbacks,
    pub(crate) clock: Clock,
}

/// As the catalog holds it.
#[derive(Debug)]
struct LoadedNative(Arc<Plugin>);

impl NativeBackend {
    /// A backend with plugins that are compiled in.
    #[must_use]
    pub fn new(builtins: Vec<Builtin>) -> Self {
        let (libraries, libraries_max) = (Mutex::default(), LIBRARIES_MAX);
        Self { builtins, libraries, libraries_max, clock: Clock::new() }
    }

    /// Verifies a library and loads it. What is loaded stays until the process ends; bytes that
    /// were loaded before are not loaded again.
    ///
    /// # Errors
    /// It is not allowed, or no library of ours; the message says why, and what to do.
    pub fn load(&self, spec: NativeSpec<'_>) -> Result<Arc<dyn LoadedPlugin>, PluginFault> {
        let callbacks = self.library(&spec).map_err(|error| refused(spec.name, &error))?;
        Ok(self.plugin(&spec, callbacks))
    }

    /// Makes a plugin of one that is compiled in: the one that `spec.source` names.
    ///
    /// # Errors
    /// There is none of that name, or its table is not taken.
    pub fn load_builtin(&self, spec: NativeSpec<'_>) -> Result<Arc<dyn LoadedPlugin>, PluginFault> {
        let found = self.builtins.iter().find(|one| spec.source.as_os_str() == one.name);
        let callbacks = found
            .ok_or_else(|| {
                let known: Vec<_> = self.builtins.iter().map(|one| one.name).collect();
                LoadError::NoBuiltin { name: spec.source.into(), known: known.join("`, `") }
            })
            .and_then(|builtin| load::enter_builtin(builtin, desk::table::<Instance>()));
        let callbacks = callbacks.map_err(|error| refused(spec.name, &error))?;
        Ok(self.plugin(&spec, callbacks))
    }

    /// How many libraries are loaded.
    #[cfg(test)]
    pub(crate) fn loaded(&self) -> usize {
        self.libraries.lock().loaded
    }

    fn library(&self, spec: &NativeSpec<'_>) -> Result<Callbacks, LoadError> {
        let digest = load::digest(spec.bytes)?;
        load::check_allowed(&spec.settings.allow, spec.source, &digest)?;
        // Held while it is loaded: two at a time would count past the limit.
        let mut libraries = self.libraries.lock();
        if let Some(known) = libraries.serving.get(&digest) {
            return Ok(*known);
        }
        if libraries.loaded >= self.libraries_max {
            return Err(LoadError::TooMany(self.libraries_max));
        }
        let library = load::open(spec.name, spec.bytes)?;
        libraries.loaded += 1;
        let callbacks = library.enter(desk::table::<Instance>())?;
        libraries.serving.insert(digest, callbacks);
        let about = callbacks.about();
        tracing::info!(
            plugin = %spec.name, package = about.name, version = about.version, sdk = about.sdk,
            "loaded a native library into the proxy",
        );
        Ok(callbacks)
    }

    fn plugin(&self, spec: &NativeSpec<'_>, callbacks: Callbacks) -> Arc<dyn LoadedPlugin> {
        Arc::new(LoadedNative(Arc::new(Plugin {
            name: spec.name.clone(),
            vm_id: spec.vm_id.cloned(),
            limits: spec.limits.clone(),
            phases: spec.phases,
            callbacks,
            clock: self.clock.clone(),
        })))
    }
}

fn refused(plugin: &PluginName, error: &LoadError) -> PluginFault {
    let kind = if error.is_denial() { FaultKind::Denied } else { FaultKind::LoadFailed };
    PluginFault::new(kind, format!("plugin `{plugin}` {error}"))
}

impl LoadedPlugin for LoadedNative {
    fn start(
        &self,
        scope: &WorkerScope,
        spec: &InstanceSpec,
    ) -> Result<Rc<dyn FilterFactory>, PluginFault> {
        Ok(Rc::new(NativeFactory::new(Instance::start(&self.0, scope, spec)?)))
    }
}

impl fmt::Debug for NativeBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NativeBackend").field("builtins", &self.builtins).finish_non_exhaustive()
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
