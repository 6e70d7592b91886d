//! Values as Tars writes them: a head of a number (the *tag*) and a type, then what the type says.

use std::ops::Range;

use bytes::BufMut;
use host_types::FieldList;

use crate::{read::Cursor, wire::last_of_each};

const BYTE: u8 = 0;
const SHORT: u8 = 1;
const INT: u8 = 2;
const LONG: u8 = 3;
const FLOAT: u8 = 4;
const DOUBLE: u8 = 5;
/// A text with a length of one byte.
const TEXT: u8 = 6;
/// A text with a length of four bytes.
const LONG_TEXT: u8 = 7;
pub(super) const MAP: u8 = 8;
const LIST: u8 = 9;
const STRUCT: u8 = 10;
const STRUCT_END: u8 = 11;
/// The number 0, without any byte.
const ZERO: u8 = 12;
/// A list of bytes, all in one piece.
pub(super) const BYTES: u8 = 13;

/// How deep values may stand in each other.
const DEPTH_MAX: u8 = 32;

/// Reads the head of a value: tag and type.
pub(super) fn head(cursor: &mut Cursor<'_>) -> Option<(u8, u8)> {
    let head = cursor.u8()?;
    let tag = if head >> 4 == 15 { cursor.u8()? } else { head >> 4 };
    Some((tag, head & 0xf))
}

/// True for a number of up to four bytes.
pub(super) fn is_int(of: u8) -> bool {
    matches!(of, ZERO | BYTE | SHORT | INT)
}

/// Reads a number of up to four bytes.
pub(super) fn int(cursor: &mut Cursor<'_>, of: u8) -> Option<i32> {
    match of {
        ZERO => Some(0),
        BYTE => cursor.array().map(|byte| i8::from_be_bytes(byte).into()),
        SHORT => cursor.array().map(|bytes| i16::from_be_bytes(bytes).into()),
        INT => cursor.i32(),
        _ => None,
    }
}

/// The place of a text.
pub(super) fn text(cursor: &mut Cursor<'_>, of: u8) -> Option<Range<usize>> {
    let length = match of {
        TEXT => cursor.u8()?.into(),
        LONG_TEXT => usize::try_from(cursor.i32()?).ok()?,
        _ => return None,
    };
    cursor.range(length)
}

/// The place of a list of bytes.
pub(super) fn bytes(cursor: &mut Cursor<'_>) -> Option<Range<usize>> {
    let (_, BYTE) = head(cursor)? else { return None };
    let length = size(cursor)?;
    cursor.range(length)
}

/// How many elements there are.
pub(super) fn size(cursor: &mut Cursor<'_>) -> Option<usize> {
    let (_, of) = head(cursor)?;
    usize::try_from(int(cursor, of)?).ok()
}

/// Goes behind a value; `values` is how many there may be in it and behind it.
pub(super) fn skip(cursor: &mut Cursor<'_>, of: u8, values: &mut usize) -> Option<()> {
    skip_within(cursor, of, values, 0)
}

fn skip_within(cursor: &mut Cursor<'_>, of: u8, values: &mut usize, depth: u8) -> Option<()> {
    if depth > DEPTH_MAX {
        return None;
    }
    *values = values.checked_sub(1)?;
    match of {
        LONG | DOUBLE => cursor.range(8).map(drop),
        FLOAT => cursor.range(4).map(drop),
        TEXT | LONG_TEXT => text(cursor, of).map(drop),
        BYTES => bytes(cursor).map(drop),
        MAP | LIST => {
            let parts = if of == MAP { 2 } else { 1 };
            for _part in 0..size(cursor)?.checked_mul(parts)? {
                let (_, of) = head(cursor)?;
                skip_within(cursor, of, values, depth + 1)?;
            }
            Some(())
        }
        STRUCT => loop {
            match head(cursor)? {
                (_, STRUCT_END) => break Some(()),
                (_, of) => skip_within(cursor, of, values, depth + 1)?,
            }
        },
        _ => int(cursor, of).map(drop),
    }
}

/// Writes a number in as few bytes as it needs.
pub(super) fn put_int(out: &mut Vec<u8>, tag: u8, number: i32) {
    if number == 0 {
        put_head(out, tag, ZERO);
    } else if let Ok(number) = i8::try_from(number) {
        put_head(out, tag, BYTE);
        out.put_i8(number);
    } else if let Ok(number) = i16::try_from(number) {
        put_head(out, tag, SHORT);
        out.put_i16(number);
    } else {
        out.extend(wide_int(tag, number));
    }
}

/// A number in four bytes.
pub(super) fn wide_int(tag: u8, number: i32) -> Vec<u8> {
    let mut out = Vec::with_capacity(5);
    put_head(&mut out, tag, INT);
    out.put_i32(number);
    out
}

/// Writes a text; nothing where it is too long.
pub(super) fn put_text(out: &mut Vec<u8>, tag: u8, text: &[u8]) -> Option<()> {
    if let Ok(length) = u8::try_from(text.len()) {
        put_head(out, tag, TEXT);
        out.put_u8(length);
    } else {
        put_head(out, tag, LONG_TEXT);
        out.put_i32(i32::try_from(text.len()).ok()?);
    }
    out.put_slice(text);
    Some(())
}

/// Writes a list of bytes; nothing where it is too long.
pub(super) fn put_bytes(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) -> Option<()> {
    put_head(out, tag, BYTES);
    put_head(out, 0, BYTE);
    put_int(out, 0, i32::try_from(bytes.len()).ok()?);
    out.put_slice(bytes);
    Some(())
}

/// Writes fields as a map of texts; nothing where they are too long.
pub(super) fn put_map(out: &mut Vec<u8>, tag: u8, fields: &FieldList) -> Option<()> {
    put_head(out, tag, MAP);
    let pairs = last_of_each(fields);
    put_int(out, 0, i32::try_from(pairs.len()).ok()?);
    for (name, value) in pairs {
        put_text(out, 0, name)?;
        put_text(out, 1, value)?;
    }
    Some(())
}

/// All tags that are written have four bits.
fn put_head(out: &mut Vec<u8>, tag: u8, of: u8) {
    debug_assert!(tag < 15, "the tag would have a byte of its own");
    out.put_u8(tag << 4 | of);
}
