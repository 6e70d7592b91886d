//! What plugins share and count beside streams, as one worker reaches it.
//!
//! The state itself is that of the process. What is made here is the way back: a queue is
//! filled by any thread, and who is registered is told on the loop of his own worker.

use std::{
    cell::Cell,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use host_extension::{CallError, CallResult, QueueId, Subscription};
use host_telemetry::DefinedMetrics;
use plugins_shared::SharedState;
use tokio::{sync::Notify, task::yield_now};

use super::outbound::Task;

/// Places at queues that all plugins of a worker may have.
const PLACES_MAX: usize = 4096;

/// What the plugins of all workers have in common. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Commons {
    /// Shared data and shared queues.
    pub state: Arc<SharedState>,
    /// The metrics that plugins define.
    pub metrics: DefinedMetrics,
}

/// How many places at queues the plugins of this worker have.
#[derive(Debug, Default)]
pub(super) struct Places(Rc<Cell<usize>>);

/// Registers at a queue. `ready` is called from a task of its own, once for each item, also for
/// those that are there already; where items come faster than they are told, as often as the
/// queue can have items.
pub(super) fn register(
    commons: &Commons,
    places: &Places,
    (namespace, name): (&str, &[u8]),
    ready: Rc<dyn Fn(QueueId)>,
) -> CallResult<(QueueId, Subscription)> {
    let place = places.take()?;
    let bell = Arc::new(Bell {
        notify: Notify::new(),
        rings_max: commons.state.items_max(),
        rings: AtomicUsize::default(),
    });
    let ring = Arc::clone(&bell);
    let told = Arc::new(move |_queue| ring.ring());
    let (queue, registration) = commons.state.register_queue(namespace, name, told)?;
    let task = Task::start(async move {
        loop {
            bell.notify.notified().await;
            for _ring in 0..bell.rings.swap(0, Relaxed) {
                ready(queue);
                // Traffic goes on in between; and here the task ends that was let go meanwhile.
                yield_now().await;
            }
        }
    });
    Ok((queue, Subscription::new((registration, task, place))))
}

/// Counts items until they are told. Rung by any thread.
#[derive(Debug)]
struct Bell {
    notify: Notify,
    rings: AtomicUsize,
    rings_max: usize,
}

impl Bell {
    fn ring(&self) {
        let more = |rings: usize| (rings < self.rings_max).then_some(rings + 1);
        // Where it was rung as often as there can be items, one more says nothing new.
        let _rung = self.rings.fetch_update(Relaxed, Relaxed, more);
        self.notify.notify_one();
    }
}

impl Places {
    fn take(&self) -> CallResult<Place> {
        if self.0.get() >= PLACES_MAX {
            return Err(CallError::LimitReached);
        }
        self.0.set(self.0.get() + 1);
        Ok(Place(Rc::clone(&self.0)))
    }
}

/// One of the places; given back when it is dropped.
#[derive(Debug)]
struct Place(Rc<Cell<usize>>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

#[cfg(test)]
mod tests;
