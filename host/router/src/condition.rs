//! Which requests a route takes. Start reading at [`RouteCondition::matches`].

mod rpc;

use host_types::{Headers, RequestHead};
use http::{HeaderName, Method};

pub use self::rpc::RpcMatch;
use crate::Pattern;

/// What must hold of a request; all of it must.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteCondition {
    /// The path.
    pub path: PathMatch,
    /// The methods; none listed takes all.
    pub methods: Vec<Method>,
    /// Header fields.
    pub headers: Vec<HeaderMatch>,
    /// Query parameters.
    pub query: Vec<QueryMatch>,
}

/// What must hold of the path. The query is no part of it; case counts.
#[derive(Clone, Debug, PartialEq)]
pub enum PathMatch {
    /// It starts with whole segments: `/api` takes `/api` and `/api/x`, never `/apix`; with a
    /// slash at its end, `/api/` takes `/api/` and `/api/x`, not `/api`. `/` takes all.
    Prefix(Box<str>),
    /// It is this.
    Exact(Box<str>),
    /// The whole of it matches.
    Regex(Pattern),
    /// It is `/service/method` with these names.
    Rpc(RpcMatch),
}

/// What must hold of a header field, under its name in any case.
#[derive(Clone, Debug, PartialEq)]
pub struct HeaderMatch {
    /// As it was written.
    name: Box<str>,
    kind: FieldKind,
    test: ValueTest,
    invert: bool,
}

/// What must hold of a query parameter. Names and values are compared as they were sent, with
/// their percent signs; of a repeated one, any value may fit.
#[derive(Clone, Debug, PartialEq)]
pub struct QueryMatch {
    /// The parameter.
    pub name: Box<str>,
    /// What must hold of its value; a parameter without `=` has the empty one.
    pub test: ValueTest,
}

/// What must hold of a value; of several, any may fit.
#[derive(Clone, Debug, PartialEq)]
pub enum ValueTest {
    /// It is this.
    Exact(Box<[u8]>),
    /// It starts so.
    Prefix(Box<[u8]>),
    /// It ends so.
    Suffix(Box<[u8]>),
    /// It has this inside.
    Contains(Box<[u8]>),
    /// The whole of it matches.
    Regex(Pattern),
    /// There is one.
    Present,
    /// There is none.
    Absent,
}

/// The name is none that a header field can have.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` is no name of a header field")]
pub struct MatchNameError(pub Box<str>);

#[derive(Clone, Debug, PartialEq)]
enum FieldKind {
    /// `:authority` (or `host`), `:method`, `:path`, `:scheme`.
    Pseudo,
    Http(HeaderName),
    /// Only an RPC frame can have it: what its codec says of it, or what is no token.
    OfFrames,
}

impl RouteCondition {
    /// A condition on the path alone.
    #[must_use]
    pub fn path(path: PathMatch) -> Self {
        Self { path, methods: Vec::new(), headers: Vec::new(), query: Vec::new() }
    }

    /// True where all of it holds of a request.
    pub(crate) fn matches(&self, request: &RequestHead, head: &Headers) -> bool {
        self.path.matches(request.path.path())
            && (self.methods.is_empty() || self.methods.contains(&request.method))
            && self.headers.iter().all(|header| header.matches(head))
            && self.query.iter().all(|query| query.matches(request.path.query()))
    }
}

impl PathMatch {
    /// True where it takes the path.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        match self {
            Self::Prefix(prefix) => match path.strip_prefix(&**prefix) {
                None => false,
                Some(rest) => rest.is_empty() || prefix.ends_with('/') || rest.starts_with('/'),
            },
            Self::Exact(exact) => path == &**exact,
            Self::Regex(pattern) => pattern.matches(path.as_bytes()),
            Self::Rpc(names) => names.matches(path),
        }
    }

    /// What of the path stands behind the part that this names: nothing but for a prefix.
    pub(crate) fn rest<'a>(&self, path: &'a str) -> &'a str {
        match self {
            Self::Prefix(prefix) => path.strip_prefix(&**prefix).unwrap_or_default(),
            Self::Exact(_) | Self::Regex(_) | Self::Rpc(_) => "",
        }
    }
}

impl HeaderMatch {
    /// A condition on the field `name` (in any case; pseudo-header fields and `host` count);
    /// with `invert` it holds where `test` does not.
    ///
    /// # Errors
    /// The name is none that a request's field can have in HTTP.
    pub fn new(name: &str, test: ValueTest, invert: bool) -> Result<Self, MatchNameError> {
        let kind = FieldKind::of_http(name).ok_or_else(|| MatchNameError(name.into()))?;
        Ok(Self { name: name.into(), kind, test, invert })
    }

    /// As [`HeaderMatch::new`], where requests may be RPC frames: what begins with a colon is an
    /// attribute that the codec gives to a frame, and names need not be tokens.
    ///
    /// # Errors
    /// The name is empty.
    pub fn of_frames(name: &str, test: ValueTest, invert: bool) -> Result<Self, MatchNameError> {
        if name.is_empty() {
            return Err(MatchNameError(name.into()));
        }
        let kind = FieldKind::of_http(name).unwrap_or(FieldKind::OfFrames);
        Ok(Self { name: name.into(), kind, test, invert })
    }

    fn matches(&self, head: &Headers) -> bool {
        let name = self.name.as_bytes();
        let holds = match (&self.kind, head.list()) {
            (FieldKind::Pseudo, _) => self.test.holds(head.get(name).into_iter()),
            (FieldKind::Http(_) | FieldKind::OfFrames, Some(list)) => {
                self.test.holds(list.get_all(name))
            }
            (FieldKind::Http(name), None) => self.test.holds(head.get_all(name)),
            (FieldKind::OfFrames, None) => self.test.holds(std::iter::empty()),
        };
        holds != self.invert
    }
}

impl FieldKind {
    /// `None` for a name that no field of an HTTP request can have.
    fn of_http(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            ":authority" | ":method" | ":path" | ":scheme" | "host" => Some(Self::Pseudo),
            lower => HeaderName::from_bytes(lower.as_bytes()).ok().map(Self::Http),
        }
    }
}

impl QueryMatch {
    fn matches(&self, query: Option<&str>) -> bool {
        let pairs = query.unwrap_or_default().split('&');
        let mut values = pairs.filter_map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (name == &*self.name).then_some(value.as_bytes())
        });
        self.test.holds(&mut values)
    }
}

impl ValueTest {
    fn holds<'a>(&self, mut values: impl Iterator<Item = &'a [u8]>) -> bool {
        match self {
            Self::Exact(exact) => values.any(|value| value == &**exact),
            Self::Prefix(prefix) => values.any(|value| value.starts_with(prefix)),
            Self::Suffix(suffix) => values.any(|value| value.ends_with(suffix)),
            Self::Contains(part) => values.any(|value| contains(value, part)),
            Self::Regex(pattern) => values.any(|value| pattern.matches(value)),
            Self::Present => values.next().is_some(),
            Self::Absent => values.next().is_none(),
        }
    }
}

fn contains(value: &[u8], part: &[u8]) -> bool {
    part.is_empty() || value.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests;
