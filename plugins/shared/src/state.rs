//! All that plugins share, by namespace.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
};

use host_extension::{CallError, CallResult, QueueId};
use parking_lot::{Mutex, RwLock};

use crate::{Ready, Registration, SharedLimits, budget::Budget, data::Data, queue::Queue};

/// What the plugins of one process share. A namespace begins with the first thing that is put
/// into it, and stays until [`SharedState::retain_namespaces`] lets it go.
#[derive(Debug, Default)]
pub struct SharedState {
    limits: SharedLimits,
    namespaces: RwLock<HashMap<Box<str>, Arc<Namespace>>>,
    /// Bytes of shared data by namespace, where that is said. Taken after `namespaces`.
    quotas: RwLock<HashMap<String, usize>>,
    queues: RwLock<Queues>,
    /// One for all namespaces, so that a version means something only once.
    last_version: AtomicU32,
    /// Keys that full namespaces let go of.
    evicted: AtomicU64,
}

/// The queues of all namespaces by number.
#[derive(Debug, Default)]
struct Queues {
    known: HashMap<QueueId, Arc<Queue>>,
    /// The number that was given last; none is given twice.
    last: QueueId,
}

type QueuesByName = HashMap<Box<[u8]>, Arc<Queue>>;

#[derive(Debug)]
struct Namespace {
    name: Arc<str>,
    data: Data,
    queues: Mutex<QueuesByName>,
    /// Of all its queues.
    queued_bytes: Arc<Budget>,
}

impl SharedState {
    /// Nothing is shared yet.
    #[must_use]
    pub fn new(limits: SharedLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Shows a value with its version, which is never zero.
    ///
    /// # Errors
    /// `NotFound` where there is none.
    pub fn data(
        &self,
        namespace: &str,
        key: &[u8],
        show: &mut dyn FnMut(&[u8], u32),
    ) -> CallResult<()> {
        let (value, version) = self.namespace(namespace)?.data.value(key)?;
        show(&value, version);
        Ok(())
    }

    /// Sets a value; `version` is the one that it must still have, zero for any. A key that is
    /// not there takes every version. A namespace that is full lets go of the keys that were not
    /// set for longest, those without bytes first.
    ///
    /// # Errors
    /// `Conflict` where it has another version, `LimitReached` for a key or value that is too
    /// large.
    pub fn set_data(
        &self,
        namespace: &str,
        key: &[u8],
        value: &[u8],
        version: u32,
    ) -> CallResult<()> {
        let SharedLimits { key_bytes_max, value_bytes_max, .. } = self.limits;
        if key.len() > key_bytes_max || value.len() > value_bytes_max {
            return Err(CallError::LimitReached);
        }
        let home = self.namespace_or_new(namespace)?;
        let evicted = home.data.set(key, value, version, || self.next_version())?;
        if evicted > 0 {
            self.count_evicted(namespace, evicted);
        }
        Ok(())
    }

    /// Says so ever more seldom: at the first key, and each time that there are twice as many.
    fn count_evicted(&self, namespace: &str, evicted: u64) {
        let before = self.evicted.fetch_add(evicted, Relaxed);
        let now = before.saturating_add(evicted);
        if before.checked_ilog2() != now.checked_ilog2() {
            tracing::warn!(namespace, evicted = now, "shared data is full and lets go of old keys");
        }
    }

    /// How many keys full namespaces have let go of so far.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.evicted.load(Relaxed)
    }

    /// Makes a queue, or finds it with what is in it, and has `ready` called for each item that
    /// is there or is put in, for as long as the registration lives and is the newest one.
    ///
    /// # Errors
    /// `LimitReached` past the limits.
    pub fn register_queue(
        &self,
        namespace: &str,
        name: &[u8],
        ready: Ready,
    ) -> CallResult<(QueueId, Registration)> {
        if name.len() > self.limits.queue_name_bytes_max {
            return Err(CallError::LimitReached);
        }
        self.namespace_or_new(namespace)?;
        // Held, so that the namespace is not let go while it gets a queue.
        let namespaces = self.namespaces.read();
        let home = namespaces.get(namespace).ok_or(CallError::NotFound)?;
        let queue = self.queue_or_new(home, name)?;
        Ok((queue.id, queue.register(ready)?))
    }

    /// Shows the namespace that a queue was made in.
    ///
    /// # Errors
    /// `NotFound` without such a queue.
    pub fn queue_namespace(&self, queue: QueueId, show: &mut dyn FnMut(&str)) -> CallResult<()> {
        let namespace = Arc::clone(&self.queue(queue)?.namespace);
        show(&namespace);
        Ok(())
    }

    /// Finds a queue by its name.
    ///
    /// # Errors
    /// `NotFound` where nobody made it.
    pub fn resolve_queue(&self, namespace: &str, name: &[u8]) -> CallResult<QueueId> {
        let namespace = self.namespace(namespace)?;
        let queues = namespace.queues.lock();
        queues.get(name).map(|queue| queue.id).ok_or(CallError::NotFound)
    }

    /// Puts an item at the end of a queue.
    ///
    /// # Errors
    /// `NotFound` without such a queue, `LimitReached` where it is full.
    pub fn enqueue(&self, queue: QueueId, item: &[u8]) -> CallResult<()> {
        let queue = self.queue(queue)?;
        if item.len() > self.limits.item_bytes_max {
            return Err(CallError::LimitReached);
        }
        queue.enqueue(item)
    }

    /// Takes the first item of a queue out and shows it.
    ///
    /// # Errors
    /// `NotFound` without such a queue, `Empty` without an item.
    pub fn dequeue(&self, queue: QueueId, show: &mut dyn FnMut(&[u8])) -> CallResult<()> {
        let item = self.queue(queue)?.dequeue()?;
        show(&item);
        Ok(())
    }

    /// Items that one queue can have, and so notifications that are worth keeping.
    #[must_use]
    pub fn items_max(&self) -> usize {
        self.limits.items_max
    }

    /// Lets go of the namespaces that `keep` does not name, with their data and queues. Numbers
    /// of queues that were in them mean nothing from then on; who is registered is not told any
    /// more.
    pub fn retain_namespaces(&self, keep: impl Fn(&str) -> bool) {
        let mut namespaces = self.namespaces.write();
        let gone: Vec<_> = namespaces.extract_if(|name, _namespace| !keep(name)).collect();
        for (_name, namespace) in &gone {
            let names = namespace.queues.lock();
            let mut queues = self.queues.write();
            for queue in names.values() {
                queues.known.remove(&queue.id);
            }
        }
        drop(namespaces);
        drop(gone); // which may be much, and needs no lock
    }

    /// Says how many bytes of shared data namespaces may have, which is never more than
    /// [`SharedLimits::data_bytes_max`] and takes the place of what was said before. One that has
    /// more lets go of old keys.
    pub fn set_data_quotas(&self, quotas: HashMap<String, usize>) {
        let namespaces = self.namespaces.read();
        let known: Vec<_> = namespaces.values().cloned().collect();
        *self.quotas.write() = quotas;
        drop(namespaces);
        for namespace in known {
            let evicted = namespace.data.resize(self.data_bytes_max(&namespace.name));
            if evicted > 0 {
                self.count_evicted(&namespace.name, evicted);
            }
        }
    }

    fn data_bytes_max(&self, namespace: &str) -> usize {
        let quota = self.quotas.read().get(namespace).copied();
        quota.unwrap_or(usize::MAX).min(self.limits.data_bytes_max)
    }

    fn namespace(&self, name: &str) -> CallResult<Arc<Namespace>> {
        self.namespaces.read().get(name).cloned().ok_or(CallError::NotFound)
    }

    fn namespace_or_new(&self, name: &str) -> CallResult<Arc<Namespace>> {
        if let Ok(known) = self.namespace(name) {
            return Ok(known);
        }
        let mut namespaces = self.namespaces.write();
        if let Some(known) = namespaces.get(name) {
            return Ok(Arc::clone(known));
        }
        if namespaces.len() >= self.limits.namespaces_max {
            return Err(CallError::LimitReached);
        }
        let limits = SharedLimits { data_bytes_max: self.data_bytes_max(name), ..self.limits };
        let fresh = Arc::new(Namespace {
            name: name.into(),
            data: Data::new(&limits),
            queues: Mutex::default(),
            queued_bytes: Arc::new(Budget::new(self.limits.queued_bytes_max)),
        });
        namespaces.insert(name.into(), Arc::clone(&fresh));
        Ok(fresh)
    }

    /// A queue by its number, of whatever namespace: who may use it the guard decides, which asks
    /// for its namespace.
    fn queue(&self, id: QueueId) -> CallResult<Arc<Queue>> {
        self.queues.read().known.get(&id).cloned().ok_or(CallError::NotFound)
    }

    fn queue_or_new(&self, home: &Namespace, name: &[u8]) -> CallResult<Arc<Queue>> {
        let mut names = home.queues.lock();
        if let Some(known) = names.get(name) {
            return Ok(Arc::clone(known));
        }
        if names.len() >= self.limits.queues_max {
            return Err(CallError::LimitReached);
        }
        let mut queues = self.queues.write();
        let id = queues.last.checked_add(1).ok_or(CallError::LimitReached)?;
        queues.last = id;
        let fresh = Arc::new(Queue::new(
            id,
            Arc::clone(&home.name),
            &self.limits,
            Arc::clone(&home.queued_bytes),
        ));
        queues.known.insert(id, Arc::clone(&fresh));
        names.insert(name.into(), Arc::clone(&fresh));
        Ok(fresh)
    }

    fn next_version(&self) -> u32 {
        let next = self.last_version.fetch_add(1, Relaxed).wrapping_add(1);
        if next == 0 { self.next_version() } else { next }
    }
}

#[cfg(test)]
mod tests;
