//! The one engine of the process: compiler, allocator, interruption.

use std::path::PathBuf;

use host_extension::{FaultKind, PluginFault};
use host_types::PluginName;
use rustix::time::{ClockId, Timespec, clock_gettime};
use wasmtime::{
    Cache, Config, Enabled, Engine, InstanceAllocationStrategy, Module, PoolingAllocationConfig,
};

use crate::cache::{Found, ModuleCache};

/// How the engine is set up; for the life of the process.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WasmSettings {
    /// Guests that can live at a time, over all workers, plugins and generations. Their
    /// address space is reserved at start; memory is used only by those that live.
    pub instances_max: u32,
    /// How many of them may serve one stream each, so that streams do not take the places of
    /// those that many share.
    pub stream_instances_max: u32,
    /// Elements of one table of a guest; no plugin can be granted more.
    pub table_elements_max: usize,
    /// Bytes of a freed guest's memory that stay mapped for the next one.
    pub keep_resident_bytes: usize,
    /// Where compiled modules are kept from one start to the next; nowhere with `None`. It is
    /// made where it is missing, and not used where others than this user can write to it.
    pub cache_dir: Option<PathBuf>,
    /// Bytes that are kept there; those that were not used for longest go first.
    pub cache_bytes_max: u64,
}

impl Default for WasmSettings {
    fn default() -> Self {
        Self {
            instances_max: 1000,
            stream_instances_max: 750,
            table_elements_max: 20_000,
            keep_resident_bytes: 1 << 20,
            cache_dir: None,
            cache_bytes_max: 512 << 20,
        }
    }
}

/// Tables of one module; compilers make one, or two with reference types.
pub(crate) const TABLES_MAX: u32 = 4;
/// Frames of a trap's story.
const BACKTRACE_FRAMES_MAX: usize = 24;

/// The engine, with what it compiled before.
#[derive(Debug)]
pub(crate) struct Compiler {
    engine: Engine,
    cache: Option<ModuleCache>,
}

impl Compiler {
    /// Makes the engine. A cache that cannot be used is done without, and a warning says so.
    ///
    /// # Errors
    /// The engine does not start.
    pub(crate) fn new(settings: &WasmSettings) -> Result<Self, PluginFault> {
        let cache = settings.cache_dir.as_deref().and_then(|directory| {
            ModuleCache::open(directory, settings.cache_bytes_max)
                .inspect_err(|error| {
                    tracing::warn!(
                        error = error as &dyn std::error::Error,
                        "compiled modules are not kept: each start compiles them anew"
                    );
                })
                .ok()
        });
        let engine = new_engine(settings, cache.as_ref().map(ModuleCache::of_engine))?;
        Ok(Self { engine, cache })
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Compiles a module, or finds it compiled.
    ///
    /// # Errors
    /// It cannot be compiled.
    pub(crate) fn compile(&self, plugin: &PluginName, bytes: &[u8]) -> wasmtime::Result<Module> {
        let begun = clock_gettime(ClockId::Monotonic);
        let (module, found) = match &self.cache {
            Some(cache) => cache.compile(&self.engine, bytes),
            None => (Module::new(&self.engine, bytes), Found::Miss),
        };
        let milliseconds = milliseconds(clock_gettime(ClockId::Monotonic) - begun);
        let cached = found == Found::Hit;
        tracing::debug!(%plugin, cached, milliseconds, "compiled a module");
        module
    }
}

fn milliseconds(time: Timespec) -> i64 {
    time.tv_sec.saturating_mul(1000).saturating_add(time.tv_nsec / 1_000_000)
}

/// Makes the engine: with a pool where the address space can be reserved, else without.
fn new_engine(settings: &WasmSettings, cache: Option<Cache>) -> Result<Engine, PluginFault> {
    let mut config = base_config();
    config.cache(cache);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(settings)));
    match Engine::new(&config) {
        Ok(engine) => return Ok(engine),
        Err(error) => tracing::warn!(
            error = format!("{error:#}"),
            instances_max = settings.instances_max,
            "no room for the pool of Wasm guests, each is now allocated on demand; \
             raise the limit of address space or lower `instances_max`"
        ),
    }
    config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
    Engine::new(&config).map_err(|error| {
        let message = format!("the Wasm engine does not start: {error:#}");
        PluginFault::new(FaultKind::LoadFailed, message)
    })
}

fn base_config() -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true);
    config.memory_init_cow(true);
    config.wasm_backtrace_max_frames(std::num::NonZeroUsize::new(BACKTRACE_FRAMES_MAX));
    // Guests have one memory of 32 bits: the bounds of everything that reads it rest on that.
    config.wasm_memory64(false);
    config.wasm_multi_memory(false);
    config
}

fn pool(settings: &WasmSettings) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    let tables = settings.instances_max.saturating_mul(2);
    pool.total_core_instances(settings.instances_max);
    pool.total_memories(settings.instances_max);
    pool.total_tables(tables);
    pool.max_tables_per_module(TABLES_MAX);
    pool.max_memories_per_module(1);
    pool.table_elements(settings.table_elements_max);
    pool.linear_memory_keep_resident(settings.keep_resident_bytes);
    pool.table_keep_resident(settings.keep_resident_bytes / 16);
    pool.pagemap_scan(Enabled::Auto);
    pool
}

#[cfg(test)]
mod tests;
