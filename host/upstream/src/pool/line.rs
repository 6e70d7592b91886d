//! The line of requests that wait for a connection.

use std::{collections::BTreeMap, rc::Rc};

use tokio::sync::oneshot;

use super::{Pool, Turn, Want};

/// Those who wait, by the number of their ticket.
#[derive(Debug, Default)]
pub(super) struct Line {
    waiting: BTreeMap<u64, Waiting>,
    next_ticket: u64,
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
    ticket: u64,
    receiver: oneshot::Receiver<Turn>,
}

/// A place at the end of the line, none where the line is full.
pub(super) fn join(pool: &Rc<Pool>, want: Want) -> Option<Place> {
    let mut line = pool.line.borrow_mut();
    if line.waiting.len() >= pool.plan.pool.pending_max {
        return None;
    }
    let (sender, receiver) = oneshot::channel();
    let ticket = line.next_ticket;
    line.next_ticket += 1;
    line.waiting.insert(ticket, Waiting { want, sender });
    pool.metrics.pending_active.increment();
    Some(Place { pool: Rc::clone(pool), ticket, receiver })
}

impl Line {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// What the first in line waits for.
    pub(super) fn head(&self) -> Option<Want> {
        self.waiting.first_key_value().map(|(_, waiting)| waiting.want)
    }

    /// Takes the first out of the line.
    pub(super) fn pop(&mut self) -> Option<oneshot::Sender<Turn>> {
        self.waiting.pop_first().map(|(_, waiting)| waiting.sender)
    }
}

impl Place {
    /// Waits to be called.
    pub(super) async fn turn(mut self) -> Option<Turn> {
        (&mut self.receiver).await.ok()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Not there any more where the turn came. A turn that was sent and not received is
        // dropped with the receiver, and gives itself back.
        let left = self.pool.line.borrow_mut().waiting.remove(&self.ticket);
        self.pool.metrics.pending_active.decrement();
        drop(left);
    }
}
