//! Guest memory: where a guest's numbers become bytes of ours, and back.
//!
//! Every pointer of a guest goes through [`guest_range`]; nothing else adds or compares
//! guest addresses.

use std::ops::Range;

/// The bytes that a guest means by an address and a length; `None` where they are not all in
/// its memory of `memory_len` bytes. Nothing is everywhere: a length of zero asks for no
/// memory, and guests give any address with it.
pub(crate) fn guest_range(ptr: u32, len: u32, memory_len: usize) -> Option<Range<usize>> {
    if len == 0 {
        return Some(0..0);
    }
    let start = usize::try_from(ptr).ok()?;
    let end = start.checked_add(usize::try_from(len).ok()?)?;
    (end <= memory_len).then_some(start..end)
}

/// The bytes at an address.
pub(crate) fn read(memory: &[u8], ptr: u32, len: u32) -> Option<&[u8]> {
    memory.get(guest_range(ptr, len, memory.len())?)
}

/// A number at an address.
pub(crate) fn read_u32(memory: &[u8], ptr: u32) -> Option<u32> {
    let bytes: [u8; 4] = read(memory, ptr, 4)?.try_into().ok()?;
    Some(u32::from_le_bytes(bytes))
}

/// Writes bytes to an address.
pub(crate) fn write(memory: &mut [u8], ptr: u32, bytes: &[u8]) -> Option<()> {
    let range = guest_range(ptr, u32::try_from(bytes.len()).ok()?, memory.len())?;
    memory.get_mut(range)?.copy_from_slice(bytes);
    Some(())
}

#[cfg(test)]
mod tests;
