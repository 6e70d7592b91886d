//! What the pipeline holds a plugin to, beside what its backend and its guard do.

use std::{cell::Cell, rc::Rc, time::Duration};

/// Limits of one use of a plugin that only the pipeline can keep. Without any is the default.
#[derive(Clone, Debug, Default)]
pub struct Bounds {
    /// What it may use of the processor, where that is measured by the time of its hooks.
    pub cpu: Option<Rc<CpuBudget>>,
    /// Body bytes (or bytes of one direction of a connection) that it may hold, where that is
    /// less than the listener's limit.
    pub held_bytes_max: Option<usize>,
}

/// How much processor time one use of a plugin may take in each second, and what it took of the
/// one that runs. Reads no clock: the time is an argument, counted from any beginning that is
/// always the same.
#[derive(Debug)]
pub struct CpuBudget {
    per_second: Duration,
    second: Cell<u64>,
    taken: Cell<Duration>,
}

impl CpuBudget {
    /// Nothing is taken yet.
    #[must_use]
    pub fn new(per_second: Duration) -> Self {
        Self { per_second, second: Cell::default(), taken: Cell::default() }
    }

    /// True where all of this second's time is taken.
    #[must_use]
    pub fn is_spent(&self, now: Duration) -> bool {
        self.second.get() == now.as_secs() && self.taken.get() >= self.per_second
    }

    /// Notes that a hook which ends now took so long.
    pub fn take(&self, now: Duration, took: Duration) {
        let second = now.as_secs();
        let before =
            if self.second.replace(second) == second { self.taken.get() } else { Duration::ZERO };
        self.taken.set(before.saturating_add(took));
    }

    /// What it may take in a second.
    #[must_use]
    pub fn per_second(&self) -> Duration {
        self.per_second
    }
}

#[cfg(test)]
mod tests;
