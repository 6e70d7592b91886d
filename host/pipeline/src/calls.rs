//! Host calls as the pipeline carries them out: on the stream, at once, without waiting.
//!
//! One value serves a whole worker. It decides nothing about permissions: the guard of
//! `plugins-policy` stands in front of it. Properties are in [`property`], what plugins ask of
//! the network in [`outbound`], what they share in [`shared`].

mod data;
mod grpc;
mod http_call;
mod outbound;
mod property;
mod shared;
mod timer;

use std::{
    cell::RefMut,
    rc::Rc,
    time::{Duration, SystemTime},
};

use host_extension::{
    BodyKind, CallError, CallResult, Connection, FieldWrite, Flow, GrpcMethod, GrpcStream,
    HeaderMapKind, HostCalls, HttpCall, Interrupt, LocalReply, LogLevel, Message, MetricId,
    MetricKind, OnGrpcEvent, OnHttpAnswer, PropertyValue, QueueId, Side, Stage, Stream, Subject,
    Subscription,
};
use host_telemetry::log_plugin_line;
use host_types::{HeaderError, Headers, ReplyReason};
use http::HeaderMap;
use plugins_shared::call_foreign;

pub(crate) use self::grpc::code_of_http;
pub use self::shared::Commons;
use self::{outbound::Outbound, shared::Places};
use crate::worker::Worker;

/// Fields that one section may have after a plugin's changes.
const HEADER_COUNT_MAX: usize = 1024;
/// Bytes that one section may have after a plugin's changes.
const HEADER_BYTES_MAX: usize = 1024 * 1024;
/// A field up to this size is not weighed: as many as may be stay below the limit.
const SMALL_FIELD_BYTES: usize = HEADER_BYTES_MAX / HEADER_COUNT_MAX;

/// The host calls of one worker.
#[derive(Debug)]
pub struct WorkerCalls {
    worker: Rc<Worker>,
    outbound: Outbound,
    commons: Commons,
    places: Places,
}

impl WorkerCalls {
    /// The host calls of `worker`. Its plugins share something with each other only.
    #[must_use]
    pub fn new(worker: Rc<Worker>) -> Self {
        Self {
            worker,
            outbound: Outbound::default(),
            commons: Commons::default(),
            places: Places::default(),
        }
    }

    /// The same, of which plugins share what those of other workers do.
    #[must_use]
    pub fn with_commons(self, commons: Commons) -> Self {
        Self { commons, ..self }
    }
}

impl HostCalls for WorkerCalls {
    fn header(
        &self,
        stream: &Stream,
        map: HeaderMapKind,
        name: &[u8],
        show: &mut dyn FnMut(&[u8]),
    ) -> CallResult<()> {
        with_section(stream, map, |headers| {
            let value = headers.get(name).ok_or(CallError::NotFound)?;
            show(value);
            Ok(())
        })
    }

    fn headers(
        &self,
        stream: &Stream,
        map: HeaderMapKind,
        show: &mut dyn FnMut(&Headers),
    ) -> CallResult<()> {
        with_section(stream, map, |headers| {
            show(headers);
            Ok(())
        })
    }

    fn write_header(
        &self,
        stream: &Stream,
        map: HeaderMapKind,
        write: FieldWrite<'_>,
    ) -> CallResult<()> {
        let mut headers = section_to_write(stream, map)?;
        check_size(&headers, write)?;
        let written = match write {
            FieldWrite::Add(name, value) => headers.add(name, value),
            FieldWrite::Replace(name, value) => headers.replace(name, value),
            FieldWrite::Remove(name) => headers.remove(name),
            FieldWrite::SetAll(pairs) => headers.set_all(pairs.iter().copied()),
        };
        written.map_err(|_refused: HeaderError| CallError::BadArgument)
    }

    fn body(&self, stream: &Stream, body: BodyKind, show: &mut dyn FnMut(&[u8])) -> CallResult<()> {
        let message = stream.message(body);
        if !message.body_on_duty.get() {
            return Err(CallError::WrongPhase);
        }
        show(message.body.borrow().as_slice());
        Ok(())
    }

    fn write_body(
        &self,
        stream: &Stream,
        body: BodyKind,
        start: usize,
        length: usize,
        with: &[u8],
    ) -> CallResult<()> {
        let message = stream.message(body);
        if !message.body_on_duty.get() {
            return Err(CallError::WrongPhase);
        }
        let mut buffer = message.body.borrow_mut();
        let replaced = length.min(buffer.len().saturating_sub(start));
        let after = (buffer.len() - replaced).saturating_add(with.len());
        let own_max = message.duty_bytes_max.get().unwrap_or(usize::MAX);
        // It may always shrink.
        if after > stream.held_bytes_max.get().min(own_max).max(buffer.len()) {
            return Err(CallError::LimitReached);
        }
        buffer.splice(start, length, with);
        Ok(())
    }

    fn data(
        &self,
        connection: &Connection,
        flow: Flow,
        show: &mut dyn FnMut(&[u8]),
    ) -> CallResult<()> {
        data::read(connection, flow, show)
    }

    fn write_data(
        &self,
        connection: &Connection,
        flow: Flow,
        start: usize,
        length: usize,
        with: &[u8],
    ) -> CallResult<()> {
        data::write(connection, flow, start, length, with)
    }

    fn property(&self, subject: Subject<'_>, path: &[&[u8]]) -> CallResult<PropertyValue> {
        property::read(subject, path, self.now())
    }

    fn set_property(&self, subject: Subject<'_>, path: &[&[u8]], value: &[u8]) -> CallResult<()> {
        property::set(subject, path, value)
    }

    fn respond(&self, stream: &Rc<Stream>, plugin: &str, reply: LocalReply) -> CallResult<()> {
        if reply.status.is_informational() {
            return Err(CallError::BadArgument); // the client would wait for another head
        }
        stream.interrupt(Interrupt::Reply(ReplyReason::Plugin(plugin.into()), Box::new(reply)));
        Ok(())
    }

    fn reset(&self, stream: &Rc<Stream>, plugin: &str) -> CallResult<()> {
        stream.interrupt(Interrupt::Reset(ReplyReason::Plugin(plugin.into())));
        Ok(())
    }

    fn close(&self, connection: &Connection, plugin: &str) -> CallResult<()> {
        connection.close(ReplyReason::Plugin(plugin.into()));
        Ok(())
    }

    fn http_call(&self, call: HttpCall, on_answer: OnHttpAnswer) -> CallResult<Subscription> {
        http_call::start(&self.worker, &self.outbound, &call, on_answer)
    }

    fn grpc_stream(
        &self,
        method: GrpcMethod,
        on_event: OnGrpcEvent,
    ) -> CallResult<Box<dyn GrpcStream>> {
        grpc::open(&self.worker, &self.outbound, &method, on_event)
    }

    fn every(&self, period: Duration, tick: Rc<dyn Fn()>) -> CallResult<Subscription> {
        timer::start(&self.outbound, period, tick)
    }

    fn shared_data(
        &self,
        namespace: &str,
        key: &[u8],
        show: &mut dyn FnMut(&[u8], u32),
    ) -> CallResult<()> {
        self.commons.state.data(namespace, key, show)
    }

    fn set_shared_data(
        &self,
        namespace: &str,
        key: &[u8],
        value: &[u8],
        version: u32,
    ) -> CallResult<()> {
        self.commons.state.set_data(namespace, key, value, version)
    }

    fn register_queue(
        &self,
        namespace: &str,
        name: &[u8],
        ready: Rc<dyn Fn(QueueId)>,
    ) -> CallResult<(QueueId, Subscription)> {
        shared::register(&self.commons, &self.places, (namespace, name), ready)
    }

    fn resolve_queue(&self, namespace: &str, name: &[u8]) -> CallResult<QueueId> {
        self.commons.state.resolve_queue(namespace, name)
    }

    fn queue_namespace(&self, queue: QueueId, show: &mut dyn FnMut(&str)) -> CallResult<()> {
        self.commons.state.queue_namespace(queue, show)
    }

    fn enqueue(&self, queue: QueueId, item: &[u8]) -> CallResult<()> {
        self.commons.state.enqueue(queue, item)
    }

    fn dequeue(&self, queue: QueueId, show: &mut dyn FnMut(&[u8])) -> CallResult<()> {
        self.commons.state.dequeue(queue, show)
    }

    fn define_metric(&self, plugin: &str, kind: MetricKind, name: &str) -> CallResult<MetricId> {
        self.commons.metrics.define(plugin, kind, name)
    }

    fn record_metric(&self, plugin: &str, metric: MetricId, value: u64) -> CallResult<()> {
        self.commons.metrics.record(plugin, metric, value)
    }

    fn increment_metric(&self, plugin: &str, metric: MetricId, by: i64) -> CallResult<()> {
        self.commons.metrics.increment(plugin, metric, by)
    }

    fn metric(&self, plugin: &str, metric: MetricId) -> CallResult<u64> {
        self.commons.metrics.value(plugin, metric)
    }

    fn foreign(
        &self,
        subject: Subject<'_>,
        name: &[u8],
        argument: &[u8],
        show: &mut dyn FnMut(&[u8]),
    ) -> CallResult<()> {
        call_foreign(self, subject, name, argument, show)
    }

    fn log(&self, plugin: &str, level: LogLevel, line: &str) {
        log_plugin_line(plugin, level, line.as_bytes());
    }

    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// Keeps a section within its limits, which are also those of the map that it is kept in.
fn check_size(headers: &Headers, write: FieldWrite<'_>) -> CallResult<()> {
    // Whether the name is there already matters to a full section only, and costs a search.
    let has_room = headers.len() < HEADER_COUNT_MAX;
    let (count_fits, bytes) = match write {
        FieldWrite::Remove(_) => return Ok(()),
        FieldWrite::SetAll(pairs) => {
            let bytes: usize = pairs.iter().map(|(name, value)| name.len() + value.len()).sum();
            let fits = pairs.len() <= HEADER_COUNT_MAX && bytes <= HEADER_BYTES_MAX;
            return if fits { Ok(()) } else { Err(CallError::LimitReached) };
        }
        FieldWrite::Add(name, value) => (has_room, name.len() + value.len()),
        FieldWrite::Replace(name, value) => {
            (has_room || headers.get(name).is_some(), name.len() + value.len())
        }
    };
    let bytes_fit = bytes <= SMALL_FIELD_BYTES || headers.byte_size() + bytes <= HEADER_BYTES_MAX;
    if count_fits && bytes_fit { Ok(()) } else { Err(CallError::LimitReached) }
}

fn message(stream: &Stream, map: HeaderMapKind) -> CallResult<(&Message, bool)> {
    match map {
        HeaderMapKind::RequestHeaders => Ok((stream.message(Side::Request), false)),
        HeaderMapKind::RequestTrailers => Ok((stream.message(Side::Request), true)),
        HeaderMapKind::ResponseHeaders => Ok((stream.message(Side::Response), false)),
        HeaderMapKind::ResponseTrailers => Ok((stream.message(Side::Response), true)),
        _ => Err(CallError::Unsupported),
    }
}

fn with_section(
    stream: &Stream,
    map: HeaderMapKind,
    read: impl FnOnce(&Headers) -> CallResult<()>,
) -> CallResult<()> {
    let (message, trailers) = message(stream, map)?;
    let section = if trailers { &message.trailers } else { &message.headers };
    let section = section.borrow();
    read(section.as_ref().ok_or(CallError::WrongPhase)?)
}

/// A head can be written while it is open, trailers while they or the end of the body are on
/// duty: a filter may add trailers to a message that has none, at its very end.
fn section_to_write(stream: &Stream, map: HeaderMapKind) -> CallResult<RefMut<'_, Headers>> {
    let (message, trailers) = message(stream, map)?;
    if trailers {
        let mut section = message.trailers.borrow_mut();
        if !message.end_on_duty.get() {
            return Err(CallError::WrongPhase);
        }
        if section.is_none() {
            *section = Some(Headers::trailers(HeaderMap::new()));
        }
        return RefMut::filter_map(section, Option::as_mut).map_err(|_none| CallError::WrongPhase);
    }
    if message.stage.get() != Stage::Open {
        return Err(CallError::WrongPhase);
    }
    RefMut::filter_map(message.headers.borrow_mut(), Option::as_mut)
        .map_err(|_none| CallError::WrongPhase)
}

#[cfg(test)]
mod tests;
