//! From a module's bytes to guests.

use std::{fmt, rc::Rc, sync::Arc};

use abi_wasm::AbiVersion;
use host_extension::{FilterFactory, InstanceSpec, LoadedPlugin, Phases, PluginFault, WorkerScope};
use host_types::{PluginLimits, PluginName, VmSettings};
use wasmtime::{Engine, InstancePre, Linker, Module};

use crate::{
    calls,
    engine::{WasmSettings, new_engine},
    fault,
    filter::WasmFactory,
    inspect, preview1,
    state::VmData,
    ticker::{Pulse, Ticker},
    vm::Vm,
};

/// The Wasm backend of a process: its engine, and what guests can import.
pub struct WasmBackend {
    engine: Engine,
    linker: Linker<VmData>,
    ticker: Ticker,
}

/// What a plugin is loaded from.
#[derive(Clone, Copy, Debug)]
pub struct WasmSpec<'a> {
    /// Its name.
    pub name: &'a PluginName,
    /// The module, in the binary format.
    pub bytes: &'a [u8],
    /// What each of its guests may use.
    pub limits: &'a PluginLimits,
    /// The phases that it is shown; `None` shows all that it has hooks for.
    pub phases: Option<Phases>,
    /// How its virtual machines are made and shared.
    pub vm: &'a VmSettings,
}

/// A compiled module, with all that its guests have in common.
pub(crate) struct Compiled {
    pub(crate) name: PluginName,
    pub(crate) limits: PluginLimits,
    pub(crate) vm: VmSettings,
    pub(crate) pre: InstancePre<VmData>,
    version: AbiVersion,
    pub(crate) phases: Phases,
    _pulse: Pulse,
}

/// A compiled module as the catalog holds it.
#[derive(Debug)]
struct LoadedWasm(Arc<Compiled>);

impl WasmBackend {
    /// Makes the engine of the process. Without the address space for its pool it works
    /// without one, and a warning says so.
    ///
    /// # Errors
    /// The engine or its thread does not start.
    pub fn new(settings: &WasmSettings) -> Result<Self, PluginFault> {
        let engine = new_engine(settings)?;
        let mut linker = Linker::new(&engine);
        let linked = calls::link(&mut linker).and_then(|()| preview1::link(&mut linker));
        linked.map_err(|error| fault::load_failed("*", &format!("cannot be linked: {error:#}")))?;
        let ticker = Ticker::new(engine.clone())?;
        Ok(Self { engine, linker, ticker })
    }

    /// Inspects and compiles a module. Blocks for as long as that takes, which is seconds for
    /// a large one: for the control thread only.
    ///
    /// # Errors
    /// The module cannot be loaded; the message says why, and what to do.
    pub fn load(&self, spec: WasmSpec<'_>) -> Result<Arc<dyn LoadedPlugin>, PluginFault> {
        let refuse = |what: String| fault::load_failed(spec.name, &what);
        let facts = inspect::inspect(spec.bytes, spec.phases).map_err(refuse)?;
        let module = Module::new(&self.engine, spec.bytes)
            .map_err(|error| refuse(format!("cannot be compiled: {error:#}")))?;
        let pre = self
            .linker
            .instantiate_pre(&module)
            .map_err(|error| refuse(format!("cannot be linked: {error:#}")))?;
        Ok(Arc::new(LoadedWasm(Arc::new(Compiled {
            name: spec.name.clone(),
            limits: spec.limits.clone(),
            vm: spec.vm.clone(),
            pre,
            version: facts.version,
            phases: facts.phases,
            _pulse: self.ticker.pulse(),
        }))))
    }
}

impl LoadedPlugin for LoadedWasm {
    fn start(
        &self,
        scope: &WorkerScope,
        spec: &InstanceSpec,
    ) -> Result<Rc<dyn FilterFactory>, PluginFault> {
        let vm = Vm::start(&self.0, scope, &spec.config)?;
        Ok(Rc::new(WasmFactory::new(vm, self.0.phases)))
    }
}

impl fmt::Debug for WasmBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WasmBackend").finish_non_exhaustive()
    }
}

impl fmt::Debug for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compiled")
            .field("name", &self.name)
            .field("version", &self.version)
            .field("phases", &self.phases)
            .field("vm", &self.vm)
            .finish_non_exhaustive()
    }
}
