//! The part of a body that a filter sees in one call.

use bytes::{Bytes, BytesMut};

/// Body bytes that a filter may read and rewrite: one chunk, or all that was held so far.
#[derive(Debug, Default)]
pub struct BodyBuffer {
    bytes: BytesMut,
}

impl BodyBuffer {
    /// Adds a chunk behind what is held.
    pub fn push(&mut self, chunk: &Bytes) {
        self.bytes.extend_from_slice(chunk);
    }

    /// Takes a chunk as the whole content; copies nothing where the chunk is not shared.
    pub fn set(&mut self, chunk: Bytes) {
        self.bytes = BytesMut::from(chunk);
    }

    /// Takes all bytes out. Nothing here shares them afterwards, so that whoever holds them
    /// and puts them back with [`BodyBuffer::set`] copies nothing.
    #[must_use]
    pub fn take(&mut self) -> Bytes {
        std::mem::take(&mut self.bytes).freeze()
    }

    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    /// How many bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// True where there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Replaces `length` bytes from `start` by `with`; both are cut to what is there, so
    /// that `(0, 0)` prepends, `(len, 0)` appends and `(0, max)` replaces all.
    pub fn splice(&mut self, start: usize, length: usize, with: &[u8]) {
        let start = start.min(self.bytes.len());
        let end = start.saturating_add(length).min(self.bytes.len());
        let tail = self.bytes.split_off(end);
        self.bytes.truncate(start);
        self.bytes.extend_from_slice(with);
        self.bytes.extend_from_slice(&tail);
    }
}

#[cfg(test)]
mod tests;
