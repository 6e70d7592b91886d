//! Dubbo, version 2 of its protocol.
//!
//! A frame is a head of 16 bytes and a payload:
//!
//! | bytes | hold |
//! |---|---|
//! | 0, 1 | `da bb` |
//! | 2 | 0x80 request, 0x40 an answer is wanted, 0x20 event, the rest: how the payload is serialized |
//! | 3 | status of a response |
//! | 4..12 | id |
//! | 12..16 | length of the payload |
//!
//! Payloads in Hessian 2 are read (`payload.rs`): service, method, and the attachments, which are
//! the fields. The body is what lies between them, the arguments or the value. In other
//! serializations the payload is the body and goes on as it is; of fastjson's the first lines tell
//! service and method.
//!
//! A request whose service is not the same to all providers is malformed (`target.rs`), and so is
//! one that has a name twice among its attachments.
//!
//! Attributes of all frames: `:serialization`; of requests: `:dubbo`, `:interface`, `:version`,
//! `:group`; of a response with an exception: `:exception`.
//!
//! What can be changed:
//! - attachments that are strings, and the body, of payloads in Hessian. The others are kept
//!   byte by byte, and nobody sees them. `path` and `version` cannot be changed: they stand in
//!   front, too.
//! - Responses without attachments get none: the provider leaves them out where the consumer is
//!   too old for them (its protocol is none of 2.0.2 to 2.0.99) and would not understand the
//!   frame. Nor has an error any, which is only a message. Fields that are added there are left
//!   out.
//! - In other serializations, the body only.
//!
//! Events: one without a value asks for life or answers that; one with `R` says that its sender
//! takes no more requests. Others say only that the peer lives.
//!
//! Start reading at [`Dubbo`].

mod attachments;
mod head;
mod json;
mod payload;
mod reply;
mod target;

use std::time::Duration;

use bytes::Bytes;
use host_extension::{CodecProfile, Detection, PoolMode, Rejection, ResponseTo, Rewrite};
use host_types::{FieldList, Frame, FrameKind, FrameStatus, IdPlace, IdWidth};

use self::head::{EVENT, HEAD_BYTES, Head, MAGIC, OK, REQUEST, TWO_WAY};
use crate::{
    hessian,
    wire::{Cut, DOUBLE, Wire, has_double},
};

/// The wire format of Dubbo.
#[derive(Debug)]
pub(crate) struct Dubbo;

/// What holds of all connections.
pub(crate) fn profile() -> CodecProfile {
    CodecProfile {
        pool: PoolMode::Multiplexed,
        id_width: IdWidth::Eight,
        heartbeats: true,
        go_away: true,
        default_timeout: None,
    }
}

const ID_PLACE: IdPlace = IdPlace { offset: 4, width: IdWidth::Eight, little_endian: false };

/// Longest payload of an event that an answer repeats; the known ones have a few bytes.
const EVENT_BYTES_MAX: usize = 64;

impl Wire for Dubbo {
    fn detect(&self, first: &[u8]) -> Detection {
        match first {
            [0xda, 0xbb, ..] => Detection::Match,
            [0xda] | [] => Detection::NeedMore,
            _ => Detection::No,
        }
    }

    fn cut(&self, bytes: &[u8]) -> Cut {
        if !bytes.iter().zip(MAGIC).all(|(byte, magic)| *byte == magic) {
            return Cut::Lost("these are no frames of Dubbo");
        }
        let Some(head) = Head::read(bytes) else { return Cut::Partial(0) };
        match usize::try_from(head.length).ok().and_then(|length| length.checked_add(HEAD_BYTES)) {
            Some(length) => Cut::at(length, bytes.len()),
            None => Cut::Lost("a frame of negative length"),
        }
    }

    fn read(&self, raw: Bytes) -> Result<Frame, Box<str>> {
        let Some(head) = Head::read(&raw) else { return Err("a frame without a head".into()) };
        let mut frame = Frame {
            kind: head.kind(payload_of(&raw)),
            id: head.id,
            id_place: Some(ID_PLACE),
            fields: FieldList::new(raw.clone()),
            body: raw.slice(HEAD_BYTES..),
            raw,
            ..Frame::default()
        };
        match frame.kind {
            FrameKind::Request | FrameKind::OneWay => read_request(&head, &mut frame),
            FrameKind::Response => read_response(&head, &mut frame),
            FrameKind::Heartbeat | FrameKind::HeartbeatReply | FrameKind::GoAway => {}
        }
        Ok(frame)
    }

    fn response_to(&self, start: &[u8]) -> ResponseTo {
        match Head::read(start) {
            Some(head) if head.kind(&[]) == FrameKind::Response => ResponseTo::Request(head.id),
            Some(_) => ResponseTo::Unknown,
            None => ResponseTo::NeedMore,
        }
    }

    fn write(&self, rewrite: &Rewrite<'_>) -> Option<Bytes> {
        let frame = rewrite.frame;
        let head = Head::read(&frame.raw)?;
        let is_changed = rewrite.body_changed || frame.fields.is_changed();
        if !is_changed || head.has(EVENT) {
            return Frame::patched(frame.raw.clone(), ID_PLACE, rewrite.id);
        }
        let mut out = head.begin(rewrite.id, frame.body.len());
        if head.is_hessian() && head.has(REQUEST) {
            payload::write_request(&mut out, rewrite)?;
        } else if head.is_hessian() && head.status == OK {
            payload::write_response(&mut out, rewrite)?;
        } else if head.is_hessian() || !frame.fields.is_changed() {
            out.extend_from_slice(&frame.body);
        } else {
            return None;
        }
        head::finish(out)
    }

    fn heartbeat(&self, id: u64) -> Option<Bytes> {
        let head = Head { flags: REQUEST | TWO_WAY | EVENT | head::HESSIAN, ..Head::default() };
        head.with(id, &[hessian::NULL])
    }

    fn heartbeat_reply(&self, heartbeat: &Frame) -> Option<Bytes> {
        let head = Head::read(&heartbeat.raw)?;
        let flags = EVENT | head.serialization();
        let answer = Head { flags, status: OK, ..Head::default() };
        // No value, as the peer writes it.
        let payload = payload_of(&heartbeat.raw);
        let repeats = !head.is_hessian() && payload.len() <= EVENT_BYTES_MAX;
        answer.with(heartbeat.id, if repeats { payload } else { &[hessian::NULL] })
    }

    fn reject(&self, rejection: &Rejection<'_>) -> Option<Bytes> {
        reply::write(rejection)
    }

    fn go_away(&self) -> Option<Bytes> {
        let head = Head { flags: REQUEST | EVENT | head::HESSIAN, ..Head::default() };
        let mut payload = Vec::new();
        hessian::write_text(&mut payload, b"R")?;
        head.with(0, &payload)
    }
}

fn payload_of(raw: &[u8]) -> &[u8] {
    raw.get(HEAD_BYTES..).unwrap_or_default()
}

fn read_request(head: &Head, frame: &mut Frame) {
    let names = if head.is_hessian() {
        payload::read_request(frame)
    } else if head.serialization() == head::FASTJSON {
        json::read_names(payload_of(&frame.raw)).map(Option::unwrap_or_default)
    } else {
        Ok(payload::Names::default())
    };
    let names = names.map_err(|why| frame.malformed = Some(why.into())).unwrap_or_default();
    frame.timeout = names.timeout.map(Duration::from_millis);
    frame.fields.push_attribute(":serialization", head.serialization_name().as_bytes());
    for (name, value) in
        [(":dubbo", &names.dubbo), (":version", &names.version), (":interface", &names.interface)]
    {
        if !value.is_empty() {
            frame.fields.push_attribute(name, value.as_bytes());
        }
    }
    if let Some(group) = names.group {
        frame.fields.push_attribute(":group", &group);
    }
    (frame.service, frame.method) = (names.service, names.method);
}

fn read_response(head: &Head, frame: &mut Frame) {
    frame.status = FrameStatus { code: head.status.into(), http: head::http_status(head.status) };
    let mut is_exception = false;
    if head.is_hessian() && head.status == OK {
        match payload::read_response(frame) {
            Ok(kind) => is_exception = kind.is_exception(),
            Err(why) => frame.malformed = Some(why.into()),
        }
        if has_double(frame.fields.block().map(|(name, _value)| name)) {
            frame.malformed = Some(DOUBLE.into());
        }
    }
    frame.fields.push_attribute(":serialization", head.serialization_name().as_bytes());
    if is_exception {
        frame.fields.push_attribute(":exception", b"true");
    }
}

#[cfg(test)]
mod tests;
