//! Tars: a length of four bytes, its own included, then the fields of one packet.
//!
//! Each field has a number and a type in front, numbers ascend, and a number takes as few bytes as
//! it needs. Two packets are known, told apart by the field 5:
//!
//! ```text
//! request:  1 version, 2 type (1: one-way), 3 message type, 4 id, 5 servant, 6 function,
//!           7 payload, 8 timeout in ms, 9 context, 10 status
//! response: 1 version, 2 type, 3 id, 4 message type, 5 return code, 6 payload, 7 status,
//!           8 description, 9 context
//! ```
//!
//! In TUP (versions 2 and 3) a response has the fields of a request, and in its status the texts
//! `STATUS_RESULT_CODE` and `STATUS_RESULT_DESC`.
//!
//! The fields of a frame are the map `context`, which may be changed. A map with a name twice is
//! malformed: servers differ in which one they keep. The map `status` is read only: an entry `a` is the attribute `:status.a`. Others are `:version`, `:message-type` and, of a
//! response, `:description`. Service and method are servant and function. A negative return code is
//! seen as a frame's status as its 32 bits.
//!
//! Where an id has less than four bytes it has no place of its own, and the packet is written
//! anew, with four.

mod packet;
mod reply;
mod value;

use std::{ops::Range, time::Duration};

use bytes::Bytes;
use host_extension::{CodecProfile, Detection, PoolMode, Rejection, ResponseTo, Rewrite};
use host_types::{FieldList, Frame, FrameKind, FrameStatus, IdPlace, IdWidth};

use self::packet::{Entry, Form, Packet};
use crate::{
    read::Cursor,
    wire::{Cut, DOUBLE, Wire, has_double},
};

/// What holds of all connections.
pub(crate) const PROFILE: CodecProfile = CodecProfile {
    pool: PoolMode::Multiplexed,
    id_width: IdWidth::Four,
    heartbeats: false,
    go_away: false,
    default_timeout: None,
};

/// The codec of one connection: it keeps nothing.
#[derive(Debug)]
pub(crate) struct Tars;

impl Wire for Tars {
    fn detect(&self, first: &[u8]) -> Detection {
        let known: [fn(u8) -> bool; 6] = [
            |byte| byte < 0x80,
            |_any| true,
            |_any| true,
            |_any| true,
            |head| head == SHORT_VERSION_HEAD,
            |version| matches!(version, 1 | TUP_OLD | TUP | JSON),
        ];
        if first.iter().zip(known).any(|(byte, known)| !known(*byte)) {
            Detection::No
        } else if first.len() < known.len() {
            Detection::NeedMore
        } else {
            Detection::Match
        }
    }

    fn cut(&self, bytes: &[u8]) -> Cut {
        let mut cursor = Cursor::new(bytes);
        let Some(length) = cursor.i32() else { return Cut::Partial(FRAME_BYTES_MIN) };
        match usize::try_from(length) {
            Ok(length) if length >= FRAME_BYTES_MIN => match cursor.peek() {
                Some(head) if !is_version_head(head) => {
                    Cut::Lost("the packet does not begin with a version")
                }
                _ => Cut::at(length, bytes.len()),
            },
            _ => Cut::Lost("the length of the packet is none"),
        }
    }

    fn read(&self, raw: Bytes) -> Result<Frame, Box<str>> {
        let (packet, damage) = Packet::read(&raw);
        let mut frame = Frame {
            kind: kind(&packet, &raw),
            id: u64::from(packet.int(&raw, packet.form.id()).unwrap_or_default().cast_unsigned()),
            fields: FieldList::new(raw.clone()),
            ..Frame::default()
        };
        let read = match damage {
            Some(why) => Err(why),
            None => fill(&mut frame, &packet, &raw),
        };
        frame.malformed = read.err().map(Into::into);
        frame.raw = raw;
        Ok(frame)
    }

    fn response_to(&self, start: &[u8]) -> ResponseTo {
        // Where the packet ends within a field, those before it are known.
        let (packet, _cut) = Packet::read(start);
        if packet.form == Form::Response {
            let id = packet.int(start, packet.form.id());
            return id
                .map_or(ResponseTo::Unknown, |id| ResponseTo::Request(id.cast_unsigned().into()));
        }
        match packet.bytes(start, Form::Request.payload()) {
            Ok(None) => ResponseTo::NeedMore,
            // A response in this form shows itself behind its payload, which is too long.
            Ok(Some(_)) | Err(_) => ResponseTo::Unknown,
        }
    }

    fn write(&self, rewrite: &Rewrite<'_>) -> Option<Bytes> {
        let frame = rewrite.frame;
        let id = u32::try_from(rewrite.id).ok()?.cast_signed();
        let (packet, damage) = Packet::read(&frame.raw);
        if damage.is_some() {
            return None;
        }
        // In the order of their numbers.
        let mut edits = Vec::new();
        if packet.int(&frame.raw, packet.form.id())? != id {
            edits.push((packet.form.id(), value::wide_int(packet.form.id(), id)));
        }
        if rewrite.body_changed {
            let mut payload = Vec::with_capacity(frame.body.len() + 8);
            value::put_bytes(&mut payload, packet.form.payload(), &frame.body)?;
            edits.push((packet.form.payload(), payload));
        }
        if frame.fields.is_changed() {
            let mut context = Vec::new();
            value::put_map(&mut context, CONTEXT, &frame.fields)?;
            edits.push((CONTEXT, context));
        }
        packet::edited(&frame.raw, &edits)
    }

    fn reject(&self, rejection: &Rejection<'_>) -> Option<Bytes> {
        let raw = &rejection.request.raw;
        let (packet, _damage) = Packet::read(raw);
        if kind(&packet, raw) != FrameKind::Request {
            return None;
        }
        reply::refusal(&packet, rejection)
    }
}

fn is_version_head(head: u8) -> bool {
    head >> 4 == VERSION && value::is_int(head & 0xf)
}

fn kind(packet: &Packet, raw: &[u8]) -> FrameKind {
    if packet.form == Form::Response || is_tup_response(packet, raw) {
        FrameKind::Response
    } else if packet.int(raw, TYPE) == Some(ONE_WAY) {
        FrameKind::OneWay
    } else {
        FrameKind::Request
    }
}

/// True for a response in the form of a request.
fn is_tup_response(packet: &Packet, raw: &[u8]) -> bool {
    is_tup(packet, raw) && tup_status(packet, raw, RESULT_CODE).is_some()
}

fn is_tup(packet: &Packet, raw: &[u8]) -> bool {
    let version = packet.int(raw, VERSION).and_then(|version| u8::try_from(version).ok());
    matches!(version, Some(TUP_OLD | TUP)) && packet.form == Form::Request
}

/// An entry of a request's status.
fn tup_status<'a>(packet: &Packet, raw: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let entries = packet.map(raw, Form::Request.status()).ok()?;
    let entry = entries.into_iter().find(|(key, _)| raw.get(key.clone()) == Some(name));
    entry.and_then(|(_, value)| raw.get(value))
}

fn fill(frame: &mut Frame, packet: &Packet, raw: &Bytes) -> Result<(), &'static str> {
    let id = packet.int_place(raw, packet.form.id()).ok_or("the packet has no id")?;
    frame.id_place = (id.len() == 4).then_some(IdPlace {
        offset: id.start,
        width: IdWidth::Four,
        little_endian: false,
    });
    let payload = packet.bytes(raw, packet.form.payload())?;
    frame.body = payload.map_or_else(Bytes::new, |payload| raw.slice(payload));
    for (name, value) in map(packet, raw, CONTEXT)? {
        let there = frame.fields.push_span(name, value);
        debug_assert!(there, "a map lies within the packet");
    }
    attributes(frame, packet, raw)?;
    if packet.form == Form::Request {
        frame.service = text(raw, packet.text(raw, SERVANT)?);
        frame.method = text(raw, packet.text(raw, FUNCTION)?);
        let timeout = packet.int(raw, TIMEOUT).and_then(|timeout| u64::try_from(timeout).ok());
        frame.timeout = timeout.filter(|timeout| *timeout > 0).map(Duration::from_millis);
    }
    if frame.kind == FrameKind::Response {
        let code = if packet.form == Form::Response {
            packet.int(raw, RETURN_CODE)
        } else {
            let code =
                tup_status(packet, raw, RESULT_CODE).and_then(|text| str::from_utf8(text).ok());
            code.and_then(|code| code.parse().ok())
        };
        let code = code.ok_or("the return code is no number")?;
        frame.status = FrameStatus { code: code.cast_unsigned(), http: reply::http(code) };
    }
    Ok(())
}

/// The places of the texts of a map that has each name once.
fn map(packet: &Packet, raw: &[u8], tag: u8) -> Result<Vec<Entry>, &'static str> {
    let entries = packet.map(raw, tag)?;
    let names = entries.iter().map(|(name, _value)| raw.get(name.clone()).unwrap_or_default());
    if has_double(names) { Err(DOUBLE) } else { Ok(entries) }
}

fn attributes(frame: &mut Frame, packet: &Packet, raw: &Bytes) -> Result<(), &'static str> {
    for (tag, name) in [(VERSION, ":version"), (packet.form.message_type(), ":message-type")] {
        let number = packet.int(raw, tag).unwrap_or_default();
        frame.fields.push_attribute(name, number.to_string().as_bytes());
    }
    for (name, value) in map(packet, raw, packet.form.status())? {
        let name = format!(":status.{}", text(raw, Some(name)));
        frame.fields.push_attribute(&name, raw.get(value).unwrap_or_default());
    }
    if packet.form == Form::Response
        && let Some(description) = packet.text(raw, DESCRIPTION)?
    {
        let description = raw.get(description).unwrap_or_default();
        frame.fields.push_attribute(":description", description);
    }
    Ok(())
}

fn text(raw: &[u8], range: Option<Range<usize>>) -> Box<str> {
    let bytes = range.and_then(|range| raw.get(range)).unwrap_or_default();
    String::from_utf8_lossy(bytes).into()
}

// Fields that both packets have.
const VERSION: u8 = 1;
const TYPE: u8 = 2;
const CONTEXT: u8 = 9;
// Fields of a request.
const SERVANT: u8 = 5;
const FUNCTION: u8 = 6;
const TIMEOUT: u8 = 8;
// Fields of a response.
const RETURN_CODE: u8 = 5;
const DESCRIPTION: u8 = 8;

const ONE_WAY: i32 = 1;
const TUP_OLD: u8 = 2;
const TUP: u8 = 3;
const JSON: u8 = 5;
/// The name in a status for the return code in TUP.
const RESULT_CODE: &[u8] = b"STATUS_RESULT_CODE";
const RESULT_DESCRIPTION: &[u8] = b"STATUS_RESULT_DESC";
/// The field 1 in one byte, as all known versions are written.
const SHORT_VERSION_HEAD: u8 = 0x10;
/// The length and a version.
const FRAME_BYTES_MIN: usize = 6;

#[cfg(test)]
mod tests;
