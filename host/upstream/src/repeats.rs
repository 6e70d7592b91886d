//! Repeats: requests that are sent once more after they failed.
//!
//! An upstream that fails under its load would get that load several times over. So what was sent
//! is repeated only while few requests of its cluster are, and after a random wait, so that those
//! that failed together do not come back together. Start reading at [`Cluster::repeat`].

use std::{cell::Cell, fmt, rc::Rc, time::Duration};

use crate::Cluster;

/// Of so many requests under way one may be a repeat.
const SHARE: usize = 5;
/// So many may be in any case.
const LEAST: usize = 3;
/// The wait before the first repeat of a request is at most this long, before each further one
/// at most twice as long as before.
const FIRST_WAIT_MAX: Duration = Duration::from_millis(25);
const WAIT_MAX: Duration = Duration::from_millis(250);

/// How many requests of a cluster are repeats now, on one worker.
#[derive(Clone, Debug, Default)]
pub(crate) struct Repeats(Rc<Cell<usize>>);

/// The right to send one request once more, until it is dropped.
#[must_use]
pub struct Repeat(Repeats);

impl Cluster {
    /// Asks to send a request once more that was sent before, the first time or a further one.
    /// `None` where too many requests of the cluster are repeats already, which is counted.
    /// Keep it until the answer is there.
    pub fn repeat(&self) -> Option<Repeat> {
        let active = usize::try_from(self.metrics().requests_active.value()).unwrap_or_default();
        let repeat = self.repeats.begin(active);
        if repeat.is_none() {
            self.metrics().retries_held_back_total.increment();
        }
        repeat
    }
}

impl Repeats {
    /// Where so many requests are under way.
    fn begin(&self, active: usize) -> Option<Repeat> {
        let now = self.0.get();
        let is_free = now < LEAST.max(active / SHARE);
        is_free.then(|| {
            self.0.set(now + 1);
            Repeat(self.clone())
        })
    }
}

impl Repeat {
    /// How long to wait before repeat number `repeat` of one request, from 0 on: anything up to
    /// 25 ms, then up to twice as long each time, at most 250 ms.
    #[must_use]
    pub fn wait(&self, repeat: u32) -> Duration {
        let doubled = 1_u32.checked_shl(repeat).unwrap_or(u32::MAX);
        FIRST_WAIT_MAX.saturating_mul(doubled).min(WAIT_MAX).mul_f64(fastrand::f64())
    }
}

impl Drop for Repeat {
    fn drop(&mut self) {
        self.0.0.set(self.0.0.get().saturating_sub(1));
    }
}

impl fmt::Debug for Repeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Repeat").finish()
    }
}

#[cfg(test)]
mod tests;
