//! A clock that is cheap enough to be read around every callback.
//!
//! Where the processor has an invariant time stamp counter, a tick is one read of it, and it
//! becomes a duration only when somebody asks.

use std::{cell::Cell, fmt, time::Duration};

/// A monotonic clock. Cheap to clone; making the first one of a process calibrates the
/// counter, which takes some milliseconds.
#[derive(Clone, Debug)]
pub struct Clock(quanta::Clock);

/// A reading of the clock, in a unit of its own.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Tick(u64);

impl Clock {
    /// The clock of this machine.
    #[must_use]
    pub fn new() -> Self {
        Self(quanta::Clock::new())
    }

    /// Reads the clock.
    #[must_use]
    pub fn tick(&self) -> Tick {
        Tick(self.0.raw())
    }

    /// The time between two readings; zero where `end` is before `start`.
    #[must_use]
    pub fn between(&self, start: Tick, end: Tick) -> Duration {
        self.0.delta(start.0, end.0)
    }

    /// A reading as the time since a beginning that is the same for all of them.
    #[must_use]
    pub fn reading(&self, tick: Tick) -> Duration {
        self.between(Tick(0), tick)
    }

    /// The time since a reading.
    #[must_use]
    pub fn since(&self, start: Tick) -> Duration {
        self.between(start, self.tick())
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

/// The time spent in one plugin on one stream: the sum of what was measured.
#[derive(Default)]
pub struct Stopwatch {
    ticks: Cell<u64>,
}

impl Stopwatch {
    /// Runs `work` and adds the time that it took.
    pub fn measure<T>(&self, clock: &Clock, work: impl FnOnce() -> T) -> T {
        let start = clock.tick();
        let result = work();
        self.add(start, clock.tick());
        result
    }

    /// As [`Stopwatch::measure`], and tells when the work began, which the work itself is told,
    /// and when it was done.
    pub fn measure_call<T>(&self, clock: &Clock, work: impl FnOnce(Tick) -> T) -> (T, Tick, Tick) {
        let start = clock.tick();
        let result = work(start);
        let end = clock.tick();
        self.add(start, end);
        (result, start, end)
    }

    /// Adds the time between two readings.
    pub fn add(&self, start: Tick, end: Tick) {
        let spent = end.0.saturating_sub(start.0);
        self.ticks.set(self.ticks.get().saturating_add(spent));
    }

    /// The sum so far.
    #[must_use]
    pub fn elapsed(&self, clock: &Clock) -> Duration {
        clock.between(Tick(0), Tick(self.ticks.get()))
    }
}

impl fmt::Debug for Stopwatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stopwatch").field("ticks", &self.ticks.get()).finish()
    }
}

#[cfg(test)]
mod tests;
