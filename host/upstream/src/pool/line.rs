//! The line of requests that wait for a connection.

use std::{
    collections::{BTreeMap, HashMap},
    rc::Rc,
};
use tokio::sync::oneshot;

use super::{Pool, Turn, Want};
use crate::rpc::Key;

/// Those who wait, by lane and by the number of their ticket.
#[derive(Debug, Default)]
pub(super) struct Line {
    lanes: HashMap<Lane, BTreeMap<u64, Waiting>>,
    count: usize,
    next_ticket: u64,
}

/// Those who wait for the same kind of connection.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) enum Lane {
    /// For one of HTTP's, or for the right to open one.
    Http,
    /// For one of an RPC protocol to an endpoint.
    Rpc(Key),
}

#[derive(Debug)]
struct Waiting {
    want: Want,
    sender: oneshot::Sender<Turn>,
}

/// One request's place in the line; leaves the line when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    pool: Rc<Pool>,
    lane: Lane,
    ticket: u64,
    receiver: oneshot::Receiver<Turn>,
}

/// A place at the end of the line, none where the line is full.
pub(super) fn join(pool: &Rc<Pool>, want: Want) -> Option<Place> {
    let mut line = pool.line.borrow_mut();
    if line.count >= pool.plan.pool.pending_max {
        return None;
    }
    let (sender, receiver) = oneshot::channel();
    let ticket = line.next_ticket;
    line.next_ticket += 1;
    let lane = want.lane();
    line.count += 1;
    line.lanes.entry(lane.clone()).or_default().insert(ticket, Waiting { want, sender });
    pool.metrics.pending_active.increment();
    Some(Place { pool: Rc::clone(pool), lane, ticket, receiver })
}

impl Line {
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// What the first of a lane waits for.
    pub(super) fn head(&self, lane: &Lane) -> Option<Want> {
        let (_, waiting) = self.lanes.get(lane)?.first_key_value()?;
        Some(waiting.want.clone())
    }

    /// What the first of each lane waits for; who came first comes first.
    pub(super) fn heads(&self) -> Vec<(Lane, Want)> {
        let firsts = self.lanes.iter().filter_map(|(lane, waiting)| {
            waiting.first_key_value().map(|(ticket, first)| (*ticket, lane, first))
        });
        let mut firsts: Vec<_> = firsts.collect();
        firsts.sort_unstable_by_key(|(ticket, ..)| *ticket);
        firsts.into_iter().map(|(_, lane, first)| (lane.clone(), first.want.clone())).collect()
    }

    /// Takes the first out of a lane.
    pub(super) fn pop(&mut self, lane: &Lane) -> Option<oneshot::Sender<Turn>> {
        let ticket = *self.lanes.get(lane)?.first_key_value()?.0;
        self.remove(lane, ticket).map(|waiting| waiting.sender)
    }

    /// Takes all out of a lane. To be dropped with no borrow held.
    pub(super) fn clear(&mut self, lane: &Lane) -> impl Sized + use<> {
        let waiting = self.lanes.remove(lane).unwrap_or_default();
        self.count -= waiting.len();
        waiting
    }

    fn remove(&mut self, lane: &Lane, ticket: u64) -> Option<Waiting> {
        let waiting = self.lanes.get_mut(lane)?;
        let removed = waiting.remove(&ticket)?;
        if waiting.is_empty() {
            self.lanes.remove(lane);
        }
        self.count -= 1;
        Some(removed)
    }
}

impl Want {
    fn lane(&self) -> Lane {
        match self {
            Self::Any | Self::New => Lane::Http,
            Self::Rpc(ask) => Lane::Rpc(ask.key.clone()),
        }
    }
}

impl Place {
    /// Waits to be called; none where it was sent away.
    pub(super) async fn turn(mut self) -> Option<Turn> {
        (&mut self.receiver).await.ok()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Not there any more where the turn came. A turn that was sent and not received is
        // dropped with the receiver, and gives itself back.
        let left = self.pool.line.borrow_mut().remove(&self.lane, self.ticket);
        self.pool.metrics.pending_active.decrement();
        drop(left);
    }
}
