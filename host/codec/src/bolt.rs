//! SOFABolt, versions 1 and 2, which may be mixed on a connection: the first byte of each frame
//! says which.
//!
//! ```text
//! v1: 1, type, command u16, version, id u32, codec, timeout i32 | status u16, lengths
//! v2: 2, version, type, command u16, version, id u32, codec, switch, timeout | status, lengths
//! lengths: class u16, header block u16, content u32; then these three; then perhaps a CRC32
//! ```
//!
//! The fields of a frame are its header block; the name of the content's class is the attribute
//! `:class`. The service of a request is its field `sofa_head_target_service`, or `service`; servers
//! differ in which one they read first, so a request where both are there and not the same is
//! malformed. Its method is `sofa_head_method_name`, which callers with hessian often leave out, and
//! which their servers read from the content. These names count in just this case. A block with a
//! name twice is malformed. Fields without a value are not seen, and are gone where the block is
//! written anew.
//!
//! A frame with a CRC32 has no place for its id: the sum is written anew with it. The proxy's own
//! heartbeats are of the version that was last seen on the connection.

mod exception;
mod head;
mod status;

use std::{cell::Cell, ops::Range, time::Duration};

use bytes::{BufMut, Bytes, BytesMut};
use host_extension::{CodecProfile, Detection, PoolMode, Rejection, ResponseTo, Rewrite};
use host_types::{FieldList, Frame, FrameKind, FrameStatus, IdPlace, IdWidth};

use self::head::{Flavour, Head, Kind};
use crate::{
    BoltSettings,
    read::Cursor,
    wire::{Cut, DOUBLE, FIELDS_MAX, Wire, has_double, last_of, last_of_each, words_of},
};

/// What holds of all connections.
pub(crate) fn profile(settings: BoltSettings) -> CodecProfile {
    CodecProfile {
        pool: PoolMode::Multiplexed,
        id_width: IdWidth::Four,
        heartbeats: true,
        go_away: settings.go_away,
        default_timeout: None,
    }
}

/// The codec of one connection.
#[derive(Debug)]
pub(crate) struct Bolt {
    settings: BoltSettings,
    /// Of the frame that came last.
    seen: Cell<Flavour>,
}

impl Bolt {
    pub(crate) fn new(settings: BoltSettings) -> Self {
        Self { settings, seen: Cell::new(Flavour::V1) }
    }
}

impl Wire for Bolt {
    fn detect(&self, first: &[u8]) -> Detection {
        let is_v2 = first.first() == Some(&2);
        let known: &[fn(u8) -> bool] = if is_v2 {
            &[is_version, is_version, is_type, is_zero, is_command]
        } else {
            &[is_version, is_type, is_zero, is_command]
        };
        if first.iter().zip(known).any(|(byte, known)| !known(*byte)) {
            Detection::No
        } else if first.len() < known.len() {
            Detection::NeedMore
        } else {
            Detection::Match
        }
    }

    fn cut(&self, bytes: &[u8]) -> Cut {
        match Head::read(bytes) {
            Ok(Some(head)) => Cut::at(head.frame_bytes(), bytes.len()),
            Ok(None) => Cut::Partial(head::bytes_at_least(bytes)),
            Err(why) => Cut::Lost(why),
        }
    }

    fn read(&self, raw: Bytes) -> Result<Frame, Box<str>> {
        let Ok(Some(head)) = Head::read(&raw) else { return Err("the frame has no head".into()) };
        if head.flavour.has_sum() && sum_of(&raw, head.sum_place()) != written_sum(&raw, &head) {
            return Err("the CRC32 of the frame is wrong".into());
        }
        self.seen.set(head.flavour);
        let mut frame = Frame {
            id: u64::from(head.id),
            id_place: (!head.flavour.has_sum()).then_some(IdPlace {
                offset: head.flavour.id_offset(),
                width: IdWidth::Four,
                little_endian: false,
            }),
            body: raw.slice(head.content()),
            fields: FieldList::new(raw.clone()),
            ..Frame::default()
        };
        match head.kind {
            Kind::Request { timeout, one_way } => {
                let timeout = u64::try_from(timeout).ok().filter(|timeout| *timeout > 0);
                frame.timeout = timeout.map(Duration::from_millis);
                frame.kind = if one_way { FrameKind::OneWay } else { FrameKind::Request };
            }
            Kind::Response { status } => {
                frame.kind = FrameKind::Response;
                frame.status = FrameStatus { code: status.into(), http: status::http(status) };
            }
        }
        match kind(&head) {
            Ok(kind) => frame.kind = kind,
            Err(why) => frame.malformed = Some(why.into()),
        }
        if matches!(frame.kind, FrameKind::Request | FrameKind::OneWay | FrameKind::Response) {
            read_fields(&mut frame, &raw, &head);
        }
        frame.raw = raw;
        Ok(frame)
    }

    fn response_to(&self, start: &[u8]) -> ResponseTo {
        match Head::read(start) {
            Ok(Some(head)) if kind(&head) == Ok(FrameKind::Response) => {
                ResponseTo::Request(head.id.into())
            }
            Ok(None) => ResponseTo::NeedMore,
            Ok(Some(_)) | Err(_) => ResponseTo::Unknown,
        }
    }

    fn write(&self, rewrite: &Rewrite<'_>) -> Option<Bytes> {
        let frame = rewrite.frame;
        let mut head = Head::read(&frame.raw).ok()??;
        head.id = u32::try_from(rewrite.id).ok()?;
        let raw = |range: Range<usize>| frame.raw.get(range);
        let mut block = Vec::new();
        let block = if frame.fields.is_changed() {
            if frame.kind != FrameKind::Response {
                service(&frame.fields).ok()?;
            }
            write_block(&frame.fields, &mut block)?;
            &block
        } else {
            raw(head.block())?
        };
        let content = if rewrite.body_changed { &frame.body[..] } else { raw(head.content())? };
        compose(head, raw(head.class())?, block, content)
    }

    fn heartbeat(&self, id: u64) -> Option<Bytes> {
        let head = Head {
            flavour: self.seen.get(),
            kind: Kind::Request { timeout: NO_TIMEOUT, one_way: false },
            command: HEARTBEAT,
            command_version: 1,
            id: u32::try_from(id).ok()?,
            codec: HESSIAN,
            ..Head::default()
        };
        compose(head, &[], &[], &[])
    }

    fn heartbeat_reply(&self, heartbeat: &Frame) -> Option<Bytes> {
        let asked = Head::read(&heartbeat.raw).ok()??;
        let kind = Kind::Response { status: status::SUCCESS };
        compose(Head { kind, command: HEARTBEAT, ..asked }, &[], &[], &[])
    }

    fn reject(&self, rejection: &Rejection<'_>) -> Option<Bytes> {
        let asked = Head::read(&rejection.request.raw).ok()??;
        if !matches!(asked.kind, Kind::Request { one_way: false, .. }) {
            return None;
        }
        let status = status::of_http(rejection.status);
        let head = Head { kind: Kind::Response { status }, command: RESPONSE, ..asked };
        let mut block = Vec::new();
        if write_block(rejection.fields, &mut block).is_none() {
            block.clear();
        }
        if status == status::SUCCESS {
            return compose(head, &[], &block, rejection.body);
        }
        // Clients close the connection on content of a failure that they cannot read.
        let content = exception::saying(words_of(rejection));
        let head = Head { codec: HESSIAN, ..head };
        compose(head, exception::CLASS.as_bytes(), &block, &content)
    }

    fn go_away(&self) -> Option<Bytes> {
        if !self.settings.go_away {
            return None;
        }
        let head = Head {
            flavour: self.seen.get(),
            kind: Kind::Request { timeout: NO_TIMEOUT, one_way: true },
            command: GO_AWAY,
            command_version: 1,
            codec: HESSIAN,
            ..Head::default()
        };
        compose(head, &[], &[], &[])
    }
}

/// Go-away is known whoever may send it: a peer that says so must not get more requests.
fn kind(head: &Head) -> Result<FrameKind, &'static str> {
    match (head.kind, head.command) {
        (Kind::Response { .. }, HEARTBEAT) => Ok(FrameKind::HeartbeatReply),
        (Kind::Response { .. }, RESPONSE) => Ok(FrameKind::Response),
        (Kind::Response { .. }, _) => Err("the command of the response is unknown"),
        (_, HEARTBEAT) => Ok(FrameKind::Heartbeat),
        (_, GO_AWAY) => Ok(FrameKind::GoAway),
        (Kind::Request { one_way: true, .. }, REQUEST) => Ok(FrameKind::OneWay),
        (Kind::Request { .. }, REQUEST) => Ok(FrameKind::Request),
        (Kind::Request { .. }, _) => Err("the command of the request is unknown"),
    }
}

fn is_version(byte: u8) -> bool {
    matches!(byte, 1 | 2)
}

fn is_type(byte: u8) -> bool {
    byte <= 2
}

fn is_zero(byte: u8) -> bool {
    byte == 0
}

/// The lower byte of a command.
fn is_command(byte: u8) -> bool {
    matches!(byte, 0..=2 | 100)
}

/// Writes a whole frame: the head with the lengths of the three parts, and the sum where its
/// version has one.
fn compose(mut head: Head, class: &[u8], block: &[u8], content: &[u8]) -> Option<Bytes> {
    head.class_bytes = u16::try_from(class.len()).ok()?;
    head.block_bytes = u16::try_from(block.len()).ok()?;
    head.content_bytes = i32::try_from(content.len()).ok()?;
    let mut out = BytesMut::with_capacity(head.frame_bytes());
    head.write(&mut out);
    for part in [class, block, content] {
        out.put_slice(part);
    }
    if head.flavour.has_sum() {
        let sum = crc32fast::hash(&out);
        out.put_u32(sum);
    }
    Some(out.freeze())
}

fn sum_of(raw: &[u8], end: usize) -> Option<u32> {
    raw.get(..end).map(crc32fast::hash)
}

fn written_sum(raw: &[u8], head: &Head) -> Option<u32> {
    Cursor::from(raw, head.sum_place()).u32()
}

fn read_fields(frame: &mut Frame, raw: &Bytes, head: &Head) {
    if let Err(why) = read_block(&mut frame.fields, raw, head.block()) {
        frame.malformed.get_or_insert_with(|| why.into());
    }
    if let Some(class) = raw.get(head.class()).filter(|class| !class.is_empty()) {
        frame.fields.push_attribute(":class", class);
    }
    if frame.kind != FrameKind::Response {
        frame.method = lossy(last_of(&frame.fields, METHOD_NAME));
        match service(&frame.fields) {
            Ok(service) => frame.service = lossy(service),
            Err(why) => drop(frame.malformed.get_or_insert_with(|| why.into())),
        }
    }
}

/// The service that a request with these fields calls.
fn service(fields: &FieldList) -> Result<Option<&[u8]>, &'static str> {
    match (last_of(fields, TARGET_SERVICE), last_of(fields, SERVICE)) {
        (Some(target), Some(service)) if target != service => Err("two services are named"),
        (target, service) => Ok(target.or(service)),
    }
}

fn read_block(fields: &mut FieldList, raw: &[u8], block: Range<usize>) -> Result<(), &'static str> {
    let mut cursor = Cursor::from(raw.get(..block.end).unwrap_or_default(), block.start);
    let mut without_value = Vec::new();
    for _field in 0..FIELDS_MAX {
        if cursor.is_done() {
            break;
        }
        let (Some(name), Some(value)) = (text(&mut cursor), text(&mut cursor)) else {
            return Err("the header block ends within a field");
        };
        let Some(name) = name else { continue };
        let there = match value {
            Some(value) => fields.push_span(name, value),
            None => raw.get(name).map(|name| without_value.push(name)).is_some(),
        };
        debug_assert!(there, "the cursor does not leave the frame");
    }
    if !cursor.is_done() {
        return Err("the header block has too many fields");
    }
    let names = fields.block().map(|(name, _value)| name).chain(without_value.iter().copied());
    if has_double(names) { Err(DOUBLE) } else { Ok(()) }
}

/// The place of a name or value; nothing where it has no bytes but a mark that it is absent.
fn text(cursor: &mut Cursor<'_>) -> Option<Option<Range<usize>>> {
    match cursor.u32()? {
        ABSENT => Some(None),
        length => cursor.range(usize::try_from(length).ok()?).map(Some),
    }
}

fn lossy(bytes: Option<&[u8]>) -> Box<str> {
    String::from_utf8_lossy(bytes.unwrap_or_default()).into()
}

/// Nothing where the fields are more than fit.
fn write_block(fields: &FieldList, block: &mut Vec<u8>) -> Option<()> {
    for (name, value) in last_of_each(fields) {
        for text in [name, value] {
            block.put_u32(u32::try_from(text.len()).ok()?);
            block.put_slice(text);
        }
        if block.len() > BLOCK_BYTES_MAX {
            return None;
        }
    }
    Some(())
}

const HEARTBEAT: u16 = 0;
const REQUEST: u16 = 1;
const RESPONSE: u16 = 2;
const GO_AWAY: u16 = 100;
/// The number of hessian 2 among the ways to write content.
const HESSIAN: u8 = 1;
const NO_TIMEOUT: i32 = -1;
/// A length that says that there is no such text.
const ABSENT: u32 = u32::MAX;
/// Most bytes of a block that is written anew: peers in Java read the length as a signed number.
const BLOCK_BYTES_MAX: usize = 0x7fff;
const TARGET_SERVICE: &[u8] = b"sofa_head_target_service";
const SERVICE: &[u8] = b"service";
const METHOD_NAME: &[u8] = b"sofa_head_method_name";

#[cfg(test)]
mod tests;
