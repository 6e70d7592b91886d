//! What is counted and logged of a connection that has no stream: raw bytes, and bytes that
//! never became a request.

use std::{
    net::SocketAddr,
    time::{Duration, SystemTime},
};

use host_extension::ConnectionFacts;
use host_telemetry::{AccessRecord, Clock, PluginTime, Tick};
use host_types::{ClusterName, PluginName, ReplyReason};

use crate::listener::ListenerState;

/// When a connection was accepted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Began {
    time: SystemTime,
    tick: Tick,
}

impl Began {
    /// Now.
    pub(crate) fn now(clock: &Clock) -> Self {
        Self { time: SystemTime::now(), tick: clock.tick() }
    }

    /// By the wall clock.
    pub(crate) fn time(&self) -> SystemTime {
        self.time
    }
}

/// How a connection ended.
pub(crate) struct ConnectionRecord<'a> {
    began: Began,
    reason: ReplyReason,
    details: Option<&'a str>,
    pub(crate) status: Option<u16>,
    pub(crate) cluster: Option<&'a ClusterName>,
    pub(crate) upstream: Option<SocketAddr>,
    /// The upstream broke off.
    pub(crate) upstream_failed: bool,
    /// The time that each network filter took.
    pub(crate) plugins: Vec<(PluginName, Duration)>,
    /// Bytes from the client and to it.
    pub(crate) bytes: (u64, u64),
}

impl<'a> ConnectionRecord<'a> {
    /// A connection that ended for this reason.
    pub(crate) fn new(began: Began, reason: ReplyReason) -> Self {
        Self {
            began,
            reason,
            details: None,
            status: None,
            cluster: None,
            upstream: None,
            upstream_failed: false,
            plugins: Vec::new(),
            bytes: (0, 0),
        }
    }

    /// Says why it ended, after all.
    pub(crate) fn ended_by(&mut self, reason: ReplyReason, details: &'a str) {
        self.reason = reason;
        self.details = Some(details);
    }

    /// Counts it and writes its line.
    pub(crate) fn write(&self, listener: &ListenerState, connection: &ConnectionFacts) {
        let (received, sent) = self.bytes;
        let metrics = &listener.metrics;
        metrics.reply(&self.reason);
        metrics.tcp_bytes_in.add(received);
        metrics.tcp_bytes_out.add(sent);
        let log = listener.worker.access_log.borrow();
        let Some(log) = log.as_ref() else { return };
        let times = self.plugins.iter().map(|(name, time)| PluginTime { name, time: *time });
        let plugins: Vec<PluginTime<'_>> = times.collect();
        log.write(&AccessRecord {
            time: self.began.time,
            listener: connection.listener.as_str(),
            protocol: connection.protocol.label(),
            peer: connection.peer,
            method: None,
            authority: None,
            path: None,
            status: self.status,
            one_way: false,
            reason: &self.reason,
            details: self.details,
            plugins: &plugins,
            route: None,
            cluster: self.cluster.map(ClusterName::as_str),
            upstream: self.upstream,
            request_id: None,
            request_bytes: received,
            response_bytes: sent,
            duration: listener.worker.clock.since(self.began.tick),
            upstream_time: None,
            user_agent: None,
        });
    }
}
