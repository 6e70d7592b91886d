//! How the exports call a codec: what they have in common. No part of the interface for plugin
//! authors.

use crate::{Codec, Decoded, Frame, FrameKind, IdWidth, PoolMode};

/// Most frames of one answer; the proxy asks again for what is behind them.
pub const FRAMES_MAX: usize = 1024;

/// What came of some bytes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Batch {
    /// The whole frames, in order.
    pub frames: Vec<Frame>,
    /// How many bytes the frame behind them has in all, as far as its beginning says, else 0.
    pub needed: usize,
    /// Where the bytes behind the frames are none of this protocol: why.
    pub lost: Option<String>,
}

/// Takes the whole frames out of the bytes, at most [`FRAMES_MAX`].
///
/// A frame that has no bytes, or more than there are, is the last one: nobody knows what is
/// behind it, and the proxy, which looks at all that it is told, takes it for the plugin's fault.
pub fn decode<C: Codec + ?Sized>(codec: &mut C, bytes: &[u8]) -> Batch {
    let mut batch = Batch::default();
    let mut rest = bytes;
    while !rest.is_empty() && batch.frames.len() < FRAMES_MAX {
        match codec.decode(rest) {
            Decoded::Frame(frame) => {
                let length = frame.length;
                batch.frames.push(*frame);
                match rest.get(length..) {
                    Some(behind) if length > 0 => rest = behind,
                    Some(_) | None => break,
                }
            }
            Decoded::NeedMore { total } => {
                batch.needed = total;
                break;
            }
            Decoded::Lost(why) => {
                batch.lost = Some(why);
                break;
            }
        }
    }
    batch
}

/// A kind as the proxy knows it.
#[must_use]
pub fn kind_number(kind: FrameKind) -> u32 {
    match kind {
        FrameKind::Request => 0,
        FrameKind::OneWay => 1,
        FrameKind::Response => 2,
        FrameKind::Heartbeat => 3,
        FrameKind::HeartbeatReply => 4,
        FrameKind::GoAway => 5,
    }
}

/// The kind of a number.
#[must_use]
pub fn kind_of(number: u32) -> Option<FrameKind> {
    Some(match number {
        0 => FrameKind::Request,
        1 => FrameKind::OneWay,
        2 => FrameKind::Response,
        3 => FrameKind::Heartbeat,
        4 => FrameKind::HeartbeatReply,
        5 => FrameKind::GoAway,
        _ => return None,
    })
}

/// The bytes of an id.
#[must_use]
pub fn width_bytes(width: IdWidth) -> u32 {
    match width {
        IdWidth::Four => 4,
        IdWidth::Eight => 8,
    }
}

/// A way to share connections as the proxy knows it.
#[must_use]
pub fn pool_number(pool: PoolMode) -> u32 {
    match pool {
        PoolMode::Multiplexed => 0,
        PoolMode::PingPong => 1,
        PoolMode::Bound => 2,
    }
}

#[cfg(test)]
mod tests;
