//! A wake-up call to every connection of a worker.
//!
//! A `Signal` is for a few waiters: it looks through all of them whenever one is polled, and
//! keeps those that went away. Here connections wait by the thousand, are polled with every
//! request, and come and go; so each waiter has a place of its own, and gives it back.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

/// Raised once, seen by whoever waits, then or later. Not for use across threads.
#[derive(Debug, Default)]
pub struct Alarm {
    raised: Cell<bool>,
    waiters: RefCell<Waiters>,
}

#[derive(Debug, Default)]
struct Waiters {
    /// By place; `None` where nobody waits.
    wakers: Vec<Option<Waker>>,
    free: Vec<usize>,
}

/// Waits for an [`Alarm`]; leaves nothing behind when it is dropped.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub(crate) struct Wait<'a> {
    alarm: &'a Alarm,
    place: Option<usize>,
}

impl Alarm {
    /// True once it was raised.
    #[must_use]
    pub fn is_raised(&self) -> bool {
        self.raised.get()
    }

    /// Wakes all who wait, and lets all who come later pass.
    pub fn raise(&self) {
        self.raised.set(true);
        let wakers: Vec<Waker> =
            self.waiters.borrow_mut().wakers.iter_mut().filter_map(Option::take).collect();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Waits until it is raised.
    pub(crate) fn wait(&self) -> Wait<'_> {
        Wait { alarm: self, place: None }
    }

    #[cfg(test)]
    fn places(&self) -> usize {
        self.waiters.borrow().wakers.len()
    }
}

impl Waiters {
    fn take_place(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.wakers.push(None);
            self.wakers.len() - 1
        })
    }
}

impl Future for Wait<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let alarm = self.alarm;
        if alarm.raised.get() {
            return Poll::Ready(());
        }
        let mut waiters = alarm.waiters.borrow_mut();
        let place = *self.place.get_or_insert_with(|| waiters.take_place());
        if let Some(waker) = waiters.wakers.get_mut(place) {
            match waker {
                Some(waker) => waker.clone_from(context.waker()),
                None => *waker = Some(context.waker().clone()),
            }
        }
        Poll::Pending
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        let Some(place) = self.place else { return };
        let mut waiters = self.alarm.waiters.borrow_mut();
        let waker = waiters.wakers.get_mut(place).and_then(Option::take);
        waiters.free.push(place);
        drop(waiters);
        // Only here, with no borrow held: it may be the last of its task.
        drop(waker);
    }
}

#[cfg(test)]
mod tests;
