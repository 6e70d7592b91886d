//! Messages of gRPC in the bytes of a body: one byte of flags, four of length, the message.

use bytes::{Buf as _, Bytes, BytesMut};

/// The largest message that is taken.
pub(super) const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

const PREFIX_BYTES: usize = 5;

/// Why no message can be cut out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum FrameError {
    /// It is compressed; we said that we take none that is.
    Compressed,
    /// The flags say what nobody knows.
    Flags,
    /// It is larger than what is taken.
    TooLarge,
    /// The body ended in the middle of it.
    Cut,
}

/// What stands before a message of that length.
pub(super) fn prefix(length: usize) -> Option<[u8; PREFIX_BYTES]> {
    let [a, b, c, d] = u32::try_from(length).ok()?.to_be_bytes();
    Some([0, a, b, c, d])
}

/// Cuts messages out of bytes as they come.
#[derive(Debug, Default)]
pub(super) struct Unframer {
    bytes: BytesMut,
}

impl Unframer {
    /// The next bytes of the body. Take out the messages before more is put in: what is kept
    /// then is a part of one message only.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// How much is kept.
    pub(super) fn held(&self) -> usize {
        self.bytes.len()
    }

    /// True in the middle of a message.
    pub(super) fn is_within(&self) -> bool {
        !self.bytes.is_empty()
    }

    /// The next message, where it is whole.
    ///
    /// # Errors
    /// No message can come of these bytes.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, FrameError> {
        let Some(&[flags, a, b, c, d]) = self.bytes.first_chunk::<PREFIX_BYTES>() else {
            return Ok(None);
        };
        match flags {
            0 => {}
            1 => return Err(FrameError::Compressed),
            _ => return Err(FrameError::Flags),
        }
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d]));
        let length = length.ok().filter(|length| *length <= MESSAGE_BYTES_MAX);
        let length = length.ok_or(FrameError::TooLarge)?;
        if self.bytes.len() < PREFIX_BYTES + length {
            return Ok(None);
        }
        self.bytes.advance(PREFIX_BYTES);
        Ok(Some(self.bytes.split_to(length).freeze()))
    }
}
