//! Metrics, access log and logs; every metric name in one place.
//!
//! What the proxy says about itself. Workers count into cells that only they write, and the
//! admin thread sums the cells when it is asked; nothing here waits on the request path. This
//! crate opens no socket and decides nothing. Start reading at [`Metrics`], then at `names`,
//! the catalogue of all metrics.

mod cell;
mod clock;
mod metrics;
mod names;

pub use cell::{Counter, Gauge, Histogram, LabelledCounters, SharedCounter};
pub use clock::{Clock, Stopwatch, Tick};
pub use metrics::{
    ClusterMetrics, ControlMetrics, HostCallCount, ListenerMetrics, Metrics, PluginMetrics,
    WorkerMetrics,
};
pub use names::{FAULT_LABELS, HOST_CALL_REPORTS_MAX, OVERFLOW_NAME, SERIES_MAX};
