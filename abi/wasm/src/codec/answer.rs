//! The record by which a codec tells what it found in some bytes.
//!
//! ```text
//! u16 version   u16 flags (1: lost)   u32 frames   u32 needed
//! each frame:
//!   u32 length   u8 kind   u8 flags   u16 HTTP status   u32 status   u64 id   u32 id's offset
//!   u32 timeout   u32 body's start   u32 body's length
//!   text service   text method   text malformed   pairs fields   pairs attributes
//! text lost
//! ```

use super::{
    RecordError, RecordPairs, VERSION,
    record::{Reader, put_pairs, put_text},
};

/// Most frames of one record; the host asks again for what is behind them.
pub const FRAMES_MAX: usize = 1024;

/// A frame as a record tells of it, without its fields.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct FrameEntry<'a> {
    /// How many bytes it has.
    pub length: u32,
    /// 0 request, 1 one-way, 2 response, 3 heartbeat, 4 heartbeat reply, 5 go-away.
    pub kind: u8,
    /// Its id.
    pub id: u64,
    /// Where the id stands, where it does.
    pub id_place: Option<IdEntry>,
    /// The service of a request.
    pub service: &'a [u8],
    /// The method of a request.
    pub method: &'a [u8],
    /// How long the caller waits, in milliseconds, where the request says.
    pub timeout_ms: Option<u32>,
    /// The protocol's own status of a response.
    pub status: u32,
    /// The same as HTTP would say it.
    pub http_status: u16,
    /// Where the payload begins, counted from the frame's first byte.
    pub body_start: u32,
    /// How many bytes it has.
    pub body_length: u32,
    /// What is wrong inside of the frame.
    pub malformed: Option<&'a [u8]>,
}

/// Where an id stands in a frame.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct IdEntry {
    /// The place of its first byte.
    pub offset: u32,
    /// It has eight bytes, not four.
    pub is_wide: bool,
    /// The first byte is the least significant one.
    pub is_little_endian: bool,
}

const HAS_ID_PLACE: u8 = 1;
const ID_IS_WIDE: u8 = 2;
const ID_IS_LITTLE_ENDIAN: u8 = 4;
const HAS_TIMEOUT: u8 = 8;
const IS_MALFORMED: u8 = 16;
const IS_LOST: u16 = 1;
/// The places of what is known only at the end of a record.
const FLAGS_AT: usize = 2;
const FRAMES_AT: usize = 4;
const NEEDED_AT: usize = 8;
const HEAD_BYTES: usize = 12;

/// Writes a record.
#[derive(Debug)]
pub struct AnswerWriter<'a> {
    record: &'a mut Vec<u8>,
    frames: u32,
}

impl<'a> AnswerWriter<'a> {
    /// Begins a record; what `record` held is dropped.
    pub fn new(record: &'a mut Vec<u8>) -> Self {
        record.clear();
        record.extend_from_slice(&VERSION.to_le_bytes());
        record.resize(HEAD_BYTES, 0);
        Self { record, frames: 0 }
    }

    /// Adds a frame.
    pub fn frame<N: AsRef<[u8]>, V: AsRef<[u8]>, A: AsRef<[u8]>, W: AsRef<[u8]>>(
        &mut self,
        entry: &FrameEntry<'_>,
        fields: impl ExactSizeIterator<Item = (N, V)>,
        attributes: impl ExactSizeIterator<Item = (A, W)>,
    ) {
        let place = entry.id_place.unwrap_or_default();
        let flags = [
            (entry.id_place.is_some(), HAS_ID_PLACE),
            (place.is_wide, ID_IS_WIDE),
            (place.is_little_endian, ID_IS_LITTLE_ENDIAN),
            (entry.timeout_ms.is_some(), HAS_TIMEOUT),
            (entry.malformed.is_some(), IS_MALFORMED),
        ];
        let flags =
            flags.into_iter().filter(|(is_set, _)| *is_set).fold(0, |all, (_, bit)| all | bit);
        let record = &mut *self.record;
        record.extend_from_slice(&entry.length.to_le_bytes());
        record.extend_from_slice(&[entry.kind, flags]);
        record.extend_from_slice(&entry.http_status.to_le_bytes());
        record.extend_from_slice(&entry.status.to_le_bytes());
        record.extend_from_slice(&entry.id.to_le_bytes());
        let timeout = entry.timeout_ms.unwrap_or_default();
        for number in [place.offset, timeout, entry.body_start, entry.body_length] {
            record.extend_from_slice(&number.to_le_bytes());
        }
        for text in [entry.service, entry.method, entry.malformed.unwrap_or_default()] {
            put_text(record, text);
        }
        put_pairs(record, fields);
        put_pairs(record, attributes);
        self.frames = self.frames.saturating_add(1);
    }

    /// Ends the record: with how many bytes the frame behind these has, as far as that is known,
    /// and why nothing can be behind them, where it is so.
    pub fn finish(self, needed: u32, lost: Option<&[u8]>) {
        put_text(self.record, lost.unwrap_or_default());
        let flags = if lost.is_some() { IS_LOST } else { 0 };
        let mut set = |at: usize, number: &[u8]| {
            if let Some(place) = self.record.get_mut(at..at + number.len()) {
                place.copy_from_slice(number);
            }
        };
        set(FLAGS_AT, &flags.to_le_bytes());
        set(FRAMES_AT, &self.frames.to_le_bytes());
        set(NEEDED_AT, &needed.to_le_bytes());
    }
}

/// Reads a record: all frames by [`AnswerReader::frame`], then [`AnswerReader::finish`].
#[derive(Debug)]
pub struct AnswerReader<'a> {
    reader: Reader<'a>,
    left: u32,
    needed: u32,
    is_lost: bool,
}

/// A frame of a record, with its fields and its attributes.
type Found<'a> = (FrameEntry<'a>, RecordPairs<'a>, RecordPairs<'a>);

impl<'a> AnswerReader<'a> {
    /// Begins to read.
    ///
    /// # Errors
    /// It is no record, or one of too many frames.
    pub fn new(record: &'a [u8]) -> Result<Self, RecordError> {
        let mut reader = Reader::new(record)?;
        let flags = reader.u16()?;
        let left = reader.u32()?;
        let needed = reader.u32()?;
        if flags & !IS_LOST != 0 {
            return Err(RecordError::Flags);
        }
        if usize::try_from(left).is_ok_and(|frames| frames > FRAMES_MAX) {
            return Err(RecordError::TooMany(left));
        }
        Ok(Self { reader, left, needed, is_lost: flags & IS_LOST != 0 })
    }

    /// How many frames are to come.
    #[must_use]
    pub fn frames(&self) -> usize {
        usize::try_from(self.left).unwrap_or(usize::MAX)
    }

    /// How many bytes the frame behind these has, as far as that is known, else 0.
    #[must_use]
    pub fn needed(&self) -> u32 {
        self.needed
    }

    /// The next frame; `None` behind the last one.
    ///
    /// # Errors
    /// The record is cut off there, or has a flag that means nothing.
    pub fn frame(&mut self) -> Result<Option<Found<'a>>, RecordError> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        let reader = &mut self.reader;
        let length = reader.u32()?;
        let kind = reader.u8()?;
        let flags = reader.u8()?;
        let has = |bit: u8| flags & bit != 0;
        if flags > HAS_ID_PLACE | ID_IS_WIDE | ID_IS_LITTLE_ENDIAN | HAS_TIMEOUT | IS_MALFORMED {
            return Err(RecordError::Flags);
        }
        let http_status = reader.u16()?;
        let status = reader.u32()?;
        let id = reader.u64()?;
        let place = IdEntry {
            offset: reader.u32()?,
            is_wide: has(ID_IS_WIDE),
            is_little_endian: has(ID_IS_LITTLE_ENDIAN),
        };
        let timeout = reader.u32()?;
        let (body_start, body_length) = (reader.u32()?, reader.u32()?);
        let (service, method) = (reader.text()?, reader.text()?);
        let malformed = reader.text()?;
        let entry = FrameEntry {
            length,
            kind,
            id,
            id_place: has(HAS_ID_PLACE).then_some(place),
            service,
            method,
            timeout_ms: has(HAS_TIMEOUT).then_some(timeout),
            status,
            http_status,
            body_start,
            body_length,
            malformed: has(IS_MALFORMED).then_some(malformed),
        };
        Ok(Some((entry, reader.pairs()?, reader.pairs()?)))
    }

    /// Why nothing can be behind the frames, where it is so.
    ///
    /// # Errors
    /// The record does not end here.
    pub fn finish(mut self) -> Result<Option<&'a [u8]>, RecordError> {
        let lost = self.reader.text()?;
        self.reader.end()?;
        Ok(self.is_lost.then_some(lost))
    }
}
