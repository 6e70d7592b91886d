//! One shared queue: items in order, and who is told of them.

use std::{collections::VecDeque, fmt, sync::Arc};

use host_extension::{CallError, CallResult, QueueId};
use parking_lot::Mutex;

use crate::{SharedLimits, budget::Budget};

/// What one item costs besides its bytes.
const ITEM_OVERHEAD: usize = 32;

/// Is told that an item is in a queue, on the thread of who put it in, or of who registered or
/// gave a place up. It must not wait and must not call back: it wakes somebody up, nothing more.
pub type Ready = Arc<dyn Fn(QueueId) + Send + Sync>;

/// A queue of one namespace.
pub(crate) struct Queue {
    pub(crate) id: QueueId,
    /// Where it was made.
    pub(crate) namespace: Arc<str>,
    items_max: usize,
    registrations_max: usize,
    /// Of all queues of the namespace.
    bytes: Arc<Budget>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    items: VecDeque<Box<[u8]>>,
    /// Who is registered, by the number of the registration; the last one is told.
    registered: Vec<(u64, Ready)>,
    registrations: u64,
}

/// A place at a queue. While it is the newest one, it is told of every item that is put in, and
/// of those that are there when it becomes the newest one: as it is made, or as a newer one
/// ends. Whether the one before was told of them nobody knows. Dropping it gives it up.
#[must_use = "dropping it gives the place up"]
pub struct Registration {
    queue: Arc<Queue>,
    number: u64,
}

impl Queue {
    pub(crate) fn new(
        id: QueueId,
        namespace: Arc<str>,
        limits: &SharedLimits,
        bytes: Arc<Budget>,
    ) -> Self {
        Self {
            id,
            namespace,
            items_max: limits.items_max,
            registrations_max: limits.registrations_max,
            bytes,
            state: Mutex::default(),
        }
    }

    pub(crate) fn register(self: &Arc<Self>, ready: Ready) -> CallResult<Registration> {
        let mut state = self.state.lock();
        if state.registered.len() >= self.registrations_max {
            return Err(CallError::LimitReached);
        }
        let number = state.registrations;
        state.registrations = number.wrapping_add(1);
        let told = Arc::clone(&ready);
        state.registered.push((number, ready));
        let waiting = state.items.len();
        drop(state);
        self.tell(&told, waiting);
        Ok(Registration { queue: Arc::clone(self), number })
    }

    /// Puts an item at the end, and tells the newest registrant.
    pub(crate) fn enqueue(&self, item: &[u8]) -> CallResult<()> {
        let mut state = self.state.lock();
        if state.items.len() >= self.items_max {
            return Err(CallError::LimitReached);
        }
        self.bytes.take(cost(item))?;
        state.items.push_back(item.into());
        let told = state.registered.last().map(|(_number, ready)| Arc::clone(ready));
        drop(state);
        if let Some(ready) = told {
            self.tell(&ready, 1);
        }
        Ok(())
    }

    /// Tells somebody once for each of so many items, with no lock held.
    fn tell(&self, ready: &Ready, items: usize) {
        for _item in 0..items {
            ready(self.id);
        }
    }

    /// Takes the first item.
    pub(crate) fn dequeue(&self) -> CallResult<Box<[u8]>> {
        let item = self.state.lock().items.pop_front().ok_or(CallError::Empty)?;
        self.bytes.give(cost(&item));
        Ok(item)
    }
}

fn cost(item: &[u8]) -> usize {
    item.len().saturating_add(ITEM_OVERHEAD)
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut state = self.queue.state.lock();
        let place = state.registered.iter().position(|(number, _ready)| *number == self.number);
        let gone = place.map(|place| state.registered.remove(place));
        let was_newest = place == Some(state.registered.len());
        let next = state.registered.last().filter(|_last| was_newest);
        let next = next.map(|(_number, ready)| Arc::clone(ready));
        let waiting = state.items.len();
        drop(state);
        drop(gone); // what it holds may do anything when it goes
        if let Some(ready) = next {
            self.queue.tell(&ready, waiting);
        }
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("id", &self.id).finish_non_exhaustive()
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { queue, number } = self;
        f.debug_struct("Registration").field("queue", &queue.id).field("number", number).finish()
    }
}

#[cfg(test)]
mod tests;
