//! What plugins share across workers, and what they count.

use crate::{Host, HostError};

/// A value of the shared data.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SharedValue {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Its version, never zero: a write that names it succeeds only while it stands.
    pub version: u32,
}

/// Names a queue.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct QueueId(pub u32);

/// A queue that was registered or found.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Queue(pub QueueId);

impl Queue {
    /// Puts an item at the end.
    ///
    /// # Errors
    /// `NotFound` for a queue that is gone, `LimitReached` where it is full.
    pub fn push(self, host: &Host<'_>, item: impl AsRef<[u8]>) -> Result<(), HostError> {
        host.backend.enqueue(self.0, item.as_ref())
    }

    /// Takes the first item out; `None` where there is none.
    ///
    /// # Errors
    /// `NotFound` for a queue that is gone.
    pub fn pop(self, host: &Host<'_>) -> Result<Option<Vec<u8>>, HostError> {
        host.backend.dequeue(self.0)
    }
}

/// Names a metric.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct MetricId(pub u32);

/// What a metric does.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum MetricKind {
    /// It only grows.
    Counter,
    /// It has a value.
    Gauge,
    /// It takes values and tells how they are spread.
    Histogram,
}

/// A metric that only grows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Counter(pub MetricId);

/// A metric that has a value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Gauge(pub MetricId);

/// A metric that takes values.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Histogram(pub MetricId);

impl Counter {
    /// Counts on.
    pub fn add(self, host: &Host<'_>, by: u32) {
        // A metric that cannot be counted is no reason to fail a request.
        host.backend.increment_metric(self.0, i64::from(by)).ok();
    }

    /// Its value, over all workers.
    ///
    /// # Errors
    /// `NotFound`, `Denied`.
    pub fn value(self, host: &Host<'_>) -> Result<u64, HostError> {
        host.backend.metric(self.0)
    }
}

impl Gauge {
    /// Sets it.
    pub fn set(self, host: &Host<'_>, value: u64) {
        host.backend.record_metric(self.0, value).ok();
    }

    /// Moves it.
    pub fn add(self, host: &Host<'_>, by: i64) {
        host.backend.increment_metric(self.0, by).ok();
    }

    /// Its value, over all workers.
    ///
    /// # Errors
    /// `NotFound`, `Denied`.
    pub fn value(self, host: &Host<'_>) -> Result<u64, HostError> {
        host.backend.metric(self.0)
    }
}

impl Histogram {
    /// Takes a value.
    pub fn record(self, host: &Host<'_>, value: u64) {
        host.backend.record_metric(self.0, value).ok();
    }
}
