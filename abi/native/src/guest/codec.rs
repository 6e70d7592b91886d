//! Codecs: what the proxy asks of one, and how it is told.
//!
//! What is shown here is the proxy's own: it is lent for the callback, not copied.

use std::{marker::PhantomData, mem::offset_of, slice};

use super::calls::{Asked, Calls, borrowed, bytes_of, text};
use crate::{
    number::{
        BODY_CHANGED, Detection, FIELDS_CHANGED, FRAME_HAS_TIMEOUT, FRAME_MALFORMED, Refusal,
    },
    table::{self, Bytes, Field, Fields, Host},
};

/// Something that is asked of a codec.
#[derive(Debug)]
pub enum CodecEvent<'a> {
    /// Whether these first bytes of a connection are of its protocol.
    Detect(&'a [u8], &'a mut Detection),
    /// The frames of these bytes: to be told by [`Calls::codec_frame`] and [`Calls::codec_rest`].
    Decode(&'a [u8]),
    /// The bytes of a frame; these and those behind are told by [`Calls::codec_bytes`].
    Encode(Rewrite<'a>),
    /// A heartbeat with this id.
    Heartbeat(u64),
    /// The reply to a heartbeat, which came in these bytes with this id.
    HeartbeatReply(&'a [u8], u64),
    /// A response in the upstream's place.
    Reject(Rejection<'a>),
    /// That no new requests are taken.
    GoAway,
}

/// A frame to be written.
#[derive(Clone, Copy, Debug)]
pub struct Rewrite<'a> {
    /// The bytes that it came in.
    pub raw: &'a [u8],
    /// What it is, as a number.
    pub kind: u32,
    /// The id that it came with.
    pub old_id: u64,
    /// The id to write.
    pub id: u64,
    /// Its header block.
    pub fields: Shown<'a>,
    /// That is not as it came.
    pub fields_changed: bool,
    /// Its payload.
    pub body: &'a [u8],
    /// That is not the one that came.
    pub body_changed: bool,
}

/// A response that the proxy makes in the upstream's place.
#[derive(Clone, Copy, Debug)]
pub struct Rejection<'a> {
    /// The bytes of the request.
    pub request: &'a [u8],
    /// The id of the request.
    pub id: u64,
    /// What HTTP would say.
    pub status: u32,
    /// One line for the caller.
    pub message: &'a [u8],
    /// Fields of the reply.
    pub fields: Shown<'a>,
    /// Its payload.
    pub body: &'a [u8],
}

/// Fields that the proxy lends.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a>(&'a [Field]);

impl<'a> Shown<'a> {
    /// # Safety
    /// The fields may be read for so long, with all that they point to.
    unsafe fn new(fields: &'a Fields) -> Self {
        if fields.data.is_null() || fields.count == 0 {
            return Self(&[]);
        }
        // SAFETY: promised by the caller.
        Self(unsafe { slice::from_raw_parts(fields.data, fields.count) })
    }

    /// Their names and values, in order.
    pub fn iter(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.0.iter().map(|field| {
            // SAFETY: promised to `new`.
            let name = unsafe { borrowed(&field.name) };
            // SAFETY: as above.
            (name, unsafe { borrowed(&field.value) })
        })
    }
}

impl<'a> Rewrite<'a> {
    /// `None` where it has less than is read here.
    ///
    /// # Safety
    /// It may be read for so long, as many bytes as it says, with all that it points to.
    pub(super) unsafe fn read(rewrite: *const table::Rewrite) -> Option<Self> {
        if rewrite.is_null() {
            return None;
        }
        // SAFETY: each begins with its size.
        if unsafe { (*rewrite).size } < bytes_of::<table::Rewrite>() {
            return None;
        }
        // SAFETY: promised by the caller.
        let it: &'a table::Rewrite = unsafe { &*rewrite };
        Some(Self {
            // SAFETY: as above.
            raw: unsafe { borrowed(&it.raw) },
            kind: it.kind,
            old_id: it.old_id,
            id: it.id,
            // SAFETY: as above.
            fields: unsafe { Shown::new(&it.fields) },
            fields_changed: it.flags & FIELDS_CHANGED != 0,
            // SAFETY: as above.
            body: unsafe { borrowed(&it.body) },
            body_changed: it.flags & BODY_CHANGED != 0,
        })
    }
}

impl<'a> Rejection<'a> {
    /// `None` where it has less than is read here.
    ///
    /// # Safety
    /// It may be read for so long, as many bytes as it says, with all that it points to.
    pub(super) unsafe fn read(rejection: *const table::Rejection) -> Option<Self> {
        if rejection.is_null() {
            return None;
        }
        // SAFETY: each begins with its size.
        if unsafe { (*rejection).size } < bytes_of::<table::Rejection>() {
            return None;
        }
        // SAFETY: promised by the caller.
        let it: &'a table::Rejection = unsafe { &*rejection };
        Some(Self {
            // SAFETY: as above.
            request: unsafe { borrowed(&it.request) },
            id: it.id,
            status: it.status,
            // SAFETY: as above.
            message: unsafe { borrowed(&it.message) },
            // SAFETY: as above.
            fields: unsafe { Shown::new(&it.fields) },
            // SAFETY: as above.
            body: unsafe { borrowed(&it.body) },
        })
    }
}

/// One frame, as the proxy is told of it.
#[derive(Debug)]
pub struct FrameRecord<'a> {
    /// What it is, as a number.
    pub kind: u32,
    /// What ties a response to its request.
    pub id: u64,
    /// Bytes of the frame.
    pub length: usize,
    /// Where the id stands, where it does as a number of fixed width.
    pub id_place: Option<IdPlace>,
    /// The service that a request is for.
    pub service: &'a str,
    /// The method.
    pub method: &'a str,
    /// How long the caller waits.
    pub timeout_ms: Option<u32>,
    /// The protocol's status.
    pub status: u32,
    /// What HTTP would say.
    pub http_status: u32,
    /// The header block.
    pub fields: Lent<'a>,
    /// What else is known.
    pub attributes: Lent<'a>,
    /// Where the payload begins.
    pub body_start: usize,
    /// How many bytes it has.
    pub body_length: usize,
    /// What is wrong.
    pub malformed: Option<&'a str>,
}

/// Where an id stands in a frame.
#[derive(Clone, Copy, Debug)]
pub struct IdPlace {
    /// The place of its first byte.
    pub offset: usize,
    /// How many bytes it has.
    pub width: u32,
    /// The first of them is the least significant one.
    pub little_endian: bool,
}

/// Fields that are lent to the proxy.
#[derive(Debug, Default)]
pub struct Lent<'a>(Vec<Field>, PhantomData<&'a [u8]>);

impl<'a> FromIterator<(&'a [u8], &'a [u8])> for Lent<'a> {
    fn from_iter<I: IntoIterator<Item = (&'a [u8], &'a [u8])>>(pairs: I) -> Self {
        let lend = |(name, value)| Field { name: Bytes::of(name), value: Bytes::of(value) };
        Self(pairs.into_iter().map(lend).collect(), PhantomData)
    }
}

impl Calls {
    /// Tells of the next frame.
    ///
    /// # Errors
    /// As the table says.
    pub fn codec_frame(&self, frame: &FrameRecord<'_>) -> Asked<()> {
        let place = frame.id_place;
        let timeout = if frame.timeout_ms.is_some() { FRAME_HAS_TIMEOUT } else { 0 };
        let malformed = if frame.malformed.is_some() { FRAME_MALFORMED } else { 0 };
        let told = table::Frame {
            size: bytes_of::<table::Frame>(),
            kind: frame.kind,
            id: frame.id,
            length: frame.length,
            id_offset: place.map_or(0, |place| place.offset),
            id_width: place.map_or(0, |place| place.width),
            id_little_endian: place.is_some_and(|place| place.little_endian).into(),
            service: text(frame.service),
            method: text(frame.method),
            flags: timeout | malformed,
            timeout_ms: frame.timeout_ms.unwrap_or_default(),
            status: frame.status,
            http_status: frame.http_status,
            fields: Fields::of(&frame.fields.0),
            attributes: Fields::of(&frame.attributes.0),
            body_start: frame.body_start,
            body_length: frame.body_length,
            malformed: text(frame.malformed.unwrap_or_default()),
        };
        ask!(self.codec_frame(&raw const told))
    }

    /// Tells what is behind the last frame.
    ///
    /// # Errors
    /// As the table says.
    pub fn codec_rest(&self, needed: usize, lost: Option<&str>) -> Asked<()> {
        let lost = lost.map(text);
        let lost = lost.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        ask!(self.codec_rest(needed, lost))
    }

    /// Gives the bytes of a frame that was to be written.
    ///
    /// # Errors
    /// As the table says.
    pub fn codec_bytes(&self, bytes: &[u8]) -> Asked<()> {
        ask!(self.codec_bytes(Bytes::of(bytes)))
    }
}
