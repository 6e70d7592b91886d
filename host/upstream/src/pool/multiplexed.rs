//! HTTP/2 connections: many requests at a time.
//!
//! The first connection with room is used, so that the later ones become idle and go. A
//! connection that got GOAWAY or died takes no new stream; its task notices and takes it
//! out of the list, and those that run on it finish.

use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, HashSet},
    net::SocketAddr,
    rc::{Rc, Weak},
    time::Duration,
};

use hyper::client::conn::http2::SendRequest;
use tokio::time::Instant;

use super::{Pool, Slot};
use crate::Body;

/// The shortest step of the task that looks for idle connections.
const REAP_STEP_MIN: Duration = Duration::from_millis(10);

/// Open connections by endpoint, and how many are being opened.
#[derive(Debug, Default)]
pub(super) struct Multiplexed {
    lists: HashMap<SocketAddr, Vec<Rc<Shared>>>,
    connecting: HashMap<SocketAddr, usize>,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Shared {
    id: u64,
    address: SocketAddr,
    /// Taken out when the connection is to close once its streams ended.
    sender: RefCell<Option<SendRequest<Body>>>,
    streams: Cell<u32>,
    /// What the peer allows, as far as it said.
    streams_max: Rc<Cell<usize>>,
    idle_since: Cell<Option<Instant>>,
    slot: Weak<Slot>,
}

/// One stream of a connection.
#[derive(Debug)]
pub(crate) struct StreamLease {
    shared: Rc<Shared>,
    /// Kept until the last stream ended, which may be after the connection's own task.
    slot: Rc<Slot>,
    reused: bool,
}

/// A connection to `address` is being opened.
#[derive(Debug)]
pub(super) struct Connecting {
    pool: Rc<Pool>,
    address: SocketAddr,
}

/// A stream of a connection to `address`.
pub(super) fn take(pool: &Rc<Pool>, address: SocketAddr) -> Option<StreamLease> {
    let limit = pool.plan.pool.streams_per_connection_max;
    let multiplexed = pool.multiplexed.borrow();
    multiplexed.lists.get(&address)?.iter().find_map(|shared| shared.open(limit, true))
}

/// A stream of any connection.
pub(super) fn take_any(pool: &Rc<Pool>) -> Option<StreamLease> {
    let limit = pool.plan.pool.streams_per_connection_max;
    let multiplexed = pool.multiplexed.borrow();
    multiplexed.lists.values().flatten().find_map(|shared| shared.open(limit, true))
}

/// Adds a connection that was just made and takes its first stream.
pub(super) fn add(
    id: u64,
    address: SocketAddr,
    sender: SendRequest<Body>,
    streams_max: Rc<Cell<usize>>,
    slot: &Rc<Slot>,
) -> StreamLease {
    let pool = slot.pool();
    let shared = Rc::new(Shared {
        id,
        address,
        sender: RefCell::new(Some(sender)),
        streams: Cell::new(1),
        streams_max,
        idle_since: Cell::new(None),
        slot: Rc::downgrade(slot),
    });
    if pool.keeps(address) {
        let mut multiplexed = pool.multiplexed.borrow_mut();
        multiplexed.lists.entry(address).or_default().push(Rc::clone(&shared));
        drop(multiplexed);
        reap_later(pool);
    }
    StreamLease { shared, slot: Rc::clone(slot), reused: false }
}

impl Shared {
    fn open(self: &Rc<Self>, limit: u32, reused: bool) -> Option<StreamLease> {
        let slot = self.slot.upgrade()?;
        let sender = self.sender.borrow();
        let alive = sender.as_ref().is_some_and(|sender| !sender.is_closed());
        let limit = usize::try_from(limit).unwrap_or(usize::MAX).min(self.streams_max.get());
        let streams = self.streams.get();
        if !alive || usize::try_from(streams).unwrap_or(usize::MAX) >= limit {
            return None;
        }
        self.streams.set(streams + 1);
        self.idle_since.set(None);
        Some(StreamLease { shared: Rc::clone(self), slot, reused })
    }
}

impl StreamLease {
    pub(crate) fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// True where earlier requests used the connection.
    pub(crate) fn is_reused(&self) -> bool {
        self.reused
    }

    pub(crate) fn slot(&self) -> &Slot {
        &self.slot
    }

    pub(crate) fn sender(&self) -> Option<SendRequest<Body>> {
        self.shared.sender.borrow().clone()
    }
}

impl Drop for StreamLease {
    fn drop(&mut self) {
        let left = self.shared.streams.get().saturating_sub(1);
        self.shared.streams.set(left);
        if left == 0 {
            self.shared.idle_since.set(Some(Instant::now()));
        }
        let pool = self.slot.pool();
        if left == 0 && !pool.keeps(self.shared.address) {
            drop(self.shared.sender.take());
        }
        pool.serve();
    }
}

impl Connecting {
    pub(super) fn new(pool: &Rc<Pool>, address: SocketAddr) -> Self {
        *pool.multiplexed.borrow_mut().connecting.entry(address).or_default() += 1;
        Self { pool: Rc::clone(pool), address }
    }
}

impl Drop for Connecting {
    fn drop(&mut self) {
        let mut multiplexed = self.pool.multiplexed.borrow_mut();
        let count = multiplexed.connecting.get(&self.address).copied().unwrap_or_default();
        if count > 1 {
            multiplexed.connecting.insert(self.address, count - 1);
        } else {
            multiplexed.connecting.remove(&self.address);
        }
    }
}

/// Sees to it that idle connections are closed in time: looks a few times per timeout, and
/// ends with the last connection.
fn reap_later(pool: &Rc<Pool>) {
    if pool.reaping.replace(true) {
        return;
    }
    let timeout = pool.plan.pool.idle_timeout;
    let step = (timeout / 4).max(REAP_STEP_MIN);
    let pool = Rc::downgrade(pool);
    tokio::task::spawn_local(async move {
        loop {
            tokio::time::sleep(step).await;
            let Some(pool) = pool.upgrade() else { return };
            let limit = Instant::now().checked_sub(timeout);
            let old = pool.multiplexed.borrow_mut().remove_where(|shared| {
                shared.idle_since.get().is_some_and(|since| Some(since) <= limit)
            });
            drop(old);
            if pool.multiplexed.borrow().lists.is_empty() {
                pool.reaping.set(false);
                return;
            }
        }
    });
}

impl Multiplexed {
    pub(super) fn is_connecting(&self, address: SocketAddr) -> bool {
        self.connecting.contains_key(&address)
    }

    /// Takes out an idle connection and frees its slot at once.
    pub(super) fn pop_idle(&mut self) -> Option<SendRequest<Body>> {
        let idle = self.lists.values().flatten().filter(|shared| shared.streams.get() == 0);
        let oldest = idle.min_by_key(|shared| shared.idle_since.get()).map(Rc::clone)?;
        self.remove(oldest.address, oldest.id);
        if let Some(slot) = oldest.slot.upgrade() {
            slot.release();
        }
        oldest.sender.take()
    }

    pub(super) fn remove_others(&mut self, keep: &HashSet<SocketAddr>) -> Vec<SendRequest<Body>> {
        self.remove_where(|shared| !keep.contains(&shared.address))
    }

    /// Forgets a connection that ended by itself.
    pub(super) fn remove(&mut self, address: SocketAddr, id: u64) {
        if let Some(list) = self.lists.get_mut(&address) {
            list.retain(|shared| shared.id != id);
            if list.is_empty() {
                self.lists.remove(&address);
            }
        }
    }

    /// Takes connections out of the list. Their senders are returned, not dropped: dropping
    /// the last one closes a connection once its streams ended.
    fn remove_where(&mut self, mut which: impl FnMut(&Shared) -> bool) -> Vec<SendRequest<Body>> {
        let mut removed = Vec::new();
        self.lists.retain(|_, list| {
            for shared in list.iter().filter(|shared| which(shared)) {
                removed.extend(shared.sender.take());
            }
            list.retain(|shared| shared.sender.borrow().is_some());
            !list.is_empty()
        });
        removed
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lists.values().map(Vec::len).sum()
    }
}
