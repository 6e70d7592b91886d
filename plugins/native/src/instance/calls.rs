//! What a plugin asks in the proxy: carried out through the guard, with the rules that plugins
//! of all backends live by.

use std::rc::Rc;

use abi_manifest::Capability;
use abi_native::number::{Change, Level, Metric, Refusal, Section, Way};
use bytes::Bytes;
use host_extension::{
    CallError, FieldWrite, Flow, HeaderMapKind, LocalReply, LogLevel, MetricKind, Side, Subject,
    Verdict,
};
use host_types::Headers;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::Instance;
use crate::{
    arena::Arena,
    contexts::Of,
    desk::{Asked, Desk, Found, Pair, Reply, Request, Show, ShowField, Splice},
    outbound,
};

/// Most bytes of a path.
const PATH_BYTES_MAX: usize = 1024;
/// Most bytes of a plugin's words on its failure.
const SAID_BYTES_MAX: usize = 4096;

impl Instance {
    fn name(&self) -> &str {
        self.plugin.name.as_str()
    }

    /// Where its shared data and queues are kept.
    pub(crate) fn namespace(&self) -> &str {
        self.plugin.vm_id.as_deref().unwrap_or_else(|| self.name())
    }

    /// Asks with what a context is for; zero is the instance, which is for nothing.
    fn with_subject<T>(&self, id: u64, ask: impl FnOnce(Subject<'_>) -> Asked<T>) -> Asked<T> {
        if id == 0 {
            return ask(Subject::Host);
        }
        // Out of the table: the host may call back into it.
        let of = self.contexts.borrow().get(id).map(|context| context.of.clone());
        ask(of.as_ref().ok_or(Refusal::NotFound)?.subject())
    }

    /// True where the context is the one whose hook runs, and so can be answered by it.
    fn answers_itself(&self, id: u64) -> bool {
        let duty = self.duty.get();
        duty.way.is_some() && duty.context == id
    }

    /// Keeps an answer for the hook that runs, where the plugin may give it; the first one
    /// stands.
    fn answer_with(&self, verdict: Verdict, takes: Capability) -> Asked<()> {
        if let Err(error) = self.calls.may(takes) {
            self.is_refused.set(true);
            return Err(refusal(error));
        }
        self.answer.borrow_mut().get_or_insert(verdict);
        Ok(())
    }

    fn go_on(&self, id: u64, way: Way, is_meant: fn(&Of) -> bool) -> Asked<()> {
        let mut contexts = self.contexts.borrow_mut();
        let context = contexts.get_mut(id).ok_or(Refusal::NotFound)?;
        if !is_meant(&context.of) {
            return Err(Refusal::BadArgument);
        }
        context.resume(way);
        Ok(())
    }
}

impl Desk for Instance {
    fn arena(&self) -> &Arena {
        &self.arena
    }

    fn may_ask(&self) -> bool {
        !self.is_freeing.get()
    }

    fn field(&self, context: u64, of: Section, name: &[u8], show: Show<'_>) -> Asked<()> {
        let stream = self.contexts.borrow().stream(context)?;
        self.calls.header(&stream, section(of), name, show).map_err(|error| of_field(of, error))
    }

    /// A section that is not there reads as an empty one.
    fn fields(&self, context: u64, of: Section, show: ShowField<'_>) -> Asked<()> {
        let stream = self.contexts.borrow().stream(context)?;
        let shown = self.calls.headers(&stream, section(of), &mut |headers: &Headers| {
            for (name, value) in headers.iter() {
                show(name, value);
            }
        });
        match shown {
            Ok(()) | Err(CallError::NotFound | CallError::WrongPhase | CallError::Denied) => Ok(()),
            Err(error) => Err(refusal(error)),
        }
    }

    fn write_field(
        &self,
        context: u64,
        of: Section,
        change: Change,
        (name, value): Pair<'_>,
    ) -> Asked<()> {
        let stream = self.contexts.borrow().stream(context)?;
        let write = match change {
            Change::Set => FieldWrite::Replace(name, value),
            Change::Add => FieldWrite::Add(name, value),
            Change::Remove => FieldWrite::Remove(name),
        };
        self.calls.write_header(&stream, section(of), write).map_err(refusal)
    }

    fn replace_fields(&self, context: u64, of: Section, fields: &[Pair<'_>]) -> Asked<()> {
        let stream = self.contexts.borrow().stream(context)?;
        let write = FieldWrite::SetAll(fields);
        self.calls.write_header(&stream, section(of), write).map_err(refusal)
    }

    fn body(&self, context: u64, side: Way, show: Show<'_>) -> Asked<()> {
        let stream = self.contexts.borrow().stream(context)?;
        self.calls.body(&stream, side_of(side), show).map_err(refusal)
    }

    fn splice_body(&self, context: u64, side: Way, splice: Splice<'_>) -> Asked<()> {
        let stream = self.contexts.borrow().stream(context)?;
        let Splice { start, length, with } = splice;
        self.calls.write_body(&stream, side_of(side), start, length, with).map_err(refusal)
    }

    fn data(&self, context: u64, flow: Way, show: Show<'_>) -> Asked<()> {
        let connection = self.contexts.borrow().connection(context)?;
        self.calls.data(&connection, flow_of(flow), show).map_err(refusal)
    }

    fn splice_data(&self, context: u64, flow: Way, splice: Splice<'_>) -> Asked<()> {
        let connection = self.contexts.borrow().connection(context)?;
        let Splice { start, length, with } = splice;
        self.calls.write_data(&connection, flow_of(flow), start, length, with).map_err(refusal)
    }

    fn property(&self, context: u64, path: &[&[u8]], show: Show<'_>) -> Asked<()> {
        if is_too_long(path) {
            return Err(Refusal::NotFound); // nothing has so long a name
        }
        let own = match path {
            [b"plugin_name"] => Some(self.name()),
            [b"plugin_root_id"] => Some(&*self.root_id),
            [b"plugin_vm_id"] => Some(self.plugin.vm_id.as_deref().unwrap_or_default()),
            _ => None,
        };
        if let Some(own) = own {
            show(own.as_bytes());
            return Ok(());
        }
        let found = |subject: Subject<'_>| self.calls.property(subject, path).map_err(refusal);
        let value = self.with_subject(context, found)?;
        let mut bytes = Vec::new();
        value.encode(&mut bytes).map_err(|_too_large| Refusal::LimitReached)?;
        show(&bytes);
        Ok(())
    }

    fn set_property(&self, context: u64, path: &[&[u8]], value: &[u8]) -> Asked<()> {
        if is_too_long(path) {
            return Err(Refusal::BadArgument);
        }
        self.with_subject(context, |subject| {
            self.calls.set_property(subject, path, value).map_err(refusal)
        })
    }

    /// In a hook of the stream itself the reply becomes the hook's answer. From elsewhere it
    /// ends the stream from beside its hooks.
    fn respond(&self, context: u64, reply: Reply<'_>) -> Asked<()> {
        let stream = self.contexts.borrow().stream(context)?;
        let reply = self.local_reply(&reply)?;
        if self.answers_itself(context) {
            return self.answer_with(Verdict::Respond(Box::new(reply)), Capability::Reply);
        }
        // Before the first hook and after the last one there is nobody to answer.
        if self.duty.get().context == context {
            return Err(Refusal::BadArgument);
        }
        self.calls.respond(&stream, self.name(), reply).map_err(refusal)
    }

    fn resume(&self, context: u64, side: Way) -> Asked<()> {
        self.go_on(context, side, |of| matches!(of, Of::Stream(_)))
    }

    fn resume_flow(&self, context: u64, flow: Way) -> Asked<()> {
        self.go_on(context, flow, |of| matches!(of, Of::Connection(_)))
    }

    fn reset(&self, context: u64) -> Asked<()> {
        let stream = self.contexts.borrow().stream(context)?;
        if self.answers_itself(context) {
            return self.answer_with(Verdict::Reset, Capability::Close);
        }
        self.calls.reset(&stream, self.name()).map_err(refusal)
    }

    fn close(&self, context: u64) -> Asked<()> {
        let connection = self.contexts.borrow().connection(context)?;
        if self.answers_itself(context) {
            return self.answer_with(Verdict::Reset, Capability::Close);
        }
        self.calls.close(&connection, self.name()).map_err(refusal)
    }

    fn http_call(&self, context: u64, request: Request<'_>) -> Asked<u64> {
        if context != 0 {
            match self.contexts.borrow().get(context).map(|context| &context.of) {
                Some(Of::Stream(_) | Of::Connection(_)) => {}
                // No answer would reach it.
                Some(Of::Codec) => return Err(Refusal::BadArgument),
                None => return Err(Refusal::NotFound),
            }
        }
        let own = self.own()?;
        outbound::send(&own, context, &request)
    }

    fn set_tick_period(&self, milliseconds: u64) -> Asked<()> {
        let own = self.own()?;
        outbound::set_tick(&own, milliseconds)
    }

    fn shared_data(&self, key: &[u8], show: &mut dyn FnMut(&[u8], u32)) -> Asked<()> {
        self.calls.shared_data(self.namespace(), key, show).map_err(refusal)
    }

    fn set_shared_data(&self, key: &[u8], value: &[u8], version: u32) -> Asked<()> {
        self.calls.set_shared_data(self.namespace(), key, value, version).map_err(refusal)
    }

    fn register_queue(&self, name: &[u8]) -> Asked<u32> {
        let own = self.own()?;
        outbound::register(&own, name)
    }

    fn resolve_queue(&self, namespace: &[u8], name: &[u8]) -> Asked<u32> {
        let namespace = match namespace {
            [] => self.namespace(),
            // No namespace has a name that is no text, so there is nothing in it.
            other => std::str::from_utf8(other).map_err(|_no_text| Refusal::NotFound)?,
        };
        self.calls.resolve_queue(namespace, name).map_err(refusal)
    }

    fn enqueue(&self, queue: u32, item: &[u8]) -> Asked<()> {
        self.calls.enqueue(queue, item).map_err(refusal)
    }

    fn dequeue(&self, queue: u32, show: Show<'_>) -> Asked<()> {
        self.calls.dequeue(queue, show).map_err(refusal)
    }

    fn define_metric(&self, kind: Metric, name: &[u8]) -> Asked<u32> {
        let name = std::str::from_utf8(name).map_err(|_no_text| Refusal::BadArgument)?;
        let kind = match kind {
            Metric::Counter => MetricKind::Counter,
            Metric::Gauge => MetricKind::Gauge,
            Metric::Histogram => MetricKind::Histogram,
        };
        self.calls.define_metric(self.name(), kind, name).map_err(refusal)
    }

    fn record_metric(&self, metric: u32, value: u64) -> Asked<()> {
        self.calls.record_metric(self.name(), metric, value).map_err(refusal)
    }

    fn increment_metric(&self, metric: u32, by: i64) -> Asked<()> {
        self.calls.increment_metric(self.name(), metric, by).map_err(refusal)
    }

    fn metric(&self, metric: u32) -> Asked<u64> {
        self.calls.metric(self.name(), metric).map_err(refusal)
    }

    fn log(&self, level: Level, line: &[u8]) -> Asked<()> {
        let level = match level {
            Level::Trace => LogLevel::Trace,
            Level::Debug => LogLevel::Debug,
            Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
            Level::Error => LogLevel::Error,
            Level::Critical => LogLevel::Critical,
        };
        self.lines.borrow_mut().write(&*self.calls, self.name(), level, line);
        Ok(())
    }

    fn codec_frame(&self, found: &Found<'_>) -> Asked<()> {
        self.take_frame(found)
    }

    fn codec_rest(&self, needed: usize, lost: Option<&[u8]>) -> Asked<()> {
        self.take_rest(needed, lost)
    }

    fn codec_bytes(&self, bytes: &[u8]) -> Asked<()> {
        self.take_bytes(bytes)
    }

    fn now(&self) -> Asked<u64> {
        self.calls.may(Capability::Clock).map_err(refusal)?;
        let since = self.calls.now().duration_since(std::time::SystemTime::UNIX_EPOCH);
        // They fit into 64 bits until the year 2554.
        Ok(u64::try_from(since.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX))
    }

    fn fail(&self, why: &[u8]) {
        let why = why.get(..SAID_BYTES_MAX).unwrap_or(why);
        self.said.borrow_mut().get_or_insert_with(|| String::from_utf8_lossy(why).into_owned());
    }
}

impl Instance {
    /// This, to be told later of what comes of a call.
    fn own(&self) -> Asked<Rc<Self>> {
        self.own.upgrade().ok_or(Refusal::Unsupported)
    }

    fn local_reply(&self, reply: &Reply<'_>) -> Asked<LocalReply> {
        Ok(LocalReply {
            status: final_status(reply.status)?,
            headers: headers(&reply.fields),
            body: Bytes::copy_from_slice(reply.body),
            grpc_status: reply.grpc_status,
            details: self.lines.borrow().cut(reply.details).into(),
        })
    }
}

/// Other numbers would make the client wait for more, or are none.
fn final_status(number: u32) -> Asked<StatusCode> {
    let number = u16::try_from(number).ok().filter(|number| (200..=599).contains(number));
    number.and_then(|number| StatusCode::from_u16(number).ok()).ok_or(Refusal::BadArgument)
}

/// Pseudo-header fields are skipped: the status is given beside them. So are fields that no
/// message can carry: a plugin that refuses a request must not fail over the looks of its
/// refusal.
fn headers(pairs: &[Pair<'_>]) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(pairs.len().min(FIELDS_EXPECTED_MAX));
    for (name, value) in pairs {
        let field = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value));
        if let (Ok(name), Ok(value)) = field
            && headers.try_append(name, value).is_err()
        {
            break; // as many as any message can have
        }
    }
    headers
}

const FIELDS_EXPECTED_MAX: usize = 32;

fn is_too_long(path: &[&[u8]]) -> bool {
    path.iter().map(|segment| segment.len() + 1).sum::<usize>() > PATH_BYTES_MAX
}

fn section(section: Section) -> HeaderMapKind {
    match section {
        Section::RequestHeaders => HeaderMapKind::RequestHeaders,
        Section::RequestTrailers => HeaderMapKind::RequestTrailers,
        Section::ResponseHeaders => HeaderMapKind::ResponseHeaders,
        Section::ResponseTrailers => HeaderMapKind::ResponseTrailers,
    }
}

fn side_of(way: Way) -> Side {
    match way {
        Way::In => Side::Request,
        Way::Out => Side::Response,
    }
}

fn flow_of(way: Way) -> Flow {
    match way {
        Way::In => Flow::Downstream,
        Way::Out => Flow::Upstream,
    }
}

/// The refusal of a field, as a library in a runner hears it: that one is shown whole sections,
/// and knows of a head that it sees nothing of only that it is not here, and of trailers that
/// there are none.
fn of_field(of: Section, error: CallError) -> Refusal {
    let is_head = matches!(of, Section::RequestHeaders | Section::ResponseHeaders);
    let is_unseen = matches!(error, CallError::WrongPhase | CallError::Denied);
    match (is_unseen, is_head) {
        (true, true) => Refusal::WrongPhase,
        (true, false) => Refusal::NotFound,
        (false, _) => refusal(error),
    }
}

/// A refusal of the host in the words of the table.
pub(crate) fn refusal(error: CallError) -> Refusal {
    match error {
        CallError::NotFound => Refusal::NotFound,
        CallError::BadArgument => Refusal::BadArgument,
        CallError::WrongPhase => Refusal::WrongPhase,
        CallError::Denied => Refusal::Denied,
        CallError::LimitReached => Refusal::LimitReached,
        CallError::Conflict => Refusal::Conflict,
        CallError::Empty => Refusal::Empty,
        CallError::Unsupported | _ => Refusal::Unsupported,
    }
}
