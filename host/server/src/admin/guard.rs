//! Which requests the admin server answers at all.
//!
//! A web page cannot read another origin, unless its own name suddenly resolves to our
//! address (DNS rebinding). Then the `host` field still says the page's name, so over TCP only
//! names of this machine are answered. A Unix socket cannot be reached by a page.

use std::net::IpAddr;

use axum::{
    extract::{Request, State},
    http::{
        HeaderMap, HeaderValue, StatusCode, Uri,
        header::{CACHE_CONTROL, CONTENT_LENGTH, HOST, TRANSFER_ENCODING, X_CONTENT_TYPE_OPTIONS},
        uri::Authority,
    },
    middleware::Next,
    response::{IntoResponse, Response},
};

/// How a request came in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Origin {
    Tcp,
    Unix,
}

/// Refuses what is not to be answered, and marks every answer as one to be kept nowhere.
pub(super) async fn check(State(origin): State<Origin>, request: Request, next: Next) -> Response {
    let mut response = match refusal(origin, request.uri(), request.headers()) {
        Some(refusal) => refusal.into_response(),
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn refusal(origin: Origin, uri: &Uri, headers: &HeaderMap) -> Option<(StatusCode, &'static str)> {
    if origin == Origin::Tcp && !names_this_machine(uri, headers) {
        return Some((StatusCode::FORBIDDEN, "the host field must name the loopback\n"));
    }
    let length = headers.get(CONTENT_LENGTH).map(HeaderValue::as_bytes);
    if headers.contains_key(TRANSFER_ENCODING) || length.is_some_and(|length| length != b"0") {
        return Some((StatusCode::PAYLOAD_TOO_LARGE, "no request here has a body\n"));
    }
    None
}

fn names_this_machine(uri: &Uri, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let Ok(host) = Authority::try_from(host.as_bytes()) else { return false };
    is_loopback(&host) && uri.authority().is_none_or(is_loopback)
}

fn is_loopback(authority: &Authority) -> bool {
    // User information is not part of a `host` field; `host()` would skip it.
    if authority.as_str().contains('@') {
        return false;
    }
    let host = authority.host();
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    address.parse().map_or_else(
        |_not_an_address| host.eq_ignore_ascii_case("localhost"),
        |address: IpAddr| address.is_loopback(),
    )
}

#[cfg(test)]
mod tests;
