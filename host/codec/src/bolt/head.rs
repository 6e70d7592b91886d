//! The head of a frame: what stands before class, header block and content.

use std::ops::Range;

use bytes::{BufMut, BytesMut};

use crate::read::Cursor;

/// What the head says.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Head {
    pub(super) flavour: Flavour,
    pub(super) kind: Kind,
    pub(super) command: u16,
    pub(super) command_version: u8,
    pub(super) id: u32,
    /// How the content is written; 1 is hessian.
    pub(super) codec: u8,
    pub(super) class_bytes: u16,
    pub(super) block_bytes: u16,
    /// Never negative.
    pub(super) content_bytes: i32,
}

/// The version of the protocol, with what a version says of itself.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Flavour {
    #[default]
    V1,
    V2 {
        version: u8,
        switch: u8,
    },
}

/// What type a frame is of, and the number that only this type has.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// Milliseconds; none where they are not positive.
    Request { timeout: i32, one_way: bool },
    /// The protocol's own status.
    Response { status: u16 },
}

impl Default for Kind {
    fn default() -> Self {
        Self::Response { status: 0 }
    }
}

impl Flavour {
    /// True where a CRC32 of the frame stands behind it: only version 2 of the protocol's version
    /// 2 looks at the switch.
    pub(super) fn has_sum(self) -> bool {
        matches!(self, Self::V2 { version: 2, switch } if switch & SUM_SWITCH != 0)
    }

    pub(super) fn id_offset(self) -> usize {
        match self {
            Self::V1 => 5,
            Self::V2 { .. } => 6,
        }
    }

    fn sum_bytes(self) -> usize {
        if self.has_sum() { 4 } else { 0 }
    }
}

impl Head {
    /// Reads it from the beginning of some bytes; nothing where it is not all there.
    ///
    /// # Errors
    /// These bytes begin no frame.
    pub(super) fn read(bytes: &[u8]) -> Result<Option<Self>, &'static str> {
        let Some(&protocol) = bytes.first() else { return Ok(None) };
        if !matches!(protocol, V1 | V2) {
            return Err("the first byte is no version of bolt");
        }
        if protocol == V2 && bytes.get(1).is_some_and(|version| !matches!(version, 1 | 2)) {
            return Err("the version of bolt 2 is unknown");
        }
        if bytes.get(type_offset(protocol)).is_some_and(|of| *of > ONE_WAY) {
            return Err("the type of the frame is unknown");
        }
        match Self::fields(&mut Cursor::new(bytes)) {
            Some(head) if head.content_bytes < 0 => Err("the length of the content is negative"),
            head => Ok(head),
        }
    }

    fn fields(cursor: &mut Cursor<'_>) -> Option<Self> {
        let is_v2 = cursor.u8()? == V2;
        let version = if is_v2 { cursor.u8()? } else { 0 };
        let of = cursor.u8()?;
        let command = cursor.u16()?;
        let command_version = cursor.u8()?;
        let id = cursor.u32()?;
        let codec = cursor.u8()?;
        let flavour =
            if is_v2 { Flavour::V2 { version, switch: cursor.u8()? } } else { Flavour::V1 };
        let kind = if of == RESPONSE {
            Kind::Response { status: cursor.u16()? }
        } else {
            Kind::Request { timeout: cursor.i32()?, one_way: of == ONE_WAY }
        };
        Some(Self {
            flavour,
            kind,
            command,
            command_version,
            id,
            codec,
            class_bytes: cursor.u16()?,
            block_bytes: cursor.u16()?,
            content_bytes: cursor.i32()?,
        })
    }

    pub(super) fn write(&self, out: &mut BytesMut) {
        let of = match self.kind {
            Kind::Response { .. } => RESPONSE,
            Kind::Request { one_way: false, .. } => REQUEST,
            Kind::Request { one_way: true, .. } => ONE_WAY,
        };
        match self.flavour {
            Flavour::V1 => out.put_slice(&[V1, of]),
            Flavour::V2 { version, .. } => out.put_slice(&[V2, version, of]),
        }
        out.put_u16(self.command);
        out.put_u8(self.command_version);
        out.put_u32(self.id);
        out.put_u8(self.codec);
        if let Flavour::V2 { switch, .. } = self.flavour {
            out.put_u8(switch);
        }
        match self.kind {
            Kind::Request { timeout, .. } => out.put_i32(timeout),
            Kind::Response { status } => out.put_u16(status),
        }
        out.put_u16(self.class_bytes);
        out.put_u16(self.block_bytes);
        out.put_i32(self.content_bytes);
    }

    /// Where the name of the content's class stands in the frame.
    pub(super) fn class(&self) -> Range<usize> {
        let is_v2 = self.flavour != Flavour::V1;
        let start = bytes_of(is_v2, matches!(self.kind, Kind::Response { .. }));
        start..start + usize::from(self.class_bytes)
    }

    /// Where the header block stands in the frame.
    pub(super) fn block(&self) -> Range<usize> {
        let start = self.class().end;
        start..start + usize::from(self.block_bytes)
    }

    /// Where the content stands in the frame.
    pub(super) fn content(&self) -> Range<usize> {
        let start = self.block().end;
        start..start.saturating_add(usize::try_from(self.content_bytes).unwrap_or_default())
    }

    /// Where the sum stands in the frame, if there is one.
    pub(super) fn sum_place(&self) -> usize {
        self.content().end
    }

    /// The length of the whole frame.
    pub(super) fn frame_bytes(&self) -> usize {
        self.sum_place().saturating_add(self.flavour.sum_bytes())
    }
}

/// How many bytes a frame has at least that begins so and whose head is not all there.
pub(super) fn bytes_at_least(bytes: &[u8]) -> usize {
    let protocol = bytes.first().copied().unwrap_or(V1);
    let of = bytes.get(type_offset(protocol)).copied().unwrap_or(RESPONSE);
    bytes_of(protocol == V2, of == RESPONSE)
}

fn bytes_of(is_v2: bool, is_response: bool) -> usize {
    match (is_v2, is_response) {
        (false, true) => 20,
        (false, false) | (true, true) => 22,
        (true, false) => 24,
    }
}

fn type_offset(protocol: u8) -> usize {
    if protocol == V2 { 2 } else { 1 }
}

const V1: u8 = 1;
const V2: u8 = 2;
const RESPONSE: u8 = 0;
const REQUEST: u8 = 1;
const ONE_WAY: u8 = 2;
/// The bit of the switch for the sum.
const SUM_SWITCH: u8 = 1;
