//! Changed inputs, the same ones for the same seed.

/// Makes them.
#[derive(Debug)]
pub(super) struct Mutations {
    state: u64,
}

/// Bytes that were changed.
#[derive(Debug)]
pub(super) struct Mutant {
    pub(super) bytes: Vec<u8>,
    /// What was done to them.
    pub(super) how: String,
}

/// What lengths and numbers break on.
const EDGES: [u32; 12] = [
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0x100,
    0x7fff,
    0xffff,
    0x1_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
];
/// Heads are short; half of the changes are made there.
const HEAD: usize = 32;
/// How often a byte stream is cut at random.
const CUTS_MAX: usize = 4;

impl Mutations {
    pub(super) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// A number below `limit`, or zero.
    fn below(&mut self, limit: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let number = usize::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap_or_default();
        number.checked_rem(limit).unwrap_or_default()
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap_or_default()
    }

    /// One of a list.
    pub(super) fn pick<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        list.get(self.below(list.len()))
    }

    /// Places in order, to cut at.
    pub(super) fn cuts(&mut self, length: usize) -> Vec<usize> {
        let count = 1 + self.below(CUTS_MAX);
        let mut cuts: Vec<usize> = (0..count).map(|_| self.place(length)).collect();
        cuts.sort_unstable();
        cuts
    }

    fn place(&mut self, length: usize) -> usize {
        if self.below(2) == 0 { self.below(length.min(HEAD)) } else { self.below(length) }
    }

    /// Bytes with a few changes.
    pub(super) fn mutant(&mut self, bytes: &[u8], other: &[u8]) -> Mutant {
        let mut mutant = Mutant { bytes: bytes.to_vec(), how: String::new() };
        for number in 0..=self.below(4) {
            if number > 0 {
                mutant.how.push_str(", ");
            }
            self.change(&mut mutant, other);
        }
        mutant
    }

    fn change(&mut self, mutant: &mut Mutant, other: &[u8]) {
        let bytes = &mut mutant.bytes;
        let at = self.place(bytes.len());
        let length = 1 + self.below(bytes.len().saturating_sub(at).min(64));
        let range = at..(at + length).min(bytes.len());
        let how = match self.below(8) {
            0 => {
                let bit = self.below(8);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << bit;
                }
                format!("bit {bit} of byte {at} flipped")
            }
            1 => {
                let value = self.byte();
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = value;
                }
                format!("byte {at} set to {value:#04x}")
            }
            2 | 3 => return self.edge(mutant, at),
            4 => {
                bytes.truncate(at);
                format!("cut off at {at}")
            }
            5 => {
                drop(bytes.drain(range));
                format!("{length} bytes at {at} removed")
            }
            6 => {
                let piece: Vec<u8> = bytes.get(range).unwrap_or_default().to_vec();
                drop(bytes.splice(at..at, piece));
                format!("{length} bytes at {at} doubled")
            }
            _ => {
                let from = self.below(other.len());
                let piece = other.get(from..(from + length).min(other.len())).unwrap_or_default();
                drop(bytes.splice(range, piece.iter().copied()));
                format!("{length} bytes at {at} replaced by others")
            }
        };
        mutant.how.push_str(&how);
    }

    /// A number of one, two or four bytes that lengths break on.
    fn edge(&mut self, mutant: &mut Mutant, at: usize) {
        let value = self.pick(&EDGES).copied().unwrap_or_default();
        let width = 1 << self.below(3);
        let mut digits = value.to_be_bytes().to_vec();
        drop(digits.drain(..4 - width));
        if self.below(4) == 0 {
            digits.reverse();
        }
        if let Some(place) = mutant.bytes.get_mut(at..at + width) {
            place.copy_from_slice(&digits);
        }
        mutant.how.push_str(&format!("{digits:02x?} written at {at}"));
    }
}
