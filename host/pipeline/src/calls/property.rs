//! Properties: what a plugin can read of a stream or connection by a path of names.
//!
//! The names are those that Proxy-Wasm hosts share; the values are typed here and encoded by
//! each backend. A value that is not known, or not yet, is `NotFound`; metadata, of which the
//! configuration has none, is there and empty. What is of a message alone is in `message.rs`.

mod message;

use std::{
    net::SocketAddr,
    time::{SystemTime, UNIX_EPOCH},
};

use host_extension::{
    Attribute, CallError, CallResult, Connection, ConnectionFacts, PropertyValue, Stream, Subject,
};
use host_types::ReplyReason;

/// Bytes of all attributes that plugins may set on one stream or connection.
pub(super) const ATTRIBUTE_BYTES_MAX: usize = 64 * 1024;
/// What one attribute costs besides its bytes.
pub(super) const ATTRIBUTE_OVERHEAD: usize = 32;

/// Stands between the names of a path where it is the key of an attribute.
const NAME_END: u8 = 0;

/// The first segments that the host owns; attributes of plugins live elsewhere.
const ROOTS: [&[u8]; 20] = [
    b"request",
    b"response",
    b"source",
    b"destination",
    b"connection",
    b"connection_id",
    b"upstream",
    b"xds",
    b"node",
    b"metadata",
    b"listener_name",
    b"listener_direction",
    b"listener_metadata",
    b"cluster_name",
    b"cluster_metadata",
    b"route_name",
    b"route_metadata",
    b"plugin_name",
    b"plugin_root_id",
    b"plugin_vm_id",
];

/// No direction was configured.
const DIRECTION_UNSPECIFIED: i64 = 0;

/// Reads a property; `now` is the wall clock.
pub(super) fn read(
    subject: Subject<'_>,
    path: &[&[u8]],
    now: SystemTime,
) -> CallResult<PropertyValue> {
    match subject {
        Subject::Stream(stream) => of_stream(stream, path, now),
        Subject::Connection(connection) => of_connection(connection, path),
        // What the host says of a plugin itself, the plugin's backend knows.
        Subject::Host => Err(CallError::NotFound),
    }
}

/// Sets an attribute.
pub(super) fn set(subject: Subject<'_>, path: &[&[u8]], value: &[u8]) -> CallResult<()> {
    let reserved = path.first().is_some_and(|root| ROOTS.contains(root));
    let is_empty = path.iter().all(|segment| segment.is_empty());
    if reserved || is_empty || !is_joinable(path) {
        return Err(CallError::BadArgument);
    }
    match subject {
        Subject::Stream(stream) => put(&mut stream.facts.borrow_mut().attributes, path, value),
        Subject::Connection(connection) => {
            put(&mut connection.attributes.borrow_mut(), path, value)
        }
        Subject::Host => Err(CallError::NotFound),
    }
}

/// False where a name has the byte that stands between names: what is kept under one path would
/// be found under another, which may be the host's.
fn is_joinable(path: &[&[u8]]) -> bool {
    !path.iter().any(|name| name.contains(&NAME_END))
}

fn put(attributes: &mut Vec<Attribute>, path: &[&[u8]], value: &[u8]) -> CallResult<()> {
    let key = path.join(&NAME_END).into_boxed_slice();
    let cost = |key: &[u8], value: &[u8]| key.len() + value.len() + ATTRIBUTE_OVERHEAD;
    let others = attributes.iter().filter(|(known, _)| *known != key);
    let used: usize = others.map(|(key, value)| cost(key, value)).sum();
    if used + cost(&key, value) > ATTRIBUTE_BYTES_MAX {
        return Err(CallError::LimitReached);
    }
    attributes.retain(|(known, _)| *known != key);
    attributes.push((key, value.into()));
    Ok(())
}

fn of_stream(stream: &Stream, path: &[&[u8]], now: SystemTime) -> CallResult<PropertyValue> {
    let carrier = stream.carrier.get().map(|carrier| &**carrier);
    match path {
        [b"request", rest @ ..] => message::request(stream, rest, now),
        [b"response", rest @ ..] => message::response(stream, rest),
        [b"upstream", rest @ ..] => {
            let facts = stream.facts.borrow();
            upstream(facts.upstream, facts.upstream_local, rest)
        }
        [b"connection", b"termination_details"] => termination(carrier),
        [b"cluster_name"] | [b"xds", b"cluster_name"] => {
            known(stream.facts.borrow().cluster.as_ref().map(|cluster| cluster.as_str()))
        }
        [b"route_name"] | [b"xds", b"route_name"] => known(stream.facts.borrow().route.as_deref()),
        [b"xds", b"virtual_host_name"] => known(stream.facts.borrow().virtual_host.as_deref()),
        [b"cluster_metadata"] | [b"xds", b"cluster_metadata"] => {
            no_metadata(stream.facts.borrow().cluster.is_some())
        }
        [b"route_metadata"] | [b"xds", b"route_metadata"] => {
            no_metadata(stream.facts.borrow().virtual_host.is_some())
        }
        [b"xds", b"upstream_host_metadata"] => {
            no_metadata(stream.facts.borrow().upstream.is_some())
        }
        _ => of_facts(&stream.connection, path).unwrap_or_else(|| {
            let own = attribute(&stream.facts.borrow().attributes, path);
            let carried = || attribute(&carrier?.attributes.borrow(), path);
            own.or_else(carried).ok_or(CallError::NotFound)
        }),
    }
}

fn of_connection(connection: &Connection, path: &[&[u8]]) -> CallResult<PropertyValue> {
    match path {
        [b"upstream", rest @ ..] => {
            upstream(connection.upstream_address.get(), connection.upstream_local.get(), rest)
        }
        [b"cluster_name"] | [b"xds", b"cluster_name"] => {
            known(connection.cluster.get().map(|cluster| cluster.as_str()))
        }
        [b"cluster_metadata"] | [b"xds", b"cluster_metadata"] => {
            no_metadata(connection.cluster.get().is_some())
        }
        [b"connection", b"termination_details"] => termination(Some(connection)),
        [b"xds", b"upstream_host_metadata"] => {
            no_metadata(connection.upstream_address.get().is_some())
        }
        _ => of_facts(&connection.facts, path).unwrap_or_else(|| {
            attribute(&connection.attributes.borrow(), path).ok_or(CallError::NotFound)
        }),
    }
}

/// What streams have of their connection; nothing where the path is none of these.
fn of_facts(facts: &ConnectionFacts, path: &[&[u8]]) -> Option<CallResult<PropertyValue>> {
    Some(match path {
        [b"source", name] => address(facts.peer, name),
        [b"destination", name] => address(facts.local, name),
        [b"connection", b"id"] | [b"connection_id"] => {
            Ok(PropertyValue::Unsigned(facts.id.as_u64()))
        }
        [b"connection", b"mtls"] => Ok(PropertyValue::Boolean(false)),
        // Without TLS nobody names a server.
        [b"connection", b"requested_server_name"] => text(""),
        [b"listener_name"] | [b"xds", b"listener_name"] => text(facts.listener.as_str()),
        [b"listener_direction"] | [b"xds", b"listener_direction"] => {
            Ok(PropertyValue::Integer(DIRECTION_UNSPECIFIED))
        }
        [b"metadata"] | [b"listener_metadata"] | [b"xds", b"listener_metadata"] => {
            no_metadata(true)
        }
        _ => return None,
    })
}

fn upstream(
    remote: Option<SocketAddr>,
    local: Option<SocketAddr>,
    path: &[&[u8]],
) -> CallResult<PropertyValue> {
    match path {
        [b"local_address"] => text(&local.ok_or(CallError::NotFound)?.to_string()),
        [name] => address(remote.ok_or(CallError::NotFound)?, name),
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

/// Why a connection was asked to end.
fn termination(connection: Option<&Connection>) -> CallResult<PropertyValue> {
    known(connection.and_then(Connection::close_reason).as_ref().map(ReplyReason::label))
}

fn attribute(attributes: &[Attribute], path: &[&[u8]]) -> Option<PropertyValue> {
    if !is_joinable(path) {
        return None;
    }
    let key = path.join(&NAME_END);
    let (_, value) = attributes.iter().find(|(known, _)| **known == *key)?;
    Some(PropertyValue::Bytes(value.to_vec()))
}

/// The metadata of something that is there: a message without fields has no bytes.
fn no_metadata(is_there: bool) -> CallResult<PropertyValue> {
    if is_there { text("") } else { Err(CallError::NotFound) }
}

fn since(start: SystemTime, end: SystemTime) -> i64 {
    let elapsed = end.duration_since(start).unwrap_or_default();
    i64::try_from(elapsed.as_nanos()).unwrap_or(i64::MAX)
}

fn since_epoch(time: SystemTime) -> i64 {
    since(UNIX_EPOCH, time)
}

fn known(value: Option<&str>) -> CallResult<PropertyValue> {
    text(value.ok_or(CallError::NotFound)?)
}

fn text(value: &str) -> CallResult<PropertyValue> {
    Ok(PropertyValue::Bytes(value.into()))
}
