//! The guard: all that a backend ever holds of the host.

mod gate;
mod needs;
mod outbound;
mod properties;
mod sections;

use std::{
    cell::RefCell,
    collections::HashSet,
    fmt,
    rc::Rc,
    time::{Duration, SystemTime},
};

use abi_manifest::Capability;
use host_extension::{
    BodyKind, CallError, CallResult, Connection, FieldWrite, Flow, GrpcMethod, GrpcStream,
    HeaderMapKind, HostCalls, HttpCall, LocalReply, LogLevel, MetricId, MetricKind, OnGrpcEvent,
    OnHttpAnswer, PropertyValue, QueueId, Stream, Subject, Subscription,
};
use host_types::Headers;
use http::HeaderMap;

use self::{
    gate::Gate,
    outbound::{GuardedGrpcStream, Place, UnderWay},
    sections::{Hidden, PAIRS_MAX, Replacement},
};
use crate::{Access, HostCall, Ward, fields::routes_frames};

/// The host calls of one worker as one plugin may use them.
///
/// Every call passes the gate before it reaches the host. Calls that name a plugin are
/// made in the name of the guarded one, whatever the backend says, so that no plugin speaks
/// for another.
pub struct Guard {
    gate: Gate,
    calls: Rc<dyn HostCalls>,
    under_way: UnderWay,
    /// Names of the metrics that it defined.
    metrics: RefCell<HashSet<Box<str>>>,
    /// Queues that it was given and may use, so that not each item asks for the namespace.
    queues: RefCell<Vec<QueueId>>,
}

/// Queues that are remembered.
const QUEUES_KNOWN_MAX: usize = 32;

impl Guard {
    /// Guards `calls` for a plugin.
    #[must_use]
    pub fn new(ward: Ward, calls: Rc<dyn HostCalls>) -> Self {
        Self {
            gate: Gate::new(ward),
            calls,
            under_way: UnderWay::default(),
            metrics: RefCell::default(),
            queues: RefCell::default(),
        }
    }

    fn plugin(&self) -> &str {
        self.gate.ward.plugin.as_str()
    }

    /// Decides about a call of something that has no name.
    #[inline]
    fn check(&self, call: HostCall, capability: Capability) -> CallResult<()> {
        self.gate.check(call, Access::whole(capability))
    }

    fn check_namespace(
        &self,
        call: HostCall,
        capability: Capability,
        namespace: &str,
    ) -> CallResult<()> {
        self.gate.check(call, Access::to(capability, namespace.as_bytes()))
    }

    /// Decides about a call that names a queue by its number.
    fn check_queue(&self, call: HostCall, queue: QueueId) -> CallResult<()> {
        let is_known = || self.queues.borrow().contains(&queue);
        let is_open = self.gate.is_open_unnoted(Capability::Queues);
        let allowed = if is_open || is_known() { Ok(()) } else { self.allow_queue(queue) };
        // A queue that is not there nobody refused.
        self.gate.count(call, allowed != Err(CallError::Denied));
        allowed
    }

    /// Whether the plugin may use the namespace of a queue.
    fn allow_queue(&self, queue: QueueId) -> CallResult<()> {
        let mut of = String::new();
        // Nothing is told while the host may hold what it shows.
        self.calls.queue_namespace(queue, &mut |namespace| namespace.clone_into(&mut of))?;
        self.gate.allow(Access::to(Capability::Queues, of.as_bytes()))?;
        self.know_queue(queue);
        Ok(())
    }

    /// Remembers a queue of a namespace that the plugin may use: none gets another's number.
    /// Where not all is enforced, each use is a denial of its own.
    fn know_queue(&self, queue: QueueId) {
        let mut queues = self.queues.borrow_mut();
        let has_room = queues.len() < QUEUES_KNOWN_MAX && !self.gate.ward.rights.is_permissive();
        if has_room && !queues.contains(&queue) {
            queues.push(queue);
        }
    }

    /// Whether a plugin may have one more metric, or has it already.
    fn admit_metric(&self, name: &str) -> CallResult<()> {
        let access = Access::whole(Capability::Metrics);
        self.gate.allow(access)?;
        let metrics = self.metrics.borrow();
        let fits = metrics.len() < self.gate.ward.limits.metrics_max || metrics.contains(name);
        if fits { Ok(()) } else { Err(self.gate.limit(access, "metrics_max")) }
    }

    /// Has one more call under way, where there is room for it and it is not too large.
    fn place(&self, access: Access<'_>, fitted: CallResult<()>) -> CallResult<Place> {
        fitted.map_err(|_too_large| self.gate.limit(access, "call_bytes_max"))?;
        let max = self.gate.ward.limits.calls_max;
        self.under_way.place(max).map_err(|_full| self.gate.limit(access, "calls_max"))
    }

    /// Whether this takes the length of a body away that the plugin may change anyway. SDKs do so
    /// before they change one. It needs no grant, since the host frames what it sends; but a
    /// denial of the field holds.
    fn leaves_length_to_host(&self, map: HeaderMapKind, write: FieldWrite<'_>) -> bool {
        let FieldWrite::Remove(name) = write else { return false };
        let Some(body) = needs::body_behind(map) else { return false };
        let rights = &self.gate.ward.rights;
        name.eq_ignore_ascii_case(b"content-length")
            && rights.allows(Access::whole(needs::body_write(body)))
            && !rights.denies(Access::to(needs::fields_write(map), name))
    }

    /// What it is to write a field. The host is asked what head it stands in only where that
    /// matters, which is rare.
    fn write_to<'n>(&self, stream: &Stream, map: HeaderMapKind, name: &'n [u8]) -> Access<'n> {
        let access = Access::to(needs::fields_write(map), name);
        let mut is_frame = false;
        if routes_frames(access.capability, name) {
            let mut look = |headers: &Headers| is_frame = headers.list().is_some();
            // Where there is no head, nothing is written, either.
            let _no_head = self.calls.headers(stream, map, &mut look);
        }
        access.of_frame(is_frame)
    }

    /// Writes a whole section, but for what the plugin may not write or cannot see.
    fn replace_section(
        &self,
        stream: &Stream,
        map: HeaderMapKind,
        pairs: &[(&[u8], &[u8])],
    ) -> CallResult<()> {
        let rights = &self.gate.ward.rights;
        let replacement = Replacement { rights, map, pairs };
        let (mut outcome, mut changes, mut is_frame) = (None, Vec::new(), false);
        let is_noted = self.gate.ward.recorder.is_some();
        let mut compare = |current: &Headers| {
            is_frame = current.list().is_some();
            outcome = Some(replacement.outcome(current));
            if is_noted {
                changes = replacement.changes(current);
            }
        };
        if self.calls.headers(stream, map, &mut compare).is_err() {
            // There is none yet: trailers can be added.
            compare(&Headers::trailers(HeaderMap::new()));
        }
        let outcome = outcome.unwrap_or_default();
        let write = |name| Access::to(needs::fields_write(map), name).of_frame(is_frame);
        let denied = outcome.denied.and_then(|place| pairs.get(place));
        if let Some((name, _value)) = denied {
            self.gate.deny(write(name))?;
        }
        self.gate.note_each(changes.iter().map(|name| write(name)));
        if rights.is_permissive() || outcome.changes_nothing() {
            return self.calls.write_header(stream, map, FieldWrite::SetAll(pairs));
        }
        let pairs = replacement.pairs(&outcome);
        self.calls.write_header(stream, map, FieldWrite::SetAll(&pairs))
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
        if name.is_empty() {
            self.gate.count(HostCall::Header, true);
            return Err(CallError::NotFound);
        }
        let access = Access::to(needs::fields_read(map), name);
        // What may not be read is as if it were not there.
        self.gate.check(HostCall::Header, access).map_err(|_denied| CallError::NotFound)?;
        self.calls.header(stream, map, name, show)
    }

    fn headers(
        &self,
        stream: &Stream,
        map: HeaderMapKind,
        show: &mut dyn FnMut(&Headers),
    ) -> CallResult<()> {
        let read = needs::fields_read(map);
        self.gate.note_all(read);
        if self.gate.is_open(read) {
            self.gate.count(HostCall::Headers, true);
            return self.calls.headers(stream, map, show);
        }
        let rights = &self.gate.ward.rights;
        // Nothing is told while the host may hold what it shows.
        let mut hidden = Hidden::default();
        let shown = self.calls.headers(stream, map, &mut |headers| {
            let names = sections::hidden(rights, map, headers);
            hidden.note(rights, &names);
            if names.is_empty() || rights.is_permissive() {
                show(headers);
            } else {
                show(&sections::without(headers, &names));
            }
        });
        let told = hidden.tell(&self.gate, read);
        self.gate.count(HostCall::Headers, told.is_ok());
        shown
    }

    fn write_header(
        &self,
        stream: &Stream,
        map: HeaderMapKind,
        write: FieldWrite<'_>,
    ) -> CallResult<()> {
        let name = match write {
            FieldWrite::Add(name, _) | FieldWrite::Replace(name, _) | FieldWrite::Remove(name) => {
                name
            }
            FieldWrite::SetAll(pairs) => {
                let fits = pairs.len() <= PAIRS_MAX;
                let written = if fits {
                    self.replace_section(stream, map, pairs)
                } else {
                    Err(CallError::LimitReached)
                };
                let is_refused = !fits || written == Err(CallError::Denied);
                self.gate.count(HostCall::WriteHeader, !is_refused);
                return written;
            }
        };
        if self.leaves_length_to_host(map, write) {
            self.gate.count(HostCall::WriteHeader, true);
        } else {
            self.gate.check(HostCall::WriteHeader, self.write_to(stream, map, name))?;
        }
        self.calls.write_header(stream, map, write)
    }

    fn body(&self, stream: &Stream, body: BodyKind, show: &mut dyn FnMut(&[u8])) -> CallResult<()> {
        self.check(HostCall::Body, needs::body_read(body))?;
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
        self.check(HostCall::WriteBody, needs::body_write(body))?;
        self.calls.write_body(stream, body, start, length, with)
    }

    fn data(
        &self,
        connection: &Connection,
        flow: Flow,
        show: &mut dyn FnMut(&[u8]),
    ) -> CallResult<()> {
        self.check(HostCall::Data, needs::data_read(flow))?;
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
        self.check(HostCall::WriteData, needs::data_write(flow))?;
        self.calls.write_data(connection, flow, start, length, with)
    }

    fn property(&self, subject: Subject<'_>, path: &[&[u8]]) -> CallResult<PropertyValue> {
        let allowed = properties::allow_read(&self.gate, path);
        let value = allowed.and_then(|()| self.calls.property(subject, path));
        let (mut value, mut told) = (value, allowed);
        if let Ok(value) = &mut value {
            told = properties::hide_fields(&self.gate, path, value);
        }
        self.gate.count(HostCall::Property, told.is_ok());
        value
    }

    fn set_property(&self, subject: Subject<'_>, path: &[&[u8]], value: &[u8]) -> CallResult<()> {
        let allowed = properties::allow_write(&self.gate, path);
        self.gate.count(HostCall::SetProperty, allowed.is_ok());
        allowed?;
        self.calls.set_property(subject, path, value)
    }

    fn respond(&self, stream: &Rc<Stream>, _plugin: &str, reply: LocalReply) -> CallResult<()> {
        self.check(HostCall::Respond, Capability::Reply)?;
        self.calls.respond(stream, self.plugin(), reply)
    }

    fn reset(&self, stream: &Rc<Stream>, _plugin: &str) -> CallResult<()> {
        self.check(HostCall::Reset, Capability::Close)?;
        self.calls.reset(stream, self.plugin())
    }

    fn close(&self, connection: &Connection, _plugin: &str) -> CallResult<()> {
        self.check(HostCall::Close, Capability::Close)?;
        self.calls.close(connection, self.plugin())
    }

    fn http_call(&self, mut call: HttpCall, on_answer: OnHttpAnswer) -> CallResult<Subscription> {
        let limits = &self.gate.ward.limits;
        let access = Access::to(Capability::HttpCall, call.cluster.as_bytes());
        let place = self.gate.allow(access).and_then(|()| {
            let fitted = outbound::fit_http(limits, &mut call);
            self.place(Access::to(Capability::HttpCall, call.cluster.as_bytes()), fitted)
        });
        self.gate.count(HostCall::HttpCall, place.is_ok());
        let place = place?;
        let started = self.calls.http_call(call, outbound::on_answer(&place, on_answer))?;
        Ok(outbound::subscription(place, started))
    }

    fn grpc_stream(
        &self,
        mut method: GrpcMethod,
        on_event: OnGrpcEvent,
    ) -> CallResult<Box<dyn GrpcStream>> {
        let limits = &self.gate.ward.limits;
        let access = Access::to(Capability::GrpcCall, method.cluster.as_bytes());
        let place = self.gate.allow(access).and_then(|()| {
            let fitted = outbound::fit_grpc(limits, &mut method);
            self.place(Access::to(Capability::GrpcCall, method.cluster.as_bytes()), fitted)
        });
        self.gate.count(HostCall::GrpcStream, place.is_ok());
        let place = place?;
        let (gate, cluster) = (self.gate.clone(), method.cluster.clone());
        let stream = self.calls.grpc_stream(method, outbound::on_event(&place, on_event))?;
        Ok(Box::new(GuardedGrpcStream { gate, stream, cluster, _place: place }))
    }

    fn every(&self, period: Duration, tick: Rc<dyn Fn()>) -> CallResult<Subscription> {
        self.check(HostCall::Every, Capability::Ticks)?;
        // No time at all is a mistake, which the host tells.
        let is_short = !period.is_zero() && period < self.gate.ward.limits.tick_period_min;
        let period = if is_short { self.gate.ward.limits.tick_period_min } else { period };
        self.calls.every(period, tick)
    }

    fn shared_data(
        &self,
        namespace: &str,
        key: &[u8],
        show: &mut dyn FnMut(&[u8], u32),
    ) -> CallResult<()> {
        self.check_namespace(HostCall::SharedData, Capability::SharedDataRead, namespace)?;
        self.calls.shared_data(namespace, key, show)
    }

    fn set_shared_data(
        &self,
        namespace: &str,
        key: &[u8],
        value: &[u8],
        version: u32,
    ) -> CallResult<()> {
        self.check_namespace(HostCall::SetSharedData, Capability::SharedDataWrite, namespace)?;
        self.calls.set_shared_data(namespace, key, value, version)
    }

    fn register_queue(
        &self,
        namespace: &str,
        name: &[u8],
        ready: Rc<dyn Fn(QueueId)>,
    ) -> CallResult<(QueueId, Subscription)> {
        self.check_namespace(HostCall::RegisterQueue, Capability::Queues, namespace)?;
        let (queue, place) = self.calls.register_queue(namespace, name, ready)?;
        self.know_queue(queue);
        Ok((queue, place))
    }

    fn resolve_queue(&self, namespace: &str, name: &[u8]) -> CallResult<QueueId> {
        self.check_namespace(HostCall::ResolveQueue, Capability::Queues, namespace)?;
        let queue = self.calls.resolve_queue(namespace, name)?;
        self.know_queue(queue);
        Ok(queue)
    }

    fn queue_namespace(&self, queue: QueueId, show: &mut dyn FnMut(&str)) -> CallResult<()> {
        self.allow_queue(queue)?;
        self.calls.queue_namespace(queue, show)
    }

    fn enqueue(&self, queue: QueueId, item: &[u8]) -> CallResult<()> {
        self.check_queue(HostCall::Enqueue, queue)?;
        self.calls.enqueue(queue, item)
    }

    fn dequeue(&self, queue: QueueId, show: &mut dyn FnMut(&[u8])) -> CallResult<()> {
        self.check_queue(HostCall::Dequeue, queue)?;
        self.calls.dequeue(queue, show)
    }

    fn define_metric(&self, _plugin: &str, kind: MetricKind, name: &str) -> CallResult<MetricId> {
        let admitted = self.admit_metric(name);
        self.gate.count(HostCall::DefineMetric, admitted.is_ok());
        admitted?;
        let metric = self.calls.define_metric(self.plugin(), kind, name)?;
        if !self.metrics.borrow().contains(name) {
            self.metrics.borrow_mut().insert(name.into());
        }
        Ok(metric)
    }

    fn record_metric(&self, _plugin: &str, metric: MetricId, value: u64) -> CallResult<()> {
        self.check(HostCall::RecordMetric, Capability::Metrics)?;
        self.calls.record_metric(self.plugin(), metric, value)
    }

    fn increment_metric(&self, _plugin: &str, metric: MetricId, by: i64) -> CallResult<()> {
        self.check(HostCall::IncrementMetric, Capability::Metrics)?;
        self.calls.increment_metric(self.plugin(), metric, by)
    }

    fn metric(&self, _plugin: &str, metric: MetricId) -> CallResult<u64> {
        self.check(HostCall::Metric, Capability::Metrics)?;
        self.calls.metric(self.plugin(), metric)
    }

    fn foreign(
        &self,
        subject: Subject<'_>,
        name: &[u8],
        argument: &[u8],
        show: &mut dyn FnMut(&[u8]),
    ) -> CallResult<()> {
        self.gate.check(HostCall::Foreign, Access::to(Capability::Foreign, name))?;
        if name == properties::SETS_PROPERTY {
            let allowed = properties::allow_filter_state(&self.gate, argument);
            self.gate.count(HostCall::SetProperty, allowed.is_ok());
            allowed?;
        }
        self.calls.foreign(subject, name, argument, show)
    }

    fn log(&self, _plugin: &str, level: LogLevel, line: &str) {
        if self.check(HostCall::Log, Capability::Log).is_ok() {
            self.calls.log(self.plugin(), level, line);
        }
    }

    /// The limit on lines is a refusal, too.
    fn log_dropped(&self, _plugin: &str) {
        self.gate.count(HostCall::Log, false);
        self.calls.log_dropped(self.plugin());
    }

    fn now(&self) -> SystemTime {
        self.calls.now()
    }

    fn may(&self, what: Capability) -> CallResult<()> {
        let allowed = self.gate.allow(Access::whole(what));
        if let Some(call) = needs::counted_as(what) {
            self.gate.count(call, allowed.is_ok());
        }
        allowed
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("plugin", &self.gate.ward.plugin).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
