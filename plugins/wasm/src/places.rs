//! Counted places: who takes one gives it back by dropping it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

/// So many places, for whoever comes.
#[derive(Debug)]
pub(crate) struct Places {
    taken: AtomicUsize,
    max: usize,
}

/// One that is taken.
#[derive(Debug)]
pub(crate) struct Place(Arc<Places>);

impl Places {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { taken: AtomicUsize::default(), max })
    }

    /// How many there are.
    pub(crate) fn max(&self) -> usize {
        self.max
    }

    /// Takes one; `None` where all are taken.
    pub(crate) fn take(self: &Arc<Self>) -> Option<Place> {
        let more = |taken: usize| (taken < self.max).then(|| taken + 1);
        // Nothing but the number itself is told from thread to thread.
        self.taken.fetch_update(Relaxed, Relaxed, more).ok()?;
        Some(Place(Arc::clone(self)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Relaxed);
    }
}
