//! What the pipeline holds a plugin to, beside what its backend and its guard do.

use std::{cell::Cell, fmt, rc::Rc, time::Duration};

use crate::{FaultKind, PluginFault};

/// Limits of one use of a plugin that only the pipeline can keep. Without any is the default.
#[derive(Clone, Debug, Default)]
pub struct Bounds {
    /// What it may use of the processor, where that is measured by the time of its callbacks.
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
    /// A meter measures at the moment.
    is_measured: Cell<bool>,
}

impl CpuBudget {
    /// Nothing is taken yet.
    #[must_use]
    pub fn new(per_second: Duration) -> Self {
        Self {
            per_second,
            second: Cell::default(),
            taken: Cell::default(),
            is_measured: Cell::default(),
        }
    }

    /// True where all of this second's time is taken.
    #[must_use]
    pub fn is_spent(&self, now: Duration) -> bool {
        self.second.get() == now.as_secs() && self.taken.get() >= self.per_second
    }

    /// Notes that a callback which ends now took so long.
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

    /// Why a plugin whose time is spent gets no further callback in this second.
    #[must_use]
    pub fn overspent(&self) -> PluginFault {
        let millis = self.per_second.as_millis();
        let story = format!("it took its {millis} ms of processor time in this second");
        PluginFault::new(FaultKind::Overspent, story)
    }
}

/// Charges a plugin with what it does beside its hooks. The pipeline measures the hooks, up to
/// the last one of a stream; a backend measures with this what it runs by itself: ticks, answers,
/// notices, and ends that nobody waits for. Without a budget it measures nothing, and is free.
#[derive(Clone, Default)]
pub struct CpuMeter(Option<Metered>);

#[derive(Clone)]
struct Metered {
    budget: Rc<CpuBudget>,
    clock: Rc<dyn Fn() -> Duration>,
}

impl CpuMeter {
    /// Charges a budget by a clock, which must be the one that the pipeline counts by.
    #[must_use]
    pub fn new(budget: Rc<CpuBudget>, clock: Rc<dyn Fn() -> Duration>) -> Self {
        Self(Some(Metered { budget, clock }))
    }

    /// To be asked before the plugin is called for what can be left out, or may begin what calls
    /// it again.
    ///
    /// # Errors
    /// It took all of this second's time.
    pub fn check(&self) -> Result<(), PluginFault> {
        match &self.0 {
            Some(of) if of.budget.is_spent((of.clock)()) => Err(of.budget.overspent()),
            Some(_) | None => Ok(()),
        }
    }

    /// Runs work of the plugin's and charges it with the time. What is charged within such work
    /// is charged once.
    pub fn charge<T>(&self, work: impl FnOnce() -> T) -> T {
        let charge = self.0.as_ref().and_then(Charge::begin);
        let done = work();
        drop(charge);
        done
    }
}

impl fmt::Debug for CpuMeter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CpuMeter").field(&self.0.as_ref().map(|of| &of.budget)).finish()
    }
}

/// Work that is charged when this is dropped, however it ended.
struct Charge<'a> {
    of: &'a Metered,
    start: Duration,
}

impl<'a> Charge<'a> {
    /// Nothing where somebody up the stack charges the same budget.
    fn begin(of: &'a Metered) -> Option<Self> {
        let is_first = !of.budget.is_measured.replace(true);
        is_first.then(|| Self { of, start: (of.clock)() })
    }
}

impl Drop for Charge<'_> {
    fn drop(&mut self) {
        let now = (self.of.clock)();
        self.of.budget.take(now, now.saturating_sub(self.start));
        self.of.budget.is_measured.set(false);
    }
}

#[cfg(test)]
mod tests;
