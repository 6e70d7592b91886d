//! What a plugin says of the frames that it found in some bytes, and the frames that the host
//! makes of it.
//!
//! A plugin of any backend only says where things are: the host cuts the frames out of its own
//! bytes. What a plugin says that cannot be is its own fault, never the peer's; what a peer can
//! bring about is a malformed frame.

use std::time::Duration;

use bytes::BytesMut;
use host_types::{FieldList, Frame, FrameKind, FrameStatus, IdPlace, IdWidth};

/// Most frames that a plugin tells of in one answer; it is asked again for what is behind them.
pub const FRAMES_MAX: usize = 1024;
/// Most fields and attributes of one frame; past it the frame is malformed.
pub const FRAME_FIELDS_MAX: usize = 4096;
/// Most bytes of their names and values.
const FIELD_BYTES_MAX: usize = 1024 * 1024;
/// Most bytes of a text for a person.
const TEXT_BYTES_MAX: usize = 256;

/// One frame in a plugin's words, as numbers and texts that nobody has looked at.
#[derive(Clone, Copy, Debug, Default)]
pub struct FrameRecord<'a> {
    /// How many bytes it has.
    pub length: u64,
    /// 0 request, 1 one-way, 2 response, 3 heartbeat, 4 heartbeat reply, 5 go-away.
    pub kind: u32,
    /// Its id.
    pub id: u64,
    /// Where the id stands.
    pub id_place: Option<RecordPlace>,
    /// The service.
    pub service: &'a [u8],
    /// The method.
    pub method: &'a [u8],
    /// How long the caller waits, in milliseconds.
    pub timeout_ms: Option<u32>,
    /// The protocol's status.
    pub status: u32,
    /// What HTTP would say; only of a response.
    pub http_status: u32,
    /// Where the payload begins.
    pub body_start: u64,
    /// How many bytes it has.
    pub body_length: u64,
    /// What is wrong inside of the frame.
    pub malformed: Option<&'a [u8]>,
}

/// Where an id stands, in a plugin's words.
#[derive(Clone, Copy, Debug)]
pub struct RecordPlace {
    /// The place of its first byte.
    pub offset: u64,
    /// 4 or 8.
    pub width: u32,
    /// The first byte is the least significant one.
    pub little_endian: bool,
}

/// What a plugin said of a frame cannot be: the end of a sentence that begins with the plugin.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct BadRecord(&'static str);

impl FrameRecord<'_> {
    /// Cuts the frame off the front of the bytes that the plugin was given.
    ///
    /// # Errors
    /// The record lies.
    pub fn cut<'f>(
        &self,
        bytes: &mut BytesMut,
        fields: impl Iterator<Item = (&'f [u8], &'f [u8])>,
        attributes: impl Iterator<Item = (&'f [u8], &'f [u8])>,
    ) -> Result<Frame, BadRecord> {
        let length = usize::try_from(self.length).unwrap_or(usize::MAX);
        if length == 0 || length > bytes.len() {
            return Err(BadRecord("told of a frame that is empty, or longer than its bytes"));
        }
        let kind = kind(self.kind).ok_or(BadRecord("told of a frame of no known kind"))?;
        let status = self.status(kind)?;
        let body = range(self.body_start, self.body_length);
        let body = body.filter(|body| body.end <= length);
        let body = body.ok_or(BadRecord("told of a body that is not inside of its frame"))?;
        let place = self.id_place.map(|place| place.check(length)).transpose()?;
        let mut list = FieldList::default();
        let fits = put(&mut list, fields, attributes)?;
        if let Some(place) = place {
            let told = bytes.get(..length).and_then(|frame| read_id(frame, place));
            if told != Some(self.id) {
                return Err(BadRecord("told of an id that does not stand at its place"));
            }
        }
        let raw = bytes.split_to(length).freeze();
        let malformed = self.malformed.map(record_text);
        let too_many = (!fits).then(|| "it has more fields than the proxy takes".into());
        Ok(Frame {
            kind,
            id: self.id,
            id_place: place,
            service: String::from_utf8_lossy(self.service).into(),
            method: String::from_utf8_lossy(self.method).into(),
            timeout: self.timeout_ms.map(|ms| Duration::from_millis(ms.into())),
            status,
            fields: list,
            body: raw.slice(body),
            raw,
            malformed: malformed.or(too_many),
            keep: None,
        })
    }

    fn status(&self, kind: FrameKind) -> Result<FrameStatus, BadRecord> {
        if kind != FrameKind::Response {
            return Ok(FrameStatus::default());
        }
        let http = u16::try_from(self.http_status).ok().filter(|http| (200..=599).contains(http));
        let http =
            http.ok_or(BadRecord("told of a response whose HTTP status is not 200 to 599"))?;
        Ok(FrameStatus { code: self.status, http })
    }
}

impl RecordPlace {
    fn check(self, length: usize) -> Result<IdPlace, BadRecord> {
        let width = match self.width {
            4 => IdWidth::Four,
            8 => IdWidth::Eight,
            _ => return Err(BadRecord("told of an id that has neither 4 bytes nor 8")),
        };
        let offset = usize::try_from(self.offset).unwrap_or(usize::MAX);
        let place = IdPlace { offset, width, little_endian: self.little_endian };
        if place.range(length).is_none() {
            return Err(BadRecord("told of an id that is not inside of its frame"));
        }
        Ok(place)
    }
}

/// How many bytes the frame has that begins in the bytes that are left: as a plugin says it, 0
/// where it does not know.
///
/// # Errors
/// So many are there: nobody would ask again.
pub fn check_needed(needed: u64, left: usize) -> Result<usize, BadRecord> {
    let needed = usize::try_from(needed).unwrap_or(usize::MAX);
    if needed > 0 && needed <= left {
        return Err(BadRecord("waits for bytes that are there"));
    }
    Ok(needed)
}

/// A text of a plugin for a person: cut, and without what moves a terminal's cursor.
#[must_use]
pub fn record_text(text: &[u8]) -> Box<str> {
    let text = String::from_utf8_lossy(text.get(..TEXT_BYTES_MAX).unwrap_or(text));
    text.chars().map(|one| if one.is_control() { ' ' } else { one }).collect()
}

/// The kind of a number.
fn kind(number: u32) -> Option<FrameKind> {
    Some(match number {
        0 => FrameKind::Request,
        1 => FrameKind::OneWay,
        2 => FrameKind::Response,
        3 => FrameKind::Heartbeat,
        4 => FrameKind::HeartbeatReply,
        5 => FrameKind::GoAway,
        _ => return None,
    })
}

/// The number of a kind, as plugins know it.
#[must_use]
pub fn frame_kind_number(kind: FrameKind) -> u32 {
    match kind {
        FrameKind::Request => 0,
        FrameKind::OneWay => 1,
        FrameKind::Response => 2,
        FrameKind::Heartbeat => 3,
        FrameKind::HeartbeatReply => 4,
        FrameKind::GoAway => 5,
    }
}

fn range(start: u64, length: u64) -> Option<std::ops::Range<usize>> {
    let start = usize::try_from(start).ok()?;
    Some(start..start.checked_add(usize::try_from(length).ok()?)?)
}

fn read_id(frame: &[u8], place: IdPlace) -> Option<u64> {
    let digits = frame.get(place.range(frame.len())?)?;
    let push = |id: u64, digit: &u8| id << 8 | u64::from(*digit);
    let id = if place.little_endian {
        digits.iter().rev().fold(0, push)
    } else {
        digits.iter().fold(0, push)
    };
    Some(id)
}

/// False where there are too many.
fn put<'f>(
    list: &mut FieldList,
    fields: impl Iterator<Item = (&'f [u8], &'f [u8])>,
    attributes: impl Iterator<Item = (&'f [u8], &'f [u8])>,
) -> Result<bool, BadRecord> {
    let (mut count, mut bytes) = (0_usize, 0_usize);
    let mut fits = |name: &[u8], value: &[u8]| {
        count += 1;
        bytes = bytes.saturating_add(name.len()).saturating_add(value.len());
        count <= FRAME_FIELDS_MAX && bytes <= FIELD_BYTES_MAX
    };
    for (name, value) in attributes {
        let text = std::str::from_utf8(name).ok().filter(|name| name.starts_with(':'));
        let text = text.ok_or(BadRecord("told of an attribute whose name begins with no colon"))?;
        if !fits(name, value) {
            return Ok(false);
        }
        list.push_attribute(text, value);
    }
    for (name, value) in fields {
        if !fits(name, value) {
            return Ok(false);
        }
        list.push(name, value);
    }
    Ok(true)
}

#[cfg(test)]
mod tests;
