//! The guard: all that a backend ever holds of the host.

mod grpc;

use std::{
    fmt,
    rc::Rc,
    time::{Duration, SystemTime},
};

use host_extension::{
    BodyKind, CallResult, Connection, FieldWrite, Flow, GrpcMethod, GrpcStream, HeaderMapKind,
    HostCalls, HttpCall, LocalReply, LogLevel, MetricId, MetricKind, OnGrpcEvent, OnHttpAnswer,
    PropertyValue, QueueId, Stream, Subject, Subscription,
};
use host_types::Headers;

use self::grpc::GuardedGrpcStream;
use crate::{HostCall, Ward};

/// The host calls of one worker as one plugin may use them.
///
/// Every call passes `Gate::check` before it reaches the host. Calls that name a plugin are
/// made in the name of the guarded one, whatever the backend says, so that no plugin speaks
/// for another.
pub struct Guard {
    gate: Gate,
    calls: Rc<dyn HostCalls>,
}

/// The function by name that sets a property: who may not do that may not do it this way.
const SETS_PROPERTY: &[u8] = b"set_envoy_filter_state";

impl Guard {
    /// Guards `calls` for a plugin.
    #[must_use]
    pub fn new(ward: Ward, calls: Rc<dyn HostCalls>) -> Self {
        Self { gate: Gate { ward: Rc::new(ward) }, calls }
    }

    fn check(&self, call: HostCall) -> CallResult<()> {
        self.gate.check(call)
    }

    fn plugin(&self) -> &str {
        self.gate.ward.plugin.as_str()
    }
}

/// Where every call passes: it is decided and counted here, also for what a plugin was given
/// by an earlier call.
#[derive(Clone)]
struct Gate {
    ward: Rc<Ward>,
}

impl Gate {
    /// Counts a call and says whether it may go on.
    fn check(&self, call: HostCall) -> CallResult<()> {
        let decision = self.decide(call);
        self.ward.counts.count(call, decision.is_ok());
        decision
    }

    /// The policy: all that plugins can ask for is granted today. What they ask of the network
    /// and of each other will be decided here, by plugin and call.
    fn decide(&self, _call: HostCall) -> CallResult<()> {
        Ok(())
    }
}

impl HostCalls for Guard {
    fn header(
        &self,
        stream: &Stream,
        map: HeaderMapKind,
        name: &[u8],
        show: &mut dyn FnMut(&[u8]),
    ) -> CallResult<()> {
        self.check(HostCall::Header)?;
        self.calls.header(stream, map, name, show)
    }

    fn headers(
        &self,
        stream: &Stream,
        map: HeaderMapKind,
        show: &mut dyn FnMut(&Headers),
    ) -> CallResult<()> {
        self.check(HostCall::Headers)?;
        self.calls.headers(stream, map, show)
    }

    fn write_header(
        &self,
        stream: &Stream,
        map: HeaderMapKind,
        write: FieldWrite<'_>,
    ) -> CallResult<()> {
        self.check(HostCall::WriteHeader)?;
        self.calls.write_header(stream, map, write)
    }

    fn body(&self, stream: &Stream, body: BodyKind, show: &mut dyn FnMut(&[u8])) -> CallResult<()> {
        self.check(HostCall::Body)?;
        self.calls.body(stream, body, show)
    }

    fn write_body(
        &self,
        stream: &Stream,
        body: BodyKind,
        start: usize,
        length: usize,
        with: &[u8],
    ) -> CallResult<()> {
        self.check(HostCall::WriteBody)?;
        self.calls.write_body(stream, body, start, length, with)
    }

    fn data(
        &self,
        connection: &Connection,
        flow: Flow,
        show: &mut dyn FnMut(&[u8]),
    ) -> CallResult<()> {
        self.check(HostCall::Data)?;
        self.calls.data(connection, flow, show)
    }

    fn write_data(
        &self,
        connection: &Connection,
        flow: Flow,
        start: usize,
        length: usize,
        with: &[u8],
    ) -> CallResult<()> {
        self.check(HostCall::WriteData)?;
        self.calls.write_data(connection, flow, start, length, with)
    }

    fn property(&self, subject: Subject<'_>, path: &[&[u8]]) -> CallResult<PropertyValue> {
        self.check(HostCall::Property)?;
        self.calls.property(subject, path)
    }

    fn set_property(&self, subject: Subject<'_>, path: &[&[u8]], value: &[u8]) -> CallResult<()> {
        self.check(HostCall::SetProperty)?;
        self.calls.set_property(subject, path, value)
    }

    fn respond(&self, stream: &Rc<Stream>, _plugin: &str, reply: LocalReply) -> CallResult<()> {
        self.check(HostCall::Respond)?;
        self.calls.respond(stream, self.plugin(), reply)
    }

    fn reset(&self, stream: &Rc<Stream>, _plugin: &str) -> CallResult<()> {
        self.check(HostCall::Reset)?;
        self.calls.reset(stream, self.plugin())
    }

    fn close(&self, connection: &Connection, _plugin: &str) -> CallResult<()> {
        self.check(HostCall::Close)?;
        self.calls.close(connection, self.plugin())
    }

    fn http_call(&self, call: HttpCall, on_answer: OnHttpAnswer) -> CallResult<Subscription> {
        self.check(HostCall::HttpCall)?;
        self.calls.http_call(call, on_answer)
    }

    fn grpc_stream(
        &self,
        method: GrpcMethod,
        on_event: OnGrpcEvent,
    ) -> CallResult<Box<dyn GrpcStream>> {
        self.check(HostCall::GrpcStream)?;
        let stream = self.calls.grpc_stream(method, on_event)?;
        Ok(Box::new(GuardedGrpcStream::new(self.gate.clone(), stream)))
    }

    fn every(&self, period: Duration, tick: Rc<dyn Fn()>) -> CallResult<Subscription> {
        self.check(HostCall::Every)?;
        self.calls.every(period, tick)
    }

    fn shared_data(
        &self,
        namespace: &str,
        key: &[u8],
        show: &mut dyn FnMut(&[u8], u32),
    ) -> CallResult<()> {
        self.check(HostCall::SharedData)?;
        self.calls.shared_data(namespace, key, show)
    }

    fn set_shared_data(
        &self,
        namespace: &str,
        key: &[u8],
        value: &[u8],
        version: u32,
    ) -> CallResult<()> {
        self.check(HostCall::SetSharedData)?;
        self.calls.set_shared_data(namespace, key, value, version)
    }

    fn register_queue(
        &self,
        namespace: &str,
        name: &[u8],
        ready: Rc<dyn Fn(QueueId)>,
    ) -> CallResult<(QueueId, Subscription)> {
        self.check(HostCall::RegisterQueue)?;
        self.calls.register_queue(namespace, name, ready)
    }

    fn resolve_queue(&self, namespace: &str, name: &[u8]) -> CallResult<QueueId> {
        self.check(HostCall::ResolveQueue)?;
        self.calls.resolve_queue(namespace, name)
    }

    fn queue_namespace(&self, queue: QueueId, show: &mut dyn FnMut(&str)) -> CallResult<()> {
        self.calls.queue_namespace(queue, show)
    }

    fn enqueue(&self, queue: QueueId, item: &[u8]) -> CallResult<()> {
        self.check(HostCall::Enqueue)?;
        self.calls.enqueue(queue, item)
    }

    fn dequeue(&self, queue: QueueId, show: &mut dyn FnMut(&[u8])) -> CallResult<()> {
        self.check(HostCall::Dequeue)?;
        self.calls.dequeue(queue, show)
    }

    fn define_metric(&self, _plugin: &str, kind: MetricKind, name: &str) -> CallResult<MetricId> {
        self.check(HostCall::DefineMetric)?;
        self.calls.define_metric(self.plugin(), kind, name)
    }

    fn record_metric(&self, _plugin: &str, metric: MetricId, value: u64) -> CallResult<()> {
        self.check(HostCall::RecordMetric)?;
        self.calls.record_metric(self.plugin(), metric, value)
    }

    fn increment_metric(&self, _plugin: &str, metric: MetricId, by: i64) -> CallResult<()> {
        self.check(HostCall::IncrementMetric)?;
        self.calls.increment_metric(self.plugin(), metric, by)
    }

    fn metric(&self, _plugin: &str, metric: MetricId) -> CallResult<u64> {
        self.check(HostCall::Metric)?;
        self.calls.metric(self.plugin(), metric)
    }

    fn foreign(
        &self,
        subject: Subject<'_>,
        name: &[u8],
        argument: &[u8],
        show: &mut dyn FnMut(&[u8]),
    ) -> CallResult<()> {
        self.check(HostCall::Foreign)?;
        if name == SETS_PROPERTY {
            self.check(HostCall::SetProperty)?;
        }
        self.calls.foreign(subject, name, argument, show)
    }

    fn log(&self, _plugin: &str, level: LogLevel, line: &str) {
        if self.check(HostCall::Log).is_ok() {
            self.calls.log(self.plugin(), level, line);
        }
    }

    /// The limit on lines is a refusal, too.
    fn log_dropped(&self, _plugin: &str) {
        self.gate.ward.counts.count(HostCall::Log, false);
        self.calls.log_dropped(self.plugin());
    }

    fn now(&self) -> SystemTime {
        self.calls.now()
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("plugin", &self.gate.ward.plugin).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
