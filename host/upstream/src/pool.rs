//! The connections of one cluster in one worker, and who waits for one.
//!
//! A [`Slot`] is the right to have one connection open; there are `connections_max` of
//! them. A request that finds neither an open connection nor a slot waits in line, first
//! come, first served; the line has a lane for each kind of connection, so that who waits for
//! one kind does not hold up who waits for another. What becomes free goes straight to the
//! head of the line, as a [`Turn`]; it is never put down in between, so nobody can push in. A
//! turn that nobody takes (its waiter was dropped) goes on to the next by being dropped: every
//! part of it gives itself back.
//!
//! HTTP's connections are kept here; those of RPC protocols in `rpc/lists.rs`. Start reading at
//! [`Pool::acquire`].

pub(crate) mod connect;
mod lease;
mod line;
mod multiplexed;
mod single;
mod slot;

use std::{
    cell::{Cell, RefCell},
    collections::HashSet,
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
};

use host_telemetry::ClusterMetrics;
use tokio::sync::oneshot;

pub use lease::{Lease, TcpLease};
pub(crate) use lease::{LeaseKind, RequestGuard};
pub(crate) use multiplexed::StreamLease;
pub(crate) use single::Checkout;
pub(crate) use slot::Slot;

use self::{
    line::{Lane, Line},
    multiplexed::Multiplexed,
    single::Idle,
};
use crate::{ClusterPlan, UpstreamError, UpstreamProtocol, balance::Health, rpc};

/// The connections of one cluster.
#[derive(Debug)]
pub(crate) struct Pool {
    plan: Arc<ClusterPlan>,
    metrics: Arc<ClusterMetrics>,
    /// Nothing is kept any more: the cluster changed, was removed, or the worker stops.
    draining: Cell<bool>,
    /// Slots in use.
    open: Cell<usize>,
    /// Slots in use whose connection is not there yet.
    opening: Cell<usize>,
    line: RefCell<Line>,
    idle: RefCell<Idle>,
    multiplexed: RefCell<Multiplexed>,
    pub(crate) rpc: RefCell<rpc::Lists>,
    /// Which endpoints refused a connection a moment ago.
    pub(crate) health: RefCell<Health>,
    /// The number of the next connection.
    next_id: Cell<u64>,
    /// The endpoints that connections may be kept to; all, as long as they never changed.
    endpoints: RefCell<Option<HashSet<SocketAddr>>>,
    /// The task that closes idle connections runs.
    reaping: Cell<bool>,
}

/// What a request gets to go on with.
#[derive(Debug)]
pub(crate) enum Turn {
    /// An HTTP/1 connection that is open and idle.
    Single(Checkout),
    /// One stream of an HTTP/2 connection that is open.
    Stream(StreamLease),
    /// A place for a request on a connection of an RPC protocol that is open.
    Rpc(rpc::Seat),
    /// The right to open a connection.
    Open(Slot),
}

/// What a request can go on with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Want {
    /// Any connection, or the right to open one.
    Any,
    /// The right to open one: bytes of a TCP proxy cannot share a connection, and a request
    /// that was unlucky with old ones gets a new one.
    New,
    /// A connection of an RPC protocol, or the right to open one.
    Rpc(rpc::Ask),
}

impl Pool {
    pub(crate) fn new(plan: Arc<ClusterPlan>, metrics: Arc<ClusterMetrics>) -> Rc<Self> {
        Rc::new(Self {
            plan,
            metrics,
            draining: Cell::new(false),
            open: Cell::new(0),
            opening: Cell::new(0),
            line: RefCell::default(),
            idle: RefCell::default(),
            multiplexed: RefCell::default(),
            rpc: RefCell::default(),
            health: RefCell::default(),
            next_id: Cell::new(0),
            endpoints: RefCell::default(),
            reaping: Cell::new(false),
        })
    }

    pub(crate) fn plan(&self) -> &Arc<ClusterPlan> {
        &self.plan
    }

    pub(crate) fn metrics(&self) -> &Arc<ClusterMetrics> {
        &self.metrics
    }

    /// A connection to `address` or the right to open one; in line where there is neither,
    /// and then a connection that became free may be one to another endpoint. Dropping the
    /// future leaves nothing behind.
    pub(crate) async fn acquire(
        self: &Rc<Self>,
        address: SocketAddr,
        want: &Want,
    ) -> Result<Turn, UpstreamError> {
        if let Some(turn) = self.try_acquire(address, want) {
            return Ok(turn);
        }
        let cluster = || self.plan.name.clone();
        let place = line::join(self, want.clone()).ok_or_else(|| {
            self.metrics.overflow_total.increment();
            UpstreamError::PoolFull { cluster: cluster() }
        })?;
        match tokio::time::timeout(self.plan.pool.pending_timeout, place.turn()).await {
            Ok(Some(turn)) => Ok(turn),
            Ok(None) => Err(UpstreamError::NotConnected { cluster: cluster() }),
            Err(_elapsed) => Err(UpstreamError::PendingTimedOut { cluster: cluster() }),
        }
    }

    fn try_acquire(self: &Rc<Self>, address: SocketAddr, want: &Want) -> Option<Turn> {
        if let Want::Rpc(ask) = want {
            return rpc::lists::find(self, ask, ask.shares || self.line.borrow().is_empty());
        }
        let want_any = *want == Want::Any;
        if want_any {
            let found = match self.plan.protocol {
                UpstreamProtocol::Http1 => single::take(self, address).map(Turn::Single),
                UpstreamProtocol::Http2 => multiplexed::take(self, address).map(Turn::Stream),
            };
            if found.is_some() {
                return found;
            }
        }
        // A burst must not open a connection for each of its streams: the first one opens,
        // the others wait for it.
        let shares = want_any && self.plan.protocol == UpstreamProtocol::Http2;
        if shares && self.multiplexed.borrow().is_connecting(address) {
            return None;
        }
        if !self.line.borrow().is_empty() && !shares {
            return None;
        }
        self.slot().map(Turn::Open)
    }

    /// The right to open a connection, where there is one or an idle connection makes room.
    pub(crate) fn slot(self: &Rc<Self>) -> Option<Slot> {
        if self.is_full() {
            self.evict();
        }
        Slot::take(self)
    }

    /// Gives what is free to those who wait.
    pub(crate) fn serve(self: &Rc<Self>) {
        while !self.line.borrow().is_empty() {
            let heads = self.line.borrow().heads();
            let mut turns = heads.iter().map(|(lane, want)| Some((lane, self.free(want)?)));
            let Some((lane, turn)) = turns.find_map(|turn| turn) else { return };
            self.hand_over(lane, turn);
        }
    }

    /// Something for the head of a lane, if it is there.
    fn free(self: &Rc<Self>, want: &Want) -> Option<Turn> {
        if let Want::Rpc(ask) = want {
            return rpc::lists::find(self, ask, true);
        }
        let shares = *want == Want::Any && self.plan.protocol == UpstreamProtocol::Http2;
        if shares {
            if let Some(lease) = multiplexed::take_any(self) {
                return Some(Turn::Stream(lease));
            }
            if self.opening.get() > 0 {
                return None;
            }
        }
        self.slot().map(Turn::Open)
    }

    /// Gives `turn` to the head of the lane. Dropped where nobody takes it, and so given
    /// back.
    fn hand_over(&self, lane: &Lane, turn: Turn) {
        let head: Option<oneshot::Sender<Turn>> = self.line.borrow_mut().pop(lane);
        if let Some(head) = head {
            drop(head.send(turn));
        }
    }

    /// The connection that these wait for cannot be made: they had better go elsewhere.
    pub(crate) fn send_away(&self, key: &rpc::Key) {
        let waited = self.line.borrow_mut().clear(&Lane::Rpc(key.clone()));
        drop(waited);
    }

    fn is_full(&self) -> bool {
        self.open.get() >= self.plan.pool.connections_max
    }

    /// Closes the connection that was idle for longest, so that requests to one endpoint do
    /// not wait for idle connections to others.
    fn evict(&self) {
        let single = self.idle.borrow_mut().pop_oldest();
        if single.is_some() {
            // Its slot is free when its task ends, but we need it now.
            drop(single);
            return;
        }
        let shared = self.multiplexed.borrow_mut().pop_idle();
        if shared.is_none() {
            rpc::lists::evict(self);
        }
        drop(shared);
    }

    /// Keeps no connection from now on and closes those that are idle; running requests
    /// finish.
    pub(crate) fn drain(&self) {
        self.draining.set(true);
        self.keep_only(HashSet::new());
    }

    /// Keeps connections to these endpoints only, and closes idle ones to others.
    pub(crate) fn keep_only(&self, endpoints: HashSet<SocketAddr>) {
        let single = self.idle.borrow_mut().remove_others(&endpoints);
        let shared = self.multiplexed.borrow_mut().remove_others(&endpoints);
        rpc::lists::keep_only(self, &endpoints);
        self.health.borrow_mut().keep_only(&endpoints);
        self.endpoints.replace(Some(endpoints));
        // Only here, with no borrow held: a connection that is dropped may call back.
        drop((single, shared));
    }

    /// True where a connection to `address` is worth keeping.
    pub(crate) fn keeps(&self, address: SocketAddr) -> bool {
        let endpoints = self.endpoints.borrow();
        !self.draining.get()
            && endpoints.as_ref().is_none_or(|endpoints| endpoints.contains(&address))
    }

    fn number(&self) -> u64 {
        let id = self.next_id.get();
        self.next_id.set(id + 1);
        id
    }
}

#[cfg(test)]
impl Pool {
    pub(crate) fn open_count(&self) -> usize {
        self.open.get()
    }

    pub(crate) fn opening_count(&self) -> usize {
        self.opening.get()
    }

    pub(crate) fn waiting_count(&self) -> usize {
        self.line.borrow().len()
    }

    pub(crate) fn idle_count(&self) -> usize {
        self.idle.borrow().len()
    }

    pub(crate) fn shared_count(&self) -> usize {
        self.multiplexed.borrow().len()
    }
}
