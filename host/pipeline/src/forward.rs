//! What changes in a head that is passed on: hop-by-hop fields go, forwarding fields come.

use std::fmt::Write as _;

use host_extension::{ConnectionFacts, Protocol};
use host_types::Headers;
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
        VIA,
    },
};

use crate::plan::Forwarding;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest request id that is taken over from a client.
const REQUEST_ID_BYTES_MAX: usize = 128;

/// Fields that `connection` may not name: dropping them would change the framing, the
/// routing or what the upstream knows of the client.
const NEVER_NOMINATED: [HeaderName; 8] = [
    CONTENT_LENGTH,
    TRANSFER_ENCODING,
    HOST,
    TE,
    TRAILER,
    FORWARDED_FOR,
    FORWARDED_PROTO,
    REQUEST_ID,
];

/// Fields that may not stand in a trailer section (RFC 9110 section 6.5.1).
const FORBIDDEN_TRAILERS: [&str; 26] = [
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "max-forwards",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "www-authenticate",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-request-id",
];

/// Removes the fields that belong to one hop (RFC 9110 section 7.6.1). `te: trailers` and
/// `trailer` stay: the next hop is told the same, and gRPC asks for it.
pub(crate) fn remove_hop_by_hop(map: &mut HeaderMap) {
    // Most heads have none: one look over the names is cheaper than a search for each.
    if !map.keys().any(is_hop_by_hop) {
        return;
    }
    if map.contains_key(CONNECTION) {
        remove_nominated(map);
        map.remove(CONNECTION);
    }
    for name in [KEEP_ALIVE, PROXY_CONNECTION, TRANSFER_ENCODING, UPGRADE, HTTP2_SETTINGS] {
        map.remove(name);
    }
    if let Some(te) = map.remove(TE) {
        let trailers = te.to_str().is_ok_and(|te| {
            te.split(',').any(|token| token.trim().eq_ignore_ascii_case("trailers"))
        });
        if trailers {
            map.insert(TE, HeaderValue::from_static("trailers"));
        }
    }
}

/// Removes the white space around values, which is no part of them and which HTTP/2 forbids: for
/// a head that a plugin made.
pub(crate) fn trim_values(map: &mut HeaderMap) {
    let is_white = |byte: &u8| matches!(byte, b' ' | b'\t');
    for value in map.values_mut() {
        let text = value.as_bytes();
        if text.first().is_some_and(is_white) || text.last().is_some_and(is_white) {
            let trimmed = HeaderValue::from_bytes(text.trim_ascii());
            *value = trimmed.unwrap_or(HeaderValue::from_static(""));
        }
    }
}

fn is_hop_by_hop(name: &HeaderName) -> bool {
    // The lengths decide for most names, before any bytes are compared.
    match name.as_str().len() {
        2 => *name == TE,
        7 => *name == UPGRADE,
        10 => [CONNECTION, KEEP_ALIVE].contains(name),
        14 => *name == HTTP2_SETTINGS,
        16 => *name == PROXY_CONNECTION,
        17 => *name == TRANSFER_ENCODING,
        _ => false,
    }
}

fn remove_nominated(map: &mut HeaderMap) {
    let nominated: Vec<HeaderName> = map
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|token| HeaderName::from_bytes(token.trim().as_bytes()).ok())
        .filter(|name| !NEVER_NOMINATED.contains(name))
        .collect();
    for name in nominated {
        map.remove(name);
    }
}

/// Removes from a trailer section what could be taken for framing, routing or credentials.
pub(crate) fn drop_forbidden_trailers(map: &mut HeaderMap) {
    for name in FORBIDDEN_TRAILERS {
        map.remove(name);
    }
}

/// The protocol that the client asks to change to, where it may: `websocket` and other
/// tokens, but never a version of HTTP, which would take requests past the filters.
pub(crate) fn upgrade_token(map: &HeaderMap) -> Option<HeaderValue> {
    let asks = map.get_all(CONNECTION).iter().any(|value| {
        let value = value.to_str().unwrap_or_default();
        value.split(',').any(|token| token.trim().eq_ignore_ascii_case("upgrade"))
    });
    let token = map.get(UPGRADE).filter(|_| asks)?;
    let text = token.to_str().ok()?.to_ascii_lowercase();
    let http = text.split(',').any(|part| {
        let part = part.trim();
        part.starts_with("h2") || part.starts_with("http")
    });
    (!http).then(|| token.clone())
}

/// Prepares a request's head for the upstream; the fields of one hop are gone already.
pub(crate) fn add_forwarding(
    headers: &mut Headers,
    connection: &ConnectionFacts,
    forwarding: &Forwarding,
) {
    let map = headers.map_mut();
    map.remove(EXPECT); // the body is asked for when the upstream takes it
    let peer = connection.peer.ip().to_canonical();
    let known = map.get_all(FORWARDED_FOR).iter().filter(|_| forwarding.trust_client);
    let mut chain = String::new();
    for value in known.filter_map(|value| value.to_str().ok()) {
        let _infallible = write!(chain, "{value}, ");
    }
    let _infallible = write!(chain, "{peer}");
    if let Ok(value) = HeaderValue::try_from(chain) {
        map.insert(FORWARDED_FOR, value);
    }
    if !(forwarding.trust_client && map.contains_key(FORWARDED_PROTO)) {
        map.insert(FORWARDED_PROTO, HeaderValue::from_static("http"));
    }
    if let Some(name) = &forwarding.via {
        add_via(map, &connection.protocol, name);
    }
}

/// Adds a `via` field (RFC 9110 section 7.6.3).
pub(crate) fn add_via(map: &mut HeaderMap, received: &Protocol, name: &str) {
    let version = received.label().trim_start_matches("HTTP/");
    if let Ok(value) = HeaderValue::try_from(format!("{version} {name}")) {
        map.append(VIA, value);
    }
}

/// The request's id: the client's where it is well-formed, else a new one, which is set.
pub(crate) fn request_id(headers: &mut Headers) -> Box<str> {
    if let Some(id) = known_request_id(headers) {
        return id;
    }
    let mut buffer = uuid::Uuid::encode_buffer();
    let id: &str = uuid::Uuid::new_v4().hyphenated().encode_lower(&mut buffer);
    if let Ok(value) = HeaderValue::from_str(id) {
        headers.map_mut().insert(REQUEST_ID, value);
    }
    id.into()
}

/// The client's own id for the request, where it sent a well-formed one.
pub(crate) fn known_request_id(headers: &Headers) -> Option<Box<str>> {
    let id = std::str::from_utf8(headers.get(REQUEST_ID.as_str().as_bytes())?).ok()?;
    let printable = id.bytes().all(|byte| byte.is_ascii_graphic());
    (!id.is_empty() && id.len() <= REQUEST_ID_BYTES_MAX && printable).then(|| id.into())
}

/// Joins cookies that HTTP/2 sent in several fields (RFC 9113 section 8.2.3).
pub(crate) fn join_cookies(map: &mut HeaderMap) {
    if map.get_all(COOKIE).iter().nth(1).is_none() {
        return;
    }
    let parts: Vec<&[u8]> = map.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(joined) = HeaderValue::from_bytes(&parts.join(&b"; "[..])) {
        map.insert(COOKIE, joined);
    }
}

#[cfg(test)]
mod tests;
