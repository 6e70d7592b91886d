//! What a library in a runner asks: handed on to the backend of the callback that runs.
#![expect(unsafe_code, reason = "keeps a borrow for the length of a callback of a library")]

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    fmt,
    time::{Duration, UNIX_EPOCH},
};

use abi_native::number::{self, Change, Level, Metric, Refusal, Way};
use mortise_sdk::{
    Fields, Flow, Host, HostError, HttpRequest, LogLevel, MetricId, MetricKind, QueueId, Response,
    Side,
    backend::{Backend, FieldChange, Section},
};

use super::{codec::Told, shared::Outcome};
use crate::{
    arena::Arena,
    desk::{Asked, Desk, Found, Pair, Reply, Request, Show, ShowField, Splice},
    instance::Kind,
};

/// Most bytes of a library's words on its failure.
const SAID_BYTES_MAX: usize = 4096;

/// The desk of one instance.
#[derive(Default)]
pub(super) struct RunnerDesk {
    arena: Arena,
    /// The backend of the callback that runs; nothing between callbacks.
    backend: Cell<Option<&'static dyn Backend>>,
    duty: Cell<Duty>,
    /// The contexts that the library was told of, as many as the child has.
    contexts: RefCell<HashMap<u64, Kind>>,
    answer: RefCell<Option<Outcome>>,
    said: RefCell<Option<String>>,
    /// What the callback of a codec tells, while one runs.
    told: RefCell<Told>,
}

/// Which callback runs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Duty {
    context: u64,
    way: Option<Way>,
}

impl Duty {
    /// One of the instance.
    pub(super) const NONE: Self = Self { context: 0, way: None };

    /// One of a context; `way` waits for its answer.
    pub(super) fn of(context: u64, way: Option<Way>) -> Self {
        Self { context, way }
    }
}

impl RunnerDesk {
    /// Runs a callback of the library, which may ask meanwhile. Libraries do not unwind.
    pub(super) fn during<T>(&self, host: &Host<'_>, duty: Duty, callback: impl FnOnce() -> T) -> T {
        // SAFETY: only the length of the borrow changes. It is given up at the end of this
        // function, before which the caller's borrow does not end.
        let backend = unsafe {
            std::mem::transmute::<&(dyn Backend + '_), &'static (dyn Backend + 'static)>(
                host.backend(),
            )
        };
        self.backend.set(Some(backend));
        self.duty.set(duty);
        let end = End(self);
        let result = callback();
        drop(end);
        result
    }

    /// Runs a callback of a codec, of which no host is there to be asked; what it told.
    pub(super) fn during_codec<T>(&self, told: Told, callback: impl FnOnce() -> T) -> (T, Told) {
        self.told.replace(told);
        let result = callback();
        (result, self.told.take())
    }

    pub(super) fn take_answer(&self) -> Option<Outcome> {
        self.answer.take()
    }

    pub(super) fn take_said(&self) -> Option<String> {
        self.said.take()
    }

    /// The library is told of a context.
    pub(super) fn opened(&self, context: u64, kind: Kind) {
        self.contexts.borrow_mut().insert(context, kind);
    }

    /// That one is over.
    pub(super) fn closed(&self, context: u64) {
        self.contexts.borrow_mut().remove(&context);
    }

    /// The backend, for what it does not answer itself: that there is such a context.
    fn backend_of(&self, context: u64, kind: Kind) -> Asked<&dyn Backend> {
        match self.contexts.borrow().get(&context) {
            Some(known) if *known == kind => self.backend(),
            Some(_other_kind) => Err(Refusal::BadArgument),
            None => Err(Refusal::NotFound),
        }
    }

    fn backend(&self) -> Asked<&dyn Backend> {
        let backend: Option<&dyn Backend> = self.backend.get();
        backend.ok_or(Refusal::WrongPhase)
    }

    fn answers_itself(&self, context: u64) -> bool {
        let duty = self.duty.get();
        duty.way.is_some() && duty.context == context
    }

    fn answer_with(&self, outcome: Outcome) {
        self.answer.borrow_mut().get_or_insert(outcome);
    }
}

/// The end of a callback.
struct End<'a>(&'a RunnerDesk);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.backend.set(None);
        self.0.arena.clear();
    }
}

impl Desk for RunnerDesk {
    fn arena(&self) -> &Arena {
        &self.arena
    }

    fn may_ask(&self) -> bool {
        self.backend.get().is_some() || !matches!(*self.told.borrow(), Told::Nothing)
    }

    fn field(&self, context: u64, of: number::Section, name: &[u8], show: Show<'_>) -> Asked<()> {
        // What is no text is the name of no field.
        let name = std::str::from_utf8(name).map_err(|_no_text| Refusal::NotFound)?;
        let value = self.backend()?.field(context, section(of), name).map_err(refusal)?;
        show(&value.ok_or(Refusal::NotFound)?);
        Ok(())
    }

    fn fields(&self, context: u64, of: number::Section, show: ShowField<'_>) -> Asked<()> {
        let fields = self.backend()?.fields(context, section(of)).map_err(refusal)?;
        fields.iter().for_each(|(name, value)| show(name, value));
        Ok(())
    }

    fn write_field(
        &self,
        context: u64,
        of: number::Section,
        change: Change,
        (name, value): Pair<'_>,
    ) -> Asked<()> {
        let name = text(name)?;
        let change = match change {
            Change::Set => FieldChange::Set(name, value),
            Change::Add => FieldChange::Add(name, value),
            Change::Remove => FieldChange::Remove(name),
        };
        self.backend()?.write_field(context, section(of), change).map_err(refusal)
    }

    fn replace_fields(&self, context: u64, of: number::Section, fields: &[Pair<'_>]) -> Asked<()> {
        let pair = |(name, value): &Pair<'_>| (name.to_vec(), value.to_vec());
        let fields = Fields(fields.iter().map(pair).collect());
        let change = FieldChange::ReplaceAll(&fields);
        self.backend()?.write_field(context, section(of), change).map_err(refusal)
    }

    fn body(&self, context: u64, side: Way, show: Show<'_>) -> Asked<()> {
        show(&self.backend()?.body(context, side_of(side)).map_err(refusal)?);
        Ok(())
    }

    fn splice_body(&self, context: u64, side: Way, splice: Splice<'_>) -> Asked<()> {
        let Splice { start, length, with } = splice;
        let backend = self.backend()?;
        backend.splice_body(context, side_of(side), start, length, with).map_err(refusal)
    }

    fn data(&self, context: u64, flow: Way, show: Show<'_>) -> Asked<()> {
        show(&self.backend()?.data(context, flow_of(flow)).map_err(refusal)?);
        Ok(())
    }

    fn splice_data(&self, context: u64, flow: Way, splice: Splice<'_>) -> Asked<()> {
        let Splice { start, length, with } = splice;
        let backend = self.backend()?;
        backend.splice_data(context, flow_of(flow), start, length, with).map_err(refusal)
    }

    fn property(&self, context: u64, path: &[&[u8]], show: Show<'_>) -> Asked<()> {
        let path: Asked<Vec<_>> = path.iter().map(|segment| text(segment)).collect();
        let context = (context != 0).then_some(context);
        let value = self.backend()?.property(context, &path?).map_err(refusal)?;
        show(&value.ok_or(Refusal::NotFound)?);
        Ok(())
    }

    fn set_property(&self, context: u64, path: &[&[u8]], value: &[u8]) -> Asked<()> {
        let path: Asked<Vec<_>> = path.iter().map(|segment| text(segment)).collect();
        self.backend()?.set_property(context, &path?, value).map_err(refusal)
    }

    fn respond(&self, context: u64, reply: Reply<'_>) -> Asked<()> {
        let response = response(&reply)?;
        if self.answers_itself(context) {
            self.answer_with(Outcome::Respond(response));
            return Ok(());
        }
        if self.duty.get().context == context {
            return Err(Refusal::BadArgument);
        }
        self.backend()?.respond(context, &response).map_err(refusal)
    }

    fn resume(&self, context: u64, side: Way) -> Asked<()> {
        self.backend_of(context, Kind::Stream)?.resume(context, side_of(side));
        Ok(())
    }

    fn resume_flow(&self, context: u64, flow: Way) -> Asked<()> {
        self.backend_of(context, Kind::Connection)?.resume_flow(context, flow_of(flow));
        Ok(())
    }

    fn reset(&self, context: u64) -> Asked<()> {
        let backend = self.backend_of(context, Kind::Stream)?;
        if self.answers_itself(context) {
            self.answer_with(Outcome::Reset);
        } else {
            backend.reset(context);
        }
        Ok(())
    }

    fn close(&self, context: u64) -> Asked<()> {
        let backend = self.backend_of(context, Kind::Connection)?;
        if self.answers_itself(context) {
            self.answer_with(Outcome::Reset);
        } else {
            backend.close(context);
        }
        Ok(())
    }

    fn http_call(&self, context: u64, request: Request<'_>) -> Asked<u64> {
        let request = http_request(&request)?;
        let context = (context != 0).then_some(context);
        let call = self.backend()?.http_call(context, &request).map_err(refusal)?;
        Ok(call.0)
    }

    fn set_tick_period(&self, milliseconds: u64) -> Asked<()> {
        let period = (milliseconds > 0).then(|| Duration::from_millis(milliseconds));
        self.backend()?.set_tick_period(period).map_err(refusal)
    }

    fn shared_data(&self, key: &[u8], show: &mut dyn FnMut(&[u8], u32)) -> Asked<()> {
        let value = self.backend()?.shared_data(key).map_err(refusal)?;
        let value = value.ok_or(Refusal::NotFound)?;
        show(&value.bytes, value.version);
        Ok(())
    }

    fn set_shared_data(&self, key: &[u8], value: &[u8], version: u32) -> Asked<()> {
        let expected = (version > 0).then_some(version);
        self.backend()?.set_shared_data(key, value, expected).map_err(refusal)
    }

    fn register_queue(&self, name: &[u8]) -> Asked<u32> {
        let queue = self.backend()?.register_queue(text(name)?).map_err(refusal)?;
        Ok(queue.0)
    }

    fn resolve_queue(&self, namespace: &[u8], name: &[u8]) -> Asked<u32> {
        let queue = self.backend()?.resolve_queue(text(namespace)?, text(name)?);
        Ok(queue.map_err(refusal)?.0)
    }

    fn enqueue(&self, queue: u32, item: &[u8]) -> Asked<()> {
        self.backend()?.enqueue(QueueId(queue), item).map_err(refusal)
    }

    fn dequeue(&self, queue: u32, show: Show<'_>) -> Asked<()> {
        let item = self.backend()?.dequeue(QueueId(queue)).map_err(refusal)?;
        show(&item.ok_or(Refusal::Empty)?);
        Ok(())
    }

    fn define_metric(&self, kind: Metric, name: &[u8]) -> Asked<u32> {
        let kind = match kind {
            Metric::Counter => MetricKind::Counter,
            Metric::Gauge => MetricKind::Gauge,
            Metric::Histogram => MetricKind::Histogram,
        };
        let metric = self.backend()?.define_metric(kind, text(name)?).map_err(refusal)?;
        Ok(metric.0)
    }

    fn record_metric(&self, metric: u32, value: u64) -> Asked<()> {
        self.backend()?.record_metric(MetricId(metric), value).map_err(refusal)
    }

    fn increment_metric(&self, metric: u32, by: i64) -> Asked<()> {
        self.backend()?.increment_metric(MetricId(metric), by).map_err(refusal)
    }

    fn metric(&self, metric: u32) -> Asked<u64> {
        self.backend()?.metric(MetricId(metric)).map_err(refusal)
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
        self.backend()?.log(level, &String::from_utf8_lossy(line));
        Ok(())
    }

    fn codec_frame(&self, found: &Found<'_>) -> Asked<()> {
        self.told.borrow_mut().frame(found)
    }

    fn codec_rest(&self, needed: usize, lost: Option<&[u8]>) -> Asked<()> {
        self.told.borrow_mut().rest(needed, lost)
    }

    fn codec_bytes(&self, bytes: &[u8]) -> Asked<()> {
        self.told.borrow_mut().bytes(bytes)
    }

    fn now(&self) -> Asked<u64> {
        let since = self.backend()?.now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
    }

    fn fail(&self, why: &[u8]) {
        let why = why.get(..SAID_BYTES_MAX).unwrap_or(why);
        self.said.borrow_mut().get_or_insert_with(|| String::from_utf8_lossy(why).into_owned());
    }
}

impl fmt::Debug for RunnerDesk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunnerDesk").field("duty", &self.duty).finish_non_exhaustive()
    }
}

fn response(reply: &Reply<'_>) -> Asked<Response> {
    let status = u16::try_from(reply.status).ok().filter(|status| (200..=599).contains(status));
    // As in the proxy, a field that no message can carry is left out.
    let field = |(name, value): &Pair<'_>| Some((text(name).ok()?.to_owned(), value.to_vec()));
    Ok(Response {
        status: status.ok_or(Refusal::BadArgument)?,
        headers: reply.fields.iter().filter_map(field).collect(),
        body: reply.body.to_vec(),
        grpc_status: reply.grpc_status,
        details: String::from_utf8_lossy(reply.details).into_owned(),
    })
}

fn http_request(request: &Request<'_>) -> Asked<HttpRequest> {
    let mut made = HttpRequest {
        cluster: text(request.cluster)?.to_owned(),
        body: request.body.to_vec(),
        timeout: (request.timeout_ms > 0).then(|| Duration::from_millis(request.timeout_ms.into())),
        ..HttpRequest::default()
    };
    let (mut method, mut path, mut authority) = (None, None, None);
    for (name, value) in &request.fields {
        match *name {
            b":method" => method = Some(text(value)?.to_owned()),
            b":path" => path = Some(text(value)?.to_owned()),
            b":authority" => authority = Some(text(value)?.to_owned()),
            name if name.eq_ignore_ascii_case(b"host") => {
                authority = Some(text(value)?.to_owned());
            }
            name => made.headers.push((text(name)?.to_owned(), value.to_vec())),
        }
    }
    made.method = method.ok_or(Refusal::BadArgument)?;
    made.path = path.ok_or(Refusal::BadArgument)?;
    made.authority = authority.ok_or(Refusal::BadArgument)?;
    Ok(made)
}

fn text(bytes: &[u8]) -> Asked<&str> {
    std::str::from_utf8(bytes).map_err(|_no_text| Refusal::BadArgument)
}

fn section(section: number::Section) -> Section {
    match section {
        number::Section::RequestHeaders => Section::RequestHeaders,
        number::Section::RequestTrailers => Section::RequestTrailers,
        number::Section::ResponseHeaders => Section::ResponseHeaders,
        number::Section::ResponseTrailers => Section::ResponseTrailers,
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

fn refusal(error: HostError) -> Refusal {
    match error {
        HostError::NotFound => Refusal::NotFound,
        HostError::BadArgument => Refusal::BadArgument,
        HostError::WrongPhase => Refusal::WrongPhase,
        HostError::Denied => Refusal::Denied,
        HostError::LimitReached => Refusal::LimitReached,
        HostError::Conflict => Refusal::Conflict,
        HostError::Empty => Refusal::Empty,
        HostError::Unsupported | _ => Refusal::Unsupported,
    }
}
