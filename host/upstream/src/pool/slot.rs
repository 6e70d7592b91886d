//! The right to have one connection open.

use std::{cell::Cell, net::SocketAddr, rc::Rc};

use super::Pool;

/// One of the `connections_max` of a pool. Gives itself back when it is dropped, or before
/// that by [`Slot::release`].
#[derive(Debug)]
pub(crate) struct Slot {
    pool: Rc<Pool>,
    state: Cell<State>,
    local: Cell<Option<SocketAddr>>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Opening,
    Open,
    Released,
}

impl Slot {
    pub(super) fn take(pool: &Rc<Pool>) -> Option<Self> {
        if pool.is_full() {
            return None;
        }
        pool.open.set(pool.open.get() + 1);
        pool.opening.set(pool.opening.get() + 1);
        let state = Cell::new(State::Opening);
        Some(Self { pool: Rc::clone(pool), state, local: Cell::new(None) })
    }

    pub(crate) fn pool(&self) -> &Rc<Pool> {
        &self.pool
    }

    /// Our address on the connection, once it is there.
    pub(crate) fn local_address(&self) -> Option<SocketAddr> {
        self.local.get()
    }

    /// The connection is there, with this address of ours.
    pub(crate) fn opened(&self, local: Option<SocketAddr>) {
        self.local.set(local);
        if self.state.replace(State::Open) == State::Opening {
            self.pool.opening.set(self.pool.opening.get().saturating_sub(1));
            self.pool.metrics.connects_total.increment();
            self.pool.metrics.connections_active.increment();
        }
    }

    /// Gives the right back although the connection is still closing.
    pub(crate) fn release(&self) {
        match self.state.replace(State::Released) {
            State::Released => return,
            State::Opening => self.pool.opening.set(self.pool.opening.get().saturating_sub(1)),
            State::Open => self.pool.metrics.connections_active.decrement(),
        }
        self.pool.open.set(self.pool.open.get().saturating_sub(1));
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.release();
        self.pool.serve();
    }
}
