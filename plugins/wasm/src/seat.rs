//! Seats: a use's place in a guest.
//!
//! Who makes filters of a use, and each of these filters, holds its seat. When the last of
//! them is gone, its root ends: `done`, then `delete`. A root that answers `done` with "not
//! yet" is waited for, at most [`DONE_WAIT_MAX`], and keeps its guest for so long; at the end
//! of the worker it is not waited for any more, and nothing tells it.

use std::{rc::Rc, time::Duration};

use crate::{roots::Root, state::Duty, vm::Vm};

/// The longest time that a root may take from `proxy_on_done` to `proxy_done`.
pub(crate) const DONE_WAIT_MAX: Duration = Duration::from_secs(5);

/// A root of a guest, for as long as it is used.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) vm: Rc<Vm>,
    pub(crate) root: Rc<Root>,
}

impl Seat {
    pub(crate) fn new((vm, root): (Rc<Vm>, Rc<Root>)) -> Rc<Self> {
        Rc::new(Self { vm, root })
    }

    /// Asks the root whether it is done. A lost guest is.
    fn is_done(&self) -> bool {
        let Some(hook) = &self.vm.hooks().done else { return true };
        let id = self.root.id;
        let duty = Duty { callback: "proxy_on_done", context: id, way: None };
        match self.vm.call(&self.root, duty, |store| hook.call(store, id)) {
            Ok((done, _)) => done != 0,
            Err(fault) => {
                self.root.tell(&fault);
                true
            }
        }
    }

    /// Keeps the root, and its guest, until it is done. False where nothing could tell that
    /// it took too long, and for guests that are to go with their stream.
    fn wait_for_done(&self) -> bool {
        if !self.root.serves || self.vm.is_alone() {
            return false;
        }
        let (vm, root) = (Rc::clone(&self.vm), Rc::clone(&self.root));
        // The guest holds what ticks, and that holds the guest: whichever way the root ends,
        // it lets go of this.
        let give_up = Rc::new(move || {
            if root.finish() {
                tracing::debug!(plugin = %root.plugin, "a plugin did not say that it is done");
                vm.finish(&root);
            }
        });
        self.root.begin_to_finish();
        match self.root.calls.every(DONE_WAIT_MAX, give_up) {
            Ok(wait) => {
                self.root.subscriptions.borrow_mut().done_wait = Some(wait);
                true
            }
            Err(_no_timer) => false,
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if self.vm.is_lost() {
            return;
        }
        if self.is_done() || !self.wait_for_done() {
            self.vm.finish(&self.root);
        }
    }
}

#[cfg(test)]
mod tests;
