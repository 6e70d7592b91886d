//! The RPC connections of one pool, by endpoint and protocol, and which of them are idle.
//!
//! Start reading at [`find`], which the pool asks for whoever wants to send a request.

use std::{
    collections::{HashMap, HashSet},
    hash::{Hash, Hasher},
    net::SocketAddr,
    rc::Rc,
};

use host_extension::{FilterFactory, PoolMode};

use super::{RpcProtocol, connection::Connection, seat::Seat};
use crate::pool::{Pool, Turn};

/// Who shares connections: requests to one endpoint whose codecs are made by the same factory. So
/// another generation of a plugin, or another configuration, gets connections of its own.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    address: SocketAddr,
    factory: Rc<dyn FilterFactory>,
}

impl Key {
    pub(super) fn new(address: SocketAddr, protocol: &RpcProtocol) -> Self {
        Self { address, factory: Rc::clone(&protocol.factory) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// A factory is known by where it is, which nobody else gets while it is held here.
    fn factory(&self) -> *const () {
        Rc::as_ptr(&self.factory).cast()
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.address == other.address && self.factory() == other.factory()
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.address.hash(state);
        self.factory().hash(state);
    }
}

/// What a request of an RPC protocol can go on with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Ask {
    pub(crate) key: Key,
    /// Requests share connections, rather than to have one for themselves.
    pub(crate) shares: bool,
    /// It was unlucky with old connections.
    pub(crate) wants_new: bool,
}

/// The connections of one pool.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    groups: HashMap<Key, Group>,
    /// How many shared connections are being opened.
    connecting: HashMap<Key, usize>,
    /// Those that belong to a client's connection.
    bound: Vec<Rc<Connection>>,
    /// Idle ones of all groups.
    idle: usize,
}

#[derive(Debug, Default)]
struct Group {
    /// All that take requests.
    open: Vec<Rc<Connection>>,
    /// Those of them without any; the one that became idle last at the end.
    idle: Vec<Rc<Connection>>,
}

/// A shared connection is being opened; the others wait for it.
#[derive(Debug)]
pub(crate) struct Connecting {
    pool: Rc<Pool>,
    key: Key,
}

/// A seat on a connection, or the right to open one. The right only where `may_open`: others
/// wait for it already.
///
/// The endpoint that was chosen comes first; another one of the same protocol only where no
/// connection to it has room or can be made.
pub(crate) fn find(pool: &Rc<Pool>, ask: &Ask, may_open: bool) -> Option<Turn> {
    let key = &ask.key;
    leave_lost(pool, key);
    let (open, connecting) = {
        let lists = pool.rpc.borrow();
        let open = lists.groups.get(key).map_or(0, |group| group.open.len());
        (open, lists.connecting.get(key).copied().unwrap_or_default())
    };
    let limit = pool.plan().rpc.connections_per_endpoint_max.max(1);
    let has_place = !ask.shares || open + connecting < limit;
    if !(ask.wants_new && has_place)
        && let Some(seat) = take(pool, key, ask.shares)
    {
        return Some(Turn::Rpc(seat));
    }
    // A burst must not open a connection for each of its requests.
    if ask.shares && connecting > 0 {
        return None;
    }
    if has_place
        && may_open
        && let Some(slot) = pool.slot()
    {
        if ask.shares {
            slot.hold(Connecting::new(pool, key.clone()));
        }
        return Some(Turn::Open(slot));
    }
    take_any(pool, ask).map(Turn::Rpc)
}

/// Gives those up whose codec cannot read what would come: its instance failed elsewhere.
fn leave_lost(pool: &Pool, key: &Key) {
    let lost: Vec<Rc<Connection>> = {
        let lists = pool.rpc.borrow();
        let Some(group) = lists.groups.get(key) else { return };
        group.open.iter().filter(|connection| connection.codec.is_lost()).cloned().collect()
    };
    for connection in lost {
        connection.release();
        connection.drain();
    }
}

fn take(pool: &Pool, key: &Key, shares: bool) -> Option<Seat> {
    let mut lists = pool.rpc.borrow_mut();
    let group = lists.groups.get(key)?;
    // Shared ones in order, so that those that are not needed become idle; the others by who
    // was used last, so that the pool shrinks.
    let found = if shares {
        group.open.iter().find(|connection| connection.has_room())
    } else {
        group.idle.iter().rev().find(|connection| connection.has_room())
    };
    let connection = Rc::clone(found?);
    lists.occupied(&connection);
    drop(lists);
    connection.seat()
}

fn take_any(pool: &Pool, ask: &Ask) -> Option<Seat> {
    let mut lists = pool.rpc.borrow_mut();
    let groups = lists.groups.iter().filter(|(key, _)| key.factory() == ask.key.factory());
    let mut open = groups.flat_map(|(_, group)| &group.open);
    let connection = Rc::clone(open.find(|connection| connection.has_room())?);
    lists.occupied(&connection);
    drop(lists);
    connection.seat()
}

/// Adds a connection that was just made, and that somebody sits on.
pub(super) fn add(pool: &Pool, connection: &Rc<Connection>) {
    let mut lists = pool.rpc.borrow_mut();
    if connection.mode == PoolMode::Bound {
        lists.bound.push(Rc::clone(connection));
    } else {
        lists.groups.entry(connection.key.clone()).or_default().open.push(Rc::clone(connection));
    }
}

/// A connection could not be made: nobody waits any more, where there is no other to wait for.
pub(super) fn cannot_connect(pool: &Pool, key: &Key) {
    if !pool.rpc.borrow().groups.contains_key(key) {
        pool.send_away(key);
    }
}

/// Nothing is under way on a connection any more: it is kept, unless too many are idle.
pub(super) fn vacated(pool: &Pool, connection: &Rc<Connection>) {
    let mut lists = pool.rpc.borrow_mut();
    let too_many = lists.idle >= pool.plan().pool.idle_max;
    let Some(group) = lists.groups.get_mut(&connection.key) else { return };
    if !has(&group.open, connection) || has(&group.idle, connection) {
        return;
    }
    if too_many {
        drop(lists);
        connection.leave();
        return;
    }
    group.idle.push(Rc::clone(connection));
    lists.idle += 1;
}

/// Forgets a connection that takes no requests any more.
pub(super) fn remove(pool: &Pool, connection: &Rc<Connection>) {
    let mut lists = pool.rpc.borrow_mut();
    lists.occupied(connection);
    lists.bound.retain(|other| !Rc::ptr_eq(other, connection));
    if let Some(group) = lists.groups.get_mut(&connection.key) {
        group.open.retain(|other| !Rc::ptr_eq(other, connection));
        if group.open.is_empty() {
            lists.groups.remove(&connection.key);
        }
    }
}

/// Closes the connection that was idle for longest and frees its slot at once. False where
/// none is idle.
pub(crate) fn evict(pool: &Pool) -> bool {
    let oldest = {
        let lists = pool.rpc.borrow();
        let idle = lists.groups.values().flat_map(|group| &group.idle);
        idle.min_by_key(|connection| connection.idle_since()).cloned()
    };
    let Some(oldest) = oldest else { return false };
    oldest.release();
    oldest.leave();
    true
}

/// Keeps connections to these endpoints only; the others end when nothing is under way on them.
pub(crate) fn keep_only(pool: &Pool, keep: &HashSet<SocketAddr>) {
    let others: Vec<Rc<Connection>> = {
        let lists = pool.rpc.borrow();
        let open = lists.groups.values().flat_map(|group| &group.open);
        let all = open.chain(&lists.bound);
        all.filter(|connection| !keep.contains(&connection.key.address())).cloned().collect()
    };
    for connection in others {
        connection.leave();
        if connection.mode != PoolMode::Bound {
            remove(pool, &connection);
        }
    }
}

fn has(list: &[Rc<Connection>], connection: &Rc<Connection>) -> bool {
    list.iter().any(|other| Rc::ptr_eq(other, connection))
}

impl Lists {
    /// The connection is idle no more.
    fn occupied(&mut self, connection: &Rc<Connection>) {
        let Some(group) = self.groups.get_mut(&connection.key) else { return };
        if let Some(at) = group.idle.iter().rposition(|other| Rc::ptr_eq(other, connection)) {
            group.idle.remove(at);
            self.idle -= 1;
        }
    }
}

impl Connecting {
    fn new(pool: &Rc<Pool>, key: Key) -> Self {
        *pool.rpc.borrow_mut().connecting.entry(key.clone()).or_default() += 1;
        Self { pool: Rc::clone(pool), key }
    }
}

impl Drop for Connecting {
    fn drop(&mut self) {
        let mut lists = self.pool.rpc.borrow_mut();
        let count = lists.connecting.get(&self.key).copied().unwrap_or_default();
        if count > 1 {
            lists.connecting.insert(self.key.clone(), count - 1);
        } else {
            lists.connecting.remove(&self.key);
        }
    }
}

#[cfg(test)]
impl Lists {
    pub(crate) fn open_count(&self) -> usize {
        self.groups.values().map(|group| group.open.len()).sum::<usize>() + self.bound.len()
    }

    pub(crate) fn idle_count(&self) -> usize {
        let idle: usize = self.groups.values().map(|group| group.idle.len()).sum();
        debug_assert_eq!(self.idle, idle);
        self.idle
    }
}
