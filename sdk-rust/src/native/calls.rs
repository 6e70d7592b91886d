//! The calls of a callback as the backend that the handles of the SDK stand on.

use std::time::{Duration, SystemTime};

use abi_native::{
    guest::{Calls, Reply, Request},
    number::{self, Change, Level, Metric, Refusal},
};

use super::side;
use crate::{
    CallId, Fields, Flow, HostError, HttpRequest, LogLevel, MetricId, MetricKind, QueueId,
    Response, SharedValue, Side,
    backend::{Backend, ContextId, FieldChange, Outcome, Section, final_status, milliseconds},
};

/// The host on the other side of the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct NativeHost<'a>(pub(super) &'a Calls);

impl Backend for NativeHost<'_> {
    fn field(&self, context: ContextId, of: Section, name: &str) -> Outcome<Option<Vec<u8>>> {
        self.0.field(context, section(of), name).map_err(error)
    }

    fn fields(&self, context: ContextId, of: Section) -> Outcome<Fields> {
        self.0.fields(context, section(of)).map(Fields).map_err(error)
    }

    fn write_field(&self, context: ContextId, of: Section, change: FieldChange<'_>) -> Outcome<()> {
        let section = section(of);
        let written = match change {
            FieldChange::Add(name, value) => {
                self.0.write_field(context, section, Change::Add, (name, value))
            }
            FieldChange::Set(name, value) => {
                self.0.write_field(context, section, Change::Set, (name, value))
            }
            FieldChange::Remove(name) => {
                self.0.write_field(context, section, Change::Remove, (name, &[]))
            }
            FieldChange::ReplaceAll(fields) => {
                let fields: Vec<_> = fields.iter().collect();
                self.0.replace_fields(context, section, &fields)
            }
        };
        written.map_err(error)
    }

    fn body(&self, context: ContextId, of: Side) -> Outcome<Vec<u8>> {
        self.0.body(context, side(of)).map_err(error)
    }

    fn splice_body(
        &self,
        context: ContextId,
        of: Side,
        start: usize,
        length: usize,
        with: &[u8],
    ) -> Outcome<()> {
        self.0.splice_body(context, side(of), (start, length), with).map_err(error)
    }

    fn data(&self, context: ContextId, flow: Flow) -> Outcome<Vec<u8>> {
        self.0.data(context, way(flow)).map_err(error)
    }

    fn splice_data(
        &self,
        context: ContextId,
        flow: Flow,
        start: usize,
        length: usize,
        with: &[u8],
    ) -> Outcome<()> {
        self.0.splice_data(context, way(flow), (start, length), with).map_err(error)
    }

    fn property(&self, context: Option<ContextId>, path: &[&str]) -> Outcome<Option<Vec<u8>>> {
        self.0.property(context.unwrap_or(0), path).map_err(error)
    }

    fn set_property(&self, context: ContextId, path: &[&str], value: &[u8]) -> Outcome<()> {
        self.0.set_property(context, path, value).map_err(error)
    }

    fn respond(&self, context: ContextId, response: &Response) -> Outcome<()> {
        let fields = response.headers.iter();
        let fields: Vec<_> =
            fields.map(|(name, value)| (name.as_bytes(), value.as_slice())).collect();
        let reply = Reply {
            status: final_status(response),
            fields: &fields,
            body: &response.body,
            grpc_status: response.grpc_status,
            details: &response.details,
        };
        self.0.respond(context, reply).map_err(error)
    }

    // Of a context that is gone, or does not wait, there is nothing to be said.
    fn resume(&self, context: ContextId, of: Side) {
        self.0.resume(context, side(of)).unwrap_or_default();
    }

    fn resume_flow(&self, context: ContextId, flow: Flow) {
        self.0.resume_flow(context, way(flow)).unwrap_or_default();
    }

    fn reset(&self, context: ContextId) {
        self.0.reset(context).unwrap_or_default();
    }

    fn close(&self, context: ContextId) {
        self.0.close(context).unwrap_or_default();
    }

    fn http_call(&self, context: Option<ContextId>, request: &HttpRequest) -> Outcome<CallId> {
        let head = [
            (":method".as_bytes(), request.method.as_bytes()),
            (b":path", request.path.as_bytes()),
            (b":authority", request.authority.as_bytes()),
        ];
        let rest = request.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_slice()));
        let fields: Vec<_> = head.into_iter().chain(rest).collect();
        let sent = self.0.http_call(
            context.unwrap_or(0),
            Request {
                cluster: &request.cluster,
                fields: &fields,
                body: &request.body,
                timeout_ms: request.timeout.map_or(0, milliseconds),
            },
        );
        sent.map(CallId).map_err(error)
    }

    fn set_tick_period(&self, period: Option<Duration>) -> Outcome<()> {
        let period = period.map_or(0, |period| u64::from(milliseconds(period)));
        self.0.set_tick_period(period).map_err(error)
    }

    fn shared_data(&self, key: &[u8]) -> Outcome<Option<SharedValue>> {
        let value = self.0.shared_data(key).map_err(error)?;
        Ok(value.map(|(bytes, version)| SharedValue { bytes, version }))
    }

    fn set_shared_data(&self, key: &[u8], value: &[u8], expected: Option<u32>) -> Outcome<()> {
        self.0.set_shared_data(key, value, expected.unwrap_or(0)).map_err(error)
    }

    fn register_queue(&self, name: &str) -> Outcome<QueueId> {
        self.0.register_queue(name).map(QueueId).map_err(error)
    }

    fn resolve_queue(&self, namespace: &str, name: &str) -> Outcome<QueueId> {
        self.0.resolve_queue(namespace, name).map(QueueId).map_err(error)
    }

    fn enqueue(&self, queue: QueueId, item: &[u8]) -> Outcome<()> {
        self.0.enqueue(queue.0, item).map_err(error)
    }

    fn dequeue(&self, queue: QueueId) -> Outcome<Option<Vec<u8>>> {
        self.0.dequeue(queue.0).map_err(error)
    }

    fn define_metric(&self, kind: MetricKind, name: &str) -> Outcome<MetricId> {
        let kind = match kind {
            MetricKind::Counter => Metric::Counter,
            MetricKind::Gauge => Metric::Gauge,
            MetricKind::Histogram => Metric::Histogram,
        };
        self.0.define_metric(kind, name).map(MetricId).map_err(error)
    }

    fn record_metric(&self, metric: MetricId, value: u64) -> Outcome<()> {
        self.0.record_metric(metric.0, value).map_err(error)
    }

    fn increment_metric(&self, metric: MetricId, by: i64) -> Outcome<()> {
        self.0.increment_metric(metric.0, by).map_err(error)
    }

    fn metric(&self, metric: MetricId) -> Outcome<u64> {
        self.0.metric(metric.0).map_err(error)
    }

    fn log(&self, level: LogLevel, line: &str) {
        let level = match level {
            LogLevel::Trace => Level::Trace,
            LogLevel::Debug => Level::Debug,
            LogLevel::Info => Level::Info,
            LogLevel::Warn => Level::Warn,
            LogLevel::Error => Level::Error,
            LogLevel::Critical => Level::Critical,
        };
        self.0.log(level, line).unwrap_or_default();
    }

    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_nanos(self.0.now().unwrap_or_default())
    }
}

fn section(section: Section) -> number::Section {
    match section {
        Section::RequestHeaders => number::Section::RequestHeaders,
        Section::RequestTrailers => number::Section::RequestTrailers,
        Section::ResponseHeaders => number::Section::ResponseHeaders,
        Section::ResponseTrailers => number::Section::ResponseTrailers,
    }
}

fn way(flow: Flow) -> number::Way {
    match flow {
        Flow::Downstream => number::Way::In,
        Flow::Upstream => number::Way::Out,
    }
}

fn error(refusal: Refusal) -> HostError {
    match refusal {
        Refusal::NotFound => HostError::NotFound,
        Refusal::BadArgument => HostError::BadArgument,
        Refusal::WrongPhase => HostError::WrongPhase,
        Refusal::Denied => HostError::Denied,
        Refusal::LimitReached => HostError::LimitReached,
        Refusal::Unsupported => HostError::Unsupported,
        Refusal::Conflict => HostError::Conflict,
        Refusal::Empty => HostError::Empty,
    }
}
