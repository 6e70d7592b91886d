//! The bytes in which MOSN's interface tells of a message. All numbers are big endian.
//!
//! ```text
//! read      u32 bytes of fields   fields   u8 flag   u64 id   u32 timeout or status
//!           u32 bytes of the frame   u32 bytes of the body   body
//! to write  u32 bytes of fields   fields   u8 flag   u64 new id   u64 old id
//!           u32 timeout or status   u32 bytes of the body   body
//! written   u32 bytes of fields   fields   u8 flag   u64 id   u32 timeout or status
//!           u32 bytes of the frame   frame
//! fields    (u32 length   name   u32 length   value)*
//! ```

use abi_wasm::mosn as names;
use bytes::{Buf, Bytes, BytesMut};
use host_extension::{FrameRecord, frame_kind_number};
use host_types::{FieldList, Frame, FrameKind};

use crate::codec::context::Lie;

/// A field that is told of as absent, as in the header blocks of bolt.
const ABSENT: u32 = u32::MAX;
/// The fields that name a service, by what protocols call them; the first that is there.
const SERVICE: [&[u8]; 2] = [b"service", b"sofa_head_target_service"];
/// As [`SERVICE`], the method.
const METHOD: [&[u8]; 2] = [b"method", b"sofa_head_method_name"];

/// What a guest tells of a frame.
#[derive(Debug, Default)]
pub(super) struct Told {
    fields: Vec<(Bytes, Bytes)>,
    flag: u8,
    id: u64,
    /// Its timeout or its status.
    number: u32,
    length: u32,
    body: Bytes,
}

/// Reads what a guest tells of a frame.
pub(super) fn read(bytes: &[u8]) -> Result<Told, Lie> {
    parse(Bytes::copy_from_slice(bytes))
        .ok_or_else(|| "told of a frame in half a record".to_owned())
}

fn parse(mut bytes: Bytes) -> Option<Told> {
    let fields = fields(text(&mut bytes)?)?;
    let flag = bytes.try_get_u8().ok()?;
    let id = bytes.try_get_u64().ok()?;
    let number = bytes.try_get_u32().ok()?;
    let length = bytes.try_get_u32().ok()?;
    let body = text(&mut bytes)?;
    Some(Told { fields, flag, id, number, length, body })
}

/// Reads the frame that a guest wrote.
pub(super) fn encoded(bytes: Bytes) -> Result<Bytes, Lie> {
    let frame = |mut bytes: Bytes| {
        text(&mut bytes)?;
        bytes.try_get_u8().ok()?;
        bytes.try_get_u64().ok()?;
        bytes.try_get_u32().ok()?;
        text(&mut bytes).filter(|frame| !frame.is_empty())
    };
    frame(bytes).ok_or_else(|| "wrote no frame".to_owned())
}

fn text(bytes: &mut Bytes) -> Option<Bytes> {
    let length = usize::try_from(bytes.try_get_u32().ok()?).ok()?;
    (length <= bytes.len()).then(|| bytes.split_to(length))
}

fn fields(mut block: Bytes) -> Option<Vec<(Bytes, Bytes)>> {
    let mut fields = Vec::new();
    while !block.is_empty() {
        let name = optional_text(&mut block)?;
        let value = optional_text(&mut block)?;
        if let (Some(name), Some(value)) = (name, value) {
            fields.push((name, value));
        }
    }
    Some(fields)
}

/// A text that may be told of as absent; `None` where there is no text at all.
fn optional_text(block: &mut Bytes) -> Option<Option<Bytes>> {
    if block.chunk().first_chunk() == Some(&ABSENT.to_be_bytes()) {
        block.advance(4);
        return Some(None);
    }
    text(block).map(Some)
}

impl Told {
    /// Cuts the frame off the bytes that it was read from.
    pub(super) fn cut(self, bytes: &mut BytesMut) -> Result<Frame, Lie> {
        let kind = kind(self.flag);
        let is_response = kind == FrameKind::Response;
        let start = self.tail_start(bytes);
        let (service, method) = (self.first_of(&SERVICE), self.first_of(&METHOD));
        let record = FrameRecord {
            length: self.length.into(),
            kind: frame_kind_number(kind),
            id: self.id,
            service: if is_response { b"" } else { service },
            method: if is_response { b"" } else { method },
            timeout_ms: self.timeout_ms(kind),
            status: self.number,
            http_status: http_status(self.number),
            body_start: start.unwrap_or_default(),
            body_length: if start.is_some() {
                self.body.len().try_into().unwrap_or(u64::MAX)
            } else {
                0
            },
            ..FrameRecord::default()
        };
        let fields = self.fields.iter().map(|(name, value)| (&name[..], &value[..]));
        let mut frame =
            record.cut(bytes, fields, std::iter::empty()).map_err(|lie| lie.to_string())?;
        if start.is_none() {
            frame.body = self.body;
        }
        Ok(frame)
    }

    /// Where the body stands in the frame, if it is the end of it, as it mostly is.
    fn tail_start(&self, bytes: &[u8]) -> Option<u64> {
        let length = usize::try_from(self.length).ok()?;
        let start = length.checked_sub(self.body.len())?;
        (bytes.get(start..length)? == &self.body[..]).then_some(start)?.try_into().ok()
    }

    fn first_of(&self, names: &[&[u8]]) -> &[u8] {
        let find = |wanted: &&[u8]| self.fields.iter().find(|(name, _)| name == wanted);
        names.iter().find_map(find).map_or(&[], |(_name, value)| value)
    }

    /// Zero and what is below it as a number with a sign says nothing.
    fn timeout_ms(&self, kind: FrameKind) -> Option<u32> {
        let is_request = matches!(kind, FrameKind::Request | FrameKind::OneWay);
        let number = Some(self.number).filter(|number| number.cast_signed() > 0);
        number.filter(|_| is_request)
    }
}

fn kind(flag: u8) -> FrameKind {
    let is_heartbeat = flag & names::HEARTBEAT_FLAG != 0;
    match flag & (names::REQUEST | names::ONE_WAY) {
        0 if is_heartbeat => FrameKind::HeartbeatReply,
        0 => FrameKind::Response,
        _ if is_heartbeat => FrameKind::Heartbeat,
        names::REQUEST => FrameKind::Request,
        _ => FrameKind::OneWay,
    }
}

/// What HTTP would say, as far as numbers tell: zero is a success, and 20 in Dubbo; the numbers of
/// HTTP are themselves. The interface says no more.
fn http_status(status: u32) -> u32 {
    match status {
        0 | 20 => 200,
        200..=599 => status,
        _ => 500,
    }
}

/// A message that is to be written.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Order<'a> {
    pub(super) fields: Option<&'a FieldList>,
    pub(super) flag: u8,
    pub(super) new_id: u64,
    pub(super) old_id: u64,
    /// Its timeout or its status.
    pub(super) number: u32,
    pub(super) body: &'a [u8],
}

impl Order<'_> {
    pub(super) fn write(&self) -> Vec<u8> {
        let mut bytes = vec![0; 4];
        for (name, value) in self.fields.iter().flat_map(|fields| fields.block()) {
            put(&mut bytes, name);
            put(&mut bytes, value);
        }
        let block = length(bytes.len().saturating_sub(4));
        if let Some(place) = bytes.first_chunk_mut() {
            *place = block;
        }
        bytes.push(self.flag);
        bytes.extend_from_slice(&self.new_id.to_be_bytes());
        bytes.extend_from_slice(&self.old_id.to_be_bytes());
        bytes.extend_from_slice(&self.number.to_be_bytes());
        put(&mut bytes, self.body);
        bytes
    }
}

fn put(bytes: &mut Vec<u8>, text: &[u8]) {
    bytes.extend_from_slice(&length(text.len()));
    bytes.extend_from_slice(text);
}

/// A length as it is told. What does not fit into it does not fit into a guest.
fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests;
