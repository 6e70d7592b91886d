//! Properties: what a plugin can read of a stream by a path of names.
//!
//! The names are those that Proxy-Wasm hosts share; the values are typed here and encoded by
//! each backend. A value that is not known yet is `NotFound`.

use std::{
    net::SocketAddr,
    time::{SystemTime, UNIX_EPOCH},
};

use host_extension::{CallError, CallResult, Message, PropertyValue, Stream};
use host_types::{Headers, RequestHead};

/// The first segments that the host owns; attributes of plugins live elsewhere.
const ROOTS: [&[u8]; 11] = [
    b"request",
    b"response",
    b"source",
    b"destination",
    b"connection",
    b"connection_id",
    b"upstream",
    b"xds",
    b"listener_name",
    b"cluster_name",
    b"route_name",
];

/// True where a plugin may not set the path.
pub(super) fn is_reserved(path: &[&[u8]]) -> bool {
    path.first().is_some_and(|root| ROOTS.contains(root))
}

/// Reads a property; `now` is the wall clock.
pub(super) fn read(stream: &Stream, path: &[&[u8]], now: SystemTime) -> CallResult<PropertyValue> {
    let connection = &stream.connection;
    match path {
        [b"request", rest @ ..] => request(stream, rest, now),
        [b"response", rest @ ..] => response(stream, rest),
        [b"source", name] => address(connection.peer, name),
        [b"destination", name] => address(connection.local, name),
        [b"connection", b"id"] | [b"connection_id"] => {
            Ok(PropertyValue::Unsigned(connection.id.as_u64()))
        }
        [b"connection", b"mtls"] => Ok(PropertyValue::Boolean(false)),
        [b"upstream", name] => {
            let upstream = stream.facts.borrow().upstream;
            address(upstream.ok_or(CallError::NotFound)?, name)
        }
        [b"listener_name"] => text(connection.listener.as_str()),
        [b"cluster_name"] | [b"xds", b"cluster_name"] => {
            let facts = stream.facts.borrow();
            text(facts.cluster.as_ref().ok_or(CallError::NotFound)?.as_str())
        }
        [b"route_name"] | [b"xds", b"route_name"] => known(stream.facts.borrow().route.as_deref()),
        [b"xds", b"virtual_host_name"] => known(stream.facts.borrow().virtual_host.as_deref()),
        _ => attribute(stream, path),
    }
}

fn request(stream: &Stream, path: &[&[u8]], now: SystemTime) -> CallResult<PropertyValue> {
    match path {
        [b"id"] => known(stream.facts.borrow().request_id.as_deref()),
        [b"protocol"] => text(stream.connection.protocol.label()),
        [b"time"] => Ok(PropertyValue::Nanoseconds(since(UNIX_EPOCH, stream.started))),
        [b"duration"] => Ok(PropertyValue::Nanoseconds(since(stream.started, now))),
        [b"size"] => Ok(size(&stream.request)),
        [b"total_size"] => Ok(total_size(&stream.request)),
        [b"headers", rest @ ..] => fields(&stream.request, rest),
        [name] => request_line(stream, name),
        _ => Err(CallError::NotFound),
    }
}

fn request_line(stream: &Stream, name: &[u8]) -> CallResult<PropertyValue> {
    let section = stream.request.headers.borrow();
    let headers = section.as_ref().ok_or(CallError::NotFound)?;
    let head = headers.as_request().ok_or(CallError::NotFound)?;
    let field = |name: &[u8]| headers.get(name).map(<[u8]>::to_vec);
    let value = match name {
        b"path" => Some(head.path.as_str().into()),
        b"url_path" => Some(head.path.path().into()),
        b"query" => head.path.query().map(Into::into),
        b"host" => authority(head),
        b"scheme" => Some(head.scheme.as_str().into()),
        b"method" => Some(head.method.as_str().into()),
        b"referer" => field(b"referer"),
        b"useragent" => field(b"user-agent"),
        _ => None,
    };
    value.map(PropertyValue::Bytes).ok_or(CallError::NotFound)
}

fn authority(head: &RequestHead) -> Option<Vec<u8>> {
    head.authority.as_ref().map(|authority| authority.as_str().into())
}

fn response(stream: &Stream, path: &[&[u8]]) -> CallResult<PropertyValue> {
    match path {
        [b"code"] => {
            let section = stream.response.headers.borrow();
            let open = section.as_ref().and_then(Headers::status).map(|status| status.as_u16());
            let status = open.or(stream.facts.borrow().status).ok_or(CallError::NotFound)?;
            Ok(PropertyValue::Integer(i64::from(status)))
        }
        [b"code_details"] => known(stream.facts.borrow().details.as_deref()),
        [b"size"] => Ok(size(&stream.response)),
        [b"total_size"] => Ok(total_size(&stream.response)),
        [b"headers", rest @ ..] => fields(&stream.response, rest),
        _ => Err(CallError::NotFound),
    }
}

fn fields(message: &Message, path: &[&[u8]]) -> CallResult<PropertyValue> {
    let section = message.headers.borrow();
    let headers = section.as_ref().ok_or(CallError::NotFound)?;
    match path {
        [] => {
            let pairs = headers.iter().map(|(name, value)| (name.to_vec(), value.to_vec()));
            Ok(PropertyValue::Map(pairs.collect()))
        }
        [name] => {
            let value = headers.get(name).ok_or(CallError::NotFound)?;
            Ok(PropertyValue::Bytes(value.to_vec()))
        }
        _ => Err(CallError::NotFound),
    }
}

fn address(address: SocketAddr, name: &[u8]) -> CallResult<PropertyValue> {
    match name {
        b"address" => text(&address.to_string()),
        b"port" => Ok(PropertyValue::Integer(i64::from(address.port()))),
        _ => Err(CallError::NotFound),
    }
}

fn attribute(stream: &Stream, path: &[&[u8]]) -> CallResult<PropertyValue> {
    let key = path.join(&0_u8);
    let facts = stream.facts.borrow();
    let found = facts.attributes.iter().find(|(known, _)| **known == *key);
    let (_, value) = found.ok_or(CallError::NotFound)?;
    Ok(PropertyValue::Bytes(value.to_vec()))
}

fn size(message: &Message) -> PropertyValue {
    PropertyValue::Integer(i64::try_from(message.body_bytes.get()).unwrap_or(i64::MAX))
}

fn total_size(message: &Message) -> PropertyValue {
    let head = message.headers.borrow().as_ref().map_or(0, Headers::byte_size);
    let total = message.body_bytes.get().saturating_add(head as u64);
    PropertyValue::Integer(i64::try_from(total).unwrap_or(i64::MAX))
}

fn since(start: SystemTime, end: SystemTime) -> i64 {
    let elapsed = end.duration_since(start).unwrap_or_default();
    i64::try_from(elapsed.as_nanos()).unwrap_or(i64::MAX)
}

fn known(value: Option<&str>) -> CallResult<PropertyValue> {
    text(value.ok_or(CallError::NotFound)?)
}

fn text(value: &str) -> CallResult<PropertyValue> {
    Ok(PropertyValue::Bytes(value.into()))
}
