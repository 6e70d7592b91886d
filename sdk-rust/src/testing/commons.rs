//! What the started copies of a plugin share in a test, as they do in a proxy: shared data,
//! queues and metrics.

use std::collections::{BTreeMap, VecDeque};

use crate::{HostError, MetricId, MetricKind, QueueId, SharedValue};

/// Most bytes of a key and of a value, of an item, and most items of a queue, as in the proxy.
const KEY_BYTES_MAX: usize = 4096;
const VALUE_BYTES_MAX: usize = 16 << 20;
const ITEM_BYTES_MAX: usize = 4 << 20;
const ITEMS_MAX: usize = 65_536;
/// Most queues of a namespace, those at which a started plugin has a place, and bytes of a name.
const QUEUES_MAX: usize = 256;
const PLACES_MAX: usize = 64;
const QUEUE_NAME_BYTES_MAX: usize = 4096;
/// Most metrics of a plugin, and bytes of a name.
const METRICS_MAX: usize = 1000;
const METRIC_NAME_BYTES_MAX: usize = 256;

/// The namespace of the plugin's own queues.
pub(super) const OWN: &str = "";

#[derive(Debug, Default)]
pub(super) struct Commons {
    data: BTreeMap<Vec<u8>, SharedValue>,
    version: u32,
    queues: Vec<TestQueue>,
    metrics: Vec<Metric>,
}

#[derive(Debug, Default)]
struct TestQueue {
    namespace: String,
    name: String,
    items: VecDeque<Vec<u8>>,
    /// Items that nobody was told of yet.
    untold: usize,
    /// The copy that registered last.
    listener: Option<u64>,
}

#[derive(Debug)]
struct Metric {
    name: String,
    kind: MetricKind,
    value: u64,
    observed: Vec<u64>,
}

impl Commons {
    pub(super) fn data(&self, key: &[u8]) -> Option<SharedValue> {
        self.data.get(key).cloned()
    }

    /// As the proxy, a key that is not there is written whatever version is expected.
    pub(super) fn set_data(
        &mut self,
        key: &[u8],
        value: &[u8],
        expected: Option<u32>,
    ) -> Result<(), HostError> {
        if key.len() > KEY_BYTES_MAX || value.len() > VALUE_BYTES_MAX {
            return Err(HostError::LimitReached);
        }
        let version = self.data.get(key).map(|value| value.version);
        let conflicts = |expected| version.is_some_and(|version| version != expected);
        if expected == Some(0) || expected.is_some_and(conflicts) {
            return Err(HostError::Conflict);
        }
        self.version = self.version.wrapping_add(1).max(1);
        let value = SharedValue { bytes: value.to_vec(), version: self.version };
        self.data.insert(key.to_vec(), value);
        Ok(())
    }

    /// Makes a queue or finds it; `listener` is told of items from then on.
    pub(super) fn register(
        &mut self,
        namespace: &str,
        name: &str,
        listener: Option<u64>,
    ) -> Result<QueueId, HostError> {
        if name.len() > QUEUE_NAME_BYTES_MAX {
            return Err(HostError::LimitReached);
        }
        let place = match self.place(namespace, name) {
            Some(place) => place,
            None => self.make(namespace, name)?,
        };
        self.listen(place, listener)?;
        Ok(id(place))
    }

    fn make(&mut self, namespace: &str, name: &str) -> Result<usize, HostError> {
        let known = self.queues.iter().filter(|queue| queue.namespace == namespace);
        if known.count() >= QUEUES_MAX {
            return Err(HostError::LimitReached);
        }
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        self.queues.push(TestQueue { namespace, name, ..TestQueue::default() });
        Ok(self.queues.len() - 1)
    }

    fn listen(&mut self, place: usize, listener: Option<u64>) -> Result<(), HostError> {
        if listener.is_none() {
            return Ok(());
        }
        let others = self.queues.iter().enumerate();
        let places = others.filter(|(other, queue)| *other != place && queue.listener == listener);
        if places.count() >= PLACES_MAX {
            return Err(HostError::LimitReached);
        }
        if let Some(queue) = self.queues.get_mut(place) {
            queue.listener = listener;
            queue.untold = queue.items.len();
        }
        Ok(())
    }

    pub(super) fn find(&self, namespace: &str, name: &str) -> Result<QueueId, HostError> {
        self.place(namespace, name).map(id).ok_or(HostError::NotFound)
    }

    fn place(&self, namespace: &str, name: &str) -> Option<usize> {
        self.queues.iter().position(|queue| queue.namespace == namespace && queue.name == name)
    }

    pub(super) fn push(&mut self, queue: QueueId, item: &[u8]) -> Result<(), HostError> {
        let queue = self.queues.get_mut(place(queue.0)).ok_or(HostError::NotFound)?;
        if queue.items.len() >= ITEMS_MAX || item.len() > ITEM_BYTES_MAX {
            return Err(HostError::LimitReached);
        }
        queue.items.push_back(item.to_vec());
        queue.untold += 1;
        Ok(())
    }

    pub(super) fn pop(&mut self, queue: QueueId) -> Result<Option<Vec<u8>>, HostError> {
        let queue = self.queues.get_mut(place(queue.0)).ok_or(HostError::NotFound)?;
        Ok(queue.items.pop_front())
    }

    /// The next queue of which `listener` is to be told: once for each item.
    pub(super) fn next_ready(&mut self, listener: u64) -> Option<QueueId> {
        let is_ready = |queue: &TestQueue| queue.listener == Some(listener) && queue.untold > 0;
        let ready = self.queues.iter().position(is_ready)?;
        if let Some(queue) = self.queues.get_mut(ready) {
            queue.untold -= 1;
        }
        Some(id(ready))
    }

    pub(super) fn define(&mut self, kind: MetricKind, name: &str) -> Result<MetricId, HostError> {
        if name.is_empty() || name.contains(char::is_control) {
            return Err(HostError::BadArgument);
        }
        if name.len() > METRIC_NAME_BYTES_MAX {
            return Err(HostError::LimitReached);
        }
        let known = self.metrics.iter().position(|metric| metric.name == name);
        if let Some(known) = known {
            let is_same = self.metrics.get(known).is_some_and(|metric| metric.kind == kind);
            return if is_same { Ok(MetricId(narrow(known))) } else { Err(HostError::BadArgument) };
        }
        if self.metrics.len() >= METRICS_MAX {
            return Err(HostError::LimitReached);
        }
        self.metrics.push(Metric { name: name.to_owned(), kind, value: 0, observed: Vec::new() });
        Ok(MetricId(narrow(self.metrics.len() - 1)))
    }

    pub(super) fn record(&mut self, metric: MetricId, value: u64) -> Result<(), HostError> {
        let metric = self.metrics.get_mut(place(metric.0)).ok_or(HostError::NotFound)?;
        match metric.kind {
            MetricKind::Counter => metric.value = metric.value.wrapping_add(value),
            MetricKind::Gauge => metric.value = value,
            MetricKind::Histogram => metric.observed.push(value),
        }
        Ok(())
    }

    pub(super) fn increment(&mut self, metric: MetricId, by: i64) -> Result<(), HostError> {
        let metric = self.metrics.get_mut(place(metric.0)).ok_or(HostError::NotFound)?;
        let is_possible = match metric.kind {
            MetricKind::Counter => by > 0,
            MetricKind::Gauge => true,
            MetricKind::Histogram => false,
        };
        if !is_possible {
            return Err(HostError::BadArgument);
        }
        metric.value = metric.value.wrapping_add_signed(by);
        Ok(())
    }

    pub(super) fn metric(&self, metric: MetricId) -> Result<u64, HostError> {
        let metric = self.metrics.get(place(metric.0)).ok_or(HostError::NotFound)?;
        let is_number = metric.kind != MetricKind::Histogram;
        is_number.then_some(metric.value).ok_or(HostError::BadArgument)
    }

    pub(super) fn metric_by_name(&self, name: &str) -> Option<u64> {
        self.metrics.iter().find(|metric| metric.name == name).map(|metric| metric.value)
    }

    pub(super) fn observed(&self, name: &str) -> Vec<u64> {
        let metric = self.metrics.iter().find(|metric| metric.name == name);
        metric.map(|metric| metric.observed.clone()).unwrap_or_default()
    }
}

fn id(place: usize) -> QueueId {
    QueueId(narrow(place))
}

fn narrow(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

fn place(id: u32) -> usize {
    usize::try_from(id).unwrap_or(usize::MAX)
}
