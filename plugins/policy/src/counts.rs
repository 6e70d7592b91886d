//! How often a plugin asked for what.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::HostCall;

const CALLS: usize = HostCall::ALL.len();

/// The host calls of one plugin on one worker, counted.
///
/// Only that worker's thread writes; any thread may read. With a single writer a load and a
/// store do, and a host call costs no locked instruction.
#[derive(Debug, Default)]
pub struct CallCounts {
    made: [AtomicU64; CALLS],
    refused: [AtomicU64; CALLS],
}

impl CallCounts {
    /// How many calls of this kind were made, those that were refused included.
    #[must_use]
    pub fn made(&self, call: HostCall) -> u64 {
        read(&self.made, call)
    }

    /// How many calls of this kind the guard refused.
    #[must_use]
    pub fn refused(&self, call: HostCall) -> u64 {
        read(&self.refused, call)
    }

    pub(crate) fn count(&self, call: HostCall, granted: bool) {
        increment(&self.made, call);
        if !granted {
            increment(&self.refused, call);
        }
    }
}

fn read(counters: &[AtomicU64; CALLS], call: HostCall) -> u64 {
    counters.get(call.index()).map_or(0, |counter| counter.load(Relaxed))
}

fn increment(counters: &[AtomicU64; CALLS], call: HostCall) {
    if let Some(counter) = counters.get(call.index()) {
        counter.store(counter.load(Relaxed).wrapping_add(1), Relaxed);
    }
}

#[cfg(test)]
mod tests;
