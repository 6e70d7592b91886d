//! Where values lie that a plugin was given, until its callback returns.
//!
//! A chunk is never grown, so what lies in it stays where it is. One small chunk is kept from
//! callback to callback: a callback that reads some fields allocates nothing here.

use std::cell::{Cell, RefCell};

use abi_native::{
    number::Refusal,
    table::{Bytes, Field, Fields},
};

/// Bytes of the chunk that is kept.
const CHUNK_BYTES: usize = 8 * 1024;
/// Most bytes of all values of one callback.
const BYTES_MAX: usize = 64 << 20;

/// The values of one instance's callback.
#[derive(Debug, Default)]
pub(crate) struct Arena {
    chunks: RefCell<Vec<Vec<u8>>>,
    fields: RefCell<Vec<Vec<Field>>>,
    bytes: Cell<usize>,
}

impl Arena {
    /// Keeps a copy of a value.
    pub(crate) fn keep(&self, value: &[u8]) -> Result<Bytes, Refusal> {
        self.count(value.len())?;
        self.put(value)
    }

    /// True where a value may be kept of which nobody knows yet how long it is.
    pub(crate) fn has_room(&self) -> bool {
        self.bytes.get() < BYTES_MAX
    }

    /// Keeps a value that was taken from where it was, and can only be lost otherwise: past the
    /// limit as well, if it began below it.
    pub(crate) fn keep_taken(&self, value: &[u8]) -> Result<Bytes, Refusal> {
        self.bytes.set(self.bytes.get().saturating_add(value.len().max(1)));
        self.put(value)
    }

    fn put(&self, value: &[u8]) -> Result<Bytes, Refusal> {
        let mut chunks = self.chunks.borrow_mut();
        let fits = chunks.last().is_some_and(|chunk| chunk.capacity() - chunk.len() >= value.len());
        if !fits {
            chunks.push(Vec::with_capacity(value.len().max(CHUNK_BYTES)));
        }
        let Some(chunk) = chunks.last_mut() else { return Err(Refusal::LimitReached) };
        let start = chunk.len();
        chunk.extend_from_slice(value);
        // Not by way of a slice: a borrow of the chunk would end what was given out before.
        Ok(Bytes { data: chunk.as_ptr().wrapping_add(start), length: value.len() })
    }

    /// Keeps fields, whose names and values are kept already.
    pub(crate) fn keep_fields(&self, fields: Vec<Field>) -> Result<Fields, Refusal> {
        self.count(fields.len() * size_of::<Field>())?;
        let kept = Fields { data: fields.as_ptr(), count: fields.len() };
        self.fields.borrow_mut().push(fields);
        Ok(kept)
    }

    /// The callback returned: nothing of it is read any more.
    pub(crate) fn clear(&self) {
        if self.bytes.replace(0) == 0 {
            return;
        }
        let mut chunks = self.chunks.borrow_mut();
        chunks.truncate(1);
        match chunks.first_mut() {
            Some(first) if first.capacity() <= CHUNK_BYTES => first.clear(),
            _ => chunks.clear(),
        }
        self.fields.borrow_mut().clear();
    }

    fn count(&self, more: usize) -> Result<(), Refusal> {
        // A value of nothing counts as well: it may have made a chunk.
        let bytes = self.bytes.get().saturating_add(more.max(1));
        if bytes > BYTES_MAX {
            return Err(Refusal::LimitReached);
        }
        self.bytes.set(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
