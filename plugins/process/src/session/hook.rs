//! From a hook to the event that tells the child of it.
//!
//! What a child sees of a stream it sees through the guard, as what it asks for.

use abi_process::v1;
use bytes::{Bytes, BytesMut};
use host_extension::{CallError, CallResult, Flow, HeaderMapKind, HostCalls, Phases, Side};
use host_types::Headers;

use super::{
    context::{Context, Of},
    way::{Dir, OnPause, Way},
};

/// A hook whose answer is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Hook {
    /// The head of a side.
    Headers(Side, bool),
    /// A part of the body of a side.
    Body(Side, bool),
    /// The trailers of a side.
    Trailers(Side),
    /// A connection begins.
    NewConnection,
    /// Bytes of a connection.
    Data(Flow, bool),
}

impl Hook {
    /// What a plugin asks for to be called.
    pub(crate) fn phase(self) -> Phases {
        match self {
            Self::Headers(Side::Request, _) => Phases::REQUEST_HEADERS,
            Self::Headers(Side::Response, _) => Phases::RESPONSE_HEADERS,
            Self::Body(Side::Request, _) => Phases::REQUEST_BODY,
            Self::Body(Side::Response, _) => Phases::RESPONSE_BODY,
            Self::Trailers(Side::Request) => Phases::REQUEST_TRAILERS,
            Self::Trailers(Side::Response) => Phases::RESPONSE_TRAILERS,
            Self::NewConnection => Phases::NEW_CONNECTION,
            Self::Data(Flow::Downstream, _) => Phases::DOWNSTREAM_DATA,
            Self::Data(Flow::Upstream, _) => Phases::UPSTREAM_DATA,
        }
    }

    /// For stories.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Headers(Side::Request, _) => "on_request_headers",
            Self::Headers(Side::Response, _) => "on_response_headers",
            Self::Body(Side::Request, _) => "on_request_body",
            Self::Body(Side::Response, _) => "on_response_body",
            Self::Trailers(Side::Request) => "on_request_trailers",
            Self::Trailers(Side::Response) => "on_response_trailers",
            Self::NewConnection => "on_new_connection",
            Self::Data(Flow::Downstream, _) => "on_downstream_data",
            Self::Data(Flow::Upstream, _) => "on_upstream_data",
        }
    }

    /// Past the end nothing calls again, and a hold would end as "go on".
    pub(super) fn on_pause(self) -> OnPause {
        let may_hold = matches!(self, Self::Body(_, false) | Self::Data(_, false));
        if may_hold { OnPause::Hold } else { OnPause::Wait }
    }

    /// The event, and the direction that waits for its answer.
    pub(super) fn event(self, context: &Context, exchange: u64) -> (Dir, v1::event::Kind) {
        use v1::event::Kind;
        let id = context.id;
        match self {
            Self::Headers(side, end) => {
                let fields = section(context, headers_of(side));
                let side_number = side_number(side);
                let headers = v1::Headers { context: id, exchange, side: side_number, fields, end };
                (side.into(), Kind::Headers(headers))
            }
            Self::Trailers(side) => {
                let fields = section(context, trailers_of(side));
                let side_number = side_number(side);
                let trailers = v1::Trailers { context: id, exchange, side: side_number, fields };
                (side.into(), Kind::Trailers(trailers))
            }
            Self::Body(side, end) => {
                let dir = Dir::from(side);
                let (bytes, held) = newest(context.way(dir), |show| body(context, side, show));
                let side = side_number(side);
                (dir, Kind::Body(v1::Body { context: id, exchange, side, bytes, held, end }))
            }
            Self::NewConnection => {
                (Dir::In, Kind::NewConnection(v1::NewConnection { context: id, exchange }))
            }
            Self::Data(flow, end) => {
                let dir = Dir::from(flow);
                let (bytes, held) = newest(context.way(dir), |show| data(context, flow, show));
                let flow = flow_number(flow);
                (dir, Kind::Data(v1::Data { context: id, exchange, flow, bytes, held, end }))
            }
        }
    }
}

/// The bytes in hand that the child has not seen, and how many it has. Where it keeps more than
/// there is, all are shown again.
fn newest(way: &Way, read: impl FnOnce(&mut dyn FnMut(&[u8])) -> CallResult<()>) -> (Bytes, u64) {
    let kept = way.kept.take();
    if way.is_denied.get() {
        return (Bytes::new(), 0);
    }
    let (mut newest, mut held) = (Bytes::new(), 0);
    let shown = read(&mut |bytes| {
        held = kept;
        newest = match bytes.get(kept..) {
            Some(rest) => Bytes::copy_from_slice(rest),
            None => {
                held = 0;
                Bytes::copy_from_slice(bytes)
            }
        };
    });
    way.is_hidden.set(shown.is_err());
    way.is_denied.set(shown == Err(CallError::Denied));
    // What the plugin may not see reads as nothing.
    if shown.is_err() {
        return (Bytes::new(), 0);
    }
    (newest, held as u64)
}

/// How many bytes of a direction are in hand; `None` where none can be.
pub(super) fn in_hand(context: &Context, dir: Dir) -> Option<usize> {
    let mut length = None;
    let show = &mut |bytes: &[u8]| length = Some(bytes.len());
    let read = match (&context.of, dir) {
        (Of::Stream(_), Dir::In) => body(context, Side::Request, show),
        (Of::Stream(_), Dir::Out) => body(context, Side::Response, show),
        (Of::Connection(_), Dir::In) => data(context, Flow::Downstream, show),
        (Of::Connection(_), Dir::Out) => data(context, Flow::Upstream, show),
        (Of::Codec, Dir::In | Dir::Out) => return None,
    };
    read.ok()?;
    length
}

fn body(context: &Context, side: Side, show: &mut dyn FnMut(&[u8])) -> CallResult<()> {
    match &context.of {
        Of::Stream(stream) => context.instance.calls().body(stream, side, show),
        Of::Connection(_) | Of::Codec => Ok(()),
    }
}

fn data(context: &Context, flow: Flow, show: &mut dyn FnMut(&[u8])) -> CallResult<()> {
    match &context.of {
        Of::Connection(connection) => context.instance.calls().data(connection, flow, show),
        Of::Stream(_) | Of::Codec => Ok(()),
    }
}

/// The fields of a section; none where it is not there.
pub(crate) fn section(context: &Context, kind: HeaderMapKind) -> Vec<v1::Field> {
    let mut found = Vec::new();
    if let Of::Stream(stream) = &context.of {
        let calls: &dyn HostCalls = context.instance.calls();
        let _seen = calls.headers(stream, kind, &mut |headers| found = fields(headers));
    }
    found
}

/// Fields as they are sent: names and values lie one behind the other in one piece of memory.
pub(crate) fn fields(headers: &Headers) -> Vec<v1::Field> {
    let mut arena = BytesMut::with_capacity(headers.byte_size());
    for (name, value) in headers.iter() {
        arena.extend_from_slice(name);
        arena.extend_from_slice(value);
    }
    let mut arena = arena.freeze();
    let mut next = |length: usize| arena.split_to(length);
    let field = |(name, value): (&[u8], &[u8])| v1::Field {
        name: next(name.len()),
        value: next(value.len()),
    };
    headers.iter().map(field).collect()
}

/// The head of a side.
pub(crate) fn headers_of(side: Side) -> HeaderMapKind {
    match side {
        Side::Request => HeaderMapKind::RequestHeaders,
        Side::Response => HeaderMapKind::ResponseHeaders,
    }
}

/// The trailers of a side.
pub(crate) fn trailers_of(side: Side) -> HeaderMapKind {
    match side {
        Side::Request => HeaderMapKind::RequestTrailers,
        Side::Response => HeaderMapKind::ResponseTrailers,
    }
}

fn side_number(side: Side) -> i32 {
    match side {
        Side::Request => v1::Side::Request.into(),
        Side::Response => v1::Side::Response.into(),
    }
}

/// The number of a flow.
pub(crate) fn flow_number(flow: Flow) -> i32 {
    match flow {
        Flow::Downstream => v1::Flow::Downstream.into(),
        Flow::Upstream => v1::Flow::Upstream.into(),
    }
}
