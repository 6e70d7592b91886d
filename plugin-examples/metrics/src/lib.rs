//! Metrics: counts requests, keeps a gauge of those under way, and observes the size of heads.
//!
//! The metrics are made when the plugin starts, and stand on the proxy's page of metrics. The
//! response tells the number of the request, so that the counter can be seen without that
//! page. Start reading at [`Counted`].

use proxy_wasm::{
    hostcalls,
    traits::{Context, HttpContext, RootContext},
    types::{Action, ContextType, LogLevel, MetricType, Status},
};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root { metrics: None }));
}}

/// The numbers by which the host knows the metrics.
#[derive(Clone, Copy, Debug)]
struct Metrics {
    requests: u32,
    under_way: u32,
    head_bytes: u32,
}

impl Metrics {
    fn define() -> Result<Self, Status> {
        Ok(Self {
            requests: hostcalls::define_metric(MetricType::Counter, "requests")?,
            under_way: hostcalls::define_metric(MetricType::Gauge, "requests_under_way")?,
            head_bytes: hostcalls::define_metric(MetricType::Histogram, "request_head_bytes")?,
        })
    }
}

/// What one instance of the plugin keeps: its metrics.
struct Root {
    metrics: Option<Metrics>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        match Metrics::define() {
            Ok(metrics) => {
                self.metrics = Some(metrics);
                true
            }
            Err(status) => {
                log::error!("metrics: the host makes no metrics: {status:?}");
                false
            }
        }
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Counted { metrics: self.metrics?, number: 0, begun: false }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
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

impl Context for Counted {}

impl HttpContext for Counted {
    fn on_http_request_headers(&mut self, _count: usize, _end: bool) -> Action {
        let fields = self.get_http_request_headers_bytes();
        let bytes: usize = fields.iter().map(|(name, value)| name.len() + value.len()).sum();
        noted(hostcalls::increment_metric(self.metrics.requests, 1));
        noted(hostcalls::record_metric(self.metrics.head_bytes, bytes as u64));
        self.begun = noted(hostcalls::increment_metric(self.metrics.under_way, 1)).is_some();
        self.number = noted(hostcalls::get_metric(self.metrics.requests)).unwrap_or_default();
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _count: usize, _end: bool) -> Action {
        self.set_http_response_header("x-request-number", Some(&self.number.to_string()));
        Action::Continue
    }

    fn on_log(&mut self) {
        if self.begun {
            noted(hostcalls::increment_metric(self.metrics.under_way, -1));
        }
    }
}

/// What a call gave; a metric that fails must not fail a request.
fn noted<T>(result: Result<T, Status>) -> Option<T> {
    result.inspect_err(|status| log::warn!("metrics: not counted: {status:?}")).ok()
}
