//! The one face of a message head that filters, the router and host calls see.
//!
//! It hides how the fields are stored: for HTTP the `HeaderMap` that hyper made, for an RPC frame
//! the flat list of its codec, with the pseudo-header fields beside it. The `host` field of HTTP/1
//! is the same as `:authority` (RFC 9113 section 8.3.1) and is never in the map of a request.
//!
//! The head of an RPC request has the pseudo-header fields that HTTP would have: `:method` is
//! `POST`, `:scheme` the name of the protocol and `:path` is `/service/method`, as gRPC has it; that
//! of a response has `:status`. So what was written for HTTP finds its way about; but they cannot
//! be written.

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::HOST,
    uri::{Authority, PathAndQuery, Scheme},
};

use crate::FieldList;

/// The fields of one head or trailer section.
#[derive(Clone, Debug)]
pub struct Headers {
    start: Start,
    map: HeaderMap,
    /// The fields of an RPC frame, whose map stays empty.
    list: Option<Box<FieldList>>,
}

/// What a request says before its fields.
#[derive(Clone, Debug)]
pub struct RequestHead {
    /// The method.
    pub method: Method,
    /// `http` or `https`.
    pub scheme: Scheme,
    /// Host and port that the client asked for; HTTP/1.0 may name none.
    pub authority: Option<Authority>,
    /// Path with query, in origin form (or `*`).
    pub path: PathAndQuery,
}

#[derive(Clone, Debug)]
enum Start {
    Request(Box<RequestHead>),
    Response(StatusCode),
    Trailers,
    /// What somebody sees of another start who may not see all of it.
    View {
        of: Box<Self>,
        /// The places of pseudo-header fields that are not seen, as bits.
        hidden: u8,
    },
}

/// A field that cannot be written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// The name is no token (RFC 9110 section 5.1).
    #[error("a field name is not a token")]
    Name,
    /// The value has bytes that no field may carry (RFC 9110 section 5.5).
    #[error("a field value has a byte that is not allowed")]
    Value,
    /// The pseudo-header field is not one of this head, or cannot be removed or doubled.
    #[error("a pseudo-header field does not belong there")]
    Pseudo,
    /// More was written than one head may hold.
    #[error("the fields are too large")]
    TooLarge,
}

const AUTHORITY: &str = ":authority";
const METHOD: &str = ":method";
const PATH: &str = ":path";
const SCHEME: &str = ":scheme";
const STATUS: &str = ":status";

impl Headers {
    /// The head of a request. A `host` field in `map` is dropped: `head.authority` rules.
    #[must_use]
    pub fn request(head: RequestHead, mut map: HeaderMap) -> Self {
        map.remove(HOST);
        Self { start: Start::Request(Box::new(head)), map, list: None }
    }

    /// The head of an RPC request.
    #[must_use]
    pub fn rpc_request(head: RequestHead, list: FieldList) -> Self {
        let start = Start::Request(Box::new(head));
        Self { start, map: HeaderMap::new(), list: Some(Box::new(list)) }
    }

    /// The head of an RPC response, with the status that HTTP would have.
    #[must_use]
    pub fn rpc_response(status: StatusCode, list: FieldList) -> Self {
        let start = Start::Response(status);
        Self { start, map: HeaderMap::new(), list: Some(Box::new(list)) }
    }

    /// The head of a response.
    #[must_use]
    pub fn response(status: StatusCode, map: HeaderMap) -> Self {
        Self { start: Start::Response(status), map, list: None }
    }

    /// A trailer section.
    #[must_use]
    pub fn trailers(map: HeaderMap) -> Self {
        Self { start: Start::Trailers, map, list: None }
    }

    /// The request line, if this is the head of a request.
    #[must_use]
    pub fn as_request(&self) -> Option<&RequestHead> {
        match &self.start {
            Start::Request(head) => Some(head),
            Start::Response(_) | Start::Trailers | Start::View { .. } => None,
        }
    }

    /// The request line to change, if this is the head of a request.
    pub fn as_request_mut(&mut self) -> Option<&mut RequestHead> {
        match &mut self.start {
            Start::Request(head) => Some(head),
            Start::Response(_) | Start::Trailers | Start::View { .. } => None,
        }
    }

    /// The status, if this is the head of a response.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        match self.start {
            Start::Response(status) => Some(status),
            Start::Request(_) | Start::Trailers | Start::View { .. } => None,
        }
    }

    /// What somebody sees who may see only the fields that `keep` says, pseudo-header fields
    /// included. It is there to be read: it has no request line and no status, and its
    /// pseudo-header fields cannot be set.
    #[must_use]
    pub fn view(&self, keep: impl Fn(&[u8]) -> bool) -> Self {
        let names = self.start.pseudo_names().iter().enumerate();
        let hidden = names.filter(|(_place, name)| !keep(name.as_bytes()));
        let hidden = hidden.fold(0, |bits, (place, _name)| bits | (1_u8 << place));
        let fields = self.map.iter().filter(|(name, _value)| keep(name.as_ref()));
        Self {
            start: Start::View { of: Box::new(self.start.clone()), hidden },
            map: fields.map(|(name, value)| (name.clone(), value.clone())).collect(),
            list: self.list.as_ref().map(|list| Box::new(list.view(&keep))),
        }
    }

    /// The fields of an RPC frame.
    #[must_use]
    pub fn list(&self) -> Option<&FieldList> {
        self.list.as_deref()
    }

    /// Takes the fields of an RPC frame out, leaving none.
    pub fn take_list(&mut self) -> Option<FieldList> {
        self.list.as_deref_mut().map(std::mem::take)
    }

    /// The fields without the pseudo-header fields; none of an RPC frame.
    #[must_use]
    pub fn map(&self) -> &HeaderMap {
        &self.map
    }

    /// The fields without the pseudo-header fields, to change; only of HTTP.
    pub fn map_mut(&mut self) -> &mut HeaderMap {
        &mut self.map
    }

    /// Takes the fields out, leaving none.
    pub fn take_map(&mut self) -> HeaderMap {
        std::mem::take(&mut self.map)
    }

    /// The first value of `name`, in any case; pseudo-header fields and `host` included. Of an RPC
    /// frame, a field with just this name comes before those that differ in case.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        if let Some(list) = &self.list {
            return self.rpc_pseudo(name).or_else(|| list.get(name));
        }
        if let Some(pseudo) = self.pseudo_name(name) {
            return self.start.pseudo(pseudo);
        }
        let name = HeaderName::from_bytes(name).ok()?;
        self.map.get(name).map(HeaderValue::as_bytes)
    }

    /// All values of a field that is no pseudo-header field.
    pub fn get_all<'a>(&'a self, name: &'a HeaderName) -> impl Iterator<Item = &'a [u8]> {
        let list = self.list.iter().flat_map(|list| list.get_all(name.as_str().as_bytes()));
        list.chain(self.map.get_all(name).iter().map(HeaderValue::as_bytes))
    }

    /// All fields, pseudo-header fields first, in wire order but for repeated names, which
    /// stand together.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let pseudo = self
            .start
            .pseudo_names()
            .iter()
            .filter_map(|name| Some((name.as_bytes(), self.start.pseudo(name)?)));
        let fields = self.map.iter().map(|(name, value)| (name.as_ref(), value.as_bytes()));
        pseudo.chain(self.list.iter().flat_map(|list| list.iter())).chain(fields)
    }

    /// How many fields [`Headers::iter`] yields.
    #[must_use]
    pub fn len(&self) -> usize {
        let names = self.start.pseudo_names().iter();
        let pseudo = names.filter(|name| self.start.pseudo(name).is_some());
        pseudo.count() + self.map.len() + self.list.as_ref().map_or(0, |list| list.len())
    }

    /// True where there is no field at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of all names and values.
    #[must_use]
    pub fn byte_size(&self) -> usize {
        self.iter().map(|(name, value)| name.len() + value.len()).sum()
    }

    /// Adds a field after those of the same name; a pseudo-header field is set.
    ///
    /// # Errors
    /// The name or the value cannot stand in a message of this kind.
    pub fn add(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeaderError> {
        if let Some(list) = &mut self.list {
            return list.add(name, value);
        }
        if let Some(pseudo) = self.pseudo_name(name) {
            return self.set_pseudo(pseudo, value);
        }
        let (name, value) = field(name, value)?;
        self.map.append(name, value);
        Ok(())
    }

    /// Sets a field to one value, whatever it had before.
    ///
    /// # Errors
    /// As [`Headers::add`].
    pub fn replace(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeaderError> {
        if let Some(list) = &mut self.list {
            return list.replace(name, value);
        }
        if let Some(pseudo) = self.pseudo_name(name) {
            return self.set_pseudo(pseudo, value);
        }
        let (name, value) = field(name, value)?;
        self.map.insert(name, value);
        Ok(())
    }

    /// Removes all values of a field. Removing what is not there is no error.
    ///
    /// # Errors
    /// The name is a pseudo-header field, which a message cannot be without.
    pub fn remove(&mut self, name: &[u8]) -> Result<(), HeaderError> {
        if let Some(list) = &mut self.list {
            return list.remove(name);
        }
        if self.pseudo_name(name).is_some() {
            return Err(HeaderError::Pseudo);
        }
        if let Ok(name) = HeaderName::from_bytes(name) {
            self.map.remove(name);
        }
        Ok(())
    }

    /// Replaces all fields. Pseudo-header fields that `pairs` does not name keep their value.
    ///
    /// # Errors
    /// One pair cannot stand in this message; then nothing is changed.
    pub fn set_all<'a>(
        &mut self,
        pairs: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Result<(), HeaderError> {
        if let Some(list) = &mut self.list {
            // Pseudo-header fields cannot be written, but a whole section is written back with
            // what was read of it.
            let start = &self.start;
            let is_same = |name: &[u8], value: &[u8]| {
                std::str::from_utf8(name).is_ok_and(|name| start.pseudo(name) == Some(value))
            };
            return list.set_all(pairs.filter(|(name, value)| !is_same(name, value)));
        }
        let mut next = Self { start: self.start.clone(), map: HeaderMap::new(), list: None };
        for (name, value) in pairs {
            next.add(name, value)?;
        }
        *self = next;
        Ok(())
    }

    /// A pseudo-header field of an RPC frame; any other name is for its list.
    fn rpc_pseudo(&self, name: &[u8]) -> Option<&[u8]> {
        let names = self.start.pseudo_names().iter();
        let mut known = names.filter(|known| name.eq_ignore_ascii_case(known.as_bytes()));
        known.next().and_then(|known| self.start.pseudo(known))
    }

    /// The canonical name, where `name` is a pseudo-header field or (in a request) `host`.
    fn pseudo_name(&self, name: &[u8]) -> Option<&'static str> {
        if name.first() != Some(&b':') {
            let is_host = name.eq_ignore_ascii_case(b"host") && self.start.is_request();
            return is_host.then_some(AUTHORITY);
        }
        let known = [AUTHORITY, METHOD, PATH, SCHEME, STATUS];
        // An unknown one is treated as pseudo, too, so that it is refused and never sent.
        let found = known.into_iter().find(|known| name.eq_ignore_ascii_case(known.as_bytes()));
        Some(found.unwrap_or(":unknown"))
    }

    fn set_pseudo(&mut self, name: &str, value: &[u8]) -> Result<(), HeaderError> {
        match (&mut self.start, name) {
            (Start::Request(head), METHOD) => {
                // Nobody behind this could hold a tunnel.
                let method = Method::from_bytes(value).ok().filter(|to| *to != Method::CONNECT);
                head.method = method.ok_or(HeaderError::Value)?;
            }
            (Start::Request(head), SCHEME) => {
                head.scheme = Scheme::try_from(value).map_err(|_refused| HeaderError::Value)?;
            }
            (Start::Request(head), PATH) => head.path = parse_path(value)?,
            (Start::Request(head), AUTHORITY) => {
                // A request has none with the name of a user in it.
                let plain = Some(value).filter(|value| !value.contains(&b'@'));
                let authority = plain.and_then(|value| Authority::try_from(value).ok());
                head.authority = Some(authority.ok_or(HeaderError::Value)?);
            }
            (Start::Response(status), STATUS) => {
                *status = parse_final_status(value)?;
            }
            _ => return Err(HeaderError::Pseudo),
        }
        Ok(())
    }
}

impl Start {
    fn is_request(&self) -> bool {
        match self {
            Self::Request(_) => true,
            Self::Response(_) | Self::Trailers => false,
            Self::View { of, .. } => of.is_request(),
        }
    }

    fn pseudo_names(&self) -> &'static [&'static str] {
        match self {
            Self::Request(_) => &[METHOD, SCHEME, AUTHORITY, PATH],
            Self::Response(_) => &[STATUS],
            Self::Trailers => &[],
            Self::View { of, .. } => of.pseudo_names(),
        }
    }

    fn pseudo(&self, name: &str) -> Option<&[u8]> {
        match (self, name) {
            (Self::Request(head), METHOD) => Some(head.method.as_str().as_bytes()),
            (Self::Request(head), SCHEME) => Some(head.scheme.as_str().as_bytes()),
            (Self::Request(head), PATH) => Some(head.path.as_str().as_bytes()),
            (Self::Request(head), AUTHORITY) => {
                head.authority.as_ref().map(|authority| authority.as_str().as_bytes())
            }
            (Self::Response(status), STATUS) => Some(status.as_str().as_bytes()),
            (Self::View { of, hidden }, _) => {
                let place = of.pseudo_names().iter().position(|known| *known == name)?;
                if hidden & (1 << place) == 0 { of.pseudo(name) } else { None }
            }
            _ => None,
        }
    }
}

/// A path must be in origin form or `*`: `PathAndQuery` alone would take `x` and make an
/// ambiguous request line of it. It would take bytes beyond ASCII as well, which stand in no
/// request line (RFC 3986 section 2.1 has them percent-encoded).
fn parse_path(value: &[u8]) -> Result<PathAndQuery, HeaderError> {
    let is_origin_form = value.first() == Some(&b'/') || value == b"*";
    if !is_origin_form || !value.is_ascii() {
        return Err(HeaderError::Value);
    }
    PathAndQuery::try_from(value).map_err(|_refused| HeaderError::Value)
}

/// An interim status would make the client wait for a second head that never comes.
fn parse_final_status(value: &[u8]) -> Result<StatusCode, HeaderError> {
    let status = StatusCode::from_bytes(value).map_err(|_refused| HeaderError::Value)?;
    if status.is_informational() { Err(HeaderError::Value) } else { Ok(status) }
}

/// White space around a value is no part of it (RFC 9110 section 5.5), and makes a message of
/// HTTP/2 malformed (RFC 9113 section 8.2.1).
fn field(name: &[u8], value: &[u8]) -> Result<(HeaderName, HeaderValue), HeaderError> {
    let value = trim(value);
    let name = HeaderName::from_bytes(name).map_err(|_refused| HeaderError::Name)?;
    let value = HeaderValue::from_bytes(value).map_err(|_refused| HeaderError::Value)?;
    Ok((name, value))
}

fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

#[cfg(test)]
mod tests;
