//! What a plugin asks, as host calls.
//!
//! A host call means the context that the host serves, so for another one it is made under its
//! number. Statuses say less than the SDK's errors: where one can mean several, what the SDK
//! knows of the call decides.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use abi_wasm::{BufferType, MapType, MetricType, PairWriter, Status, StreamType, decode_pairs};

use super::{
    imports::{self, Answer, Reply},
    module::{self, Kind},
};
use crate::{
    CallId, Fields, Flow, HostError, HttpAnswer, HttpRequest, LogLevel, MetricId, MetricKind,
    QueueId, Response, SharedValue, Side,
    backend::{Backend, ContextId, FieldChange, Outcome, Section, final_status, milliseconds},
};

/// The host on the other side of the sandbox.
#[derive(Clone, Copy, Debug)]
pub(super) struct WasmHost;

/// Most bytes of a buffer that are asked for in one piece.
const PIECE_BYTES_MAX: usize = 1 << 20;

impl Backend for WasmHost {
    fn field(&self, context: ContextId, section: Section, name: &str) -> Outcome<Option<Vec<u8>>> {
        check(Kind::Stream, context)?;
        let value = under(Some(context), || imports::field(map(section), name))?;
        match value {
            Ok(value) => Ok(Some(value)),
            Err(Status::NotFound) => Ok(None),
            // A name that no field has is not there, which leaves one reason.
            Err(Status::BadArgument) => Err(HostError::WrongPhase),
            Err(status) => Err(error(status)),
        }
    }

    fn fields(&self, context: ContextId, section: Section) -> Outcome<Fields> {
        check(Kind::Stream, context)?;
        let pairs = under(Some(context), || imports::map(map(section)))?;
        fields(&pairs.map_err(error)?)
    }

    fn write_field(
        &self,
        context: ContextId,
        section: Section,
        change: FieldChange<'_>,
    ) -> Outcome<()> {
        check(Kind::Stream, context)?;
        let map = map(section);
        let written = match change {
            FieldChange::Add(name, value) => {
                under(Some(context), || imports::add_field(map, name, value))?
            }
            FieldChange::Set(name, value) => {
                under(Some(context), || imports::set_field(map, name, value))?
            }
            FieldChange::Remove(name) => under(Some(context), || imports::remove_field(map, name))?,
            FieldChange::ReplaceAll(fields) => {
                let pairs = pairs(fields.iter())?;
                under(Some(context), || imports::set_map(map, &pairs))?
            }
        };
        // The handles looked at the fields before.
        written.map_err(|status| or(status, Status::BadArgument, HostError::WrongPhase))
    }

    fn body(&self, context: ContextId, side: Side) -> Outcome<Vec<u8>> {
        check(Kind::Stream, context)?;
        read(context, body(side))
    }

    fn splice_body(
        &self,
        context: ContextId,
        side: Side,
        start: usize,
        length: usize,
        with: &[u8],
    ) -> Outcome<()> {
        check(Kind::Stream, context)?;
        splice(context, body(side), (start, length), with)
    }

    fn data(&self, context: ContextId, flow: Flow) -> Outcome<Vec<u8>> {
        check(Kind::Connection, context)?;
        read(context, data(flow))
    }

    fn splice_data(
        &self,
        context: ContextId,
        flow: Flow,
        start: usize,
        length: usize,
        with: &[u8],
    ) -> Outcome<()> {
        check(Kind::Connection, context)?;
        splice(context, data(flow), (start, length), with)
    }

    fn property(&self, context: Option<ContextId>, path: &[&str]) -> Outcome<Option<Vec<u8>>> {
        let path = joined(path);
        match under(context, || imports::property(&path))? {
            Ok(value) => Ok(Some(value)),
            Err(Status::NotFound) => Ok(None),
            Err(status) => Err(error(status)),
        }
    }

    fn set_property(&self, context: ContextId, path: &[&str], value: &[u8]) -> Outcome<()> {
        let path = joined(path);
        under(Some(context), || imports::set_property(&path, value))?.map_err(error)
    }

    fn respond(&self, context: ContextId, response: &Response) -> Outcome<()> {
        check(Kind::Stream, context)?;
        let fields = response.headers.iter();
        let headers = pairs(fields.map(|(name, value)| (name.as_bytes(), value.as_slice())))?;
        let reply = Reply {
            status: final_status(response),
            details: &response.details,
            headers: &headers,
            body: &response.body,
            grpc_status: response.grpc_status,
        };
        under(Some(context), || imports::respond(&reply))?.map_err(error)
    }

    fn resume(&self, context: ContextId, side: Side) {
        let way = match side {
            Side::Request => StreamType::Request,
            Side::Response => StreamType::Response,
        };
        under(Some(context), || imports::resume(way)).ok();
    }

    fn resume_flow(&self, context: ContextId, flow: Flow) {
        let way = match flow {
            Flow::Downstream => StreamType::Downstream,
            Flow::Upstream => StreamType::Upstream,
        };
        under(Some(context), || imports::resume(way)).ok();
    }

    fn reset(&self, context: ContextId) {
        under(Some(context), || imports::close(StreamType::Request)).ok();
    }

    fn close(&self, context: ContextId) {
        under(Some(context), || imports::close(StreamType::Downstream)).ok();
    }

    #[cfg(not(target_family = "wasm"))]
    fn http_call(&self, context: Option<ContextId>, request: &HttpRequest) -> Outcome<CallId> {
        http_call(context, request)
    }

    fn set_tick_period(&self, period: Option<Duration>) -> Outcome<()> {
        let period = period.map_or(0, milliseconds);
        under(None, || imports::set_tick_period(period))?.map_err(error)
    }

    fn shared_data(&self, key: &[u8]) -> Outcome<Option<SharedValue>> {
        match imports::shared_data(key) {
            Ok((bytes, version)) => Ok(Some(SharedValue { bytes, version })),
            Err(Status::NotFound) => Ok(None),
            Err(status) => Err(error(status)),
        }
    }

    fn set_shared_data(&self, key: &[u8], value: &[u8], expected: Option<u32>) -> Outcome<()> {
        // Without an expectation there is nothing to conflict with.
        let conflict =
            if expected.is_some() { HostError::Conflict } else { HostError::LimitReached };
        imports::set_shared_data(key, value, expected.unwrap_or(0))
            .map_err(|status| or(status, Status::CasMismatch, conflict))
    }

    fn register_queue(&self, name: &str) -> Outcome<QueueId> {
        under(None, || imports::register_queue(name))?.map(QueueId).map_err(error)
    }

    fn resolve_queue(&self, namespace: &str, name: &str) -> Outcome<QueueId> {
        imports::resolve_queue(namespace, name).map(QueueId).map_err(error)
    }

    fn enqueue(&self, queue: QueueId, item: &[u8]) -> Outcome<()> {
        imports::enqueue(queue.0, item).map_err(error)
    }

    fn dequeue(&self, queue: QueueId) -> Outcome<Option<Vec<u8>>> {
        match imports::dequeue(queue.0) {
            Ok(item) => Ok(Some(item)),
            Err(Status::Empty) => Ok(None),
            Err(status) => Err(error(status)),
        }
    }

    fn define_metric(&self, kind: MetricKind, name: &str) -> Outcome<MetricId> {
        let kind = match kind {
            MetricKind::Counter => MetricType::Counter,
            MetricKind::Gauge => MetricType::Gauge,
            MetricKind::Histogram => MetricType::Histogram,
        };
        imports::define_metric(kind, name).map(MetricId).map_err(error)
    }

    fn record_metric(&self, metric: MetricId, value: u64) -> Outcome<()> {
        imports::record_metric(metric.0, value).map_err(error)
    }

    fn increment_metric(&self, metric: MetricId, by: i64) -> Outcome<()> {
        imports::increment_metric(metric.0, by).map_err(error)
    }

    fn metric(&self, metric: MetricId) -> Outcome<u64> {
        imports::metric(metric.0).map_err(error)
    }

    fn log(&self, level: LogLevel, line: &str) {
        imports::log(level, line);
    }

    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(imports::nanoseconds().unwrap_or_default())
    }
}

/// Sends a request to a cluster.
pub(crate) fn http_call(context: Option<ContextId>, request: &HttpRequest) -> Outcome<CallId> {
    let head = [
        (":method", request.method.as_bytes()),
        (":path", request.path.as_bytes()),
        (":authority", request.authority.as_bytes()),
    ];
    let head = head.into_iter().map(|(name, value)| (name.as_bytes(), value));
    let rest = request.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_slice()));
    let headers = pairs(head.chain(rest))?;
    let called = under(context, || {
        let timeout = request.timeout.map_or(0, milliseconds);
        imports::http_call(&request.cluster, &headers, &request.body, timeout)
    })?;
    let token = called.map_err(error)?;
    let asked = context.map(number).transpose()?;
    module::note_call(token, asked);
    Ok(CallId(token.into()))
}

/// The configuration of the root that is being configured.
pub(super) fn configuration() -> Vec<u8> {
    pieces(BufferType::PluginConfiguration).unwrap_or_default()
}

/// Which of the module's plugins the root means.
pub(super) fn root_id() -> String {
    let id = imports::property(b"plugin_root_id").unwrap_or_default();
    String::from_utf8_lossy(&id).into_owned()
}

/// The answer of an HTTP call, while the host tells of it.
pub(super) fn answer() -> HttpAnswer {
    let section = |map| fields(&imports::map(map).unwrap_or_default()).unwrap_or_default();
    HttpAnswer {
        headers: section(MapType::HttpCallResponseHeaders),
        body: pieces(BufferType::HttpCallResponseBody).unwrap_or_default(),
        trailers: section(MapType::HttpCallResponseTrailers),
    }
}

/// Refuses what a context of the other kind does not have, as the other backends do: the
/// interface would say that it is too early or too late.
fn check(kind: Kind, context: ContextId) -> Outcome<()> {
    if module::is_other(number(context)?, kind) { Err(HostError::BadArgument) } else { Ok(()) }
}

/// Makes a host call for a context, or for the root that is served.
fn under<R>(context: Option<ContextId>, call: impl FnOnce() -> Answer<R>) -> Outcome<Answer<R>> {
    let duty = module::duty();
    let wanted = match context {
        Some(context) => number(context)?,
        None => duty.root,
    };
    if wanted == duty.context {
        return Ok(call());
    }
    if wanted != duty.root && !module::is_own(wanted) {
        return Err(HostError::NotFound);
    }
    imports::set_effective_context(wanted).map_err(|_unknown| HostError::NotFound)?;
    let called = call();
    // Whom the host serves is there.
    imports::set_effective_context(duty.context).ok();
    Ok(called)
}

fn number(context: ContextId) -> Outcome<u32> {
    u32::try_from(context).map_err(|_wide| HostError::NotFound)
}

/// The bytes in hand. A host says "not found" of those that are not in hand now.
fn read(context: ContextId, buffer: BufferType) -> Outcome<Vec<u8>> {
    under(Some(context), || pieces(buffer))?.map_err(buffer_error)
}

fn pieces(buffer: BufferType) -> Answer<Vec<u8>> {
    let mut all = imports::buffer(buffer, 0, PIECE_BYTES_MAX)?;
    let mut last = all.len();
    while last == PIECE_BYTES_MAX {
        let more = imports::buffer(buffer, all.len(), PIECE_BYTES_MAX)?;
        last = more.len();
        all.extend_from_slice(&more);
    }
    Ok(all)
}

/// Some hosts write in front, behind, or all. What they refuse is written as a whole.
fn splice(
    context: ContextId,
    buffer: BufferType,
    (start, length): (usize, usize),
    with: &[u8],
) -> Outcome<()> {
    let whole = |bytes: &[u8]| imports::set_buffer(buffer, 0, WHOLE, bytes);
    let written =
        under(Some(context), || match imports::set_buffer(buffer, start, length, with) {
            Err(Status::BadArgument) => {
                let mut bytes = pieces(buffer)?;
                let start = start.min(bytes.len());
                let end = start.saturating_add(length).min(bytes.len());
                bytes.splice(start..end, with.iter().copied());
                whole(&bytes)
            }
            written => written,
        })?;
    written.map_err(buffer_error)
}

/// As long as any buffer.
const WHOLE: usize = usize::MAX;

fn buffer_error(status: Status) -> HostError {
    let is_elsewhere = matches!(status, Status::NotFound | Status::BadArgument);
    if is_elsewhere { HostError::WrongPhase } else { error(status) }
}

fn map(section: Section) -> MapType {
    match section {
        Section::RequestHeaders => MapType::RequestHeaders,
        Section::RequestTrailers => MapType::RequestTrailers,
        Section::ResponseHeaders => MapType::ResponseHeaders,
        Section::ResponseTrailers => MapType::ResponseTrailers,
    }
}

fn body(side: Side) -> BufferType {
    match side {
        Side::Request => BufferType::RequestBody,
        Side::Response => BufferType::ResponseBody,
    }
}

fn data(flow: Flow) -> BufferType {
    match flow {
        Flow::Downstream => BufferType::DownstreamData,
        Flow::Upstream => BufferType::UpstreamData,
    }
}

fn fields(bytes: &[u8]) -> Outcome<Fields> {
    let pairs = decode_pairs(bytes).map_err(|_past_the_limits| HostError::LimitReached)?;
    Ok(Fields(pairs.into_iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect()))
}

fn pairs<'a>(fields: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone) -> Outcome<Vec<u8>> {
    let mut bytes = Vec::new();
    let written = PairWriter::new(&mut bytes, fields.clone().count()).and_then(|mut writer| {
        for (name, value) in fields {
            writer.push(name, value)?;
        }
        writer.finish()
    });
    written.map_err(|_past_the_limits| HostError::LimitReached)?;
    Ok(bytes)
}

/// The segments of a path with NUL bytes between them, of which the handles let none through.
fn joined(path: &[&str]) -> Vec<u8> {
    path.join("\0").into_bytes()
}

/// What a status means where one of them has a meaning of its own.
fn or(status: Status, special: Status, meaning: HostError) -> HostError {
    if status == special { meaning } else { error(status) }
}

/// What a status means where nothing else is known.
fn error(status: Status) -> HostError {
    match status {
        Status::NotFound => HostError::NotFound,
        Status::Empty => HostError::Empty,
        Status::CasMismatch => HostError::Conflict,
        Status::Unimplemented => HostError::Unsupported,
        // What was denied is answered as "not found" or as done.
        Status::InternalFailure | Status::SerializationFailure => HostError::LimitReached,
        Status::Ok | Status::BadArgument | Status::ParseFailure | Status::InvalidMemoryAccess => {
            HostError::BadArgument
        }
    }
}
