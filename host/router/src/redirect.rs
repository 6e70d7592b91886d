//! Where a redirect sends the client.

use std::fmt::Write as _;

use host_types::RequestHead;
use http::{HeaderValue, StatusCode, uri::Scheme};

use crate::{
    PathMatch,
    rewrite::{RewriteError, join, with_query},
};

/// A redirect: what of the request's address is replaced. What is not named stays.
#[derive(Clone, Debug, PartialEq)]
pub struct Redirect {
    /// A status of the 300s.
    pub status: StatusCode,
    /// The scheme. A new one drops the request's port.
    pub scheme: Option<Scheme>,
    /// The host without a port. A new one drops the request's port.
    pub host: Option<Box<str>>,
    /// The port.
    pub port: Option<u16>,
    /// The path.
    pub path: Option<RedirectPath>,
    /// Drop the query.
    pub strip_query: bool,
}

/// What becomes of the path in a redirect.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RedirectPath {
    /// The whole of it is replaced.
    Full(Box<str>),
    /// The part that the route's match names is replaced, as a rewrite does.
    Prefix(Box<str>),
}

impl Redirect {
    /// The value of the `location` field.
    ///
    /// # Errors
    /// What comes out is no address.
    pub fn location(
        &self,
        condition: &PathMatch,
        request: &RequestHead,
    ) -> Result<HeaderValue, RewriteError> {
        let path = match &self.path {
            None => request.path.path().to_owned(),
            Some(RedirectPath::Full(path)) => path.to_string(),
            Some(RedirectPath::Prefix(prefix)) => join(prefix, condition.rest(request.path.path())),
        };
        let query = if self.strip_query { None } else { request.path.query() };
        let path = with_query(path, query)?;
        let mut location = self.origin(request);
        // Without a host, two slashes would begin one that anybody can name.
        if location.is_empty() && path.as_str().starts_with("//") {
            return Err(RewriteError::Invalid);
        }
        location.push_str(path.as_str());
        HeaderValue::try_from(location).map_err(|_not_a_value| RewriteError::Invalid)
    }

    /// Scheme, host and port; empty where no host is known.
    fn origin(&self, request: &RequestHead) -> String {
        let authority = request.authority.as_ref();
        let asked_host = authority.map(|authority| authority.host());
        let Some(host) = self.host.as_deref().or(asked_host) else { return String::new() };
        let scheme = self.scheme.as_ref().unwrap_or(&request.scheme);
        let moved = self.host.is_some() || *scheme != request.scheme;
        let asked_port = authority.and_then(|authority| authority.port_u16());
        let port = self.port.or(if moved { None } else { asked_port });
        let usual = if *scheme == Scheme::HTTPS { 443 } else { 80 };
        let mut origin = format!("{scheme}://{host}");
        if let Some(port) = port.filter(|port| *port != usual) {
            write!(origin, ":{port}").expect("writing to a string does not fail");
        }
        origin
    }
}

#[cfg(test)]
mod tests;
