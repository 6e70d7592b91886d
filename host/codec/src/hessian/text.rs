//! Strings of Hessian: chunks whose lengths count the units of UTF-16.
//!
//! The units are written like characters of UTF-8, one by one, so that a character of two units
//! takes six bytes. Some writers take UTF-8's own four instead; both are read, the first is
//! written.

use std::ops::Range;

use super::{CUT_SHORT, NULL, Read};
use crate::read::Cursor;

/// A string that stands in a message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Text {
    /// It stands there as it is: in one piece, in UTF-8.
    At(Range<usize>),
    /// It had to be put together.
    Own(Vec<u8>),
}

impl Text {
    /// The bytes: UTF-8, but that half of a pair of units may stand alone.
    pub(crate) fn bytes<'a>(&'a self, message: &'a [u8]) -> &'a [u8] {
        match self {
            Self::At(place) => message.get(place.clone()).unwrap_or_default(),
            Self::Own(bytes) => bytes,
        }
    }

    /// The same as text.
    pub(crate) fn text<'a>(&'a self, message: &'a [u8]) -> Read<&'a str> {
        match std::str::from_utf8(self.bytes(message)) {
            Ok(text) => Ok(text),
            Err(_lone) => Err("a name is no text"),
        }
    }
}

/// True where a value that begins with this byte is a string.
pub(crate) fn is_text(tag: u8) -> bool {
    matches!(tag, 0x00..=0x1f | 0x30..=0x33 | b'R' | b'S')
}

/// Reads a string, or no value.
pub(crate) fn read_text(cursor: &mut Cursor<'_>) -> Read<Option<Text>> {
    if cursor.peek() == Some(NULL) {
        let _null = cursor.u8();
        return Ok(None);
    }
    let (first, mut last) = chunk(cursor)?;
    let bytes = cursor.bytes().get(first.clone()).unwrap_or_default();
    if last && std::str::from_utf8(bytes).is_ok() {
        return Ok(Some(Text::At(first)));
    }
    let mut own = Vec::new();
    own.extend_from_slice(bytes);
    while !last {
        let (place, is_last) = chunk(cursor)?;
        own.extend_from_slice(cursor.bytes().get(place).unwrap_or_default());
        last = is_last;
    }
    if std::str::from_utf8(&own).is_err() {
        own = joined(&own)?;
    }
    Ok(Some(Text::Own(own)))
}

/// Goes over a string whose characters nobody looks at.
pub(super) fn skip_text(cursor: &mut Cursor<'_>) -> Read<()> {
    while !chunk(cursor)?.1 {}
    Ok(())
}

/// The place of the next chunk's bytes, and whether it is the last one.
fn chunk(cursor: &mut Cursor<'_>) -> Read<(Range<usize>, bool)> {
    let tag = cursor.u8().ok_or(CUT_SHORT)?;
    let units = match tag {
        0x00..=0x1f => usize::from(tag),
        0x30..=0x33 => usize::from(tag - 0x30) << 8 | usize::from(cursor.u8().ok_or(CUT_SHORT)?),
        b'R' | b'S' => usize::from(cursor.u16().ok_or(CUT_SHORT)?),
        _ => return Err("what should be a string is none"),
    };
    let length = length_of(cursor.rest(), units)?;
    Ok((cursor.range(length).ok_or(CUT_SHORT)?, tag != b'R'))
}

/// How many bytes so many units have.
fn length_of(bytes: &[u8], units: usize) -> Read<usize> {
    let (mut at, mut left) = (0, units);
    while left > 0 {
        // Most of all text is plain.
        if let Some((eight, _)) = bytes.get(at..).and_then(<[u8]>::split_first_chunk::<8>)
            && left >= 8
            && u64::from_ne_bytes(*eight) & 0x8080_8080_8080_8080 == 0
        {
            (at, left) = (at + 8, left - 8);
            continue;
        }
        let (length, used) = shape(*bytes.get(at).ok_or(CUT_SHORT)?)?;
        at += length;
        left = left.checked_sub(used).ok_or("a string ends within a character")?;
    }
    if at > bytes.len() { Err(CUT_SHORT) } else { Ok(at) }
}

/// How many bytes, and how many units, a character has that begins with this byte.
fn shape(first: u8) -> Read<(usize, usize)> {
    match first {
        0x00..=0x7f => Ok((1, 1)),
        0xc0..=0xdf => Ok((2, 1)),
        0xe0..=0xef => Ok((3, 1)),
        0xf0..=0xf7 => Ok((4, 2)),
        _ => Err("a string is not encoded as UTF-8"),
    }
}

/// Text with its pairs of units made to characters. Whatever else is no UTF-8 is refused, longer
/// forms of a character above all, since they would hide it; but a half of a pair may stand alone.
fn joined(bytes: &[u8]) -> Read<Vec<u8>> {
    let mut whole = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(first) = rest.first() {
        let (length, _units) = shape(*first)?;
        let (character, behind) = rest.split_at_checked(length).ok_or(CUT_SHORT)?;
        let pair = half(character).zip(behind.first_chunk::<3>().and_then(|next| half(next)));
        match pair {
            Some((high @ 0xd800..=0xdbff, low @ 0xdc00..=0xdfff)) => {
                let code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                whole.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                rest = behind.get(3..).unwrap_or_default();
            }
            _ if half(character).is_some() || std::str::from_utf8(character).is_ok() => {
                whole.extend_from_slice(character);
                rest = behind;
            }
            _ => return Err("a string is not encoded as UTF-8"),
        }
    }
    Ok(whole)
}

/// The unit that stands for half of a character, where it is one.
fn half(character: &[u8]) -> Option<u32> {
    match *character {
        [0xed, second @ 0xa0..=0xbf, third @ 0x80..=0xbf] => {
            Some(0xd000 | u32::from(second & 0x3f) << 6 | u32::from(third & 0x3f))
        }
        _ => None,
    }
}

/// Writes a string. `None`, and nothing that could be used is written, where the bytes are no
/// text.
pub(crate) fn write_text(out: &mut Vec<u8>, text: &[u8]) -> Option<()> {
    let split = match std::str::from_utf8(text) {
        Ok(sound) if sound.is_ascii() => None,
        Ok(sound) => Some(halves(sound)),
        // What came with half of a pair goes on with it.
        Err(_lone) => Some(halves_of_lone(text)?),
    };
    let mut rest = split.as_deref().unwrap_or(text);
    loop {
        let (units, length) = piece(rest);
        let (bytes, behind) = rest.split_at_checked(length)?;
        let [high, low] = u16::try_from(units).ok()?.to_be_bytes();
        match high {
            _ if !behind.is_empty() => out.extend_from_slice(&[b'R', high, low]),
            0 if low < 0x20 => out.push(low),
            0..=3 => out.extend_from_slice(&[0x30 + high, low]),
            _ => out.extend_from_slice(&[b'S', high, low]),
        }
        out.extend_from_slice(bytes);
        if behind.is_empty() {
            return Some(());
        }
        rest = behind;
    }
}

/// Text with each character of two units as these.
fn halves(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + text.len() / 2);
    for character in text.chars() {
        if character.len_utf16() == 1 {
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            let [high, low] = unit.to_be_bytes();
            let second = 0x80 | (high & 0x0f) << 2 | low >> 6;
            out.extend_from_slice(&[0xe0 | high >> 4, second, 0x80 | low & 0x3f]);
        }
    }
    out
}

/// The same of text in which halves of pairs stand alone. `None` where it is no text beside that.
fn halves_of_lone(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() + text.len() / 2);
    let mut rest = text;
    while !rest.is_empty() {
        let sound = match std::str::from_utf8(rest) {
            Ok(sound) => sound.len(),
            Err(error) => error.valid_up_to(),
        };
        let (before, behind) = rest.split_at_checked(sound)?;
        out.extend_from_slice(&halves(std::str::from_utf8(before).ok()?));
        if behind.is_empty() {
            break;
        }
        let (lone, behind) = behind.split_at_checked(3)?;
        half(lone)?;
        out.extend_from_slice(lone);
        rest = behind;
    }
    Some(out)
}

/// How many units the next chunk has, and how many bytes. The text has units of up to three bytes
/// only.
fn piece(text: &[u8]) -> (usize, usize) {
    let (mut units, mut at) = (0, 0);
    while let Some(first) = text.get(at) {
        // A pair is not torn apart: readers differ in what they make of it.
        let begins_pair = *first == 0xed && matches!(text.get(at + 1), Some(0xa0..=0xaf));
        if units == CHUNK_UNITS_MAX || (begins_pair && units + 1 == CHUNK_UNITS_MAX) {
            break;
        }
        units += 1;
        at += match first {
            0x00..=0x7f => 1,
            0x80..=0xdf => 2,
            0xe0..=0xff => 3,
        };
    }
    (units, at.min(text.len()))
}

/// Most units of a chunk, as other writers have it.
const CHUNK_UNITS_MAX: usize = 0x8000;

#[cfg(test)]
mod tests;
