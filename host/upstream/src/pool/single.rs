//! HTTP/1 connections: one request at a time.
//!
//! The connection that became idle last is used first, so that a pool that is larger than
//! the load shrinks by itself.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    net::SocketAddr,
    rc::{Rc, Weak},
};

use hyper::client::conn::http1::SendRequest;
use tokio::{task::AbortHandle, time::Instant};

use super::{Lane, Pool, Slot, Turn, Want};
use crate::Body;

/// Idle connections by endpoint, the oldest in front.
#[derive(Debug, Default)]
pub(super) struct Idle {
    lists: HashMap<SocketAddr, VecDeque<Parked>>,
    count: usize,
}

/// A connection in nobody's hands. Dropping it closes it.
#[derive(Debug)]
pub(super) struct Parked {
    link: Link,
    /// Held by the connection's task: gone means that the connection is.
    slot: Weak<Slot>,
    since: Instant,
}

/// A way to one connection.
#[derive(Debug)]
struct Link {
    id: u64,
    address: SocketAddr,
    sender: SendRequest<Body>,
    task: AbortHandle,
}

/// A connection in the hands of one request. Goes back to the pool when it is dropped and
/// the exchange is over, or as soon as it is; closed where that cannot be.
#[derive(Debug)]
pub(crate) struct Checkout {
    link: Option<Link>,
    slot: Rc<Slot>,
    reused: bool,
}

/// The idle connection to `address` that was used last.
pub(super) fn take(pool: &Rc<Pool>, address: SocketAddr) -> Option<Checkout> {
    loop {
        let parked = pool.idle.borrow_mut().pop_newest(address)?;
        let Some(slot) = parked.slot.upgrade() else { continue };
        if parked.link.sender.is_ready() {
            return Some(Checkout { link: Some(parked.link), slot, reused: true });
        }
    }
}

/// Takes back a connection that is ready for the next request.
fn put(link: Link, slot: &Rc<Slot>) {
    let pool = slot.pool();
    if !pool.keeps(link.address) {
        return;
    }
    let head = pool.line.borrow().head(&Lane::Http);
    match head {
        Some(Want::Any) => {
            let slot = Rc::clone(slot);
            pool.hand_over(
                &Lane::Http,
                Turn::Single(Checkout { link: Some(link), slot, reused: true }),
            );
        }
        // It wants the slot, which is free once this connection is closed.
        Some(Want::New | Want::Rpc(_)) => drop(link),
        None => park(link, slot),
    }
}

fn park(link: Link, slot: &Rc<Slot>) {
    let pool = slot.pool();
    let mut idle = pool.idle.borrow_mut();
    if idle.count >= pool.plan.pool.idle_max {
        drop(idle);
        return;
    }
    idle.count += 1;
    let parked = Parked { slot: Rc::downgrade(slot), since: Instant::now(), link };
    idle.lists.entry(parked.link.address).or_default().push_back(parked);
    drop(idle);
    reap_later(pool);
}

impl Checkout {
    /// A connection that was just made.
    pub(super) fn new(
        id: u64,
        address: SocketAddr,
        sender: SendRequest<Body>,
        task: AbortHandle,
        slot: Rc<Slot>,
    ) -> Self {
        Self { link: Some(Link { id, address, sender, task }), slot, reused: false }
    }

    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.link.as_ref().map(|link| link.address)
    }

    /// True where earlier requests used the connection.
    pub(crate) fn is_reused(&self) -> bool {
        self.reused
    }

    pub(crate) fn slot(&self) -> &Slot {
        &self.slot
    }

    pub(crate) fn sender(&mut self) -> Option<&mut SendRequest<Body>> {
        self.link.as_mut().map(|link| &mut link.sender)
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        let Some(link) = self.link.take() else { return };
        if link.sender.is_ready() {
            put(link, &self.slot);
        } else if !link.sender.is_closed() {
            // The last bytes of the exchange are still under way. An early answer can leave
            // a request's body behind that nobody reads: then the connection is not worth
            // keeping for longer than an idle one.
            tokio::task::spawn_local(linger(link, Rc::clone(&self.slot)));
        }
    }
}

async fn linger(mut link: Link, slot: Rc<Slot>) {
    let limit = slot.pool().plan.pool.idle_timeout;
    match tokio::time::timeout(limit, link.sender.ready()).await {
        Ok(Ok(())) => put(link, &slot),
        Ok(Err(_closed)) => {}
        Err(_elapsed) => link.task.abort(),
    }
}

/// Sees to it that idle connections are closed in time.
fn reap_later(pool: &Rc<Pool>) {
    if pool.reaping.replace(true) {
        return;
    }
    let timeout = pool.plan.pool.idle_timeout;
    let pool = Rc::downgrade(pool);
    tokio::task::spawn_local(async move {
        while let Some(deadline) = next_deadline(&pool, timeout) {
            tokio::time::sleep_until(deadline).await;
            let Some(pool) = pool.upgrade() else { return };
            let now = Instant::now();
            let old = pool.idle.borrow_mut().remove_before(now.checked_sub(timeout));
            drop(old);
        }
    });
}

/// When the next idle connection is due. With none, the task is told to end.
fn next_deadline(pool: &Weak<Pool>, timeout: std::time::Duration) -> Option<Instant> {
    let pool = pool.upgrade()?;
    let oldest = pool.idle.borrow().oldest().map(|(_, since)| since + timeout);
    if oldest.is_none() {
        pool.reaping.set(false);
    }
    oldest
}

impl Idle {
    fn pop_newest(&mut self, address: SocketAddr) -> Option<Parked> {
        let parked = self.lists.get_mut(&address)?.pop_back()?;
        self.count -= 1;
        Some(parked)
    }

    fn oldest(&self) -> Option<(SocketAddr, Instant)> {
        let fronts = self
            .lists
            .iter()
            .filter_map(|(address, list)| list.front().map(|parked| (*address, parked.since)));
        fronts.min_by_key(|(_, since)| *since)
    }

    /// Takes out the connection that was idle for longest and frees its slot at once.
    pub(super) fn pop_oldest(&mut self) -> Option<Parked> {
        let (address, _) = self.oldest()?;
        let parked = self.lists.get_mut(&address)?.pop_front()?;
        self.count -= 1;
        if let Some(slot) = parked.slot.upgrade() {
            slot.release();
        }
        Some(parked)
    }

    fn remove_before(&mut self, limit: Option<Instant>) -> Vec<Parked> {
        self.remove_where(|parked| limit.is_some_and(|limit| parked.since <= limit))
    }

    pub(super) fn remove_others(&mut self, keep: &HashSet<SocketAddr>) -> Vec<Parked> {
        self.remove_where(|parked| !keep.contains(&parked.link.address))
    }

    /// Forgets a connection that ended by itself.
    pub(super) fn remove(&mut self, address: SocketAddr, id: u64) -> Option<Parked> {
        let list = self.lists.get_mut(&address)?;
        let at = list.iter().position(|parked| parked.link.id == id)?;
        self.count -= 1;
        list.remove(at)
    }

    /// Returned, not dropped: dropping may call back into the pool.
    fn remove_where(&mut self, mut which: impl FnMut(&Parked) -> bool) -> Vec<Parked> {
        let mut removed = Vec::new();
        self.lists.retain(|_, list| {
            let (out, stay): (Vec<_>, Vec<_>) =
                std::mem::take(list).into_iter().partition(&mut which);
            removed.extend(out);
            *list = stay.into();
            !list.is_empty()
        });
        self.count -= removed.len();
        removed
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        debug_assert_eq!(self.count, self.lists.values().map(VecDeque::len).sum::<usize>());
        self.count
    }
}
