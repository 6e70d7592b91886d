//! The right to have one connection open.

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    rc::Rc,
};

use super::Pool;
use crate::rpc::Connecting;

/// One of the `connections_max` of a pool. Gives itself back when it is dropped, or before
/// that by [`Slot::release`].
#[derive(Debug)]
pub(crate) struct Slot {
    pool: Rc<Pool>,
    state: Cell<State>,
    local: Cell<Option<SocketAddr>>,
    /// Counted from the moment on that somebody has the right, whatever becomes of it.
    connecting: RefCell<Option<Connecting>>,
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
        let (local, connecting) = (Cell::new(None), RefCell::default());
        Some(Self { pool: Rc::clone(pool), state, local, connecting })
    }

    pub(crate) fn pool(&self) -> &Rc<Pool> {
        &self.pool
    }

    /// Our address on the connection, once it is there.
    pub(crate) fn local_address(&self) -> Option<SocketAddr> {
        self.local.get()
    }

    /// The connection will be one that the others of its kind wait for.
    pub(crate) fn hold(&self, connecting: Connecting) {
        self.connecting.replace(Some(connecting));
    }

    /// Those who wait for the connection need not any more: it is in the lists.
    pub(crate) fn settled(&self) {
        self.connecting.take();
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
        self.settled();
        self.pool.serve();
    }
}
