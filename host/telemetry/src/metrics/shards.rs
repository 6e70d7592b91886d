//! What is counted of each thing. The names under which it is shown are in `names`.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use host_extension::Phases;
use host_types::{ProtocolName, ReplyReason};
use parking_lot::Mutex;

use crate::{
    Counter, Gauge, Histogram, LabelledCounters, ProtocolMetrics, SharedCounter,
    names::{
        CALL_OUTCOMES, FAULT_LABELS, HOST_CALL_REPORTS_MAX, OVERFLOW_NAME, PLUGIN_BOUNDS_US,
        REQUEST_BOUNDS_US, ShowHistogram, ShowSplit,
    },
};

/// One listener on one worker. Aligned, so that two workers never count in one cache line.
#[derive(Debug)]
#[repr(align(128))]
pub struct ListenerMetrics {
    /// Connections accepted.
    pub connections_total: Counter,
    /// Connections open now.
    pub connections_active: Gauge,
    /// Connections closed at once because of a limit.
    pub connections_refused_total: Counter,
    /// Connections closed by a network filter, or because one failed.
    pub connections_closed_by_filters_total: Counter,
    /// Streams open now.
    pub streams_active: Gauge,
    /// Responses by class of status, 1xx first; see [`ListenerMetrics::response`].
    pub responses: [Counter; 5],
    /// Ended streams by [`ReplyReason::index`]; see [`ListenerMetrics::reply`].
    pub replies: [Counter; 14],
    /// From the request's head to the end of the response.
    pub request_duration: Histogram,
    /// Bytes of request bodies read from clients.
    pub request_body_bytes_total: Counter,
    /// Bytes of response bodies written to clients.
    pub response_body_bytes_total: Counter,
    /// Connections and streams refused because what came was malformed or ambiguous.
    pub malformed_total: Counter,
    /// Bytes read from clients where the listener passes bytes on.
    pub tcp_bytes_in: Counter,
    /// Bytes written to clients where the listener passes bytes on.
    pub tcp_bytes_out: Counter,
    /// What is counted of each protocol with a codec; see [`ListenerMetrics::protocol`].
    protocols: Mutex<BTreeMap<ProtocolName, Arc<ProtocolMetrics>>>,
}

impl ListenerMetrics {
    /// What is counted of a protocol with a codec. Looked up once, and kept.
    #[must_use]
    pub fn protocol(&self, name: &ProtocolName) -> Arc<ProtocolMetrics> {
        super::shard(&self.protocols, name.clone(), || OVERFLOW_NAME.into())
    }

    /// All protocols that were ever looked up.
    pub(super) fn protocols(&self) -> BTreeMap<ProtocolName, Arc<ProtocolMetrics>> {
        self.protocols.lock().clone()
    }

    /// Counts a response by its status.
    pub fn response(&self, status: u16) {
        let class = usize::from(status / 100).saturating_sub(1);
        if let Some(count) = self.responses.get(class) {
            count.increment();
        }
    }

    /// Counts an ended stream by its reason.
    pub fn reply(&self, reason: &ReplyReason) {
        if let Some(count) = self.replies.get(reason.index()) {
            count.increment();
        }
    }
}

impl Default for ListenerMetrics {
    fn default() -> Self {
        Self {
            connections_total: Counter::default(),
            connections_active: Gauge::default(),
            connections_refused_total: Counter::default(),
            connections_closed_by_filters_total: Counter::default(),
            streams_active: Gauge::default(),
            responses: Default::default(),
            replies: Default::default(),
            request_duration: Histogram::new(REQUEST_BOUNDS_US),
            request_body_bytes_total: Counter::default(),
            response_body_bytes_total: Counter::default(),
            malformed_total: Counter::default(),
            tcp_bytes_in: Counter::default(),
            tcp_bytes_out: Counter::default(),
            protocols: Mutex::default(),
        }
    }
}

/// One cluster on one worker.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct ClusterMetrics {
    /// Connections made.
    pub connects_total: Counter,
    /// Connections that could not be made.
    pub connect_failures_total: Counter,
    /// Connections open now.
    pub connections_active: Gauge,
    /// Requests sent, each attempt of them.
    pub requests_total: Counter,
    /// Requests under way now.
    pub requests_active: Gauge,
    /// Requests that were sent on a connection that had served another one before.
    pub reused_total: Counter,
    /// Requests that wait for a connection now.
    pub pending_active: Gauge,
    /// Requests refused because a limit of the pool was reached.
    pub overflow_total: Counter,
    /// Exchanges that the upstream broke off.
    pub resets_total: Counter,
    /// Requests that were sent once more because nothing or no good answer came of them.
    pub retries_total: Counter,
    /// Requests that were not sent once more, because too many were at the time.
    pub retries_held_back_total: Counter,
    /// Responses of an RPC protocol whose request was given up before they came.
    pub rpc_late_total: Counter,
    /// Frames of an RPC protocol that nobody waits for.
    pub rpc_unknown_total: Counter,
    /// Heartbeats without a sign of life in time.
    pub heartbeats_missed_total: Counter,
    /// Connections on which the upstream said that it takes no new requests.
    pub go_aways_total: Counter,
    /// Calls of plugins by how they ended; see [`ClusterMetrics::plugin_call`].
    pub plugin_calls: [Counter; CALL_OUTCOMES.len()],
}

impl ClusterMetrics {
    /// Counts a plugin's call that ended so, one of [`CALL_OUTCOMES`].
    pub fn plugin_call(&self, outcome: &str) {
        let counts = CALL_OUTCOMES.iter().zip(&self.plugin_calls);
        for (_, count) in counts.filter(|(label, _)| **label == outcome) {
            count.increment();
        }
    }
}

/// One plugin on one backend and one worker.
#[derive(Debug)]
#[repr(align(128))]
pub struct PluginMetrics {
    /// Streams that the plugin saw, and connections that it saw as a network filter or whose
    /// protocol it read.
    pub streams_total: Counter,
    /// Time spent in the plugin, per stream or connection.
    pub stream_duration: Histogram,
    /// From a call of one of its hooks to the verdict; see [`PluginMetrics::call`].
    calls: [Histogram; Phases::NAMED.len()],
    /// As `calls`, of its codecs; see [`PluginMetrics::codec_call`].
    codec_calls: [Histogram; CodecCall::NAMED.len()],
    /// Faults by kind; see [`PluginMetrics::fault`].
    pub faults: LabelledCounters,
    /// Streams that went on without the plugin because its `on_error` is `open`.
    pub fail_open_total: Counter,
    /// Instances started in place of a faulty one.
    pub restarts_total: Counter,
    /// 1 while the breaker of this worker keeps the plugin from being started again.
    pub breaker_open: Gauge,
    /// The generation that serves.
    pub generation: Gauge,
    host_calls: Mutex<Vec<HostCallReport>>,
    denials: Mutex<Vec<DenialReport>>,
}

/// What a codec is called for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CodecCall {
    /// To find out whether a connection is of its protocol.
    Detect,
    /// To take frames out of bytes.
    Decode,
    /// To write a frame that was changed.
    Encode,
    /// To make a heartbeat.
    Heartbeat,
    /// To answer one.
    HeartbeatReply,
    /// To make a reply in the upstream's place.
    Reject,
    /// To say that no new requests are taken.
    GoAway,
}

impl CodecCall {
    /// All of them, with the labels that metrics show.
    pub const NAMED: [(&'static str, Self); 7] = [
        ("detect", Self::Detect),
        ("decode", Self::Decode),
        ("encode", Self::Encode),
        ("heartbeat", Self::Heartbeat),
        ("heartbeat_reply", Self::HeartbeatReply),
        ("reject", Self::Reject),
        ("go_away", Self::GoAway),
    ];
}

impl PluginMetrics {
    /// Counts a fault by the label of its kind, one of [`FAULT_LABELS`].
    pub fn fault(&self, label: &str) {
        self.faults.of(label).increment();
    }

    /// Counts the time from a call of one hook to its verdict. A call that waits for something
    /// else (an answer of an authorizer) counts with the wait.
    pub fn call(&self, phase: Phases, took: Duration) {
        if let Some(histogram) = self.calls.get(phase.place()) {
            histogram.observe(took);
        }
    }

    /// Counts the time from a call of one of its codecs to the answer.
    pub fn codec_call(&self, call: CodecCall, took: Duration) {
        let place = CodecCall::NAMED.iter().position(|(_label, known)| *known == call);
        if let Some(histogram) = place.and_then(|place| self.codec_calls.get(place)) {
            histogram.observe(took);
        }
    }

    /// How often its codecs were called so, and answered.
    #[must_use]
    pub fn codec_calls(&self, call: CodecCall) -> u64 {
        let mut calls = CodecCall::NAMED.iter().zip(&self.codec_calls);
        calls.find(|((_, known), _)| *known == call).map_or(0, |(_, calls)| calls.count())
    }

    pub(crate) fn for_each_call(&self, show: &mut ShowHistogram<'_>) {
        let hooks = Phases::NAMED.iter().map(|(label, _phase)| *label).zip(&self.calls);
        let codec = CodecCall::NAMED.iter().map(|(label, _call)| *label).zip(&self.codec_calls);
        for (label, histogram) in hooks.chain(codec) {
            if histogram.count() > 0 {
                show(label, histogram);
            }
        }
    }

    /// Says where the host calls of this shard are counted: `report` shows every call once,
    /// whenever metrics are read, on the thread that reads. Register one set of counts per
    /// shard and count on in it over reloads; the sets are summed, and past
    /// [`HOST_CALL_REPORTS_MAX`] of them a further one is not shown.
    pub fn report_host_calls(
        &self,
        report: impl Fn(&mut (dyn FnMut(HostCallCount) + '_)) + Send + Sync + 'static,
    ) {
        let mut reports = self.host_calls.lock();
        if reports.len() < HOST_CALL_REPORTS_MAX {
            reports.push(HostCallReport(Box::new(report)));
        }
    }

    /// As [`PluginMetrics::report_host_calls`], for what was done without the permission: `report`
    /// shows every permission once, with how often it was missing.
    pub fn report_denials(
        &self,
        report: impl Fn(&mut (dyn FnMut(&'static str, u64) + '_)) + Send + Sync + 'static,
    ) {
        let mut reports = self.denials.lock();
        if reports.len() < HOST_CALL_REPORTS_MAX {
            reports.push(DenialReport(Box::new(report)));
        }
    }

    pub(crate) fn for_each_denial(&self, show: &mut ShowSplit<'_>) {
        for report in self.denials.lock().iter() {
            (report.0)(show);
        }
    }

    pub(crate) fn for_each_host_call(&self, show: &mut ShowHostCall<'_>) {
        for report in self.host_calls.lock().iter() {
            (report.0)(show);
        }
    }
}

/// How often one kind of host call was made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HostCallCount {
    /// The label of the call.
    pub call: &'static str,
    /// How often it was made, refused calls included.
    pub made: u64,
    /// How often it was refused.
    pub refused: u64,
}

/// Is shown the counts one after the other.
type ShowHostCall<'a> = dyn FnMut(HostCallCount) + 'a;

type ReportHostCalls = dyn Fn(&mut ShowHostCall<'_>) + Send + Sync;

struct HostCallReport(Box<ReportHostCalls>);

impl fmt::Debug for HostCallReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HostCallReport")
    }
}

type ReportDenials = dyn Fn(&mut ShowSplit<'_>) + Send + Sync;

struct DenialReport(Box<ReportDenials>);

impl fmt::Debug for DenialReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DenialReport")
    }
}

impl Default for PluginMetrics {
    fn default() -> Self {
        Self {
            streams_total: Counter::default(),
            stream_duration: Histogram::new(PLUGIN_BOUNDS_US),
            calls: std::array::from_fn(|_phase| Histogram::new(PLUGIN_BOUNDS_US)),
            codec_calls: std::array::from_fn(|_call| Histogram::new(PLUGIN_BOUNDS_US)),
            faults: LabelledCounters::new(FAULT_LABELS),
            fail_open_total: Counter::default(),
            restarts_total: Counter::default(),
            breaker_open: Gauge::default(),
            generation: Gauge::default(),
            host_calls: Mutex::default(),
            denials: Mutex::default(),
        }
    }
}

/// What is counted once for the whole process.
#[derive(Debug, Default)]
pub struct ControlMetrics {
    /// Configurations taken into use after the first one.
    pub config_reloads_total: SharedCounter,
    /// Configurations refused; the last good one went on.
    pub config_reload_failures_total: SharedCounter,
    /// The number of the configuration in use.
    pub config_generation: Gauge,
    /// Worker threads.
    pub workers: Gauge,
    /// Lines of the access log.
    pub access_log: Arc<LineCounts>,
    /// Lines of the log.
    pub log: Arc<LineCounts>,
}

/// What became of the lines of one log.
#[derive(Debug, Default)]
pub struct LineCounts {
    /// Written.
    pub written_total: SharedCounter,
    /// Dropped because the writer did not keep up.
    pub dropped_total: SharedCounter,
    /// Lost because they could not be written.
    pub failed_total: SharedCounter,
}
