//! The 16 bytes that a frame of Dubbo begins with, and what its numbers say.

use std::borrow::Cow;

use bytes::Bytes;
use host_types::FrameKind;

use super::json;
use crate::read::Cursor;

/// How many bytes a head has.
pub(super) const HEAD_BYTES: usize = 16;

/// What frames begin with.
pub(super) const MAGIC: [u8; 2] = [0xda, 0xbb];

/// Flag: a request, or an event that begins an exchange.
pub(super) const REQUEST: u8 = 0x80;

/// Flag: an answer is wanted.
pub(super) const TWO_WAY: u8 = 0x40;

/// Flag: said about the connection.
pub(super) const EVENT: u8 = 0x20;

const SERIALIZATION: u8 = 0x1f;

/// The serialization that is read and written.
pub(super) const HESSIAN: u8 = 2;

/// One that is known as far as it must be.
pub(super) const FASTJSON: u8 = 6;

/// The status of a response that carries a value or an exception.
pub(super) const OK: u8 = 20;

/// The head of a frame.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Head {
    pub(super) flags: u8,
    pub(super) status: u8,
    pub(super) id: u64,
    pub(super) length: i32,
}

impl Head {
    /// The head that some bytes begin with, which are of this protocol.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::from(bytes, MAGIC.len());
        let (flags, status) = (cursor.u8()?, cursor.u8()?);
        Some(Self { flags, status, id: cursor.u64()?, length: cursor.i32()? })
    }

    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    pub(super) fn serialization(&self) -> u8 {
        self.flags & SERIALIZATION
    }

    pub(super) fn is_hessian(&self) -> bool {
        self.serialization() == HESSIAN
    }

    /// The serialization's name, or its number where it is opaque.
    pub(super) fn serialization_name(&self) -> Cow<'static, str> {
        match self.serialization() {
            HESSIAN => "hessian2".into(),
            FASTJSON => "fastjson".into(),
            number => number.to_string().into(),
        }
    }

    /// What the frame is, by its flags and, for events, its payload.
    pub(super) fn kind(&self, payload: &[u8]) -> FrameKind {
        match (self.has(REQUEST), self.has(EVENT), self.has(TWO_WAY)) {
            (true, false, true) => FrameKind::Request,
            (true, false, false) => FrameKind::OneWay,
            (false, false, _) => FrameKind::Response,
            (false, true, _) => FrameKind::HeartbeatReply,
            (true, true, _) if self.is_read_only(payload) => FrameKind::GoAway,
            (true, true, true) => FrameKind::Heartbeat,
            // Nobody waits for an answer: it shows that the peer lives, as an answer would.
            (true, true, false) => FrameKind::HeartbeatReply,
        }
    }

    /// True for the event of a side that takes no more requests.
    fn is_read_only(&self, payload: &[u8]) -> bool {
        match self.serialization() {
            HESSIAN => payload == [0x01, b'R'],
            FASTJSON => payload.trim_ascii() == b"\"R\"",
            _ => false,
        }
    }

    /// Writes it with this id, and room for a payload; [`finish`] sets the length.
    pub(super) fn begin(&self, id: u64, room: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEAD_BYTES + room);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[self.flags, self.status]);
        out.extend_from_slice(&id.to_be_bytes());
        out.extend_from_slice(&[0; 4]);
        out
    }

    /// The whole frame with this id and payload.
    pub(super) fn with(&self, id: u64, payload: &[u8]) -> Option<Bytes> {
        let mut out = self.begin(id, payload.len());
        out.extend_from_slice(payload);
        finish(out)
    }
}

/// Sets the length of a frame. `None` where it is too long for any.
pub(super) fn finish(mut frame: Vec<u8>) -> Option<Bytes> {
    let length = i32::try_from(frame.len().checked_sub(HEAD_BYTES)?).ok()?;
    frame.get_mut(HEAD_BYTES - 4..HEAD_BYTES)?.copy_from_slice(&length.to_be_bytes());
    Some(frame.into())
}

/// A message in the serialization of the one that it answers, where that is known; every consumer
/// of Dubbo reads Hessian.
pub(super) fn serialization_of_reply(request: u8) -> u8 {
    if request == FASTJSON { FASTJSON } else { HESSIAN }
}

/// Writes a string as this serialization has it.
pub(super) fn write_message(serialization: u8, out: &mut Vec<u8>, text: &str) -> Option<()> {
    if serialization == FASTJSON {
        json::write_line(out, text);
        return Some(());
    }
    crate::hessian::write_text(out, text.as_bytes())
}

/// What HTTP would say for a status of Dubbo.
pub(super) fn http_status(status: u8) -> u16 {
    match status {
        OK => 200,
        // Of the client, of the server.
        30 | 31 => 504,
        // The channel is gone.
        35 => 503,
        // Bad request, client error.
        40 | 90 => 400,
        // Bad response.
        50 => 502,
        // Service not found.
        60 => 404,
        // Threads or memory are exhausted, limited.
        100 | 105 => 503,
        // Service error 70, server error 80.
        _ => 500,
    }
}

/// The status of Dubbo for one of HTTP. A redirect leads nowhere here: it is an error.
pub(super) fn status_of(http: u16) -> u8 {
    match http {
        200..=299 => OK,
        // To whoever calls, only that the service refused.
        401 | 403 => 70,
        404 => 60,
        408 => 30,
        429 | 503 => 100,
        400..=499 => 40,
        504 => 31,
        _ => 80,
    }
}
