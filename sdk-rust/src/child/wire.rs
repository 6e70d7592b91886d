//! Between the SDK's types and the messages of the protocol.

use abi_process::v1;
use prost::bytes::Bytes;

use crate::{
    Fields, Flow, HostError, HttpRequest, LogLevel, MetricKind, Peer, Phases, Response, Side,
    backend::{FieldChange, Section, final_status, milliseconds},
};

impl From<v1::Side> for Side {
    fn from(side: v1::Side) -> Self {
        match side {
            v1::Side::Request => Self::Request,
            v1::Side::Response => Self::Response,
        }
    }
}

impl From<Side> for v1::Side {
    fn from(side: Side) -> Self {
        match side {
            Side::Request => Self::Request,
            Side::Response => Self::Response,
        }
    }
}

impl From<v1::Flow> for Flow {
    fn from(flow: v1::Flow) -> Self {
        match flow {
            v1::Flow::Downstream => Self::Downstream,
            v1::Flow::Upstream => Self::Upstream,
        }
    }
}

impl From<Flow> for v1::Flow {
    fn from(flow: Flow) -> Self {
        match flow {
            Flow::Downstream => Self::Downstream,
            Flow::Upstream => Self::Upstream,
        }
    }
}

impl From<v1::Peer> for Peer {
    fn from(peer: v1::Peer) -> Self {
        match peer {
            v1::Peer::Unknown => Self::Unknown,
            v1::Peer::Local => Self::Local,
            v1::Peer::Remote => Self::Remote,
        }
    }
}

impl From<Section> for v1::Section {
    fn from(section: Section) -> Self {
        match section {
            Section::RequestHeaders => Self::RequestHeaders,
            Section::RequestTrailers => Self::RequestTrailers,
            Section::ResponseHeaders => Self::ResponseHeaders,
            Section::ResponseTrailers => Self::ResponseTrailers,
        }
    }
}

impl From<LogLevel> for v1::Level {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Trace => Self::Trace,
            LogLevel::Debug => Self::Debug,
            LogLevel::Info => Self::Info,
            LogLevel::Warn => Self::Warn,
            LogLevel::Error => Self::Error,
            LogLevel::Critical => Self::Critical,
        }
    }
}

impl From<MetricKind> for v1::MetricKind {
    fn from(kind: MetricKind) -> Self {
        match kind {
            MetricKind::Counter => Self::Counter,
            MetricKind::Gauge => Self::Gauge,
            MetricKind::Histogram => Self::Histogram,
        }
    }
}

/// What a status means; one that this side does not know is a refusal like any other.
pub(super) fn outcome(status: i32) -> Result<(), HostError> {
    Err(match v1::Status::try_from(status) {
        Ok(v1::Status::Ok) => return Ok(()),
        Ok(v1::Status::NotFound) => HostError::NotFound,
        Ok(v1::Status::BadArgument) => HostError::BadArgument,
        Ok(v1::Status::WrongPhase) => HostError::WrongPhase,
        Ok(v1::Status::Denied) => HostError::Denied,
        Ok(v1::Status::LimitReached) => HostError::LimitReached,
        Ok(v1::Status::Conflict) => HostError::Conflict,
        Ok(v1::Status::Empty) => HostError::Empty,
        Ok(v1::Status::Unsupported) | Err(_) => HostError::Unsupported,
    })
}

/// The head or the trailers of a side.
pub(super) fn section(side: Side, trailers: bool) -> Section {
    match (side, trailers) {
        (Side::Request, false) => Section::RequestHeaders,
        (Side::Request, true) => Section::RequestTrailers,
        (Side::Response, false) => Section::ResponseHeaders,
        (Side::Response, true) => Section::ResponseTrailers,
    }
}

/// A section's change as it is sent.
pub(super) fn field_change(section: Section, change: FieldChange<'_>) -> v1::change::Kind {
    let section = v1::Section::from(section).into();
    let field = |name: &str, value: &[u8]| v1::FieldChange {
        section,
        name: Bytes::copy_from_slice(name.as_bytes()),
        value: Bytes::copy_from_slice(value),
    };
    match change {
        FieldChange::Add(name, value) => v1::change::Kind::Add(field(name, value)),
        FieldChange::Set(name, value) => v1::change::Kind::Set(field(name, value)),
        FieldChange::Remove(name) => v1::change::Kind::Remove(field(name, &[])),
        FieldChange::ReplaceAll(all) => {
            v1::change::Kind::Replace(v1::Replace { section, fields: sent_fields(all) })
        }
    }
}

/// Fields as they are sent.
fn sent_fields(fields: &Fields) -> Vec<v1::Field> {
    fields.iter().map(|(name, value)| field(name, value)).collect()
}

fn field(name: &[u8], value: &[u8]) -> v1::Field {
    v1::Field { name: Bytes::copy_from_slice(name), value: Bytes::copy_from_slice(value) }
}

/// Fields as they came.
pub(super) fn fields(fields: &[v1::Field]) -> Fields {
    Fields(fields.iter().map(|field| (field.name.to_vec(), field.value.to_vec())).collect())
}

/// A response as it is sent.
pub(super) fn response(response: &Response) -> v1::Response {
    let headers = response.headers.iter();
    v1::Response {
        status: final_status(response).into(),
        fields: headers.map(|(name, value)| field(name.as_bytes(), value)).collect(),
        body: Bytes::copy_from_slice(&response.body),
        grpc_status: response.grpc_status,
        details: response.details.clone(),
    }
}

/// The verdict that answers the client.
pub(super) fn respond(response: v1::Response) -> v1::Verdict {
    v1::Verdict { go: v1::Go::Respond.into(), response: Some(response), error: String::new() }
}

/// The verdict that breaks off.
pub(super) fn reset() -> v1::Verdict {
    go(v1::Go::Reset)
}

/// The verdict of an instance that failed.
pub(super) fn failed(error: String) -> v1::Verdict {
    v1::Verdict { go: v1::Go::Failed.into(), response: None, error }
}

/// A verdict that needs no more words.
pub(super) fn go(go: v1::Go) -> v1::Verdict {
    v1::Verdict { go: go.into(), response: None, error: String::new() }
}

/// A request as it is sent.
pub(super) fn http_request(request: &HttpRequest) -> v1::HttpRequest {
    let start = [
        (":method", &request.method),
        (":path", &request.path),
        (":authority", &request.authority),
    ];
    let start = start.map(|(name, value)| field(name.as_bytes(), value.as_bytes()));
    let headers = request.headers.iter().map(|(name, value)| field(name.as_bytes(), value));
    v1::HttpRequest {
        cluster: request.cluster.clone(),
        fields: start.into_iter().chain(headers).collect(),
        body: Bytes::copy_from_slice(&request.body),
        timeout_ms: request.timeout.map_or(0, milliseconds),
    }
}

/// Names of callbacks, for a person.
pub(super) fn phase_names(phases: Phases) -> Vec<&'static str> {
    let names = [
        (Phases::REQUEST_HEADERS, "request headers"),
        (Phases::REQUEST_BODY, "request body"),
        (Phases::REQUEST_TRAILERS, "request trailers"),
        (Phases::RESPONSE_HEADERS, "response headers"),
        (Phases::RESPONSE_BODY, "response body"),
        (Phases::RESPONSE_TRAILERS, "response trailers"),
        (Phases::LOG, "log"),
        (Phases::NEW_CONNECTION, "new connection"),
        (Phases::DOWNSTREAM_DATA, "downstream data"),
        (Phases::UPSTREAM_DATA, "upstream data"),
        (Phases::CLOSE, "close"),
    ];
    names
        .into_iter()
        .filter(|(phase, _name)| phases.contains(*phase))
        .map(|(_, name)| name)
        .collect()
}

/// Of the properties that a plugin reads those that never change while a stream or connection
/// lasts: what the host sends at its beginning is what it would answer later. A name with the
/// dot that stands between two cannot be written here.
pub(super) fn lasting_properties(paths: &[&[&str]]) -> Vec<String> {
    let lasts = |path: &&&[&str]| match path {
        ["connection", "id"] => true,
        [root, ..] => LASTING_ROOTS.contains(root) && path.iter().all(|name| !name.contains('.')),
        [] => false,
    };
    paths.iter().filter(lasts).map(|path| path.join(".")).collect()
}

const LASTING_ROOTS: [&str; 9] = [
    "source",
    "destination",
    "connection_id",
    "listener_name",
    "listener_direction",
    "node",
    "plugin_name",
    "plugin_root_id",
    "plugin_vm_id",
];
