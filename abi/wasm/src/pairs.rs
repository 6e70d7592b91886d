//! Names with values as bytes: how header maps and map properties travel.
//!
//! A count, then the lengths of each name and value, then each name and value with a NUL
//! behind it; all numbers are 32 bits, little endian. An empty map is no bytes at all; one
//! zero byte and a zero count are read as empty, too.

use std::ops::Range;

/// Most bytes of one map.
pub const PAIR_BYTES_MAX: usize = 1 << 20;
/// Most pairs of one map.
pub const PAIR_COUNT_MAX: usize = 1024;

/// Why bytes are no map, or a map cannot become bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PairsError {
    /// More than [`PAIR_BYTES_MAX`] bytes.
    #[error("a map of more than {PAIR_BYTES_MAX} bytes")]
    TooLarge,
    /// More than [`PAIR_COUNT_MAX`] pairs.
    #[error("a map of more than {PAIR_COUNT_MAX} pairs")]
    TooMany,
    /// The bytes end within the map.
    #[error("a map that is cut off")]
    CutOff,
    /// A name or value has no NUL behind it.
    #[error("a map without its NUL bytes")]
    NoNul,
    /// Bytes are left behind the last value.
    #[error("a map with bytes behind its end")]
    Trailing,
}

/// The names and values of a decoded map.
pub type Pairs<'a> = Vec<(&'a [u8], &'a [u8])>;

/// Reads a map.
///
/// # Errors
/// The bytes are no map, or one past the limits.
pub fn decode_pairs(bytes: &[u8]) -> Result<Pairs<'_>, PairsError> {
    if bytes.len() > PAIR_BYTES_MAX {
        return Err(PairsError::TooLarge);
    }
    if bytes.is_empty() || bytes == [0] {
        return Ok(Vec::new());
    }
    let count = number(bytes, 0)?;
    if count > PAIR_COUNT_MAX {
        return Err(PairsError::TooMany);
    }
    let mut pairs = Vec::with_capacity(count);
    let mut lengths = WORD;
    let mut text = WORD + count * 2 * WORD;
    for _ in 0..count {
        let name_length = number(bytes, lengths)?;
        let value_length = number(bytes, lengths + WORD)?;
        let name = terminated(bytes, text, name_length)?;
        text += name_length + 1;
        let value = terminated(bytes, text, value_length)?;
        text += value_length + 1;
        lengths += 2 * WORD;
        pairs.push((name, value));
    }
    if text == bytes.len() { Ok(pairs) } else { Err(PairsError::Trailing) }
}

const WORD: usize = 4;

fn number(bytes: &[u8], at: usize) -> Result<usize, PairsError> {
    let word = bytes.get(at..at + WORD).ok_or(PairsError::CutOff)?;
    let word: [u8; WORD] = word.try_into().map_err(|_other_length| PairsError::CutOff)?;
    usize::try_from(u32::from_le_bytes(word)).map_err(|_narrow| PairsError::TooLarge)
}

/// The `length` bytes from `at`, which must have a NUL behind them. `at` is at most a little
/// past the limit of a map, and `length` at most 32 bits, so the sums cannot overflow.
fn terminated(bytes: &[u8], at: usize, length: usize) -> Result<&[u8], PairsError> {
    let end = at + length;
    let text = bytes.get(at..end).ok_or(PairsError::CutOff)?;
    match bytes.get(end) {
        Some(0) => Ok(text),
        Some(_) => Err(PairsError::NoNul),
        None => Err(PairsError::CutOff),
    }
}

/// Writes a map into a buffer that is used again and again.
#[derive(Debug)]
pub struct PairWriter<'a> {
    bytes: &'a mut Vec<u8>,
    lengths: Range<usize>,
}

impl<'a> PairWriter<'a> {
    /// Begins a map of exactly `count` pairs; what `bytes` held is dropped.
    ///
    /// # Errors
    /// More pairs than a map may have.
    pub fn new(bytes: &'a mut Vec<u8>, count: usize) -> Result<Self, PairsError> {
        bytes.clear();
        if count > PAIR_COUNT_MAX {
            return Err(PairsError::TooMany);
        }
        if count == 0 {
            return Ok(Self { bytes, lengths: 0..0 });
        }
        let narrow = u32::try_from(count).map_err(|_too_many| PairsError::TooMany)?;
        bytes.extend_from_slice(&narrow.to_le_bytes());
        let end = WORD + count * 2 * WORD;
        bytes.resize(end, 0);
        Ok(Self { bytes, lengths: WORD..end })
    }

    /// Adds a pair.
    ///
    /// # Errors
    /// More pairs than were announced, or more bytes than a map may have.
    pub fn push(&mut self, name: &[u8], value: &[u8]) -> Result<(), PairsError> {
        if self.lengths.is_empty() {
            return Err(PairsError::TooMany);
        }
        let more = name.len().saturating_add(value.len()).saturating_add(2);
        if self.bytes.len().saturating_add(more) > PAIR_BYTES_MAX {
            return Err(PairsError::TooLarge);
        }
        self.length(name.len())?;
        self.length(value.len())?;
        for text in [name, value] {
            self.bytes.extend_from_slice(text);
            self.bytes.push(0);
        }
        Ok(())
    }

    /// Ends the map.
    ///
    /// # Errors
    /// Fewer pairs than were announced.
    pub fn finish(self) -> Result<(), PairsError> {
        if self.lengths.is_empty() { Ok(()) } else { Err(PairsError::CutOff) }
    }

    fn length(&mut self, length: usize) -> Result<(), PairsError> {
        let length = u32::try_from(length).map_err(|_wide| PairsError::TooLarge)?;
        let at = self.lengths.start;
        let slot = self.bytes.get_mut(at..at + WORD).ok_or(PairsError::CutOff)?;
        slot.copy_from_slice(&length.to_le_bytes());
        self.lengths.start += WORD;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
