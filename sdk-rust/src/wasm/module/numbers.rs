//! Tables by the numbers that the host gives.
//!
//! Each hook looks some of them up, so that costs little: numbers that follow each other come
//! to lie side by side. The host chooses them; nobody whom it serves can.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

/// A table by number.
pub(in crate::wasm) type Table<T> = HashMap<u32, T, BuildHasherDefault<Spread>>;

/// An empty table.
pub(in crate::wasm) const fn table<T>() -> Table<T> {
    HashMap::with_hasher(BuildHasherDefault::new())
}

/// Spreads a number over the upper bits, and leaves the lower ones apart for near numbers.
#[derive(Debug, Default)]
pub(in crate::wasm) struct Spread(u32);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0.into()
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        // Two to the 32 by the golden ratio.
        self.0 = (self.0 ^ number).wrapping_mul(0x9E37_79B9);
    }
}
