//! The one engine of the process: compiler, allocator, interruption.

use host_extension::{FaultKind, PluginFault};
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

/// How the engine is set up; for the life of the process.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WasmSettings {
    /// Guests that can live at a time, over all workers, plugins and generations. Their
    /// address space is reserved at start; memory is used only by those that live.
    pub instances_max: u32,
    /// Elements of one table of a guest; no plugin can be granted more.
    pub table_elements_max: usize,
    /// Bytes of a freed guest's memory that stay mapped for the next one.
    pub keep_resident_bytes: usize,
}

impl Default for WasmSettings {
    fn default() -> Self {
        Self { instances_max: 1000, table_elements_max: 20_000, keep_resident_bytes: 1 << 20 }
    }
}

/// Tables of one module; compilers make one, or two with reference types.
pub(crate) const TABLES_MAX: u32 = 4;
/// Frames of a trap's story.
const BACKTRACE_FRAMES_MAX: usize = 24;

/// Makes the engine: with a pool where the address space can be reserved, else without.
pub(crate) fn new_engine(settings: &WasmSettings) -> Result<Engine, PluginFault> {
    let mut config = base_config();
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
