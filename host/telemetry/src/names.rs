//! Every metric: its name, its help text, its labels, and where its value is.
//!
//! A metric that is not in a table here is not shown. Names carry no `_total`: the encoder
//! adds it to every counter. Labels have few values by nature, or are names from the
//! configuration, whose number [`SERIES_MAX`] bounds; nothing that a client sends is a label.

use host_types::ReplyReason;

use crate::{
    ClusterMetrics, ControlMetrics, Counter, Gauge, Histogram, LineCounts, ListenerMetrics,
    PluginMetrics, ProtocolMetrics, SharedCounter, metrics::protocol::FRAME_LABELS,
};

/// Names of a kind (listeners, clusters, plugins) that one worker counts apart.
pub const SERIES_MAX: usize = 1000;

/// The name under which everything past [`SERIES_MAX`] is counted together.
pub const OVERFLOW_NAME: &str = "_overflow";

/// Sets of host-call counts that one plugin's shard sums.
pub const HOST_CALL_REPORTS_MAX: usize = 64;

/// Metrics that one plugin may define.
pub const DEFINED_METRICS_MAX: usize = 1000;

/// Bytes that the name of such a metric may have.
pub const DEFINED_NAME_BYTES_MAX: usize = 256;

/// What stands before the name that a plugin gave its metric. No name of ours begins so.
pub(crate) const DEFINED_PREFIX: &str = "plugin_";

/// Holds the name as the plugin gave it, where two of its names look the same on the page.
pub(crate) const DEFINED_NAME_LABEL: &str = "name";

/// What the page says of a metric that plugins define: of a counter, a gauge, a histogram.
pub(crate) const DEFINED_HELP: [&str; 3] =
    ["Counted by plugins.", "Set by plugins.", "Observed by plugins."];

/// Upper bounds for what plugins observe, in whatever unit: those that dashboards for other
/// proxies know, and powers of ten behind them for bytes and nanoseconds.
pub(crate) const DEFINED_BOUNDS: &[u32] = &[
    1,
    5,
    10,
    25,
    50,
    100,
    250,
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    30_000,
    60_000,
    300_000,
    600_000,
    1_800_000,
    3_600_000,
    10_000_000,
    100_000_000,
    1_000_000_000,
];

/// The kinds of plugin faults, as `FaultKind::label` of `host-extension` gives them.
pub const FAULT_LABELS: &[&str] = &[
    "load_failed",
    "trapped",
    "timed_out",
    "out_of_memory",
    "crashed",
    "protocol",
    "denied",
    "overspent",
    "instance_lost",
];

/// How calls of plugins to a cluster end.
pub const CALL_OUTCOMES: [&str; 6] =
    ["answered", "unreachable", "timed_out", "reset", "too_large", "cancelled"];

/// Upper bounds for whole requests: those of OpenTelemetry's HTTP conventions, with three
/// more below for upstreams that are near.
pub(crate) const REQUEST_BOUNDS_US: &[u32] = &[
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 75_000, 100_000, 250_000, 500_000, 750_000,
    1_000_000, 2_500_000, 5_000_000, 7_500_000, 10_000_000,
];

/// Upper bounds for the time in one plugin.
pub(crate) const PLUGIN_BOUNDS_US: &[u32] =
    &[1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000];

/// Build and start of the process.
pub(crate) const BUILD: (&str, &str) = ("mortise_build", "The version that runs.");
pub(crate) const START_TIME: (&str, &str) =
    ("mortise_start_time_seconds", "When the process started, in seconds since 1970.");

/// The labels that name the thing that is counted.
pub(crate) const LISTENER_LABEL: &str = "listener";
pub(crate) const PROTOCOL_LABEL: &str = "protocol";
pub(crate) const CLUSTER_LABEL: &str = "cluster";
pub(crate) const PLUGIN_LABEL: &str = "plugin";
pub(crate) const BACKEND_LABEL: &str = "backend";

/// A metric of a `T`, whose value is summed over the shards.
pub(crate) struct Family<T> {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) read: Read<T>,
}

/// Where a metric's value is.
pub(crate) enum Read<T> {
    /// A counter.
    Counter(fn(&T) -> &Counter),
    /// A counter that all threads share.
    Shared(fn(&T) -> &SharedCounter),
    /// Counters told apart by a label.
    Split(&'static str, fn(&T, &mut ShowSplit<'_>)),
    /// A gauge of which the shards' sum is shown.
    Sum(fn(&T) -> &Gauge),
    /// A gauge of which the shards' greatest is shown.
    Max(fn(&T) -> &Gauge),
    /// A histogram.
    Histogram(fn(&T) -> &Histogram),
    /// Histograms told apart by a label; those without a value are not shown.
    SplitHistogram(&'static str, fn(&T, &mut ShowHistogram<'_>)),
}

/// Is shown every value of the label with its count.
pub(crate) type ShowSplit<'a> = dyn FnMut(&'static str, u64) + 'a;

/// Is shown the values of the label that have a histogram with something in it.
pub(crate) type ShowHistogram<'a> = dyn FnMut(&'static str, &Histogram) + 'a;

const fn family<T>(name: &'static str, help: &'static str, read: Read<T>) -> Family<T> {
    Family { name, help, read }
}

/// Metrics of each listener.
pub(crate) const LISTENER: &[Family<ListenerMetrics>] = &[
    family(
        "mortise_listener_connections",
        "Connections accepted.",
        Read::Counter(|m| &m.connections_total),
    ),
    family(
        "mortise_listener_connections_active",
        "Connections open now.",
        Read::Sum(|m| &m.connections_active),
    ),
    family(
        "mortise_listener_connections_refused",
        "Connections closed at once because of a limit.",
        Read::Counter(|m| &m.connections_refused_total),
    ),
    family(
        "mortise_listener_connections_closed_by_filters",
        "Connections closed by a network filter, or because one failed.",
        Read::Counter(|m| &m.connections_closed_by_filters_total),
    ),
    family(
        "mortise_listener_streams_active",
        "Streams open now.",
        Read::Sum(|m| &m.streams_active),
    ),
    family(
        "mortise_listener_responses",
        "Responses by class of status.",
        Read::Split("class", |m, show| {
            for (class, count) in ["1xx", "2xx", "3xx", "4xx", "5xx"].iter().zip(&m.responses) {
                show(class, count.value());
            }
        }),
    ),
    family(
        "mortise_listener_replies",
        "Ended streams by the reason for their reply.",
        Read::Split("reason", |m, show| {
            for (label, count) in ReplyReason::LABELS.iter().zip(&m.replies) {
                show(label, count.value());
            }
        }),
    ),
    family(
        "mortise_listener_request_duration_seconds",
        "From the request's head to the end of the response.",
        Read::Histogram(|m| &m.request_duration),
    ),
    family(
        "mortise_listener_request_body_bytes",
        "Bytes of request bodies read from clients.",
        Read::Counter(|m| &m.request_body_bytes_total),
    ),
    family(
        "mortise_listener_response_body_bytes",
        "Bytes of response bodies written to clients.",
        Read::Counter(|m| &m.response_body_bytes_total),
    ),
    family(
        "mortise_listener_malformed",
        "Connections and streams refused because what came was malformed or ambiguous.",
        Read::Counter(|m| &m.malformed_total),
    ),
    family(
        "mortise_listener_tcp_bytes",
        "Bytes passed on without being looked at, by direction as the client sees the proxy.",
        Read::Split("direction", |m, show| {
            show("in", m.tcp_bytes_in.value());
            show("out", m.tcp_bytes_out.value());
        }),
    ),
];

/// Metrics of each protocol with a codec that a listener speaks.
pub(crate) const PROTOCOL: &[Family<ProtocolMetrics>] = &[
    family(
        "mortise_rpc_frames",
        "Frames read from clients and written to them, by kind.",
        Read::Split("kind", |m, show| {
            for (label, count) in FRAME_LABELS.iter().zip(&m.frames) {
                show(label, count.value());
            }
        }),
    ),
    family(
        "mortise_rpc_malformed",
        "Frames of clients that were malformed, and connections that lost the borders of frames.",
        Read::Counter(|m| &m.malformed_total),
    ),
];

/// Metrics of each cluster.
pub(crate) const CLUSTER: &[Family<ClusterMetrics>] = &[
    family(
        "mortise_cluster_connects",
        "Upstream connections made.",
        Read::Counter(|m| &m.connects_total),
    ),
    family(
        "mortise_cluster_connect_failures",
        "Upstream connections that could not be made.",
        Read::Counter(|m| &m.connect_failures_total),
    ),
    family(
        "mortise_cluster_connections_active",
        "Upstream connections open now.",
        Read::Sum(|m| &m.connections_active),
    ),
    family(
        "mortise_cluster_requests",
        "Requests sent upstream, each attempt of them.",
        Read::Counter(|m| &m.requests_total),
    ),
    family(
        "mortise_cluster_requests_active",
        "Requests under way upstream now.",
        Read::Sum(|m| &m.requests_active),
    ),
    family(
        "mortise_cluster_reused",
        "Requests sent on a connection that had served another one before.",
        Read::Counter(|m| &m.reused_total),
    ),
    family(
        "mortise_cluster_pending_active",
        "Requests that wait for an upstream connection now.",
        Read::Sum(|m| &m.pending_active),
    ),
    family(
        "mortise_cluster_overflow",
        "Requests refused because a limit of the pool was reached.",
        Read::Counter(|m| &m.overflow_total),
    ),
    family(
        "mortise_cluster_resets",
        "Exchanges that the upstream broke off.",
        Read::Counter(|m| &m.resets_total),
    ),
    family(
        "mortise_cluster_retries",
        "Requests sent once more.",
        Read::Counter(|m| &m.retries_total),
    ),
    family(
        "mortise_cluster_retries_held_back",
        "Requests not sent once more, because too many were at the time.",
        Read::Counter(|m| &m.retries_held_back_total),
    ),
    family(
        "mortise_cluster_rpc_late",
        "Responses whose request was given up before they came.",
        Read::Counter(|m| &m.rpc_late_total),
    ),
    family(
        "mortise_cluster_rpc_unknown",
        "Frames of upstreams that nobody waits for.",
        Read::Counter(|m| &m.rpc_unknown_total),
    ),
    family(
        "mortise_cluster_rpc_heartbeats_missed",
        "Heartbeats to upstreams without a sign of life in time.",
        Read::Counter(|m| &m.heartbeats_missed_total),
    ),
    family(
        "mortise_cluster_rpc_go_aways",
        "Upstream connections whose peer said that it takes no new requests.",
        Read::Counter(|m| &m.go_aways_total),
    ),
    family(
        "mortise_cluster_plugin_calls",
        "Calls of plugins to the cluster, over HTTP and gRPC, by how they ended.",
        Read::Split("outcome", |m, show| {
            for (label, count) in CALL_OUTCOMES.iter().zip(&m.plugin_calls) {
                show(label, count.value());
            }
        }),
    ),
];

/// Metrics of each plugin.
pub(crate) const PLUGIN: &[Family<PluginMetrics>] = &[
    family(
        "mortise_plugin_streams",
        "Streams that the plugin saw, and connections that it saw as a network filter or codec.",
        Read::Counter(|m| &m.streams_total),
    ),
    family(
        "mortise_plugin_stream_duration_seconds",
        "Time spent in the plugin, per stream or connection.",
        Read::Histogram(|m| &m.stream_duration),
    ),
    family(
        "mortise_plugin_call_duration_seconds",
        "From a call of the plugin to its verdict, by phase, and of its codecs to the answer.",
        Read::SplitHistogram("phase", |m, show| m.for_each_call(show)),
    ),
    family(
        "mortise_plugin_faults",
        "Faults of the plugin by kind.",
        Read::Split("kind", |m, show| m.faults.for_each(show)),
    ),
    family(
        "mortise_plugin_fail_open",
        "Streams that went on without the plugin after it failed.",
        Read::Counter(|m| &m.fail_open_total),
    ),
    family(
        "mortise_plugin_restarts",
        "Instances started in place of a faulty one.",
        Read::Counter(|m| &m.restarts_total),
    ),
    family(
        "mortise_plugin_breaker_open",
        "Workers on which the plugin failed too often to be started again.",
        Read::Sum(|m| &m.breaker_open),
    ),
    family(
        "mortise_plugin_generation",
        "The newest generation of the plugin that serves.",
        Read::Max(|m| &m.generation),
    ),
    family(
        "mortise_plugin_host_calls",
        "What the plugin asked of the host, by call.",
        Read::Split("call", |m, show| {
            m.for_each_host_call(&mut |count| show(count.call, count.made));
        }),
    ),
    family(
        "mortise_plugin_host_calls_refused",
        "What the plugin asked of the host and was refused by policy or a limit, by call.",
        Read::Split("call", |m, show| {
            m.for_each_host_call(&mut |count| show(count.call, count.refused));
        }),
    ),
    family(
        "mortise_plugin_denied",
        "What the plugin did, or was about to do, without the permission, by what is missing.",
        Read::Split("permission", |m, show| m.for_each_denial(show)),
    ),
];

/// Metrics of the process.
pub(crate) const CONTROL: &[Family<ControlMetrics>] = &[
    family(
        "mortise_config_reloads",
        "Configurations taken into use after the first one.",
        Read::Shared(|m| &m.config_reloads_total),
    ),
    family(
        "mortise_config_reload_failures",
        "Configurations refused; the last good one went on.",
        Read::Shared(|m| &m.config_reload_failures_total),
    ),
    family(
        "mortise_config_generation",
        "The number of the configuration in use.",
        Read::Sum(|m| &m.config_generation),
    ),
    family("mortise_workers", "Worker threads.", Read::Sum(|m| &m.workers)),
    family(
        "mortise_access_log_lines",
        "Access log lines by what became of them.",
        Read::Split("result", |m, show| show_lines(&m.access_log, show)),
    ),
    family(
        "mortise_log_lines",
        "Log lines by what became of them.",
        Read::Split("result", |m, show| show_lines(&m.log, show)),
    ),
];

fn show_lines(counts: &LineCounts, show: &mut ShowSplit<'_>) {
    show("written", counts.written_total.value());
    show("dropped", counts.dropped_total.value());
    show("failed", counts.failed_total.value());
}
