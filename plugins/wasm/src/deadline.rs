//! How long a call into a guest may run.
//!
//! The budget is processor time of this thread, not time on the wall: on a busy machine a
//! worker that the kernel set aside must not cost a plugin its life. Reading the processor
//! clock costs a system call, so a call that ends within half of its budget never reads it:
//! the first half is measured in ticks, and only who is still running then is timed by the
//! clock. So a loop runs for at most the whole budget of processor time and two ticks, and
//! with a processor to itself it is stopped about as long after its start.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use wasmtime::UpdateDeadline;

use crate::ticker::{Beat, TICK};

/// The deadline of the call that runs.
#[derive(Debug, Default)]
pub(crate) struct Deadline {
    budget: Duration,
    half: Duration,
    /// The ticks of that half. Most calls have the budget of the call before.
    half_ticks: u64,
    /// The processor clock at the end of the first half.
    noted: Option<Duration>,
    beat: Beat,
}

impl Deadline {
    /// A deadline that keeps a ticker going.
    pub(crate) fn new(beat: Beat) -> Self {
        Self { beat, ..Self::default() }
    }

    /// Begins a call; answers with the ticks until [`Deadline::fire`] is due.
    pub(crate) fn begin(&mut self, budget: Duration) -> u64 {
        self.beat.now();
        if budget != self.budget || self.half_ticks == 0 {
            self.budget = budget;
            self.half = budget / 2;
            self.half_ticks = ticks(self.half);
        }
        self.noted = None;
        self.half_ticks
    }

    /// The ticks ran out while the guest was running.
    pub(crate) fn fire(&mut self) -> UpdateDeadline {
        self.beat.now();
        let now = processor_time();
        let Some(noted) = self.noted else {
            self.noted = Some(now);
            return UpdateDeadline::Continue(ticks(self.half));
        };
        let used = now.saturating_sub(noted);
        match self.half.checked_sub(used) {
            // A little slack: the tick may come before the clock says so.
            Some(left) if left > (TICK / 2).min(self.half / 2) => {
                UpdateDeadline::Continue(ticks(left))
            }
            _ => UpdateDeadline::Interrupt,
        }
    }
}

/// A share of this thread's time, for work that is done piece by piece and can wait.
#[derive(Debug)]
pub(crate) struct Turn {
    until: Duration,
}

impl Turn {
    pub(crate) fn new(time: Duration) -> Self {
        Self { until: processor_time().saturating_add(time) }
    }

    /// True where the next piece is for another turn.
    pub(crate) fn is_over(&self) -> bool {
        processor_time() >= self.until
    }
}

/// Whole ticks, at least one.
fn ticks(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(TICK.as_nanos())).unwrap_or(u64::MAX / 2).max(1)
}

/// The processor time that this thread has used.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or_default();
    Duration::new(seconds, nanoseconds)
}

#[cfg(test)]
mod tests;
