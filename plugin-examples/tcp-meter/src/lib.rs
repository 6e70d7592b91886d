//! Tcp-meter: counts the bytes of each connection in both directions, and rewrites them to
//! upper case where it is told to.
//!
//! Bytes are counted and rewritten as they pass; nothing is held. Start reading at [`Meter`].

use proxy_wasm::{
    hostcalls,
    traits::{Context, RootContext, StreamContext},
    types::{Action, ContextType, LogLevel, MetricType, PeerType, Status},
};
use serde::Deserialize;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root { rule: Rule::default(), metrics: None }));
}}

/// The plugin's configuration; nothing is required.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Rule {
    /// Rewrite what the client sends.
    upper_to_upstream: bool,
    /// Rewrite what the upstream sends.
    upper_to_client: bool,
}

impl Rule {
    /// Reads the configuration; none at all is one, too.
    fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    }
}

/// The numbers by which the host knows the counters.
#[derive(Clone, Copy, Debug)]
struct Metrics {
    connections: u32,
    to_upstream: u32,
    to_client: u32,
}

impl Metrics {
    fn define() -> Result<Self, Status> {
        let counter = |name| hostcalls::define_metric(MetricType::Counter, name);
        Ok(Self {
            connections: counter("connections")?,
            to_upstream: counter("bytes_to_upstream")?,
            to_client: counter("bytes_to_client")?,
        })
    }
}

/// What one instance of the plugin keeps: its configuration and its counters.
struct Root {
    rule: Rule,
    metrics: Option<Metrics>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        let bytes = self.get_plugin_configuration().unwrap_or_default();
        match Rule::parse(&bytes) {
            Ok(rule) => self.rule = rule,
            Err(why) => {
                log::error!("tcp-meter: bad configuration: {why}");
                return false;
            }
        }
        match Metrics::define() {
            Ok(metrics) => self.metrics = Some(metrics),
            Err(status) => log::warn!("tcp-meter: the host makes no metrics: {status:?}"),
        }
        true
    }

    fn create_stream_context(&self, _context_id: u32) -> Option<Box<dyn StreamContext>> {
        let meter = Meter {
            rule: self.rule,
            metrics: self.metrics,
            to_upstream: 0,
            to_client: 0,
            ended_by: None,
        };
        Some(Box::new(meter))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::StreamContext)
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
    fn add(&self, metric: impl FnOnce(&Metrics) -> u32, number: usize) {
        if let Some(metrics) = &self.metrics
            && let Ok(number) = i64::try_from(number)
            && number > 0
            && let Err(status) = hostcalls::increment_metric(metric(metrics), number)
        {
            log::warn!("tcp-meter: not counted: {status:?}");
        }
    }

    /// Remembers who ended the connection first: a side may end its direction before it closes.
    fn ended(&mut self, end: bool, by: &'static str) {
        if end {
            self.ended_by.get_or_insert(by);
        }
    }
}

impl Context for Meter {}

impl StreamContext for Meter {
    fn on_new_connection(&mut self) -> Action {
        self.add(|metrics| metrics.connections, 1);
        Action::Continue
    }

    fn on_downstream_data(&mut self, size: usize, end: bool) -> Action {
        self.ended(end, "the client");
        self.to_upstream += size as u64;
        self.add(|metrics| metrics.to_upstream, size);
        if self.rule.upper_to_upstream
            && let Some(bytes) = self.get_downstream_data(0, size).and_then(upper)
        {
            self.set_downstream_data(0, size, &bytes);
        }
        Action::Continue
    }

    fn on_upstream_data(&mut self, size: usize, end: bool) -> Action {
        self.ended(end, "the upstream");
        self.to_client += size as u64;
        self.add(|metrics| metrics.to_client, size);
        if self.rule.upper_to_client
            && let Some(bytes) = self.get_upstream_data(0, size).and_then(upper)
        {
            self.set_upstream_data(0, size, &bytes);
        }
        Action::Continue
    }

    fn on_downstream_close(&mut self, peer: PeerType) {
        self.ended(true, if peer == PeerType::Remote { "the client" } else { "the proxy" });
    }

    fn on_upstream_close(&mut self, peer: PeerType) {
        self.ended(peer == PeerType::Remote, "the upstream");
    }

    fn on_log(&mut self) {
        log::info!(
            "tcp-meter: {} bytes to the upstream, {} to the client; ended by {}",
            self.to_upstream,
            self.to_client,
            self.ended_by.unwrap_or("nobody")
        );
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
