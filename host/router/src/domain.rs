//! Which virtual host serves an authority.
//!
//! An exact domain wins over a `*.suffix` one, a longer suffix over a shorter one, and all of
//! them over `*`; at the same place one with a port wins over one without. Case means nothing.
//! Start reading at [`DomainTable::find`].

use std::{borrow::Cow, collections::HashMap, fmt, str::FromStr};

use http::uri::Authority;

/// A domain as a configuration names it: `example.com`, `*.example.com`, `*`, each with a
/// `:port` or without. One without a port takes every port.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Domain {
    host: Host,
    port: Option<u16>,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Host {
    Exact(Box<str>),
    /// With its leading dot.
    Suffix(Box<str>),
    Any,
}

/// The text names no domain.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` is no domain: write `example.com`, `*.example.com` or `*`, with `:port` or without")]
pub struct DomainError(pub Box<str>);

impl FromStr for Domain {
    type Err = DomainError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or_else(|| DomainError(text.into()))
    }
}

fn parse(text: &str) -> Option<Domain> {
    // `*` may stand in an authority, so the rest of the rules are those of a real one.
    let authority: Authority = text.parse().ok()?;
    let host = authority.host().to_ascii_lowercase();
    let port = authority.port_u16();
    let whole = authority.as_str().len();
    let used = host.len() + authority.port().map_or(0, |port| port.as_str().len() + 1);
    if used != whole || (authority.port().is_some() && port.is_none()) {
        return None;
    }
    let host = match host.strip_prefix('*') {
        None if host.is_empty() || host.contains('*') => return None,
        None => Host::Exact(host.into()),
        Some("") => Host::Any,
        Some(suffix) if suffix.len() > 1 && suffix.starts_with('.') && !suffix.contains('*') => {
            Host::Suffix(suffix.into())
        }
        Some(_) => return None,
    };
    Some(Domain { host, port })
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Exact(host) => f.write_str(host)?,
            Host::Suffix(suffix) => write!(f, "*{suffix}")?,
            Host::Any => f.write_str("*")?,
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

/// The virtual hosts of one name by port.
#[derive(Clone, Debug, Default)]
struct Ports {
    every: Option<usize>,
    some: Vec<(u16, usize)>,
}

/// All domains of a router, each with the number of its virtual host.
#[derive(Clone, Debug, Default)]
pub(crate) struct DomainTable {
    exact: HashMap<Box<str>, Ports>,
    suffix: HashMap<Box<str>, Ports>,
    any: Ports,
}

impl DomainTable {
    /// Adds a domain; one that is there already keeps its virtual host.
    pub(crate) fn add(&mut self, domain: &Domain, virtual_host: usize) {
        let ports = match &domain.host {
            Host::Exact(host) => self.exact.entry(host.clone()).or_default(),
            Host::Suffix(suffix) => self.suffix.entry(suffix.clone()).or_default(),
            Host::Any => &mut self.any,
        };
        match domain.port {
            None => {
                ports.every.get_or_insert(virtual_host);
            }
            Some(port) if ports.some.iter().any(|(known, _)| *known == port) => {}
            Some(port) => ports.some.push((port, virtual_host)),
        }
    }

    /// The virtual host of an authority; a request without one is served by `*` only.
    pub(crate) fn find(&self, authority: Option<&Authority>) -> Option<usize> {
        let Some(authority) = authority else { return self.any.every };
        let port = authority.port_u16();
        let named = !self.exact.is_empty() || !self.suffix.is_empty();
        let found = if named { self.find_named(&lowercase(authority.host()), port) } else { None };
        found.or_else(|| self.any.find(port))
    }

    fn find_named(&self, host: &str, port: Option<u16>) -> Option<usize> {
        let exact = self.exact.get(host).and_then(|ports| ports.find(port));
        exact.or_else(|| {
            // From the left, so the longest suffix comes first. A dot that opens the name has
            // no label before it and is skipped.
            let mut suffixes = host.match_indices('.').filter(|(at, _)| *at > 0);
            suffixes.find_map(|(at, _)| self.suffix.get(host.get(at..)?)?.find(port))
        })
    }
}

impl Ports {
    fn find(&self, port: Option<u16>) -> Option<usize> {
        let some = self.some.iter().find(|(known, _)| Some(*known) == port);
        some.map(|(_, virtual_host)| *virtual_host).or(self.every)
    }
}

fn lowercase(host: &str) -> Cow<'_, str> {
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(host.to_ascii_lowercase())
    } else {
        Cow::Borrowed(host)
    }
}

#[cfg(test)]
mod tests;
