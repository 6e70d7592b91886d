//! Seats: a use's place in a guest.
//!
//! Who makes filters of a use, and each of these filters, holds its seat. When the last of
//! them is gone, its root ends. Who answers `proxy_on_done` with "not yet" is waited for, at
//! most [`DONE_WAIT_MAX`] or so, and keeps its guest for so long: a root, and (as the
//! specification has it, though few hosts do it) the context of a stream or connection. At the
//! end of the worker nothing is waited for any more.

use std::{cell::Cell, rc::Rc, time::Duration};

use host_extension::PluginFault;

use crate::{roots::Root, vm::Vm};

/// The longest time that a root may take from `proxy_on_done` to `proxy_done`. The context of
/// a stream or connection may take up to twice as long, since one timer serves all of them.
pub(crate) const DONE_WAIT_MAX: Duration = Duration::from_secs(5);
/// Contexts of one root that are waited for at a time; past it they end at once.
const LINGERING_MAX: usize = 256;

/// A root of a guest, for as long as it is used.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) vm: Rc<Vm>,
    pub(crate) root: Rc<Root>,
    /// The pipeline measures the end of what holds it, and so its own.
    is_measured: Cell<bool>,
}

impl Seat {
    pub(crate) fn new((vm, root): (Rc<Vm>, Rc<Root>)) -> Rc<Self> {
        Rc::new(Self { vm, root, is_measured: Cell::default() })
    }

    /// As [`Seat::complete`], as the last hook of the pipeline, which measures it and the drop of
    /// the filter behind it.
    pub(crate) fn complete_measured(self: &Rc<Self>, context: u32) -> Result<(), PluginFault> {
        self.is_measured.set(self.vm.is_alone());
        self.complete(context)
    }

    /// As [`Seat::complete`], where nobody measures it and nobody hears of a fault.
    pub(crate) fn complete_beside(self: &Rc<Self>, context: u32) {
        if let Err(fault) = self.root.cpu.charge(|| self.complete(context)) {
            tracing::debug!(%fault, "a plugin failed as its filter was dropped");
        }
    }

    /// Ends the context of a stream or connection, now or once it is done.
    fn complete(self: &Rc<Self>, context: u32) -> Result<(), PluginFault> {
        if !self.vm.is_done(&self.root, context)? && self.linger(context) {
            return Ok(());
        }
        self.vm.end(&self.root, context)
    }

    /// True where somebody is there to say that it is done, and can be waited for: not in a
    /// trial, and not where the guest is to go with its stream.
    fn can_wait(&self) -> bool {
        self.root.serves && !self.vm.is_alone()
    }

    /// Keeps a context, and the seat with it, until it is done.
    fn linger(self: &Rc<Self>, context: u32) -> bool {
        let (count, has_timer) = {
            let lingering = &self.root.subscriptions.borrow().lingering;
            (lingering.contexts.len(), lingering.timer.is_some())
        };
        if !self.can_wait() || count >= LINGERING_MAX {
            return false;
        }
        if !has_timer {
            let seat = Rc::clone(self);
            let sweep = Rc::new(move || seat.root.cpu.charge(|| seat.sweep()));
            let Ok(timer) = self.root.calls.every(DONE_WAIT_MAX, sweep) else { return false };
            self.root.subscriptions.borrow_mut().lingering.timer = Some(timer);
        }
        self.root.subscriptions.borrow_mut().lingering.contexts.push((context, false));
        true
    }

    /// Ends the contexts that lingered since the sweep before: as many as one turn has time
    /// for, and the others with the sweeps to come.
    fn sweep(&self) {
        let mut late = Vec::new();
        for (id, has_waited) in &mut self.root.subscriptions.borrow_mut().lingering.contexts {
            if std::mem::replace(has_waited, true) {
                late.push(*id);
            }
        }
        let turn = self.vm.turn();
        for context in late {
            // The end of another one may have been that of this one, too.
            if self.root.stop_lingering(context) {
                self.vm.end_beside(&self.root, context);
            }
            if turn.is_over() {
                break;
            }
        }
        self.root.lingered();
    }

    /// Ends the root, now or once it is done.
    fn end(&self) {
        // Contexts that linger hold the seat by their timer. It is gone with the worker only,
        // which does not wait: they are told of the end while there is time.
        let left = std::mem::take(&mut self.root.subscriptions.borrow_mut().lingering.contexts);
        let turn = self.vm.turn();
        for (context, _) in left {
            if turn.is_over() {
                self.vm.with_data(|data| data.contexts.remove(context));
            } else {
                self.vm.end_beside(&self.root, context);
            }
        }
        let is_done = self.vm.is_done(&self.root, self.root.id).unwrap_or_else(|fault| {
            self.root.tell(&fault);
            true
        });
        if is_done || !self.wait_for_done() {
            self.vm.end_beside(&self.root, self.root.id);
        }
    }

    /// Keeps the root, and its guest, until it is done. False where nothing could tell that
    /// it took too long.
    fn wait_for_done(&self) -> bool {
        if !self.can_wait() {
            return false;
        }
        let (vm, root) = (Rc::clone(&self.vm), Rc::clone(&self.root));
        // The guest holds what ticks, and that holds the guest: whichever way the root ends,
        // it lets go of this.
        let give_up = Rc::new(move || {
            if root.finish() {
                tracing::debug!(plugin = %root.plugin, "a plugin did not say that it is done");
                root.cpu.charge(|| vm.end_beside(&root, root.id));
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
        if self.is_measured.get() {
            self.end();
        } else {
            self.root.cpu.charge(|| self.end());
        }
    }
}

#[cfg(test)]
mod tests;
