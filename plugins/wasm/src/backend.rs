//! From a module's bytes to guests.

use std::{fmt, rc::Rc, sync::Arc};

use abi_manifest::Capability;
use abi_wasm::AbiVersion;
use host_extension::{
    ExtensionPoint, FilterFactory, InstanceSpec, LoadedPlugin, Phases, PluginFault, WorkerScope,
};
use host_types::{Isolation, PluginLimits, PluginName, VmSettings};
use sha2::{Digest, Sha256};
use wasmtime::{InstancePre, Linker};

use crate::{
    alone::LoneFactory,
    calls,
    codec::{self, Dialect},
    engine::{Compiler, WasmSettings},
    fault::{self, Lines},
    filter::WasmFactory,
    inspect,
    places::Places,
    preview1, registry,
    seat::Seat,
    state::VmData,
    ticker::{Pulse, Ticker},
};

/// The Wasm backend of a process: its engine, and what guests can import.
pub struct WasmBackend {
    compiler: Compiler,
    linker: Linker<VmData>,
    ticker: Ticker,
    /// For guests that serve one stream each, over all plugins and workers.
    lone: Arc<Places>,
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
    /// What it may do, as any text that is the same for equal rights: who lives in one guest can
    /// do what any of them may, so that only equals do.
    pub grants: &'a str,
}

/// A compiled module, with all that its guests have in common.
pub(crate) struct Compiled {
    pub(crate) name: PluginName,
    pub(crate) limits: PluginLimits,
    pub(crate) vm: VmSettings,
    /// What it may do. Guests with other grants are other guests.
    pub(crate) grants: Box<str>,
    pub(crate) pre: InstancePre<VmData>,
    /// The hash of the module's bytes.
    pub(crate) digest: [u8; 32],
    pub(crate) version: AbiVersion,
    pub(crate) phases: Phases,
    /// By which interface it reads a protocol.
    pub(crate) codec: Dialect,
    pub(crate) may_linger: bool,
    /// What its imports let it use.
    pub(crate) uses: Vec<Capability>,
    /// Its lines, where it was built with them.
    pub(crate) lines: Option<Arc<Lines>>,
    pub(crate) pulse: Pulse,
    /// For its guests that serve one stream each.
    pub(crate) lone: Arc<Places>,
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
        let compiler = Compiler::new(settings)?;
        let mut linker = Linker::new(compiler.engine());
        let linked = calls::link(&mut linker).and_then(|()| preview1::link(&mut linker));
        linked.map_err(|error| fault::load_failed("*", &format!("cannot be linked: {error:#}")))?;
        let ticker = Ticker::new(compiler.engine().clone())?;
        let lone = usize::try_from(settings.stream_instances_max).unwrap_or(usize::MAX);
        let lone = Places::new(lone);
        Ok(Self { compiler, linker, ticker, lone })
    }

    /// Inspects and compiles a module. Blocks for as long as that takes, which is seconds for
    /// a large one: for the control thread only.
    ///
    /// # Errors
    /// The module cannot be loaded; the message says why, and what to do.
    pub fn load(&self, spec: WasmSpec<'_>) -> Result<Arc<dyn LoadedPlugin>, PluginFault> {
        Ok(Arc::new(LoadedWasm(Arc::new(self.compile(spec)?))))
    }

    pub(crate) fn compile(&self, spec: WasmSpec<'_>) -> Result<Compiled, PluginFault> {
        let refuse = |what: String| fault::load_failed(spec.name, &what);
        let facts = inspect::inspect(spec.bytes, spec.phases).map_err(refuse)?;
        let module = self
            .compiler
            .compile(spec.name, spec.bytes)
            .map_err(|error| refuse(format!("cannot be compiled: {error:#}")))?;
        let pre = self
            .linker
            .instantiate_pre(&module)
            .map_err(|error| refuse(format!("cannot be linked: {error:#}")))?;
        Ok(Compiled {
            name: spec.name.clone(),
            limits: spec.limits.clone(),
            vm: facts.codec.machine(spec.vm).map_err(refuse)?,
            grants: spec.grants.into(),
            pre,
            digest: Sha256::digest(spec.bytes).into(),
            version: facts.version,
            phases: facts.phases,
            codec: facts.codec,
            may_linger: facts.may_linger,
            uses: facts.uses,
            lines: Lines::read(spec.bytes).map(Arc::new),
            pulse: self.ticker.pulse(spec.limits),
            lone: Arc::clone(&self.lone),
        })
    }
}

impl LoadedPlugin for LoadedWasm {
    fn start(
        &self,
        scope: &WorkerScope,
        spec: &InstanceSpec,
    ) -> Result<Rc<dyn FilterFactory>, PluginFault> {
        let compiled = &self.0;
        if spec.point == ExtensionPoint::Codec {
            return codec::start(compiled, scope, spec);
        }
        let is_alone = compiled.vm.isolation == Isolation::PerStream;
        // A service has no streams, and a trial is to see a guest start.
        if is_alone && scope.worker.is_some() && spec.point != ExtensionPoint::Service {
            return Ok(Rc::new(LoneFactory::new(compiled, scope, spec)));
        }
        let seat = Seat::new(registry::enter(compiled, scope, spec)?);
        Ok(Rc::new(WasmFactory::new(seat, compiled.phases)))
    }

    fn uses(&self) -> Vec<Capability> {
        self.0.uses.clone()
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
