//! A wake-up call between tasks of one worker.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    task::{Context, Poll, Waker},
};

/// Raised once, seen by whoever waits, then or later. Not for use across threads.
#[derive(Debug, Default)]
pub struct Signal {
    raised: Cell<bool>,
    wakers: RefCell<Vec<Waker>>,
}

impl Signal {
    /// Wakes all who wait, and lets all who come later pass.
    pub fn raise(&self) {
        self.raised.set(true);
        for waker in self.wakers.take() {
            waker.wake();
        }
    }

    /// Forgets that it was raised.
    pub fn reset(&self) {
        self.raised.set(false);
    }

    /// True after [`Signal::raise`].
    #[must_use]
    pub fn is_raised(&self) -> bool {
        self.raised.get()
    }

    /// Waits until it is raised.
    pub async fn wait(&self) {
        poll_fn(|context| self.poll_raised(context)).await;
    }

    /// Ready once it is raised; wakes the task otherwise when it will be.
    pub fn poll_raised(&self, context: &Context<'_>) -> Poll<()> {
        if self.raised.get() {
            return Poll::Ready(());
        }
        let mut wakers = self.wakers.borrow_mut();
        if !wakers.iter().any(|waker| waker.will_wake(context.waker())) {
            wakers.push(context.waker().clone());
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests;
