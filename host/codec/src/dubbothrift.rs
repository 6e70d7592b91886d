//! Thrift in the frames of Dubbo.
//!
//! ```text
//! size u32, then the message of this size:
//!   magic 0xdabc, size u32 (the same), size of the header u16 (from the magic on), version 1
//!   service string, perhaps a path string, id i64
//!   the begin of a Thrift message in the binary protocol, and its struct
//! strings: length i32, bytes
//! ```
//!
//! Providers to whom a path is sent look the service up by it; so it is the service of such a
//! request, and the string before it the attribute `:interface`.
//!
//! The body of a frame is the struct: arguments, result or exception. There is no header block, so
//! fields cannot be written; what the message says of itself are the attributes `:message-type`
//! (1 call, 2 reply, 3 exception, 4 one-way) and `:seq-id`. The status of a response is its message
//! type. The id in Thrift's own message (`seq-id`) stays as it is: nobody looks at it.

mod message;

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};
use host_extension::{CodecProfile, Detection, PoolMode, Rejection, ResponseTo, Rewrite};
use host_types::{FieldList, Frame, FrameKind, FrameStatus, IdPlace, IdWidth};

use self::message::{Message, Type};
use crate::{
    read::Cursor,
    wire::{Cut, Wire, words_of},
};

/// What holds of all connections.
pub(crate) const PROFILE: CodecProfile = CodecProfile {
    pool: PoolMode::Multiplexed,
    id_width: IdWidth::Eight,
    heartbeats: false,
    go_away: false,
    default_timeout: None,
};

/// The codec of one connection: it keeps nothing.
#[derive(Debug)]
pub(crate) struct DubboThrift;

impl Wire for DubboThrift {
    fn detect(&self, first: &[u8]) -> Detection {
        let size_is_sound = first.first().is_none_or(|byte| *byte < 0x80);
        let magic = first.get(SIZE_BYTES..).unwrap_or_default();
        if !size_is_sound || magic.iter().zip(MAGIC.to_be_bytes()).any(|(is, want)| *is != want) {
            Detection::No
        } else if magic.len() < 2 {
            Detection::NeedMore
        } else {
            Detection::Match
        }
    }

    fn cut(&self, bytes: &[u8]) -> Cut {
        let mut cursor = Cursor::new(bytes);
        let Some(size) = cursor.i32() else { return Cut::Partial(PREFIX_BYTES) };
        let Some(size) = usize::try_from(size).ok().filter(|size| *size >= MESSAGE_BYTES_MIN)
        else {
            return Cut::Lost("the size of the frame is none");
        };
        match (cursor.u16(), cursor.i32()) {
            (Some(magic), _) if magic != MAGIC => Cut::Lost("the magic of the frame is wrong"),
            (_, Some(inner)) if usize::try_from(inner) != Ok(size) => {
                Cut::Lost("the two sizes of the frame differ")
            }
            _ => Cut::at(size.saturating_add(SIZE_BYTES), bytes.len()),
        }
    }

    fn read(&self, raw: Bytes) -> Result<Frame, Box<str>> {
        let mut frame = match Layout::read(&raw) {
            Ok(layout) => layout.frame(&raw),
            Err(why) => Frame {
                kind: type_of(&raw).map_or(FrameKind::Request, kind_of),
                id: Header::read(&raw).map_or(0, |header| header.id),
                malformed: Some(why.into()),
                ..Frame::default()
            },
        };
        frame.raw = raw;
        Ok(frame)
    }

    fn response_to(&self, start: &[u8]) -> ResponseTo {
        let Some(end) = header_end(start) else { return ResponseTo::NeedMore };
        match (Type::read(start, end).map(kind_of), Header::read(start)) {
            (None, _) => ResponseTo::NeedMore,
            (Some(FrameKind::Response), Ok(header)) => ResponseTo::Request(header.id),
            (Some(_), _) => ResponseTo::Unknown,
        }
    }

    fn write(&self, rewrite: &Rewrite<'_>) -> Option<Bytes> {
        let frame = rewrite.frame;
        if frame.fields.is_changed() {
            return None;
        }
        let layout = Layout::read(&frame.raw).ok()?;
        let head = frame.raw.get(..layout.message.body)?;
        let body = if rewrite.body_changed { &frame.body[..] } else { layout.body(&frame.raw) };
        compose(head, layout.header.id_offset, rewrite.id, body)
    }

    fn reject(&self, rejection: &Rejection<'_>) -> Option<Bytes> {
        let raw = &rejection.request.raw;
        let header = Header::read(raw).ok()?;
        if type_of(raw).is_some_and(|of| of != Type::Call) {
            return None;
        }
        let asked = Message::read(raw, header.end).ok();
        let method = asked.as_ref().and_then(|asked| raw.get(asked.name.clone()));
        let success = (200..300).contains(&rejection.status);
        let of = if success { Type::Reply } else { Type::Exception };
        let mut head = raw.get(..header.end)?.to_vec();
        let sequence = asked.as_ref().map_or(0, |asked| asked.sequence);
        message::put_begin(&mut head, of, method.unwrap_or_default(), sequence)?;
        let body = match (success, rejection.body) {
            (true, []) => message::NOTHING.to_vec(),
            (true, body) => body.to_vec(),
            (false, _) => message::exception(words_of(rejection).as_bytes(), rejection.status)?,
        };
        compose(&head, header.id_offset, header.id, &body)
    }
}

/// The places of what stands before the message.
struct Header {
    service: Range<usize>,
    path: Option<Range<usize>>,
    id: u64,
    id_offset: usize,
    end: usize,
}

impl Header {
    fn read(raw: &[u8]) -> Result<Self, &'static str> {
        let mut cursor = Cursor::from(raw, PREFIX_BYTES);
        let _end = cursor.u16();
        let version = cursor.u8();
        let header = header_end(raw).and_then(|end| raw.get(..end));
        let header = header.ok_or("the header is no part of the frame")?;
        if version != Some(VERSION) {
            return Err("the version of the frame is unknown");
        }
        let mut cursor = Cursor::from(header, cursor.place());
        let service = string(&mut cursor).ok_or("the header ends within the service")?;
        let mut path = None;
        if cursor.rest().len() != ID_BYTES {
            path = Some(string(&mut cursor).ok_or("the header ends within the path")?);
        }
        let id_offset = cursor.place();
        match cursor.u64() {
            Some(id) if cursor.is_done() => {
                Ok(Self { service, path, id, id_offset, end: header.len() })
            }
            _ => Err("the header does not end with an id"),
        }
    }
}

/// Where the header of a frame ends, as its size says.
fn header_end(raw: &[u8]) -> Option<usize> {
    Cursor::from(raw, PREFIX_BYTES).u16().map(|bytes| usize::from(bytes) + SIZE_BYTES)
}

/// The type of a frame's message, also where all else of the frame is wrong.
fn type_of(raw: &[u8]) -> Option<Type> {
    Type::read(raw, header_end(raw)?)
}

fn kind_of(of: Type) -> FrameKind {
    match of {
        Type::Call => FrameKind::Request,
        Type::OneWay => FrameKind::OneWay,
        Type::Reply | Type::Exception => FrameKind::Response,
    }
}

/// The places of all parts of a frame.
struct Layout {
    header: Header,
    message: Message,
}

impl Layout {
    fn read(raw: &[u8]) -> Result<Self, &'static str> {
        let header = Header::read(raw)?;
        let message = Message::read(raw, header.end)?;
        Ok(Self { header, message })
    }

    fn body<'a>(&self, raw: &'a [u8]) -> &'a [u8] {
        raw.get(self.message.body..).unwrap_or_default()
    }

    fn frame(&self, raw: &Bytes) -> Frame {
        let text = |range: &Range<usize>| {
            String::from_utf8_lossy(raw.get(range.clone()).unwrap_or_default()).into()
        };
        let Header { service, path, id, id_offset, .. } = &self.header;
        let path = path.as_ref().filter(|path| !path.is_empty());
        let of = self.message.of;
        let mut frame = Frame {
            kind: kind_of(of),
            id: *id,
            id_place: Some(IdPlace {
                offset: *id_offset,
                width: IdWidth::Eight,
                little_endian: false,
            }),
            service: text(path.unwrap_or(service)),
            method: text(&self.message.name),
            fields: FieldList::new(raw.clone()),
            body: raw.slice(self.message.body..),
            ..Frame::default()
        };
        if frame.kind == FrameKind::Response {
            let http = message::http(of, &frame.body);
            frame.status = FrameStatus { code: of.number().into(), http };
        }
        if path.is_some() {
            let interface = raw.get(service.clone()).unwrap_or_default();
            frame.fields.push_attribute(":interface", interface);
        }
        let mut attribute = |name, number: i64| {
            frame.fields.push_attribute(name, number.to_string().as_bytes());
        };
        attribute(":message-type", of.number().into());
        attribute(":seq-id", self.message.sequence.into());
        frame
    }
}

/// A frame of another one's head and a body, with the sizes and the id written anew.
fn compose(head: &[u8], id_offset: usize, id: u64, body: &[u8]) -> Option<Bytes> {
    let size = head.len().checked_sub(SIZE_BYTES)?.checked_add(body.len())?;
    let size = i32::try_from(size).ok()?.to_be_bytes();
    let mut out = BytesMut::with_capacity(head.len() + body.len());
    out.put_slice(head);
    out.put_slice(body);
    out.get_mut(..SIZE_BYTES)?.copy_from_slice(&size);
    out.get_mut(SIZE_BYTES + 2..PREFIX_BYTES)?.copy_from_slice(&size);
    out.get_mut(id_offset..id_offset + ID_BYTES)?.copy_from_slice(&id.to_be_bytes());
    Some(out.freeze())
}

/// The place of a string.
fn string(cursor: &mut Cursor<'_>) -> Option<Range<usize>> {
    let bytes = usize::try_from(cursor.i32()?).ok()?;
    cursor.range(bytes)
}

const MAGIC: u16 = 0xdabc;
const VERSION: u8 = 1;
const SIZE_BYTES: usize = 4;
const ID_BYTES: usize = 8;
/// The first size, the magic and the second size.
const PREFIX_BYTES: usize = 10;
/// From the magic on: an empty service, an id, and nothing behind it.
const MESSAGE_BYTES_MIN: usize = 21;

#[cfg(test)]
mod tests;
