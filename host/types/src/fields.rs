//! The fields of an RPC frame: a flat list in wire order, with the case of names kept.
//!
//! What came on the wire is not copied: fields are spans of the frame's own bytes, and what is
//! written since lies in a buffer beside them.
//!
//! Protocols compare names byte by byte, plugins that know HTTP write them in small letters. So
//! whoever looks a name up is shown the fields with just this name first, and then those whose
//! names differ in case; and whoever replaces or removes a field does so to all of them, since
//! nobody here knows which one a server reads. Codecs look up what they know by
//! [`FieldList::get_exact`].

use std::ops::Range;

use bytes::Bytes;

use crate::HeaderError;

/// Most bytes of names and values that a list may hold of what was written since it came.
const WRITTEN_BYTES_MAX: usize = 1024 * 1024;

/// How many fields there is room for when the first one comes.
const USUAL: usize = 8;

/// The fields of one frame.
#[derive(Clone, Debug, Default)]
pub struct FieldList {
    /// What spans of fields that came point into.
    wire: Bytes,
    /// What spans of fields point into that the codec gave in another form.
    pushed: Vec<u8>,
    /// What spans of fields that were written point into, with what is no longer used of it.
    written: Vec<u8>,
    /// How much of it is used.
    used: usize,
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
    store: Store,
    start: usize,
    end: usize,
}

/// Where the bytes of a span are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Store {
    Wire,
    Pushed,
    Written,
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
        let span = |Range { start, end }| Span { store: Store::Wire, start, end };
        self.fields.push(Field { kind, name: span(name), value: span(value) });
        true
    }

    /// Adds a field that came on the wire in another form than its bytes.
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        self.give(kind_of(name), name, value);
    }

    /// Adds what the codec says about the frame under `name`, which begins with a colon. It can be
    /// read and matched, and is no part of the header block.
    pub fn push_attribute(&mut self, name: &str, value: &[u8]) {
        debug_assert!(name.starts_with(':'), "an attribute's name begins with a colon");
        self.give(Kind::Attribute, name.as_bytes(), value);
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
    pub fn block(&self) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
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

    /// The first of [`FieldList::get_all`].
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.get_all(name).next()
    }

    /// The first value of the fields with just this name, as protocols look names up.
    #[must_use]
    pub fn get_exact(&self, name: &[u8]) -> Option<&[u8]> {
        self.named(name, true).next()
    }

    /// All values of `name`: of the fields with just this name, and then of those with this name
    /// in another case.
    pub fn get_all<'a>(&'a self, name: &[u8]) -> impl Iterator<Item = &'a [u8]> {
        self.named(name, true).chain(self.named(name, false))
    }

    /// Adds a field behind all others.
    ///
    /// # Errors
    /// The name is empty or one of an attribute, or the list would grow too large.
    pub fn add(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeaderError> {
        check_name(name)?;
        self.check_size(0, name.len() + value.len())?;
        self.changed = true;
        self.make_room(name.len() + value.len());
        let (name, value) = (self.write(name), self.write(value));
        self.fields.push(Field { kind: Kind::Field, name, value });
        Ok(())
    }

    /// Sets a field, under its name in any case, to one value, whatever it had before. The first
    /// one of that name keeps its place, and its name the case that it came in.
    ///
    /// # Errors
    /// As [`FieldList::add`].
    pub fn replace(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeaderError> {
        check_name(name)?;
        let mut places = (0..self.fields.len()).filter(|place| {
            self.fields.get(*place).is_some_and(|field| self.is_named(field, name))
        });
        let Some(first) = places.next() else { return self.add(name, value) };
        let others = places.filter_map(|place| self.fields.get(place));
        let others: usize = others.map(Field::written).sum();
        let old = self.fields.get(first).map_or(0, |field| field.value.written());
        self.check_size(others + old, value.len())?;
        let mut place = 0;
        self.retain(|list, field| {
            place += 1;
            place <= first + 1 || !list.is_named(field, name)
        });
        self.used -= old;
        if let Some(field) = self.fields.get_mut(first) {
            // So that nothing of the old value is kept where room is made for the new one.
            field.value.end = field.value.start;
        }
        self.make_room(value.len());
        let value = self.write(value);
        if let Some(field) = self.fields.get_mut(first) {
            field.value = value;
        }
        self.changed = true;
        Ok(())
    }

    /// Removes all values of a field, under its name in any case. Removing what is not there is
    /// no error.
    ///
    /// # Errors
    /// The name is one of an attribute.
    pub fn remove(&mut self, name: &[u8]) -> Result<(), HeaderError> {
        if name.first() == Some(&b':') {
            return Err(HeaderError::Pseudo);
        }
        let before = self.fields.len();
        self.retain(|list, field| !list.is_named(field, name));
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
        let kept = self.fields.iter().filter(|field| field.kind != Kind::Field);
        let mut next = Self {
            wire: self.wire.clone(),
            pushed: self.pushed.clone(),
            fields: kept.cloned().collect(),
            changed: true,
            ..Self::default()
        };
        for (name, value) in pairs {
            // A whole section is written back with what was read of it.
            if name.first() == Some(&b':') && self.get_exact(name) == Some(value) {
                continue;
            }
            next.add(name, value)?;
        }
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

    fn give(&mut self, kind: Kind, name: &[u8], value: &[u8]) {
        self.pushed.reserve(name.len() + value.len());
        let (name, value) = (append(&mut self.pushed, name), append(&mut self.pushed, value));
        let span = |Range { start, end }| Span { store: Store::Pushed, start, end };
        self.fields.push(Field { kind, name: span(name), value: span(value) });
    }

    /// Whether there is room for so many bytes where `gone` of those that are used go.
    fn check_size(&self, gone: usize, more: usize) -> Result<(), HeaderError> {
        let used = self.used - gone + more;
        if used > WRITTEN_BYTES_MAX { Err(HeaderError::TooLarge) } else { Ok(()) }
    }

    fn write(&mut self, bytes: &[u8]) -> Span {
        self.used += bytes.len();
        let Range { start, end } = append(&mut self.written, bytes);
        Span { store: Store::Written, start, end }
    }

    /// Drops what no field uses of what was written, where so many bytes more would be too much.
    /// As much again as the limit may lie there, so that this is not what takes the time.
    fn make_room(&mut self, more: usize) {
        if self.written.len() + more <= 2 * WRITTEN_BYTES_MAX {
            return;
        }
        let mut written = Vec::with_capacity(self.used);
        let spans = self.fields.iter_mut().flat_map(|field| [&mut field.name, &mut field.value]);
        for span in spans.filter(|span| span.store == Store::Written) {
            let bytes = self.written.get(span.start..span.end).unwrap_or_default();
            let Range { start, end } = append(&mut written, bytes);
            (span.start, span.end) = (start, end);
        }
        self.written = written;
    }

    fn retain(&mut self, mut keep: impl FnMut(&Self, &Field) -> bool) {
        let mut fields = std::mem::take(&mut self.fields);
        let mut gone = 0;
        fields.retain(|field| {
            let is_kept = keep(self, field);
            gone += if is_kept { 0 } else { field.written() };
            is_kept
        });
        self.used -= gone;
        self.fields = fields;
    }

    fn bytes(&self, span: Span) -> &[u8] {
        let store: &[u8] = match span.store {
            Store::Wire => &self.wire,
            Store::Pushed => &self.pushed,
            Store::Written => &self.written,
        };
        store.get(span.start..span.end).unwrap_or_default()
    }

    /// The values of the fields with just this name, or else of those that differ from it in case.
    fn named<'a>(&'a self, name: &[u8], exact: bool) -> impl Iterator<Item = &'a [u8]> {
        let fields = self.fields.iter().filter(move |field| self.is_named(field, name));
        let fields = fields.filter(move |field| (self.bytes(field.name) == name) == exact);
        fields.map(|field| self.bytes(field.value))
    }

    fn is_named(&self, field: &Field, name: &[u8]) -> bool {
        field.kind != Kind::Hidden && self.bytes(field.name).eq_ignore_ascii_case(name)
    }
}

impl Field {
    /// How many bytes of it were written.
    fn written(&self) -> usize {
        self.name.written() + self.value.written()
    }
}

impl Span {
    fn written(self) -> usize {
        if self.store == Store::Written { self.end.saturating_sub(self.start) } else { 0 }
    }
}

fn append(store: &mut Vec<u8>, bytes: &[u8]) -> Range<usize> {
    let start = store.len();
    store.extend_from_slice(bytes);
    start..store.len()
}

fn check_name(name: &[u8]) -> Result<(), HeaderError> {
    match name.first() {
        None => Err(HeaderError::Name),
        Some(b':') => Err(HeaderError::Pseudo),
        Some(_) => Ok(()),
    }
}

fn kind_of(name: &[u8]) -> Kind {
    if name.first() == Some(&b':') { Kind::Hidden } else { Kind::Field }
}

#[cfg(test)]
mod tests;
