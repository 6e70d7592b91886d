//! Properties of a request and its response.

use std::{cell::RefCell, time::SystemTime};

use host_extension::{CallError, CallResult, Message, PropertyValue, Stream};
use host_types::{Headers, ReplyReason, RequestHead};

use super::{known, since, since_epoch, text};

pub(super) fn request(
    stream: &Stream,
    path: &[&[u8]],
    now: SystemTime,
) -> CallResult<PropertyValue> {
    match path {
        [b"id"] => known(stream.facts.borrow().request_id.as_deref()),
        [b"protocol"] => text(stream.connection.protocol.label()),
        [b"time"] => Ok(PropertyValue::Nanoseconds(since_epoch(stream.started))),
        [b"duration"] => Ok(PropertyValue::Nanoseconds(since(stream.started, now))),
        [b"size"] => Ok(size(&stream.request)),
        [b"total_size"] => Ok(total_size(&stream.request)),
        [b"headers", rest @ ..] => fields(&stream.request.headers, rest),
        [b"trailers", rest @ ..] => fields(&stream.request.trailers, rest),
        [b"referer"] => fields(&stream.request.headers, &[b"referer"]),
        [b"useragent"] => fields(&stream.request.headers, &[b"user-agent"]),
        [name] => {
            let section = stream.request.headers.borrow();
            if let Some(head) = section.as_ref().and_then(Headers::as_request) {
                return request_line(head, name);
            }
            let facts = stream.facts.borrow();
            request_line(facts.request_line.as_deref().ok_or(CallError::NotFound)?, name)
        }
        _ => Err(CallError::NotFound),
    }
}

fn request_line(head: &RequestHead, name: &[u8]) -> CallResult<PropertyValue> {
    match name {
        b"path" => text(head.path.as_str()),
        b"url_path" => text(head.path.path()),
        b"query" => text(head.path.query().unwrap_or_default()),
        b"host" => known(head.authority.as_ref().map(|authority| authority.as_str())),
        b"scheme" => text(head.scheme.as_str()),
        b"method" => text(head.method.as_str()),
        _ => Err(CallError::NotFound),
    }
}

pub(super) fn response(stream: &Stream, path: &[&[u8]]) -> CallResult<PropertyValue> {
    match path {
        [b"code"] => {
            let section = stream.response.headers.borrow();
            let open = section.as_ref().and_then(Headers::status).map(|status| status.as_u16());
            let status = open.or(stream.facts.borrow().status).ok_or(CallError::NotFound)?;
            Ok(PropertyValue::Integer(i64::from(status)))
        }
        [b"code_details"] => {
            let facts = stream.facts.borrow();
            let said = facts.details.as_deref();
            known(said.or_else(|| facts.reason.as_ref().map(ReplyReason::label)))
        }
        [b"flags"] => {
            let flags = stream.facts.borrow().reason.as_ref().map_or(0, flags);
            Ok(PropertyValue::Integer(flags))
        }
        [b"grpc_status"] => grpc_status(stream),
        [b"size"] => Ok(size(&stream.response)),
        [b"total_size"] => Ok(total_size(&stream.response)),
        [b"headers", rest @ ..] => fields(&stream.response.headers, rest),
        [b"trailers", rest @ ..] => fields(&stream.response.trailers, rest),
        _ => Err(CallError::NotFound),
    }
}

/// The status that a gRPC response says, behind its messages or in their place.
fn grpc_status(stream: &Stream) -> CallResult<PropertyValue> {
    for section in [&stream.response.trailers, &stream.response.headers] {
        let section = section.borrow();
        let Some(value) = section.as_ref().and_then(|fields| fields.get(b"grpc-status")) else {
            continue;
        };
        let status = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
        return status.map(PropertyValue::Integer).ok_or(CallError::NotFound);
    }
    Err(CallError::NotFound)
}

/// A whole section, or one name's values. What is repeated is joined, as one field would
/// say it (RFC 9110 section 5.2).
fn fields(section: &RefCell<Option<Headers>>, path: &[&[u8]]) -> CallResult<PropertyValue> {
    let section = section.borrow();
    let headers = section.as_ref().ok_or(CallError::NotFound)?;
    match path {
        [] => {
            let mut joined: Vec<(Vec<u8>, Vec<u8>)> = Vec::with_capacity(headers.len());
            for (name, value) in headers.iter() {
                // Repeated names stand together.
                match joined.last_mut().filter(|(last, _)| last.as_slice() == name) {
                    Some((_, values)) => join(values, value),
                    None => joined.push((name.to_vec(), value.to_vec())),
                }
            }
            Ok(PropertyValue::Map(joined))
        }
        [name] => {
            let mut values = headers.get(name).ok_or(CallError::NotFound)?.to_vec();
            for value in all_values(headers, name).skip(1) {
                join(&mut values, value);
            }
            Ok(PropertyValue::Bytes(values))
        }
        _ => Err(CallError::NotFound),
    }
}

fn all_values<'a>(headers: &'a Headers, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let list = headers.list().into_iter().flat_map(move |list| list.get_all(name));
    let of_map = std::str::from_utf8(name).map(|name| headers.map().get_all(name).iter());
    list.chain(of_map.into_iter().flatten().map(|value| value.as_bytes()))
}

fn join(values: &mut Vec<u8>, value: &[u8]) {
    values.push(b',');
    values.extend_from_slice(value);
}

fn size(message: &Message) -> PropertyValue {
    PropertyValue::Integer(i64::try_from(message.body_bytes.get()).unwrap_or(i64::MAX))
}

/// Head, body and trailers, as far as they are known.
fn total_size(message: &Message) -> PropertyValue {
    let section = |section: &RefCell<Option<Headers>>| {
        section.borrow().as_ref().map_or(0, Headers::byte_size) as u64
    };
    let heads = section(&message.headers).saturating_add(section(&message.trailers));
    let total = message.body_bytes.get().saturating_add(heads);
    PropertyValue::Integer(i64::try_from(total).unwrap_or(i64::MAX))
}

/// The reason as the bits that access-log plugins know.
fn flags(reason: &ReplyReason) -> i64 {
    match reason {
        ReplyReason::NoEndpoint => 1 << 1,
        ReplyReason::Timeout => 1 << 2,
        ReplyReason::UpstreamFailed => 1 << 5,
        ReplyReason::Overload => 1 << 7,
        ReplyReason::NoRoute => 1 << 8,
        ReplyReason::Denied => 1 << 12,
        ReplyReason::ClientGone => 1 << 14,
        ReplyReason::Malformed => 1 << 18,
        ReplyReason::Upstream
        | ReplyReason::Route
        | ReplyReason::Plugin(_)
        | ReplyReason::PluginFailed(_)
        | ReplyReason::Drain
        | ReplyReason::Internal
        | _ => 0,
    }
}
