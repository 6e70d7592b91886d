//! A number of bytes or things that many threads take from.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use host_extension::{CallError, CallResult};

/// So much may be taken, and is given back.
#[derive(Debug)]
pub(crate) struct Budget {
    used: AtomicUsize,
    max: AtomicUsize,
}

impl Budget {
    pub(crate) fn new(max: usize) -> Self {
        Self { used: AtomicUsize::default(), max: AtomicUsize::new(max) }
    }

    /// Whether `amount` could be taken where nothing else is.
    pub(crate) fn can_hold(&self, amount: usize) -> bool {
        amount <= self.max.load(Relaxed)
    }

    /// Changes how much may be taken. What is taken already stays so.
    pub(crate) fn resize(&self, max: usize) {
        self.max.store(max, Relaxed);
    }

    /// True where more is taken than may be.
    pub(crate) fn is_exceeded(&self) -> bool {
        self.used.load(Relaxed) > self.max.load(Relaxed)
    }

    /// Takes `amount`, whole or not at all.
    pub(crate) fn take(&self, amount: usize) -> CallResult<()> {
        let max = self.max.load(Relaxed);
        let more = |used: usize| used.checked_add(amount).filter(|sum| *sum <= max);
        let taken = self.used.fetch_update(Relaxed, Relaxed, more);
        taken.map(drop).map_err(|_used| CallError::LimitReached)
    }

    /// Gives back what was taken.
    pub(crate) fn give(&self, amount: usize) {
        let before = self.used.fetch_sub(amount, Relaxed);
        debug_assert!(before >= amount, "{amount} given back of {before}");
    }

    /// Gives `old` back and takes `new`, or changes nothing.
    pub(crate) fn exchange(&self, old: usize, new: usize) -> CallResult<()> {
        match new.checked_sub(old) {
            Some(more) => self.take(more),
            None => {
                self.give(old.saturating_sub(new));
                Ok(())
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn used(&self) -> usize {
        self.used.load(Relaxed)
    }
}

#[cfg(test)]
mod tests;
