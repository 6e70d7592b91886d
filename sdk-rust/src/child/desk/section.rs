//! A section of fields in a plugin's hand: read and changed here, by the rules of the host.
//!
//! The host's own map answers and refuses in the same way: names in any case, `host` of a
//! request for `:authority`, values of one name together, and who is removed is replaced by the
//! last one. So what a plugin reads after a change is what the host has once the change arrived.

use abi_process::v1::Field;
use http::{
    HeaderName, HeaderValue, Method, StatusCode,
    uri::{Authority, PathAndQuery, Scheme},
};
use prost::bytes::Bytes;

use crate::{
    Fields, HostError,
    backend::{FieldChange, Outcome, Section},
};

/// Fields that one section may have.
const FIELDS_MAX: usize = 1024;
/// Bytes of names and values that one section may have.
const BYTES_MAX: usize = 1024 * 1024;

const AUTHORITY: &str = ":authority";
const METHOD: &str = ":method";
const PATH: &str = ":path";
const SCHEME: &str = ":scheme";
const STATUS: &str = ":status";

/// A section's fields.
#[derive(Clone, Debug)]
pub(crate) struct SectionFields {
    pub(crate) section: Section,
    pseudo: Vec<(&'static str, Bytes)>,
    fields: Vec<(Bytes, Bytes)>,
}

impl SectionFields {
    /// The section as the host sent it.
    pub(crate) fn new(section: Section, sent: Vec<Field>) -> Self {
        let mut new = Self { section, pseudo: Vec::new(), fields: Vec::with_capacity(sent.len()) };
        for Field { name, value } in sent {
            match new.pseudo_name(&name) {
                Some(name) => new.pseudo.push((name, value)),
                None => new.fields.push((name, value)),
            }
        }
        new
    }

    /// True for a head that is not here: one that is has its first line.
    pub(crate) fn is_no_head(&self) -> bool {
        let is_head = matches!(self.section, Section::RequestHeaders | Section::ResponseHeaders);
        is_head && self.pseudo.is_empty() && self.fields.is_empty()
    }

    /// The first value of a name.
    pub(crate) fn get(&self, name: &str) -> Option<&[u8]> {
        if let Some(pseudo) = self.pseudo_name(name.as_bytes()) {
            let found = self.pseudo.iter().find(|(known, _value)| *known == pseudo);
            return found.map(|(_name, value)| value.as_ref());
        }
        let at = self.find(name.as_bytes())?;
        self.fields.get(at).map(|(_name, value)| value.as_ref())
    }

    /// All fields, pseudo-header fields first.
    pub(crate) fn to_fields(&self) -> Fields {
        let pseudo = self.pseudo.iter();
        let pseudo = pseudo.map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec()));
        let fields = self.fields.iter().map(|(name, value)| (name.to_vec(), value.to_vec()));
        Fields(pseudo.chain(fields).collect())
    }

    /// Makes a change; where it is refused nothing has changed.
    pub(crate) fn change(&mut self, change: FieldChange<'_>) -> Outcome<()> {
        self.check_size(change)?;
        match change {
            FieldChange::Add(name, value) => self.put(name.as_bytes(), value, Self::add),
            FieldChange::Set(name, value) => self.put(name.as_bytes(), value, Self::set),
            FieldChange::Remove(name) => self.remove(name.as_bytes()),
            FieldChange::ReplaceAll(all) => {
                let pseudo = self.pseudo.clone();
                let mut next = Self { section: self.section, pseudo, fields: Vec::new() };
                for (name, value) in all.iter() {
                    next.put(name, value, Self::add)?;
                }
                *self = next;
                Ok(())
            }
        }
    }

    fn check_size(&self, change: FieldChange<'_>) -> Outcome<()> {
        let sum = |fields: &mut dyn Iterator<Item = usize>| fields.sum::<usize>();
        let (added, bytes) = match change {
            FieldChange::Remove(_) => return Ok(()),
            FieldChange::ReplaceAll(all) => {
                let bytes = sum(&mut all.iter().map(|(name, value)| name.len() + value.len()));
                let fits = all.len() <= FIELDS_MAX && bytes <= BYTES_MAX;
                return if fits { Ok(()) } else { Err(HostError::LimitReached) };
            }
            FieldChange::Add(name, value) => (1, name.len() + value.len()),
            FieldChange::Set(name, value) => {
                (usize::from(self.get(name).is_none()), name.len() + value.len())
            }
        };
        let count_fits = self.pseudo.len() + self.fields.len() + added <= FIELDS_MAX;
        // A field up to this size is not weighed: as many as may be stay below the limit.
        let bytes_fit = bytes <= BYTES_MAX / FIELDS_MAX || self.byte_size() + bytes <= BYTES_MAX;
        if count_fits && bytes_fit { Ok(()) } else { Err(HostError::LimitReached) }
    }

    fn byte_size(&self) -> usize {
        let pseudo = self.pseudo.iter().map(|(name, value)| name.len() + value.len());
        let fields = self.fields.iter().map(|(name, value)| name.len() + value.len());
        pseudo.sum::<usize>() + fields.sum::<usize>()
    }

    fn put(&mut self, name: &[u8], value: &[u8], put: fn(&mut Self, Bytes, Bytes)) -> Outcome<()> {
        if let Some(pseudo) = self.pseudo_name(name) {
            return self.set_pseudo(pseudo, value);
        }
        let name = HeaderName::from_bytes(name).map_err(|_refused| HostError::BadArgument)?;
        HeaderValue::from_bytes(value).map_err(|_refused| HostError::BadArgument)?;
        let name = Bytes::copy_from_slice(name.as_str().as_bytes());
        put(self, name, Bytes::copy_from_slice(value));
        Ok(())
    }

    /// Behind the values of the same name.
    fn add(&mut self, name: Bytes, value: Bytes) {
        let at = self.find(&name).map(|first| self.end_of(first));
        self.fields.insert(at.unwrap_or(self.fields.len()), (name, value));
    }

    /// In the place of the values of the same name.
    fn set(&mut self, name: Bytes, value: Bytes) {
        let Some(first) = self.find(&name) else { return self.fields.push((name, value)) };
        let end = self.end_of(first);
        drop(self.fields.splice(first..end, [(name, value)]));
    }

    /// The last name comes into the place of the one that goes.
    fn remove(&mut self, name: &[u8]) -> Outcome<()> {
        if self.pseudo_name(name).is_some() {
            return Err(HostError::BadArgument);
        }
        let Some(first) = self.find(name) else { return Ok(()) };
        let end = self.end_of(first);
        let last = self.fields.last().and_then(|(name, _value)| self.find(name));
        let last = last.filter(|last| *last > first).unwrap_or(self.fields.len());
        let moved = self.fields.split_off(last);
        drop(self.fields.splice(first..end, moved));
        Ok(())
    }

    /// The first value of a name.
    fn find(&self, name: &[u8]) -> Option<usize> {
        self.fields.iter().position(|(known, _value)| known.eq_ignore_ascii_case(name))
    }

    /// Behind the last value of the name that stands there.
    fn end_of(&self, first: usize) -> usize {
        let rest = self.fields.get(first..).unwrap_or_default();
        let Some((name, _value)) = rest.first() else { return first };
        let same = rest.iter().take_while(|(other, _value)| other.eq_ignore_ascii_case(name));
        first + same.count()
    }

    /// The canonical name, where it is a pseudo-header field or (in a request) `host`.
    fn pseudo_name(&self, name: &[u8]) -> Option<&'static str> {
        if name.first() != Some(&b':') {
            let is_host = name.eq_ignore_ascii_case(b"host");
            let stands_for = is_host && self.section == Section::RequestHeaders;
            return stands_for.then_some(AUTHORITY);
        }
        let known = [AUTHORITY, METHOD, PATH, SCHEME, STATUS];
        let found = known.into_iter().find(|known| name.eq_ignore_ascii_case(known.as_bytes()));
        // One that nobody knows is refused like one that does not belong there.
        Some(found.unwrap_or(":unknown"))
    }

    fn set_pseudo(&mut self, name: &'static str, value: &[u8]) -> Outcome<()> {
        let value = self.checked(name, value).ok_or(HostError::BadArgument)?;
        match self.pseudo.iter_mut().find(|(known, _value)| *known == name) {
            Some((_name, old)) => *old = value,
            None => {
                let before = |(known, _value): &(&str, Bytes)| place(known) < place(name);
                let at = self.pseudo.partition_point(before);
                self.pseudo.insert(at, (name, value));
            }
        }
        Ok(())
    }

    /// A value as the host writes it; nothing where it refuses it.
    fn checked(&self, name: &str, value: &[u8]) -> Option<Bytes> {
        let checked = match (self.section, name) {
            (Section::RequestHeaders, METHOD) => {
                let method = Method::from_bytes(value).ok()?;
                (method != Method::CONNECT).then(|| method.as_str().to_owned())?
            }
            (Section::RequestHeaders, SCHEME) => Scheme::try_from(value).ok()?.as_str().to_owned(),
            (Section::RequestHeaders, PATH) => {
                let is_origin_form = value.first() == Some(&b'/') || value == b"*";
                let is_target = is_origin_form && value.is_ascii();
                let path = is_target.then(|| PathAndQuery::try_from(value).ok())??;
                path.as_str().to_owned()
            }
            (Section::RequestHeaders, AUTHORITY) => {
                let plain = Some(value).filter(|value| !value.contains(&b'@'))?;
                Authority::try_from(plain).ok()?.as_str().to_owned()
            }
            (Section::ResponseHeaders, STATUS) => {
                let status = StatusCode::from_bytes(value).ok()?;
                (!status.is_informational()).then(|| status.as_str().to_owned())?
            }
            _ => return None,
        };
        Some(Bytes::from(checked))
    }
}

/// Where the host puts a pseudo-header field.
fn place(name: &str) -> usize {
    let order = [METHOD, SCHEME, AUTHORITY, PATH];
    order.iter().position(|known| *known == name).unwrap_or(order.len())
}

#[cfg(test)]
mod tests;
