//! Putting a request into the form that the cluster's protocol writes.
//!
//! HTTP/1 has the authority in the `host` field and only the path in the request line;
//! HTTP/2 has both in pseudo-header fields, which hyper takes from the URI.

use std::net::SocketAddr;

use http::{
    HeaderValue, Method, Request, Uri, Version,
    header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING},
    uri::{Authority, PathAndQuery, Scheme},
};
use http_body::Body as _;

use crate::{Body, UpstreamProtocol};

/// Rewrites `request` for `protocol`. The authority comes from the URI, else from `host`,
/// else (an HTTP/1.0 client need not name one) it is the endpoint's address.
pub(crate) fn prepare(
    request: &mut Request<Body>,
    protocol: UpstreamProtocol,
    endpoint: SocketAddr,
) -> Result<(), &'static str> {
    match protocol {
        UpstreamProtocol::Http1 => http1(request, endpoint),
        UpstreamProtocol::Http2 => http2(request, endpoint),
    }
}

fn http1(request: &mut Request<Body>, endpoint: SocketAddr) -> Result<(), &'static str> {
    *request.version_mut() = Version::HTTP_11;
    if let Some(authority) = request.uri().authority() {
        let host = without_user(authority).as_bytes();
        let host =
            HeaderValue::from_bytes(host).map_err(|_invalid| "the authority is no field value")?;
        request.headers_mut().insert(HOST, host);
    } else if !request.headers().contains_key(HOST) {
        request.headers_mut().insert(HOST, endpoint_host(endpoint)?);
    }
    if request.uri().scheme().is_some() {
        let path = path_of(request.uri());
        *request.uri_mut() = Uri::from(path);
    }
    frame_body(request);
    Ok(())
}

/// hyper sends no body with these methods unless the head says so: a body of unknown length,
/// as HTTP/2 has it, would be lost.
fn frame_body(request: &mut Request<Body>) {
    let bodiless = matches!(*request.method(), Method::GET | Method::HEAD);
    if bodiless
        && !request.body().is_end_stream()
        && request.body().size_hint().exact().is_none()
        && !request.headers().contains_key(CONTENT_LENGTH)
    {
        request.headers_mut().insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

fn http2(request: &mut Request<Body>, endpoint: SocketAddr) -> Result<(), &'static str> {
    *request.version_mut() = Version::HTTP_2;
    let host = request.headers_mut().remove(HOST);
    if request.uri().scheme().is_some() && request.uri().authority().is_some() {
        return Ok(());
    }
    let authority = match (request.uri().authority(), host) {
        (Some(authority), _) => authority.clone(),
        (None, Some(host)) => Authority::try_from(host.as_bytes())
            .map_err(|_invalid| "the host field is no authority")?,
        (None, None) => Authority::try_from(endpoint_host(endpoint)?.as_bytes())
            .map_err(|_invalid| "the endpoint is no authority")?,
    };
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(authority);
    parts.path_and_query = Some(path_of(request.uri()));
    *request.uri_mut() = Uri::from_parts(parts).map_err(|_invalid| "its parts make no URI")?;
    Ok(())
}

fn path_of(uri: &Uri) -> PathAndQuery {
    uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"))
}

/// User and password never go into `host` (RFC 9110 section 4.2.4).
fn without_user(authority: &Authority) -> &str {
    let text = authority.as_str();
    text.rsplit_once('@').map_or(text, |(_, host)| host)
}

fn endpoint_host(endpoint: SocketAddr) -> Result<HeaderValue, &'static str> {
    HeaderValue::try_from(endpoint.to_string()).map_err(|_invalid| "the endpoint is no field value")
}

#[cfg(test)]
mod tests;
