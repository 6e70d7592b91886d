//! Heads, trailers and bodies.

use std::fmt;

use crate::{
    HostError, Side,
    backend::{Backend, ContextId, FieldChange, Section, check_change},
};

/// A section of fields, in order, with pseudo-header fields (`:path`) in front.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Fields(pub Vec<(Vec<u8>, Vec<u8>)>);

impl Fields {
    /// The first value of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let found =
            self.0.iter().find(|(known, _value)| known.eq_ignore_ascii_case(name.as_bytes()));
        found.map(|(_name, value)| value.as_slice())
    }

    /// The first value of a name, where it is text.
    #[must_use]
    pub fn get_str(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// With one more field at the end.
    #[must_use]
    pub fn header(mut self, name: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        self.0.push((name.into(), value.into()));
        self
    }

    /// All fields, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
        self.0.iter().map(|(name, value)| (name.as_slice(), value.as_slice()))
    }

    /// How many fields.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True where there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The value of a property.
///
/// Its bytes are the same on all backends: text and bytes as they are, numbers and points in
/// time (nanoseconds since 1970) as 8 bytes, least first, a truth as one byte.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Property(pub Vec<u8>);

impl Property {
    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The value as text, where it is some.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// The value as a number, where it has the length of one.
    #[must_use]
    pub fn as_number(&self) -> Option<i64> {
        Some(i64::from_le_bytes(self.0.as_slice().try_into().ok()?))
    }

    /// The value as a truth, where it has the length of one.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self.0.as_slice() {
            [byte] => Some(*byte != 0),
            _ => None,
        }
    }
}

/// One direction of a stream.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    backend: &'a dyn Backend,
    context: ContextId,
    side: Side,
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("context", &self.context)
            .field("side", &self.side)
            .finish_non_exhaustive()
    }
}

impl<'a> Message<'a> {
    pub(crate) fn new(backend: &'a dyn Backend, context: ContextId, side: Side) -> Self {
        Self { backend, context, side }
    }

    fn head(&self) -> Section {
        match self.side {
            Side::Request => Section::RequestHeaders,
            Side::Response => Section::ResponseHeaders,
        }
    }

    fn tail(&self) -> Section {
        match self.side {
            Side::Request => Section::RequestTrailers,
            Side::Response => Section::ResponseTrailers,
        }
    }

    /// The first value of a field of the head; `None` also where the head cannot be seen now.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<Vec<u8>> {
        self.try_header(name).ok().flatten()
    }

    /// As [`Message::header`], for who must tell a field that is not there from a head that
    /// cannot be seen: a plugin that decides by it.
    ///
    /// # Errors
    /// `WrongPhase` where the head is not here, `NotFound` where the stream is over, `Denied`
    /// (in a Wasm sandbox a denied field reads as one that is not there).
    pub fn try_header(&self, name: &str) -> Result<Option<Vec<u8>>, HostError> {
        self.backend.field(self.context, self.head(), name)
    }

    /// The first value of a field of the head, where it is text.
    #[must_use]
    pub fn header_str(&self, name: &str) -> Option<String> {
        String::from_utf8(self.header(name)?).ok()
    }

    /// The whole head; empty where it cannot be seen now.
    #[must_use]
    pub fn headers(&self) -> Fields {
        self.backend.fields(self.context, self.head()).unwrap_or_default()
    }

    /// Sets a field of the head to one value.
    ///
    /// # Errors
    /// `WrongPhase` where the head is not here or was passed on, `BadArgument` for a field that
    /// no message can carry, `Denied`.
    pub fn set_header(&self, name: &str, value: impl AsRef<[u8]>) -> Result<(), HostError> {
        self.change(self.head(), FieldChange::Set(name, value.as_ref()))
    }

    /// Adds a value behind those that a field of the head has.
    ///
    /// # Errors
    /// As for [`Message::set_header`].
    pub fn add_header(&self, name: &str, value: impl AsRef<[u8]>) -> Result<(), HostError> {
        self.change(self.head(), FieldChange::Add(name, value.as_ref()))
    }

    /// Removes a field of the head, with all values.
    ///
    /// # Errors
    /// As for [`Message::set_header`].
    pub fn remove_header(&self, name: &str) -> Result<(), HostError> {
        self.change(self.head(), FieldChange::Remove(name))
    }

    /// Replaces the whole head.
    ///
    /// # Errors
    /// As for [`Message::set_header`].
    pub fn set_headers(&self, fields: &Fields) -> Result<(), HostError> {
        self.change(self.head(), FieldChange::ReplaceAll(fields))
    }

    /// The first value of a trailer.
    #[must_use]
    pub fn trailer(&self, name: &str) -> Option<Vec<u8>> {
        self.backend.field(self.context, self.tail(), name).ok().flatten()
    }

    /// The trailers; empty where they cannot be seen now.
    #[must_use]
    pub fn trailers(&self) -> Fields {
        self.backend.fields(self.context, self.tail()).unwrap_or_default()
    }

    /// Sets a trailer to one value. A message without trailers gets some, where its last bytes
    /// are in hand.
    ///
    /// # Errors
    /// `WrongPhase` where the end of the message is not here, else as for
    /// [`Message::set_header`].
    pub fn set_trailer(&self, name: &str, value: impl AsRef<[u8]>) -> Result<(), HostError> {
        self.change(self.tail(), FieldChange::Set(name, value.as_ref()))
    }

    /// Adds a value behind those that a trailer has.
    ///
    /// # Errors
    /// As for [`Message::set_header`].
    pub fn add_trailer(&self, name: &str, value: impl AsRef<[u8]>) -> Result<(), HostError> {
        self.change(self.tail(), FieldChange::Add(name, value.as_ref()))
    }

    /// Replaces all trailers.
    ///
    /// # Errors
    /// As for [`Message::set_header`].
    pub fn set_trailers(&self, fields: &Fields) -> Result<(), HostError> {
        self.change(self.tail(), FieldChange::ReplaceAll(fields))
    }

    /// Removes a trailer, with all values.
    ///
    /// # Errors
    /// As for [`Message::set_header`].
    pub fn remove_trailer(&self, name: &str) -> Result<(), HostError> {
        self.change(self.tail(), FieldChange::Remove(name))
    }

    /// The bytes of the body in hand.
    ///
    /// # Errors
    /// `WrongPhase` outside the callback of that body, `Denied`.
    pub fn body(&self) -> Result<Vec<u8>, HostError> {
        self.backend.body(self.context, self.side)
    }

    /// Replaces the bytes of the body in hand.
    ///
    /// # Errors
    /// As for [`Message::body`], and `LimitReached`.
    pub fn set_body(&self, bytes: impl AsRef<[u8]>) -> Result<(), HostError> {
        self.splice_body(0, usize::MAX, bytes)
    }

    /// Replaces `length` of the bytes in hand from `start`, both cut to what is there: `(0, 0)`
    /// puts in front.
    ///
    /// # Errors
    /// As for [`Message::set_body`].
    pub fn splice_body(
        &self,
        start: usize,
        length: usize,
        with: impl AsRef<[u8]>,
    ) -> Result<(), HostError> {
        self.backend.splice_body(self.context, self.side, start, length, with.as_ref())
    }

    fn change(&self, section: Section, change: FieldChange<'_>) -> Result<(), HostError> {
        check_change(section, change)?;
        self.backend.write_field(self.context, section, change)
    }
}
