//! One message of a multiplexed protocol, as a codec yields it.

use std::{any::Any, fmt, ops::Range, rc::Rc, time::Duration};

use bytes::{Bytes, BytesMut};

use crate::FieldList;

/// One whole message.
///
/// It keeps the bytes that it came in, so that one that nobody changed goes on as it came but for
/// its id. A frame that was changed is written by the codec that read it.
#[derive(Clone, Default)]
pub struct Frame {
    /// What it is.
    pub kind: FrameKind,
    /// What ties a response to its request, unique among those under way on a connection.
    pub id: u64,
    /// Where the id stands in `raw`, where it does as a number of fixed width.
    pub id_place: Option<IdPlace>,
    /// The service that a request is for; empty where the protocol names none.
    pub service: Box<str>,
    /// The method of that service; empty where the protocol names none.
    pub method: Box<str>,
    /// How long the caller waits for the response; `None` where the request does not say.
    pub timeout: Option<Duration>,
    /// How a response ends the call.
    pub status: FrameStatus,
    /// The header block, and what the codec says about the frame.
    pub fields: FieldList,
    /// The payload: usually a slice of `raw`.
    pub body: Bytes,
    /// The bytes of the whole frame as it came.
    pub raw: Bytes,
    /// What is wrong inside of a frame whose borders are sound. Such a request is rejected in
    /// the protocol's words and such a response is an upstream's failure; the connection lives.
    pub malformed: Option<Box<str>>,
    /// What the codec keeps for the frame until it is dropped.
    pub keep: Option<Rc<dyn Any>>,
}

/// What a frame is.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum FrameKind {
    /// A request that is answered.
    #[default]
    Request,
    /// A request that is not answered.
    OneWay,
    /// The answer to a request.
    Response,
    /// Asks whether the other side lives.
    Heartbeat,
    /// The answer to a heartbeat.
    HeartbeatReply,
    /// The sender takes no new requests on this connection.
    GoAway,
}

/// How a response ends the call.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct FrameStatus {
    /// The protocol's own number.
    pub code: u32,
    /// What HTTP would say: 200 to 599; for metrics, the access log and filters.
    pub http: u16,
}

impl Default for FrameStatus {
    fn default() -> Self {
        Self { code: 0, http: 200 }
    }
}

/// Where an id stands: a big-endian or little-endian number of 4 or 8 bytes.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct IdPlace {
    /// The first byte's place in the frame.
    pub offset: usize,
    /// 4 or 8.
    pub width: IdWidth,
    /// The first byte is the least significant one.
    pub little_endian: bool,
}

/// How many bytes an id has.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum IdWidth {
    /// 4
    #[default]
    Four,
    /// 8
    Eight,
}

impl IdWidth {
    /// In bytes.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Self::Four => 4,
            Self::Eight => 8,
        }
    }

    /// The largest id.
    #[must_use]
    pub fn max(self) -> u64 {
        match self {
            Self::Four => u64::from(u32::MAX),
            Self::Eight => u64::MAX,
        }
    }
}

impl IdPlace {
    /// The bytes of the id, where all of them are in a frame of this length.
    #[must_use]
    pub fn range(self, frame_bytes: usize) -> Option<Range<usize>> {
        let end = self.offset.checked_add(self.width.bytes())?;
        (end <= frame_bytes).then_some(self.offset..end)
    }

    /// True where this id can be written here, in a frame of this length.
    #[must_use]
    pub fn takes(self, id: u64, frame_bytes: usize) -> bool {
        id <= self.width.max() && self.range(frame_bytes).is_some()
    }
}

impl Frame {
    /// The frame's bytes with another id in them, where that can be done without its codec: it
    /// came with a place for the id that takes it ([`IdPlace::takes`]).
    ///
    /// The bytes are written in place where nobody else holds them, and copied otherwise.
    #[must_use]
    pub fn patched(raw: Bytes, place: IdPlace, id: u64) -> Option<Bytes> {
        if !place.takes(id, raw.len()) {
            return None;
        }
        let range = place.range(raw.len())?;
        let mut bytes = raw.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
        let mut digits = id.to_be_bytes();
        let digits = digits.get_mut(8 - place.width.bytes()..)?;
        if place.little_endian {
            digits.reverse();
        }
        bytes.get_mut(range)?.copy_from_slice(digits);
        Some(bytes.freeze())
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame")
            .field("kind", &self.kind)
            .field("id", &self.id)
            .field("service", &self.service)
            .field("method", &self.method)
            .field("timeout", &self.timeout)
            .field("status", &self.status)
            .field("fields", &self.fields.len())
            .field("body", &self.body.len())
            .field("raw", &self.raw.len())
            .field("malformed", &self.malformed)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
