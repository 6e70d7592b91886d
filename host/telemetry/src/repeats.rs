//! Lines that repeat: the first at once, the next ones seldom, with the number in between.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// A line of one kind passes at most once in so long.
const EVERY: Duration = Duration::from_secs(10);

/// Counts lines of one kind, which any thread may have. It reads no clock: the time is an
/// argument, counted from any beginning, the same for all lines.
#[derive(Debug, Default)]
pub struct Repeats {
    /// When a line passed last, in milliseconds and one; zero where none did.
    passed: AtomicU64,
    /// Lines that did not, since then.
    kept_back: AtomicU64,
}

impl Repeats {
    /// Whether a line may be written, and then how many were not since the one before.
    pub fn pass(&self, now: Duration) -> Option<u64> {
        let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX).saturating_add(1);
        let every = u64::try_from(EVERY.as_millis()).unwrap_or(u64::MAX);
        let last = self.passed.load(Relaxed);
        // A clock that went back has no say.
        let is_early = last != 0 && now >= last && now - last < every;
        if is_early || self.passed.compare_exchange(last, now, Relaxed, Relaxed).is_err() {
            self.kept_back.fetch_add(1, Relaxed);
            return None;
        }
        Some(self.kept_back.swap(0, Relaxed))
    }
}

#[cfg(test)]
mod tests;
