//! The cells that are counted in.
//!
//! A cell has one writer, the thread that it belongs to, and any number of readers. So a
//! change is a plain load and a plain store: no locked instruction on the request path. Two
//! writers would lose counts, nothing worse; what several threads count is a
//! [`SharedCounter`].

use std::{
    sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// A number that only grows. One writer.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds `amount`; wraps around past 2^64, as Prometheus expects of a counter.
    pub fn add(&self, amount: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(amount), Relaxed);
    }

    /// The count so far.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A number that goes up and down. One writer.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// Adds one.
    pub fn increment(&self) {
        self.0.store(self.0.load(Relaxed).saturating_add(1), Relaxed);
    }

    /// Takes one away.
    pub fn decrement(&self) {
        self.0.store(self.0.load(Relaxed).saturating_sub(1), Relaxed);
    }

    /// Sets the number.
    pub fn set(&self, value: i64) {
        self.0.store(value, Relaxed);
    }

    /// The number now.
    #[must_use]
    pub fn value(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

/// A counter with many writers, for what happens seldom.
#[derive(Debug, Default)]
pub struct SharedCounter(AtomicU64);

impl SharedCounter {
    /// Adds one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds `amount`.
    pub fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Relaxed);
    }

    /// The count so far.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Counters side by side, one per label of a fixed table and one for any other label. One
/// writer.
#[derive(Debug)]
pub struct LabelledCounters {
    labels: &'static [&'static str],
    counts: Box<[Counter]>,
    other: Counter,
}

/// The label under which a [`LabelledCounters`] shows what its table does not name.
const OTHER_LABEL: &str = "other";

impl LabelledCounters {
    /// Counters for `labels`, all at zero.
    #[must_use]
    pub fn new(labels: &'static [&'static str]) -> Self {
        let counts = labels.iter().map(|_label| Counter::default()).collect();
        Self { labels, counts, other: Counter::default() }
    }

    /// The labels, in the order of [`LabelledCounters::at`].
    #[must_use]
    pub fn labels(&self) -> &'static [&'static str] {
        self.labels
    }

    /// The counter at a place of the label table; past its end the one for other labels.
    #[must_use]
    pub fn at(&self, index: usize) -> &Counter {
        self.counts.get(index).unwrap_or(&self.other)
    }

    /// The counter of a label; the one for other labels where the table does not name it.
    /// Searches the table: a caller on the request path keeps the place and uses
    /// [`LabelledCounters::at`].
    #[must_use]
    pub fn of(&self, label: &str) -> &Counter {
        let place = self.labels.iter().position(|known| *known == label);
        place.map_or(&self.other, |index| self.at(index))
    }

    /// Shows every label with its count; `other` only where it was ever used.
    pub fn for_each(&self, show: &mut dyn FnMut(&'static str, u64)) {
        for (label, count) in self.labels.iter().zip(&self.counts) {
            show(label, count.value());
        }
        if self.other.value() > 0 {
            show(OTHER_LABEL, self.other.value());
        }
    }
}

/// Durations counted into buckets with fixed upper bounds. One writer.
#[derive(Debug)]
pub struct Histogram {
    /// Upper bounds in microseconds, rising; one more bucket stands behind the last.
    bounds_us: &'static [u32],
    counts: Box<[Counter]>,
    sum_ns: Counter,
}

/// A histogram as it was read, to be summed with others of the same bounds.
#[derive(Debug)]
pub(crate) struct HistogramSum {
    bounds_us: &'static [u32],
    counts: Vec<u64>,
    sum_ns: u64,
}

impl Histogram {
    /// An empty histogram with buckets up to each of `bounds_us` microseconds, which must rise.
    #[must_use]
    pub fn new(bounds_us: &'static [u32]) -> Self {
        debug_assert!(bounds_us.is_sorted(), "bounds must rise: {bounds_us:?}");
        let counts = (0..=bounds_us.len()).map(|_bucket| Counter::default()).collect();
        Self { bounds_us, counts, sum_ns: Counter::default() }
    }

    /// Counts one duration.
    pub fn observe(&self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let bucket = self.bounds_us.partition_point(|bound| u64::from(*bound) * 1000 < nanos);
        if let Some(count) = self.counts.get(bucket) {
            count.increment();
        }
        self.sum_ns.add(nanos);
    }

    /// How many durations were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().map(Counter::value).sum()
    }

    /// The sum of what was counted.
    #[must_use]
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum_ns.value())
    }

    pub(crate) fn read(&self) -> HistogramSum {
        HistogramSum {
            bounds_us: self.bounds_us,
            counts: self.counts.iter().map(Counter::value).collect(),
            sum_ns: self.sum_ns.value(),
        }
    }
}

impl HistogramSum {
    /// Adds a histogram of the same family, which therefore has the same bounds.
    pub(crate) fn merge(&mut self, other: &Histogram) {
        debug_assert_eq!(self.bounds_us, other.bounds_us, "one family, one set of bounds");
        for (sum, count) in self.counts.iter_mut().zip(&other.counts) {
            *sum = sum.wrapping_add(count.value());
        }
        self.sum_ns = self.sum_ns.wrapping_add(other.sum_ns.value());
    }

    pub(crate) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    pub(crate) fn sum_seconds(&self) -> f64 {
        Duration::from_nanos(self.sum_ns).as_secs_f64()
    }

    /// Upper bounds in seconds with the counts of their own bucket, the infinite one last.
    pub(crate) fn buckets(&self) -> Vec<(f64, u64)> {
        let bounds = self.bounds_us.iter().map(|bound| f64::from(*bound) / 1e6);
        bounds.chain([f64::INFINITY]).zip(self.counts.iter().copied()).collect()
    }
}

#[cfg(test)]
mod tests;
