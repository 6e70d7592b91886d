//! Which requests are let in: what hyper has parsed is checked for what it does not check.
//!
//! Rules: exactly one host (RFC 9112 section 3.2), no disagreement between target and host,
//! a target in origin form, limits on fields. CONNECT is not offered: this is no forward
//! proxy.

use host_types::{Headers, Limits, RequestHead};
use http::{
    HeaderMap, Method, StatusCode, Uri, Version,
    header::HOST,
    request::Parts,
    uri::{Authority, PathAndQuery, Scheme},
};

/// A request that is not let in.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    pub(crate) why: &'static str,
    /// What is known of it, for the access log; without its fields.
    pub(crate) headers: Headers,
}

/// Makes the head of a stream of a parsed request.
///
/// # Errors
/// The request is malformed, ambiguous or larger than the limits allow.
pub(crate) fn admit(parts: Parts, limits: &Limits) -> Result<Headers, Box<Refused>> {
    match check(&parts, limits) {
        Ok(authority) => {
            let head = head(&parts, authority);
            Ok(Headers::request(head, parts.headers))
        }
        Err((status, why)) => {
            // A refused head may be large: it is dropped before anything else happens.
            let head = head(&parts, None);
            drop(parts);
            Err(Box::new(Refused {
                status,
                why,
                headers: Headers::request(head, HeaderMap::new()),
            }))
        }
    }
}

fn head(parts: &Parts, authority: Option<Authority>) -> RequestHead {
    RequestHead {
        method: parts.method.clone(),
        scheme: Scheme::HTTP,
        authority,
        path: origin_form(&parts.uri).unwrap_or_else(|| PathAndQuery::from_static("/")),
    }
}

fn check(parts: &Parts, limits: &Limits) -> Result<Option<Authority>, (StatusCode, &'static str)> {
    const BAD: StatusCode = StatusCode::BAD_REQUEST;
    const TOO_LARGE: StatusCode = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    if parts.headers.len() > limits.header_count_max {
        return Err((TOO_LARGE, "more header fields than allowed"));
    }
    if header_bytes(&parts.headers) > limits.header_bytes_max {
        return Err((TOO_LARGE, "header fields larger than allowed"));
    }
    if parts.method == Method::CONNECT {
        return Err((StatusCode::METHOD_NOT_ALLOWED, "CONNECT is not offered"));
    }
    if origin_form(&parts.uri).is_none() {
        return Err((BAD, "the target is not a path"));
    }
    if parts.uri.path() == "*" && parts.method != Method::OPTIONS {
        return Err((BAD, "only OPTIONS may ask for `*`"));
    }
    authority(parts).map_err(|why| (BAD, why))
}

fn header_bytes(map: &HeaderMap) -> usize {
    map.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

/// The target's path and query, if it is one: `/…` or `*`.
fn origin_form(uri: &Uri) -> Option<PathAndQuery> {
    let path = match uri.path_and_query() {
        Some(path) if path.as_str().starts_with('?') => {
            // `http://host?query` has the empty path, which is `/` (RFC 9110 section 4.2.3).
            PathAndQuery::try_from(format!("/{}", path.as_str())).ok()?
        }
        Some(path) => path.clone(),
        None if uri.authority().is_some() && uri.scheme().is_some() => {
            PathAndQuery::from_static("/")
        }
        None => return None,
    };
    (path.path().starts_with('/') || path.as_str() == "*").then_some(path)
}

/// The one authority that target and `host` agree on.
fn authority(parts: &Parts) -> Result<Option<Authority>, &'static str> {
    let mut hosts = parts.headers.get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => return Err("the host field is repeated"),
        (Some(host), None) => Some(
            Authority::try_from(host.as_bytes())
                .map_err(|_invalid| "the host field is malformed")?,
        ),
        (None, _) => None,
    };
    let target = parts.uri.authority().cloned();
    for authority in target.iter().chain(&host) {
        well_formed(authority)?;
    }
    match (target, host) {
        (Some(target), Some(host)) if !same(&target, &host) => {
            Err("target and host field name different authorities")
        }
        (Some(target), _) => Ok(Some(target)),
        (None, Some(host)) => Ok(Some(host)),
        (None, None) if parts.version == Version::HTTP_10 => Ok(None),
        (None, None) => Err("the request names no host"),
    }
}

/// User information does not belong in a request (RFC 9110 section 4.2.4), and a port is a
/// number or nothing.
fn well_formed(authority: &Authority) -> Result<(), &'static str> {
    if authority.as_str().contains('@') {
        return Err("an authority has user information");
    }
    let port = authority.as_str().strip_prefix(authority.host()).unwrap_or_default();
    match port.strip_prefix(':') {
        None if port.is_empty() => Ok(()),
        Some(digits) if digits.is_empty() || authority.port_u16().is_some() => Ok(()),
        None | Some(_) => Err("the port of an authority is no number"),
    }
}

fn same(one: &Authority, other: &Authority) -> bool {
    one.as_str().eq_ignore_ascii_case(other.as_str())
}

#[cfg(test)]
mod tests;
