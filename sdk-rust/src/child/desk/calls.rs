//! The host calls of a child.

use std::time::{Duration, SystemTime};

use abi_process::v1::{self, act, call, reply};
use prost::bytes::Bytes;

use super::{Desk, Of, bytes::Place};
use crate::{
    CallId, Fields, Flow, HostError, HttpRequest, LogLevel, MetricId, MetricKind, QueueId,
    Response, SharedValue, Side,
    backend::{Backend, ContextId, FieldChange, Outcome, Section, milliseconds},
    child::wire,
};

/// Bytes of a log line that are sent; the host keeps less.
const LINE_BYTES_MAX: usize = 64 * 1024;
/// Fields of a request to a cluster.
const REQUEST_FIELDS_MAX: usize = 1024;
/// Bytes of a property's path.
const PATH_BYTES_MAX: usize = 1024;

impl Backend for Desk {
    fn field(&self, context: ContextId, section: Section, name: &str) -> Outcome<Option<Vec<u8>>> {
        self.with_section(context, section, |fields| {
            if fields.is_no_head() {
                return Err(HostError::WrongPhase);
            }
            Ok(fields.get(name).map(<[u8]>::to_vec))
        })?
    }

    fn fields(&self, context: ContextId, section: Section) -> Outcome<Fields> {
        self.with_section(context, section, super::SectionFields::to_fields)
    }

    fn write_field(
        &self,
        context: ContextId,
        section: Section,
        change: FieldChange<'_>,
    ) -> Outcome<()> {
        self.check(context, Of::Stream)?;
        let kind = wire::field_change(section, change);
        let mut turn = self.turn.borrow_mut();
        if let Some(fields) = turn.section_in_hand(context, section) {
            fields.change(change)?;
            drop(turn);
            self.note(context, kind);
            return Ok(());
        }
        turn.forget_section(context, section);
        drop(turn);
        self.ask_change(context, kind)
    }

    fn body(&self, context: ContextId, side: Side) -> Outcome<Vec<u8>> {
        self.check(context, Of::Stream)?;
        self.bytes(context, Place::body(side))
    }

    fn splice_body(
        &self,
        context: ContextId,
        side: Side,
        start: usize,
        length: usize,
        with: &[u8],
    ) -> Outcome<()> {
        self.check(context, Of::Stream)?;
        self.splice(context, Place::body(side), (start, length), with)
    }

    fn data(&self, context: ContextId, flow: Flow) -> Outcome<Vec<u8>> {
        self.check(context, Of::Connection)?;
        self.bytes(context, Place::data(flow))
    }

    fn splice_data(
        &self,
        context: ContextId,
        flow: Flow,
        start: usize,
        length: usize,
        with: &[u8],
    ) -> Outcome<()> {
        self.check(context, Of::Connection)?;
        self.splice(context, Place::data(flow), (start, length), with)
    }

    fn property(&self, context: Option<ContextId>, path: &[&str]) -> Outcome<Option<Vec<u8>>> {
        if path_bytes(path) > PATH_BYTES_MAX {
            return Ok(None); // nothing has so long a name
        }
        let (path_text, segments) = sent_path(path);
        let kind = call::Kind::GetProperty(v1::GetProperty { path: path_text, segments });
        let result = match context {
            Some(id) => {
                self.check_any(id)?;
                let sent = self.context(id);
                let sent = sent.and_then(|context| context.property(path).map(<[u8]>::to_vec));
                if sent.is_some() {
                    return Ok(sent);
                }
                self.ask_of(id, kind)
            }
            None => self.ask(kind),
        };
        present(result.map(|result| result.value.to_vec()), HostError::NotFound)
    }

    fn set_property(&self, context: ContextId, path: &[&str], value: &[u8]) -> Outcome<()> {
        self.check_any(context)?;
        if path_bytes(path) > PATH_BYTES_MAX {
            return Err(HostError::BadArgument);
        }
        if let Some(mut context) = self.context(context) {
            context.forget_property(path);
        }
        let (path, segments) = sent_path(path);
        let property = v1::Property { path, segments, value: Bytes::copy_from_slice(value) };
        self.ask_of(context, call::Kind::SetProperty(property)).map(|_done| ())
    }

    /// In a hook of the stream itself the response becomes its answer, and the first one stands.
    fn respond(&self, context: ContextId, response: &Response) -> Outcome<()> {
        self.check(context, Of::Stream)?;
        let response = wire::response(response);
        if self.link.is_too_large(prost::Message::encoded_len(&response)) {
            return Err(HostError::LimitReached);
        }
        let mut turn = self.turn.borrow_mut();
        if let Some(exchange) = turn.exchange_of(context) {
            exchange.verdict.get_or_insert_with(|| wire::respond(response));
            return Ok(());
        }
        // Before the first hook and after the last one there is nobody to answer.
        if turn.context == Some(context) {
            return Err(HostError::BadArgument);
        }
        drop(turn);
        self.act(context, Vec::new(), Some(act::Kind::Respond(response)));
        Ok(())
    }

    fn resume(&self, context: ContextId, side: Side) {
        if self.check(context, Of::Stream).is_ok() {
            self.send_changes(context);
            let place = Place::body(side);
            let side = v1::Side::from(side).into();
            self.act(context, Vec::new(), Some(act::Kind::Resume(side)));
            self.pass_on(context, place);
        }
    }

    fn resume_flow(&self, context: ContextId, flow: Flow) {
        if self.check(context, Of::Connection).is_ok() {
            self.send_changes(context);
            let place = Place::data(flow);
            let flow = v1::Flow::from(flow).into();
            self.act(context, Vec::new(), Some(act::Kind::ResumeFlow(flow)));
            self.pass_on(context, place);
        }
    }

    fn reset(&self, context: ContextId) {
        if self.check(context, Of::Stream).is_ok() {
            self.break_off(context, act::Kind::Reset(true));
        }
    }

    fn close(&self, context: ContextId) {
        if self.check(context, Of::Connection).is_ok() {
            self.break_off(context, act::Kind::Close(true));
        }
    }

    fn http_call(&self, context: Option<ContextId>, request: &HttpRequest) -> Outcome<CallId> {
        if request.headers.len() > REQUEST_FIELDS_MAX {
            return Err(HostError::LimitReached);
        }
        let kind = call::Kind::Http(wire::http_request(request));
        let result = match context {
            Some(id) => {
                self.check_any(id)?;
                self.ask_of(id, kind)?
            }
            None => self.ask(kind)?,
        };
        Ok(CallId(result.id))
    }

    fn set_tick_period(&self, period: Option<Duration>) -> Outcome<()> {
        let period_ms = period.map_or(0, |period| u64::from(milliseconds(period)));
        self.ask(call::Kind::SetTick(v1::SetTick { period_ms })).map(|_done| ())
    }

    fn shared_data(&self, key: &[u8]) -> Outcome<Option<SharedValue>> {
        let key = Bytes::copy_from_slice(key);
        let result = self.ask(call::Kind::SharedGet(v1::SharedGet { key }));
        let value = result.and_then(|result| {
            let version = narrow(result.number)?;
            Ok(SharedValue { bytes: result.value.to_vec(), version })
        });
        present(value, HostError::NotFound)
    }

    fn set_shared_data(&self, key: &[u8], value: &[u8], expected: Option<u32>) -> Outcome<()> {
        let (key, value) = (Bytes::copy_from_slice(key), Bytes::copy_from_slice(value));
        let set = v1::SharedSet { key, value, version: expected.unwrap_or_default() };
        self.ask(call::Kind::SharedSet(set)).map(|_done| ())
    }

    fn register_queue(&self, name: &str) -> Outcome<QueueId> {
        let result = self.ask(call::Kind::RegisterQueue(name.to_owned()))?;
        narrow(result.number).map(QueueId)
    }

    fn resolve_queue(&self, namespace: &str, name: &str) -> Outcome<QueueId> {
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        let result = self.ask(call::Kind::ResolveQueue(v1::ResolveQueue { namespace, name }))?;
        narrow(result.number).map(QueueId)
    }

    fn enqueue(&self, queue: QueueId, item: &[u8]) -> Outcome<()> {
        let item = Bytes::copy_from_slice(item);
        self.ask(call::Kind::Enqueue(v1::Enqueue { queue: queue.0, item })).map(|_done| ())
    }

    fn dequeue(&self, queue: QueueId) -> Outcome<Option<Vec<u8>>> {
        let result = self.ask(call::Kind::Dequeue(queue.0));
        present(result.map(|result| result.value.to_vec()), HostError::Empty)
    }

    fn define_metric(&self, kind: MetricKind, name: &str) -> Outcome<MetricId> {
        let kind = v1::MetricKind::from(kind).into();
        let define = v1::DefineMetric { kind, name: name.to_owned() };
        let result = self.ask(call::Kind::DefineMetric(define))?;
        narrow(result.number).map(MetricId)
    }

    fn record_metric(&self, metric: MetricId, value: u64) -> Outcome<()> {
        // The wire has one type for both: the host reads the same bits.
        let by = value.cast_signed();
        self.tell(call::Kind::RecordMetric(v1::MetricChange { metric: metric.0, by }))
    }

    fn increment_metric(&self, metric: MetricId, by: i64) -> Outcome<()> {
        self.tell(call::Kind::IncrementMetric(v1::MetricChange { metric: metric.0, by }))
    }

    fn metric(&self, metric: MetricId) -> Outcome<u64> {
        self.ask(call::Kind::Metric(metric.0)).map(|result| result.number)
    }

    fn log(&self, level: LogLevel, line: &str) {
        let end = line.floor_char_boundary(LINE_BYTES_MAX);
        let line = line.get(..end).unwrap_or_default().to_owned();
        let instance = self.turn.borrow().instance;
        let level = v1::Level::from(level).into();
        self.link.send(reply::Kind::Log(v1::Log { level, line, instance }));
    }

    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

impl Desk {
    fn check_any(&self, id: ContextId) -> Outcome<()> {
        match self.check(id, Of::Stream) {
            Err(HostError::BadArgument) => self.check(id, Of::Connection),
            other => other,
        }
    }

    fn tell(&self, kind: call::Kind) -> Outcome<()> {
        let instance = self.turn.borrow().instance;
        self.link.tell((0, instance), kind)
    }

    /// In a hook of its own this is the answer; from elsewhere the host is told.
    fn break_off(&self, context: ContextId, kind: act::Kind) {
        let mut turn = self.turn.borrow_mut();
        if let Some(exchange) = turn.exchange_of(context) {
            exchange.verdict.get_or_insert_with(wire::reset);
            return;
        }
        drop(turn);
        self.act(context, Vec::new(), Some(kind));
    }
}

/// A value, or nothing where the host says that there is none.
fn present<T>(value: Outcome<T>, none: HostError) -> Outcome<Option<T>> {
    match value {
        Ok(value) => Ok(Some(value)),
        Err(error) if error == none => Ok(None),
        Err(error) => Err(error),
    }
}

/// A number that the host keeps in 32 bits.
fn narrow(number: u64) -> Outcome<u32> {
    u32::try_from(number).map_err(|_wide| HostError::Unsupported)
}

/// The bytes of a path, with one between two segments.
fn path_bytes(path: &[&str]) -> usize {
    path.iter().map(|segment| segment.len() + 1).sum::<usize>().saturating_sub(1)
}

/// A path as it is sent: in one piece where that is clear.
fn sent_path(path: &[&str]) -> (String, Vec<Bytes>) {
    if path.iter().all(|segment| !segment.contains('.')) {
        return (path.join("."), Vec::new());
    }
    let segments = path.iter().map(|segment| Bytes::copy_from_slice(segment.as_bytes()));
    (String::new(), segments.collect())
}
