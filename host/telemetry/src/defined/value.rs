//! One value: what can be done to it, and how it is shown.

use std::{
    fmt,
    sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
};

use host_extension::{CallError, CallResult, MetricKind};
use prometheus_client::{
    encoding::{MetricEncoder, NoLabelSet},
    metrics::MetricType,
};

use crate::{
    metrics::encode::{Labels, encode_counter, encode_gauge},
    names::{DEFINED_BOUNDS, DEFINED_HELP},
};

/// A value that any thread counts into.
#[derive(Debug)]
pub(super) enum Value {
    Counter(AtomicU64),
    Gauge(AtomicI64),
    Histogram(Observations),
}

/// Numbers counted into buckets.
#[derive(Debug)]
pub(super) struct Observations {
    /// One for each of [`DEFINED_BOUNDS`], and one behind them.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Value {
    pub(super) fn new(kind: MetricKind) -> Self {
        match kind {
            MetricKind::Counter => Self::Counter(AtomicU64::default()),
            MetricKind::Gauge => Self::Gauge(AtomicI64::default()),
            MetricKind::Histogram => Self::Histogram(Observations::default()),
        }
    }

    pub(super) fn kind(&self) -> MetricKind {
        match self {
            Self::Counter(_) => MetricKind::Counter,
            Self::Gauge(_) => MetricKind::Gauge,
            Self::Histogram(_) => MetricKind::Histogram,
        }
    }

    pub(super) fn record(&self, value: u64) {
        match self {
            Self::Counter(count) => {
                count.fetch_add(value, Relaxed);
            }
            Self::Gauge(number) => number.store(value.cast_signed(), Relaxed),
            Self::Histogram(observations) => observations.observe(value),
        }
    }

    pub(super) fn increment(&self, by: i64) -> CallResult<()> {
        match self {
            Self::Counter(count) => {
                let by = u64::try_from(by).map_err(|_below_zero| CallError::BadArgument)?;
                if by == 0 {
                    return Err(CallError::BadArgument);
                }
                count.fetch_add(by, Relaxed);
            }
            Self::Gauge(number) => {
                number.fetch_add(by, Relaxed);
            }
            Self::Histogram(_) => return Err(CallError::BadArgument),
        }
        Ok(())
    }

    pub(super) fn read(&self) -> CallResult<u64> {
        match self {
            Self::Counter(count) => Ok(count.load(Relaxed)),
            Self::Gauge(number) => Ok(number.load(Relaxed).cast_unsigned()),
            Self::Histogram(_) => Err(CallError::BadArgument),
        }
    }

    pub(super) fn encode(&self, encoder: &mut MetricEncoder<'_>, labels: &Labels) -> fmt::Result {
        match self {
            Self::Counter(count) => encode_counter(encoder, labels, &count.load(Relaxed)),
            Self::Gauge(number) => encode_gauge(encoder, labels, &number.load(Relaxed)),
            Self::Histogram(observations) => {
                let buckets = observations.buckets();
                let count = buckets.iter().map(|(_bound, count)| count).sum();
                let sum = observations.sum.load(Relaxed) as f64;
                let mut encoder = encoder.encode_family(labels)?;
                encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
            }
        }
    }
}

/// The type and the help text of a kind.
pub(super) fn shown(kind: MetricKind) -> (MetricType, &'static str) {
    let [counter, gauge, histogram] = DEFINED_HELP;
    match kind {
        MetricKind::Counter => (MetricType::Counter, counter),
        MetricKind::Gauge => (MetricType::Gauge, gauge),
        MetricKind::Histogram => (MetricType::Histogram, histogram),
    }
}

impl Observations {
    fn observe(&self, value: u64) {
        let bucket = DEFINED_BOUNDS.partition_point(|bound| u64::from(*bound) < value);
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Relaxed);
        }
        self.sum.fetch_add(value, Relaxed);
    }

    /// Upper bounds with the counts of their own bucket, the infinite one last.
    fn buckets(&self) -> Vec<(f64, u64)> {
        let bounds = DEFINED_BOUNDS.iter().map(|bound| f64::from(*bound)).chain([f64::INFINITY]);
        bounds.zip(self.counts.iter().map(|count| count.load(Relaxed))).collect()
    }
}

impl Default for Observations {
    fn default() -> Self {
        let counts = (0..=DEFINED_BOUNDS.len()).map(|_bucket| AtomicU64::default()).collect();
        Self { counts, sum: AtomicU64::default() }
    }
}

#[cfg(test)]
mod tests;
