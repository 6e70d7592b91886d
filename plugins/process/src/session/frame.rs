//! The bytes of a session: messages of ours as `prost` writes them, messages of the child as they
//! are, taken apart reply by reply.
//!
//! A message of some megabytes could hold millions of empty replies or changes, each of which
//! would take a hundred times its bytes once decoded. So replies are decoded one at a time, and
//! of a large one the parts are counted before.

use abi_process::v1;
use bytes::{Buf, Bytes};
use prost::{
    DecodeError, Message,
    encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field},
};
use tonic::{
    Status,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
};

use super::limits::PARTS_MAX;

/// Replies of up to so many bytes are decoded without a look at them.
const SMALL: usize = 16 * 1024;
/// The tag of `ToHost.replies`.
const REPLIES: u32 = 1;

/// The codec of a session.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SessionCodec;

impl Codec for SessionCodec {
    type Encode = v1::ToPlugin;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for SessionCodec {
    type Item = v1::ToPlugin;
    type Error = Status;

    fn encode(&mut self, item: v1::ToPlugin, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        item.encode(buffer).map_err(|error| Status::internal(error.to_string()))
    }
}

impl Decoder for SessionCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let length = buffer.remaining();
        Ok(Some(buffer.copy_to_bytes(length)))
    }
}

/// A message of the child is not one.
#[derive(Debug, thiserror::Error)]
pub(super) enum Malformed {
    /// The bytes are no message of the protocol.
    #[error("it sent a message that cannot be read")]
    Bytes(#[from] DecodeError),
    /// A length leads out of its message.
    #[error("it sent a message that ends before its parts do")]
    Length,
    /// There are too many parts.
    #[error("it sent a reply with more than {PARTS_MAX} parts")]
    Parts,
}

/// Takes the next reply out of a message.
pub(super) fn next_reply(message: &mut Bytes) -> Result<Option<v1::Reply>, Malformed> {
    while !message.is_empty() {
        let (tag, wire) = decode_key(message)?;
        if tag == REPLIES && wire == WireType::LengthDelimited {
            let reply = take(message)?;
            if reply.len() > SMALL {
                count(&reply)?;
            }
            return Ok(Some(v1::Reply::decode(reply)?));
        }
        skip_field(wire, tag, message, DecodeContext::default())?;
    }
    Ok(None)
}

fn take(message: &mut Bytes) -> Result<Bytes, Malformed> {
    let length = decode_varint(message)?;
    let length = usize::try_from(length).map_err(|_wide| Malformed::Length)?;
    if length > message.len() {
        return Err(Malformed::Length);
    }
    Ok(message.split_to(length))
}

/// Where a message of the protocol holds others.
#[derive(Clone, Copy)]
enum Shape {
    Reply,
    /// Answer and Act: changes, and a verdict or a response.
    Answer,
    Act,
    Change,
    Verdict,
    Call,
    CodecAnswer,
    Decoded,
    Frame,
    /// Fields under this tag.
    Fields(u32),
    Properties,
    Leaf,
}

impl Shape {
    /// The shape of what stands under a tag; `None` where that is no message.
    fn part(self, tag: u32) -> Option<Self> {
        Some(match (self, tag) {
            (Self::Reply, 2) => Self::Properties,
            (Self::Reply, 3) => Self::Answer,
            (Self::Reply, 4) => Self::Act,
            (Self::Reply, 5) => Self::Call,
            (Self::Reply, 9) => Self::CodecAnswer,
            (Self::CodecAnswer, 5) => Self::Decoded,
            (Self::Decoded, 1) => Self::Frame,
            (Self::Frame, 4 | 10 | 11) => Self::Leaf,
            (Self::Answer, 4) | (Self::Act, 3) => Self::Change,
            (Self::Answer, 5) => Self::Verdict,
            (Self::Verdict, 2) | (Self::Act, 6) => Self::Fields(2),
            (Self::Change, 4) => Self::Fields(2),
            (Self::Call, 7) => Self::Fields(2),
            (Self::Properties, 4) | (Self::Change, _) => Self::Leaf,
            (Self::Fields(fields), tag) if fields == tag => Self::Leaf,
            _ => return None,
        })
    }
}

/// Counts the messages inside of a reply.
fn count(reply: &Bytes) -> Result<(), Malformed> {
    // The shapes nest five deep, so this list stays short of a few entries for each part.
    let mut open = vec![(Shape::Reply, reply.clone())];
    let mut parts = 0_usize;
    while let Some((shape, mut message)) = open.pop() {
        while !message.is_empty() {
            let (tag, wire) = decode_key(&mut message)?;
            if wire != WireType::LengthDelimited {
                skip_field(wire, tag, &mut message, DecodeContext::default())?;
                continue;
            }
            let part = take(&mut message)?;
            let Some(shape) = shape.part(tag) else { continue };
            parts += 1;
            if parts > PARTS_MAX {
                return Err(Malformed::Parts);
            }
            if !matches!(shape, Shape::Leaf) {
                open.push((shape, part));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
