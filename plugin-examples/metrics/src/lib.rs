//! Metrics: counts requests, keeps a gauge of those under way, and observes the size of heads.
//!
//! The metrics are made when the plugin starts, and stand on the proxy's page of metrics. The
//! response tells the number of the request, so that the counter can be seen without that
//! page. Start reading at [`Counted`].
#![forbid(unsafe_code)]

use mortise_sdk::{
    Action, Counter, Gauge, Histogram, Host, HostError, Phases, Plugin, Refusal, Stream,
    StreamFilter,
};
use serde::Deserialize;

mortise_sdk::plugin!(Metrics);

/// The plugin's configuration: there is nothing to say.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// What one instance of the plugin keeps: its metrics.
#[derive(Clone, Copy, Debug)]
pub struct Metrics {
    requests: Counter,
    under_way: Gauge,
    head_bytes: Histogram,
}

impl Metrics {
    fn define(host: &Host<'_>) -> Result<Self, HostError> {
        Ok(Self {
            requests: host.counter("requests")?,
            under_way: host.gauge("requests_under_way")?,
            head_bytes: host.histogram("request_head_bytes")?,
        })
    }
}

impl Plugin for Metrics {
    type Config = Nothing;

    const PHASES: Phases = Phases::REQUEST_HEADERS.and(Phases::RESPONSE_HEADERS).and(Phases::LOG);

    fn start(_nothing: Nothing, host: &Host<'_>) -> Result<Self, Refusal> {
        Self::define(host)
            .map_err(|error| Refusal::new(format!("the host makes no metrics: {error}")))
    }

    fn stream_filter(&mut self, _host: &Host<'_>) -> Option<Box<dyn StreamFilter>> {
        Some(Box::new(Counted { metrics: *self, number: 0, begun: false }))
    }
}

/// One request.
struct Counted {
    metrics: Metrics,
    /// How many there were, with this one.
    number: u64,
    /// Whether the gauge knows of it.
    begun: bool,
}

impl StreamFilter for Counted {
    fn on_request_headers(&mut self, stream: &Stream<'_>, _end: bool) -> Action {
        let host = &stream.host();
        let fields = stream.request().headers();
        let bytes: usize = fields.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.metrics.requests.add(host, 1);
        self.metrics.head_bytes.record(host, bytes as u64);
        self.metrics.under_way.add(host, 1);
        self.begun = true;
        self.number = self.metrics.requests.value(host).unwrap_or_default();
        Action::Continue
    }

    fn on_response_headers(&mut self, stream: &Stream<'_>, _end: bool) -> Action {
        // A response that cannot tell its number is a response all the same.
        stream.response().set_header("x-request-number", self.number.to_string()).ok();
        Action::Continue
    }

    fn on_complete(&mut self, stream: &Stream<'_>) {
        if self.begun {
            self.metrics.under_way.add(&stream.host(), -1);
        }
    }
}

#[cfg(test)]
mod tests;
