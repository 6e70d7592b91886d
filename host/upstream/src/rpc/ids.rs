//! The ids of one connection: which are taken, and who waits for the response to each.
//!
//! An id whose request was given up stays taken until its late response came: given to another
//! request, that one would get the wrong answer. Pure: no clock, no I/O.

use std::collections::HashMap;

use host_types::{Frame, IdWidth};
use tokio::sync::oneshot;

use super::queue::Ticket;

/// The ids of one connection.
#[derive(Debug)]
pub(super) struct Ids {
    taken: HashMap<u64, Entry>,
    /// The last one that was given.
    last: u64,
    max: u64,
    /// Ids whose request was given up.
    late: usize,
}

#[derive(Debug)]
enum Entry {
    /// Given to a request that is not sent yet.
    Reserved,
    /// Its response is waited for.
    Waiting { answer: oneshot::Sender<Frame>, ticket: Ticket },
    /// Its request was given up; its response is still to come.
    Late,
}

/// Whose response it is that came.
#[derive(Debug)]
pub(super) enum Owner {
    /// This request's.
    Waiting { answer: oneshot::Sender<Frame> },
    /// One's that was given up.
    Late,
    /// Nobody's.
    Unknown,
}

impl Ids {
    /// No id is taken; those that are given begin behind `last`.
    pub(super) fn new(width: IdWidth, last: u64) -> Self {
        Self { taken: HashMap::new(), last, max: width.max(), late: 0 }
    }

    /// An id that is not taken, from 1 on, around at the end.
    pub(super) fn fresh(&mut self) -> u64 {
        // Far fewer can be taken than there are, so this ends.
        loop {
            self.last = if self.last >= self.max { 1 } else { self.last + 1 };
            if !self.taken.contains_key(&self.last) {
                return self.last;
            }
        }
    }

    /// A fresh id, taken for a request that is still to be sent.
    pub(super) fn reserve(&mut self) -> u64 {
        let id = self.fresh();
        self.taken.insert(id, Entry::Reserved);
        id
    }

    /// Gives back an id that was reserved and not used.
    pub(super) fn unreserve(&mut self, id: u64) {
        if matches!(self.taken.get(&id), Some(Entry::Reserved)) {
            self.taken.remove(&id);
        }
    }

    /// True where another request with this id is under way, or its late response is.
    pub(super) fn is_busy(&self, id: u64) -> bool {
        matches!(self.taken.get(&id), Some(Entry::Waiting { .. } | Entry::Late))
    }

    /// Its request is in the queue under `ticket`; its response goes to `answer`.
    pub(super) fn wait(&mut self, id: u64, answer: oneshot::Sender<Frame>, ticket: Ticket) {
        debug_assert!(!self.is_busy(id), "an id is given to one request at a time");
        self.taken.insert(id, Entry::Waiting { answer, ticket });
    }

    /// Takes out whoever waits for the response with this id. Where `is_unsent` says that its
    /// request is not sent yet, it is nobody's.
    pub(super) fn answered(&mut self, id: u64, is_unsent: impl Fn(Ticket) -> bool) -> Owner {
        match self.taken.remove(&id) {
            Some(Entry::Waiting { answer, ticket }) if !is_unsent(ticket) => {
                Owner::Waiting { answer }
            }
            Some(Entry::Late) => {
                self.late -= 1;
                Owner::Late
            }
            Some(entry @ (Entry::Waiting { .. } | Entry::Reserved)) => {
                self.taken.insert(id, entry);
                Owner::Unknown
            }
            None => Owner::Unknown,
        }
    }

    /// The request of this ticket waits no more. Its id is free again where it is `unsent`; else
    /// it stays taken until the response comes. False where it did not wait, even if another
    /// request does under the same id.
    pub(super) fn give_up(&mut self, id: u64, given_up: Ticket, unsent: bool) -> bool {
        let waits =
            |entry: &Entry| matches!(entry, Entry::Waiting { ticket, .. } if *ticket == given_up);
        if !self.taken.get(&id).is_some_and(waits) {
            return false;
        }
        if unsent {
            self.taken.remove(&id);
        } else {
            self.taken.insert(id, Entry::Late);
            self.late += 1;
        }
        true
    }

    /// How many ids wait for late responses.
    pub(super) fn late(&self) -> usize {
        self.late
    }

    /// Takes out all who wait. To be dropped with no borrow held.
    pub(super) fn take_all(&mut self) -> impl Sized + use<> {
        self.late = 0;
        std::mem::take(&mut self.taken)
    }

    #[cfg(test)]
    pub(super) fn taken(&self) -> usize {
        self.taken.len()
    }
}

#[cfg(test)]
mod tests;
