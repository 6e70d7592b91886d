//! Finds streams that make no progress.
//!
//! Each stream with a body notes the number of the worker's current sweep whenever a piece of
//! a body moves: one store, no clock. A sweep ends the streams whose note is too old.

use std::{
    cell::Cell,
    rc::{Rc, Weak},
};

use host_extension::{Signal, Stage, Stream};

use crate::{stop, worker::Worker};

/// The progress of one stream.
#[derive(Debug)]
pub(crate) struct Watch {
    stream: Weak<Stream>,
    worker: Rc<Worker>,
    /// Ends a response that nobody reads: with its stream on HTTP/2, with its connection on
    /// HTTP/1.
    abort: Rc<Signal>,
    /// Bodies that are on their way.
    bodies: Cell<u8>,
    moved_at: Cell<u32>,
    sweeps_max: u32,
    fired: Cell<bool>,
    /// Raised when the request has been taken to its end.
    request_ended: Signal,
}

impl Watch {
    /// A watch over a stream; nothing is watched until a body is on its way.
    pub(crate) fn new(
        stream: &Rc<Stream>,
        worker: &Rc<Worker>,
        abort: Rc<Signal>,
        sweeps_max: u32,
    ) -> Rc<Self> {
        Rc::new(Self {
            stream: Rc::downgrade(stream),
            worker: Rc::clone(worker),
            abort,
            bodies: Cell::new(0),
            moved_at: Cell::new(worker.sweep_number()),
            sweeps_max,
            fired: Cell::new(false),
            request_ended: Signal::default(),
        })
    }

    /// A body begins. The first one puts the watch on the worker's list.
    pub(crate) fn body_began(self: &Rc<Self>) {
        self.moved();
        if self.bodies.get() == 0 && Rc::weak_count(self) == 0 {
            self.worker.watch(self);
        }
        self.bodies.set(self.bodies.get().saturating_add(1));
    }

    /// A body ended, well or badly.
    pub(crate) fn body_ended(&self) {
        self.moved();
        self.bodies.set(self.bodies.get().saturating_sub(1));
    }

    /// The request came to its end: from now on the upstream is waited for.
    pub(crate) fn request_ended(&self) {
        self.request_ended.raise();
    }

    /// Waits for the end of the request.
    pub(crate) async fn until_request_ended(&self) {
        self.request_ended.wait().await;
    }

    /// A piece of a body moved.
    pub(crate) fn moved(&self) {
        self.moved_at.set(self.worker.sweep_number());
    }

    pub(crate) fn check(&self, now: u32) {
        let still = now.wrapping_sub(self.moved_at.get());
        if self.bodies.get() == 0 || still <= self.sweeps_max {
            return;
        }
        let Some(stream) = self.stream.upgrade() else { return };
        let begun = stream.response.stage.get() == Stage::Sent;
        if !self.fired.replace(true) {
            stream.interrupt(stop::stalled(begun));
            return;
        }
        // The interrupt was not taken for a whole sweep: the client does not read, so hyper
        // does not ask for more.
        if begun {
            self.abort.raise();
        }
    }
}

#[cfg(test)]
mod tests;
