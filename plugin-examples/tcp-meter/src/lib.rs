//! Tcp-meter: counts the bytes of each connection in both directions, and rewrites them to
//! upper case where it is told to.
//!
//! Bytes are counted and rewritten as they pass; nothing is held. Start reading at [`Meter`].
#![forbid(unsafe_code)]

use mortise_sdk::{
    Connection, Counter, Flow, FlowAction, Host, HostError, LogLevel, NetworkFilter, Peer, Phases,
    Plugin, Refusal,
};
use serde::Deserialize;

mortise_sdk::plugin!(TcpMeter);

/// The plugin's configuration; nothing is required.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rule {
    /// Rewrite what the client sends.
    upper_to_upstream: bool,
    /// Rewrite what the upstream sends.
    upper_to_client: bool,
}

/// The counters.
#[derive(Clone, Copy, Debug)]
struct Metrics {
    connections: Counter,
    to_upstream: Counter,
    to_client: Counter,
}

impl Metrics {
    fn define(host: &Host<'_>) -> Result<Self, HostError> {
        Ok(Self {
            connections: host.counter("connections")?,
            to_upstream: host.counter("bytes_to_upstream")?,
            to_client: host.counter("bytes_to_client")?,
        })
    }
}

/// What one instance of the plugin keeps: its configuration and its counters.
#[derive(Debug)]
pub struct TcpMeter {
    rule: Rule,
    metrics: Option<Metrics>,
}

impl Plugin for TcpMeter {
    type Config = Rule;

    const PHASES: Phases = Phases::NEW_CONNECTION
        .and(Phases::DOWNSTREAM_DATA)
        .and(Phases::UPSTREAM_DATA)
        .and(Phases::CLOSE)
        .and(Phases::LOG);

    fn start(rule: Rule, host: &Host<'_>) -> Result<Self, Refusal> {
        let metrics = Metrics::define(host).map_err(|error| {
            host.log(LogLevel::Warn, format!("tcp-meter: the host makes no metrics: {error}"));
        });
        Ok(Self { rule, metrics: metrics.ok() })
    }

    fn network_filter(&mut self, _host: &Host<'_>) -> Option<Box<dyn NetworkFilter>> {
        let meter = Meter {
            rule: self.rule,
            metrics: self.metrics,
            to_upstream: 0,
            to_client: 0,
            ended_by: None,
        };
        Some(Box::new(meter))
    }
}

/// One connection.
struct Meter {
    rule: Rule,
    metrics: Option<Metrics>,
    to_upstream: u64,
    to_client: u64,
    ended_by: Option<&'static str>,
}

impl Meter {
    /// Counts the bytes; true where they are to be rewritten.
    fn count(&mut self, host: &Host<'_>, flow: Flow, bytes: usize) -> bool {
        let (total, rewrite) = match flow {
            Flow::Downstream => (&mut self.to_upstream, self.rule.upper_to_upstream),
            Flow::Upstream => (&mut self.to_client, self.rule.upper_to_client),
        };
        *total += bytes as u64;
        if let Some(metrics) = self.metrics {
            let counter = match flow {
                Flow::Downstream => metrics.to_upstream,
                Flow::Upstream => metrics.to_client,
            };
            // A chunk is never that large.
            counter.add(host, u32::try_from(bytes).unwrap_or(u32::MAX));
        }
        rewrite
    }

    /// Remembers who ended the connection first: a side may end its direction before it closes.
    fn ended(&mut self, end: bool, by: &'static str) {
        if end {
            self.ended_by.get_or_insert(by);
        }
    }
}

impl NetworkFilter for Meter {
    fn on_new_connection(&mut self, connection: &Connection<'_>) -> FlowAction {
        if let Some(metrics) = self.metrics {
            metrics.connections.add(&connection.host(), 1);
        }
        FlowAction::Continue
    }

    fn on_data(&mut self, connection: &Connection<'_>, flow: Flow, end: bool) -> FlowAction {
        self.ended(end, if flow == Flow::Downstream { "the client" } else { "the upstream" });
        let bytes = connection.data(flow).unwrap_or_default();
        if self.count(&connection.host(), flow, bytes.len())
            && let Some(bytes) = upper(bytes)
        {
            // A host that does not let us rewrite bytes passes them on as they are.
            connection.set_data(flow, bytes).ok();
        }
        FlowAction::Continue
    }

    fn on_close(&mut self, _connection: &Connection<'_>, flow: Flow, by: Peer) {
        match (flow, by) {
            (Flow::Downstream, Peer::Remote) => self.ended(true, "the client"),
            (Flow::Downstream, _) => self.ended(true, "the proxy"),
            (Flow::Upstream, by) => self.ended(by == Peer::Remote, "the upstream"),
        }
    }

    fn on_complete(&mut self, connection: &Connection<'_>) {
        let line = format!(
            "tcp-meter: {} bytes to the upstream, {} to the client; ended by {}",
            self.to_upstream,
            self.to_client,
            self.ended_by.unwrap_or("nobody")
        );
        connection.host().log(LogLevel::Info, line);
    }
}

/// The bytes in upper case, or nothing where they already are.
fn upper(mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    if !bytes.iter().any(u8::is_ascii_lowercase) {
        return None;
    }
    bytes.make_ascii_uppercase();
    Some(bytes)
}

#[cfg(test)]
mod tests;
