//! Metrics, access log and logs; every metric name in one place.
//!
//! What the proxy says about itself. Workers count into cells that only they write, and the
//! admin thread sums the cells when it is asked; lines go to a thread that writes them. So
//! nothing here waits on the request path: what cannot be kept is dropped and counted. This
//! crate opens no socket and decides nothing. Start reading at [`Metrics`], then at `names`,
//! the catalogue of all metrics, and at [`AccessLog`].

mod access;
mod cell;
mod clock;
mod defined;
mod escape;
mod line_gate;
mod logs;
mod metrics;
mod names;
mod repeats;
mod sink;
mod time;

pub use access::{
    AccessLog, AccessLogError, AccessLogGuard, AccessLogTarget, AccessLogWriter, AccessRecord,
    FLUSH_INTERVAL, PluginTime,
};
pub use cell::{Counter, Gauge, Histogram, LabelledCounters, SharedCounter};
pub use clock::{Clock, Stopwatch, Tick};
pub use defined::DefinedMetrics;
pub use escape::escape_line;
pub use line_gate::{LineGate, LinePass};
pub use logs::{LogError, LogFormat, LogHandle, PLUGIN_LOG_TARGET, init_logs, log_plugin_line};
pub use metrics::{
    ClusterMetrics, CodecCall, ControlMetrics, HostCallCount, LineCounts, ListenerMetrics, Metrics,
    PluginMetrics, ProtocolMetrics, WorkerMetrics,
};
pub use names::{
    CALL_OUTCOMES, DEFINED_METRICS_MAX, DEFINED_NAME_BYTES_MAX, FAULT_LABELS,
    HOST_CALL_REPORTS_MAX, OVERFLOW_NAME, SERIES_MAX,
};
pub use repeats::Repeats;
pub use time::rfc3339;
