//! What plugins keep and count beside streams.

/// The kind of a plugin's metric.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum MetricKind {
    /// Only goes up.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts observations by size.
    Histogram,
}

/// The number of a metric, for one plugin.
pub type MetricId = u32;

/// The number of a queue, for the whole process.
pub type QueueId = u32;
