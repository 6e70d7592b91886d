//! The exports by which a module reads and writes the frames of a protocol, and the records that
//! pass between it and its host: version 1.
//!
//! A record is bytes in the guest's memory; all numbers are little endian, and texts have their
//! length before them as 32 bits. The readers here look at the form of a record and at nothing
//! else: whether what it says can be is for who knows the bytes that it is about.
//!
//! The README of this crate tells authors of modules in any language the same. Start reading at
//! [`export`], then [`AnswerReader`].

mod answer;
pub mod export;
mod order;
mod profile;
mod record;

pub use answer::{AnswerReader, AnswerWriter, FRAMES_MAX, FrameEntry, IdEntry};
pub use order::{EncodeOrder, RejectOrder, ReplyOrder};
pub use profile::{PoolMode, ProfileWord};
pub use record::{Pairs, RecordError, RecordPairs};

/// The version of the records; each begins with it.
pub const VERSION: u16 = 1;

/// What `mortise_codec_detect` answers.
pub mod detection {
    /// It is another protocol.
    pub const NO: u32 = 0;
    /// It is this one.
    pub const MATCH: u32 = 1;
    /// More bytes must tell.
    pub const NEED_MORE: u32 = 2;
}

/// An answer of bytes: where they are and how many, in one number; zero is no answer.
#[must_use]
pub fn pack(address: u32, length: u32) -> u64 {
    if length == 0 { 0 } else { u64::from(address) << 32 | u64::from(length) }
}

/// As [`pack`], the other way round: address and length, `None` where there is no answer.
#[must_use]
pub fn unpack(answer: u64) -> Option<(u32, u32)> {
    let half = |number: u64| u32::try_from(number & u64::from(u32::MAX)).unwrap_or_default();
    let (address, length) = (half(answer >> 32), half(answer));
    (length > 0).then_some((address, length))
}

#[cfg(test)]
mod tests;
