//! The fields of an RPC frame: a flat list in wire order, with the case of names kept.
//!
//! What came on the wire is not copied: fields are spans of the frame's own bytes, and what is
//! written since lies in a buffer beside them. Protocols compare names byte by byte, plugins that
//! know HTTP write them in small letters; so a name is looked up as it is written first, and then
//! in any case.

use std::ops::Range;

use bytes::Bytes;

use crate::HeaderError;

/// Most bytes of names and values that may be written into one list.
const WRITTEN_BYTES_MAX: usize = 1024 * 1024;

/// How many fields there is room for when the first one comes.
const USUAL: usize = 8;

/// The fields of one frame.
#[derive(Clone, Debug, Default)]
pub struct FieldList {
    /// What spans of fields that came point into.
    wire: Bytes,
    /// What spans of fields that were written point into.
    written: Vec<u8>,
    fields: Vec<Field>,
    changed: bool,
}

#[derive(Clone, Debug)]
struct Field {
    kind: Kind,
    name: Span,
    value: Span,
}

/// What a field of a list is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    /// Of the frame's header block.
    Field,
    /// Of the header block, with a name that only attributes have: it goes on as it came, and
    /// nobody sees it.
    Hidden,
    /// Said by the codec about the frame, to be read only.
    Attribute,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    written: bool,
    start: usize,
    end: usize,
}

impl FieldList {
    /// A list whose fields will be found in `wire`.
    #[must_use]
    pub fn new(wire: Bytes) -> Self {
        Self { wire, ..Self::default() }
    }

    /// Adds a field that came on the wire, by its places there. False, and nothing is added,
    /// where they are not in the wire's bytes.
    #[must_use]
    pub fn push_span(&mut self, name: Range<usize>, value: Range<usize>) -> bool {
        let Some(name_bytes) = self.wire.get(name.clone()) else { return false };
        if self.wire.get(value.clone()).is_none() {
            return false;
        }
        if self.fields.is_empty() {
            self.fields.reserve(USUAL);
        }
        let kind = kind_of(name_bytes);
        let span =
            |range: Range<usize>| Span { written: false, start: range.start, end: range.end };
        self.fields.push(Field { kind, name: span(name), value: span(value) });
        true
    }

    /// Adds a field that came on the wire in another form than its bytes.
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        self.write(kind_of(name), name, value);
    }

    /// Adds what the codec says about the frame under `name`, which begins with a colon. It can be
    /// read and matched, and is no part of the header block.
    pub fn push_attribute(&mut self, name: &str, value: &[u8]) {
        debug_assert!(name.starts_with(':'), "an attribute's name begins with a colon");
        self.write(Kind::Attribute, name.as_bytes(), value);
    }

    /// True where a field was written or removed since the frame came.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.changed
    }

    /// The fields that anybody may see, attributes first.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let seen = |kind| move |field: &&Field| field.kind == kind;
        let attributes = self.fields.iter().filter(seen(Kind::Attribute));
        let fields = self.fields.iter().filter(seen(Kind::Field));
        attributes.chain(fields).map(|field| (self.bytes(field.name), self.bytes(field.value)))
    }

    /// The header block as it goes on the wire: all fields in order, no attribute.
    pub fn block(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let fields = self.fields.iter().filter(|field| field.kind != Kind::Attribute);
        fields.map(|field| (self.bytes(field.name), self.bytes(field.value)))
    }

    /// How many fields [`FieldList::iter`] yields.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fields.iter().filter(|field| field.kind != Kind::Hidden).count()
    }

    /// True where there is no field to be seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first value of `name`.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        let exact = self.has_exact(name);
        let field = self.fields.iter().find(|field| self.is_named(field, name, exact))?;
        Some(self.bytes(field.value))
    }

    /// All values of `name`: of the fields with just this name, or where there is none, of those
    /// with this name in another case.
    pub fn get_all<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        let exact = self.has_exact(name);
        let fields = self.fields.iter().filter(move |field| self.is_named(field, name, exact));
        fields.map(|field| self.bytes(field.value))
    }

    /// Adds a field behind all others.
    ///
    /// # Errors
    /// The name is empty or one of an attribute, or the list has grown too large.
    pub fn add(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeaderError> {
        self.check(name, value)?;
        self.changed = true;
        self.write(Kind::Field, name, value);
        Ok(())
    }

    /// Sets a field to one value, whatever it had before; it keeps its place, and its name the
    /// case that it came in.
    ///
    /// # Errors
    /// As [`FieldList::add`].
    pub fn replace(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeaderError> {
        self.check(name, value)?;
        let exact = self.has_exact(name);
        let mut places = (0..self.fields.len())
            .filter(|place| self.fields.get(*place).is_some_and(|f| self.is_named(f, name, exact)));
        let Some(first) = places.next() else { return self.add(name, value) };
        let others: Vec<usize> = places.collect();
        for place in others.into_iter().rev() {
            self.fields.remove(place);
        }
        let value = self.store(value);
        if let Some(field) = self.fields.get_mut(first) {
            field.value = value;
        }
        self.changed = true;
        Ok(())
    }

    /// Removes all values of a field. Removing what is not there is no error.
    ///
    /// # Errors
    /// The name is one of an attribute.
    pub fn remove(&mut self, name: &[u8]) -> Result<(), HeaderError> {
        if name.first() == Some(&b':') {
            return Err(HeaderError::Pseudo);
        }
        let exact = self.has_exact(name);
        let gone: Vec<bool> =
            self.fields.iter().map(|field| self.is_named(field, name, exact)).collect();
        let mut gone = gone.into_iter();
        let before = self.fields.len();
        self.fields.retain(|_field| !gone.next().unwrap_or(false));
        self.changed |= self.fields.len() != before;
        Ok(())
    }

    /// Replaces all fields that can be seen and changed; what is hidden and what the codec says
    /// stays.
    ///
    /// # Errors
    /// One pair cannot stand in the list; then nothing is changed.
    pub fn set_all<'a>(
        &mut self,
        pairs: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Result<(), HeaderError> {
        let mut next = self.clone();
        next.fields.retain(|field| field.kind != Kind::Field);
        for (name, value) in pairs {
            // A whole section is written back with what was read of it.
            if name.first() == Some(&b':') && self.get(name) == Some(value) {
                continue;
            }
            next.add(name, value)?;
        }
        next.changed = true;
        *self = next;
        Ok(())
    }

    /// A list to be read, with the fields that `keep` says.
    #[must_use]
    pub fn view(&self, keep: impl Fn(&[u8]) -> bool) -> Self {
        let mut view = self.clone();
        view.fields.retain(|field| field.kind != Kind::Hidden && keep(self.bytes(field.name)));
        view
    }

    fn check(&self, name: &[u8], value: &[u8]) -> Result<(), HeaderError> {
        if name.is_empty() {
            return Err(HeaderError::Name);
        }
        if name.first() == Some(&b':') {
            return Err(HeaderError::Pseudo);
        }
        let size = self.written.len() + name.len() + value.len();
        if size > WRITTEN_BYTES_MAX { Err(HeaderError::TooLarge) } else { Ok(()) }
    }

    fn write(&mut self, kind: Kind, name: &[u8], value: &[u8]) {
        self.written.reserve(name.len() + value.len());
        let (name, value) = (self.store(name), self.store(value));
        self.fields.push(Field { kind, name, value });
    }

    fn store(&mut self, bytes: &[u8]) -> Span {
        let start = self.written.len();
        self.written.extend_from_slice(bytes);
        Span { written: true, start, end: self.written.len() }
    }

    fn bytes(&self, span: Span) -> &[u8] {
        let store: &[u8] = if span.written { &self.written } else { &self.wire };
        store.get(span.start..span.end).unwrap_or_default()
    }

    fn has_exact(&self, name: &[u8]) -> bool {
        self.fields.iter().any(|field| self.is_named(field, name, true))
    }

    fn is_named(&self, field: &Field, name: &[u8], exact: bool) -> bool {
        let own = self.bytes(field.name);
        let same = if exact { own == name } else { own.eq_ignore_ascii_case(name) };
        same && field.kind != Kind::Hidden
    }
}

fn kind_of(name: &[u8]) -> Kind {
    if name.first() == Some(&b':') { Kind::Hidden } else { Kind::Field }
}

#[cfg(test)]
mod tests;
