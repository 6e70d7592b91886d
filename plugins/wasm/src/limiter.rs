//! What a guest may allocate. wasmtime asks on every way to get memory: at instantiation,
//! whatever the allocator, and at every growth.

use host_types::PluginLimits;
use wasmtime::ResourceLimiter;

use crate::engine::TABLES_MAX;

/// The limits of one guest, and whether it ran into them.
#[derive(Debug)]
pub(crate) struct Limiter {
    memory_bytes_max: usize,
    table_elements_max: usize,
    /// What it was granted in all, and what it had before.
    memory_bytes: usize,
    memory_before: usize,
    refused: Option<Refusal>,
}

/// What a guest was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Refusal {
    /// Memory, with the bytes that it wanted to have in all.
    Memory(usize),
    /// A table, with its elements.
    Table(usize),
}

impl Limiter {
    pub(crate) fn new(limits: &PluginLimits) -> Self {
        Self {
            memory_bytes_max: limits.memory_bytes_max,
            table_elements_max: limits.table_elements_max,
            memory_bytes: 0,
            memory_before: 0,
            refused: None,
        }
    }

    /// The memory that the guest has.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// The last refusal since [`Limiter::forget`].
    pub(crate) fn refused(&self) -> Option<Refusal> {
        self.refused
    }

    /// Forgets refusals that the guest survived.
    pub(crate) fn forget(&mut self) {
        self.refused = None;
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let granted = desired <= self.memory_bytes_max.min(maximum.unwrap_or(usize::MAX));
        if granted {
            self.memory_bytes = desired;
            self.memory_before = current;
        } else {
            self.refused = Some(Refusal::Memory(desired));
        }
        Ok(granted)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        tracing::debug!(error = format!("{error:#}"), "a guest's memory did not grow");
        self.memory_bytes = self.memory_before;
        self.refused.get_or_insert(Refusal::Memory(0));
        Ok(())
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let granted = desired <= self.table_elements_max.min(maximum.unwrap_or(usize::MAX));
        if !granted {
            self.refused = Some(Refusal::Table(desired));
        }
        Ok(granted)
    }

    fn instances(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        usize::try_from(TABLES_MAX).unwrap_or(1)
    }

    fn memories(&self) -> usize {
        1
    }
}

#[cfg(test)]
mod tests;
