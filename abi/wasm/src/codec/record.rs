//! The parts of all records: numbers, texts, lists of pairs.

use super::VERSION;

/// A record has not the form of one.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// Its bytes end within it.
    #[error("a record that is cut off")]
    CutOff,
    /// It is of another version.
    #[error("a record of version {0}, and this host reads version {VERSION}")]
    Version(u16),
    /// Bytes are left behind its end.
    #[error("a record with bytes behind its end")]
    Trailing,
    /// It tells of more frames than one record may.
    #[error("a record of {0} frames, and one has at most {max}", max = super::FRAMES_MAX)]
    TooMany(u32),
    /// A flag is set that means nothing.
    #[error("a record with a flag that means nothing")]
    Flags,
    /// A part of the record is said to be where the record is not.
    #[error("a record that has a part outside of itself")]
    Outside,
}

/// Names with values.
pub type Pairs<'a> = &'a [(&'a [u8], &'a [u8])];

/// Reads a record from its beginning to its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Begins behind the version.
    pub(super) fn new(record: &'a [u8]) -> Result<Self, RecordError> {
        let mut reader = Self(record);
        match reader.u16()? {
            VERSION => Ok(reader),
            other => Err(RecordError::Version(other)),
        }
    }

    pub(super) fn bytes(&mut self, length: usize) -> Result<&'a [u8], RecordError> {
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(RecordError::CutOff)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], RecordError> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(RecordError::CutOff)?;
        self.0 = rest;
        Ok(*bytes)
    }

    pub(super) fn u8(&mut self) -> Result<u8, RecordError> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, RecordError> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, RecordError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, RecordError> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn text(&mut self) -> Result<&'a [u8], RecordError> {
        let length = self.u32()?;
        self.bytes(wide(length))
    }

    /// A list of pairs, walked through to its end.
    pub(super) fn pairs(&mut self) -> Result<RecordPairs<'a>, RecordError> {
        let count = self.u32()?;
        let begin = *self;
        for _ in 0..count {
            self.text()?;
            self.text()?;
        }
        Ok(RecordPairs { left: wide(count), rest: begin })
    }

    pub(super) fn end(self) -> Result<(), RecordError> {
        if self.0.is_empty() { Ok(()) } else { Err(RecordError::Trailing) }
    }
}

/// The pairs of a list, in order.
#[derive(Clone, Copy, Debug)]
pub struct RecordPairs<'a> {
    left: usize,
    rest: Reader<'a>,
}

impl<'a> Iterator for RecordPairs<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        Some((self.rest.text().ok()?, self.rest.text().ok()?))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for RecordPairs<'_> {}

/// Writes a text with its length before it.
pub(super) fn put_text(record: &mut Vec<u8>, text: &[u8]) {
    put_length(record, text.len());
    record.extend_from_slice(text);
}

/// Writes a length. A record is bytes in a memory of 32 bits: no text that can be in it is longer.
pub(super) fn put_length(record: &mut Vec<u8>, length: usize) {
    record.extend_from_slice(&narrow(length).to_le_bytes());
}

/// Writes a list of pairs.
pub(super) fn put_pairs<N: AsRef<[u8]>, V: AsRef<[u8]>>(
    record: &mut Vec<u8>,
    pairs: impl ExactSizeIterator<Item = (N, V)>,
) {
    put_length(record, pairs.len());
    for (name, value) in pairs {
        put_text(record, name.as_ref());
        put_text(record, value.as_ref());
    }
}

pub(super) fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

pub(super) fn wide(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
