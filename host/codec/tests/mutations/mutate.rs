//! Makes wrong inputs of right ones.

use fastrand::Rng;

/// Numbers that lengths are wrong with.
const NUMBERS: [u32; 12] =
    [0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x00ff_ffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];

/// Longest input that is made of several.
const INPUT_BYTES_MAX: usize = 8 * 1024;

/// One input: a few frames, some of them damaged. `repair` sets the length of a frame right, so
/// that damage within it is met and not only that of its borders.
pub(crate) fn input(dice: &mut Rng, seeds: &[Vec<u8>], repair: fn(&mut [u8]), out: &mut Vec<u8>) {
    out.clear();
    for _frame in 0..dice.usize(1..4) {
        let start = out.len();
        out.extend_from_slice(pick(dice, seeds));
        for _change in 0..dice.usize(0..4) {
            change(dice, seeds, start, out);
        }
        if dice.u8(0..4) > 0 {
            repair(&mut out[start..]);
        }
        if out.len() > INPUT_BYTES_MAX {
            break;
        }
    }
    if dice.u8(0..8) == 0 {
        out.truncate(dice.usize(0..=out.len()));
    }
}

fn pick<'a>(dice: &mut Rng, seeds: &'a [Vec<u8>]) -> &'a [u8] {
    &seeds[dice.usize(0..seeds.len())]
}

/// Damages what lies from `start` on.
fn change(dice: &mut Rng, seeds: &[Vec<u8>], start: usize, out: &mut Vec<u8>) {
    if out.len() == start {
        return;
    }
    let place = dice.usize(start..out.len());
    let end = out.len().min(place + dice.usize(0..24));
    match dice.u8(0..9) {
        0 | 1 => out[place] ^= 1 << dice.u8(0..8),
        2 | 3 => out[place] = dice.u8(..),
        4 => {
            let number = NUMBERS[dice.usize(0..NUMBERS.len())].to_be_bytes();
            let bytes = &number[if dice.bool() { 2 } else { 0 }..];
            for (byte, new) in out[place..].iter_mut().zip(bytes) {
                *byte = *new;
            }
        }
        5 => drop(out.drain(place..end)),
        6 => {
            let piece = out[place..end].to_vec();
            out.splice(place..place, piece);
        }
        7 => {
            let other = pick(dice, seeds);
            let from = dice.usize(0..other.len());
            let piece = &other[from..other.len().min(from + dice.usize(0..64))];
            out.splice(place..end, piece.iter().copied());
        }
        _ => {
            let byte = dice.u8(..);
            out.splice(place..place, std::iter::repeat_n(byte, dice.usize(1..16)));
        }
    }
}
