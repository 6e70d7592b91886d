//! The records by which a host asks for the bytes of a frame.
//!
//! ```text
//! encode   u16 version   u8 kind   u8 flags (1: fields changed, 2: body changed)
//!          u64 old id   u64 id   u32 body's start   u32 body's length
//!          text raw   pairs fields   the changed body
//! reject   u16 version   u16 HTTP status   u64 id
//!          text request   text message   pairs fields   text body
//! reply    u16 version   u16 zero   u64 id   text heartbeat
//! ```
//!
//! The body of an encode is told by its place in the record: one that did not change stands
//! within `raw`, and is not there twice.

use super::{
    RecordError, RecordPairs, VERSION,
    record::{Reader, narrow, put_length, put_pairs, put_text, wide},
};

const FIELDS_CHANGED: u8 = 1;
const BODY_CHANGED: u8 = 2;
/// Where the raw bytes of an encode begin: behind the head and their own length.
const RAW_AT: usize = 2 + 1 + 1 + 8 + 8 + 4 + 4 + 4;

/// A frame to be written; `P` are its fields.
#[derive(Clone, Copy, Debug)]
pub struct EncodeOrder<'a, P> {
    /// As [`FrameEntry::kind`](super::FrameEntry::kind).
    pub kind: u8,
    /// The id that it came with.
    pub old_id: u64,
    /// The id to write.
    pub id: u64,
    /// The bytes that it came in.
    pub raw: &'a [u8],
    /// Its fields, without attributes.
    pub fields: P,
    /// The fields are not those that came.
    pub fields_changed: bool,
    /// Its payload.
    pub body: &'a [u8],
    /// Where the payload is the one that came: its place in `raw`.
    pub body_start: Option<usize>,
}

impl<'p, P: ExactSizeIterator<Item = (&'p [u8], &'p [u8])>> EncodeOrder<'_, P> {
    /// Writes the record; what `record` held is dropped.
    pub fn write(self, record: &mut Vec<u8>) {
        record.clear();
        let fields_flag = if self.fields_changed { FIELDS_CHANGED } else { 0 };
        let body_flag = if self.body_start.is_none() { BODY_CHANGED } else { 0 };
        record.extend_from_slice(&VERSION.to_le_bytes());
        record.extend_from_slice(&[self.kind, fields_flag | body_flag]);
        record.extend_from_slice(&self.old_id.to_le_bytes());
        record.extend_from_slice(&self.id.to_le_bytes());
        let start_at = record.len();
        put_length(record, 0);
        put_length(record, self.body.len());
        put_text(record, self.raw);
        put_pairs(record, self.fields);
        let start = match self.body_start {
            Some(start) => RAW_AT.saturating_add(start),
            None => record.len(),
        };
        if self.body_start.is_none() {
            record.extend_from_slice(self.body);
        }
        if let Some(place) = record.get_mut(start_at..start_at + 4) {
            place.copy_from_slice(&narrow(start).to_le_bytes());
        }
    }
}

impl<'a> EncodeOrder<'a, RecordPairs<'a>> {
    /// Reads a record.
    ///
    /// # Errors
    /// It is none.
    pub fn read(record: &'a [u8]) -> Result<Self, RecordError> {
        let mut reader = Reader::new(record)?;
        let kind = reader.u8()?;
        let flags = reader.u8()?;
        if flags > FIELDS_CHANGED | BODY_CHANGED {
            return Err(RecordError::Flags);
        }
        let (old_id, id) = (reader.u64()?, reader.u64()?);
        let (start, length) = (wide(reader.u32()?), wide(reader.u32()?));
        let raw = reader.text()?;
        let fields = reader.pairs()?;
        let end = start.checked_add(length).ok_or(RecordError::Outside)?;
        let body = record.get(start..end).ok_or(RecordError::Outside)?;
        let is_changed = flags & BODY_CHANGED != 0;
        if is_changed {
            reader.bytes(length)?;
        }
        reader.end()?;
        let body_start = (!is_changed).then(|| start.saturating_sub(RAW_AT));
        let fields_changed = flags & FIELDS_CHANGED != 0;
        Ok(Self { kind, old_id, id, raw, fields, fields_changed, body, body_start })
    }
}

/// A response in the upstream's place; `P` are its fields.
#[derive(Clone, Copy, Debug)]
pub struct RejectOrder<'a, P> {
    /// The bytes of the request.
    pub request: &'a [u8],
    /// Its id, which the response bears.
    pub id: u64,
    /// What HTTP would say.
    pub status: u16,
    /// One line for the caller.
    pub message: &'a [u8],
    /// Fields of the response.
    pub fields: P,
    /// Its payload.
    pub body: &'a [u8],
}

impl<'p, P: ExactSizeIterator<Item = (&'p [u8], &'p [u8])>> RejectOrder<'_, P> {
    /// Writes the record; what `record` held is dropped.
    pub fn write(self, record: &mut Vec<u8>) {
        record.clear();
        record.extend_from_slice(&VERSION.to_le_bytes());
        record.extend_from_slice(&self.status.to_le_bytes());
        record.extend_from_slice(&self.id.to_le_bytes());
        put_text(record, self.request);
        put_text(record, self.message);
        put_pairs(record, self.fields);
        put_text(record, self.body);
    }
}

impl<'a> RejectOrder<'a, RecordPairs<'a>> {
    /// Reads a record.
    ///
    /// # Errors
    /// It is none.
    pub fn read(record: &'a [u8]) -> Result<Self, RecordError> {
        let mut reader = Reader::new(record)?;
        let status = reader.u16()?;
        let id = reader.u64()?;
        let (request, message) = (reader.text()?, reader.text()?);
        let fields = reader.pairs()?;
        let body = reader.text()?;
        reader.end()?;
        Ok(Self { request, id, status, message, fields, body })
    }
}

/// The reply to a heartbeat.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ReplyOrder<'a> {
    /// The bytes of the heartbeat.
    pub heartbeat: &'a [u8],
    /// Its id.
    pub id: u64,
}

impl<'a> ReplyOrder<'a> {
    /// Writes the record; what `record` held is dropped.
    pub fn write(self, record: &mut Vec<u8>) {
        record.clear();
        record.extend_from_slice(&VERSION.to_le_bytes());
        record.extend_from_slice(&[0, 0]);
        record.extend_from_slice(&self.id.to_le_bytes());
        put_text(record, self.heartbeat);
    }

    /// Reads a record.
    ///
    /// # Errors
    /// It is none.
    pub fn read(record: &'a [u8]) -> Result<Self, RecordError> {
        let mut reader = Reader::new(record)?;
        if reader.u16()? != 0 {
            return Err(RecordError::Flags);
        }
        let id = reader.u64()?;
        let heartbeat = reader.text()?;
        reader.end()?;
        Ok(Self { heartbeat, id })
    }
}
