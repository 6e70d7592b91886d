//! The attachments of a fastjson payload, as far as they say which service is called.
//!
//! The parser that providers have takes much that is no JSON. So only what is plain is read here,
//! and all else is what nobody can be sure of.

use super::super::{
    payload::Names,
    target::{self, is_said_by},
};
use crate::{
    hessian::Read,
    read::Cursor,
    wire::{DOUBLE, FIELDS_MAX, has_double},
};

/// How deep values may lie in each other.
const DEPTH_MAX: usize = 64;

/// The pairs of a map.
pub(super) struct Pairs<'a>(Vec<(&'a [u8], Value<'a>)>);

/// Of a plain string the bytes, of null none, and `None` for all others.
type Value<'a> = Option<&'a [u8]>;

impl<'a> Pairs<'a> {
    /// Reads a whole line. `None` where it is not plain.
    pub(super) fn read(line: &'a [u8]) -> Option<Self> {
        let mut pairs = Self(Vec::new());
        if matches!(line, b"" | b"null") {
            return Some(pairs);
        }
        let mut cursor = Cursor::new(line);
        take(&mut cursor, b'{')?;
        let mut end = next(&cursor)?;
        if end == b'}' {
            take(&mut cursor, end)?;
        }
        while end != b'}' {
            let (name, true) = string(&mut cursor)? else { return None };
            // These mean something to the parser.
            if matches!(name.first(), Some(b'@' | b'$')) || pairs.0.len() >= FIELDS_MAX {
                return None;
            }
            take(&mut cursor, b':')?;
            pairs.0.push((name, value(&mut cursor)?));
            end = next(&cursor).filter(|end| matches!(end, b',' | b'}'))?;
            take(&mut cursor, end)?;
        }
        cursor.is_done().then_some(pairs)
    }

    /// See [`target::settle`].
    pub(super) fn settle(&self, names: &mut Names) -> Read<()> {
        if has_double(self.0.iter().map(|(name, _value)| *name)) {
            return Err(DOUBLE);
        }
        if self.0.iter().any(|(name, value)| is_said_by(name) && value.is_none()) {
            return Err("an attachment that names the service is no plain string");
        }
        let said = |name: &[u8]| self.0.iter().find(|(other, _value)| *other == name);
        target::agree(names, |name| said(name).and_then(|(_name, value)| *value))
    }
}

/// The next byte behind space, which stays there.
fn next(cursor: &Cursor<'_>) -> Option<u8> {
    let mut rest = cursor.rest().iter().copied();
    rest.find(|byte| !matches!(byte, b' ' | b'\t'))
}

/// Goes behind this byte and space before it.
fn take(cursor: &mut Cursor<'_>, expect: u8) -> Option<u8> {
    while matches!(cursor.peek(), Some(b' ' | b'\t')) {
        cursor.u8();
    }
    cursor.u8().filter(|byte| *byte == expect)
}

/// Reads a string; false where it has escapes.
fn string<'a>(cursor: &mut Cursor<'a>) -> Option<(&'a [u8], bool)> {
    take(cursor, b'"')?;
    let (rest, mut length, mut is_plain) = (cursor.rest(), 0, true);
    loop {
        length += match cursor.u8()? {
            b'"' => return Some((rest.get(..length)?, is_plain)),
            b'\\' => {
                is_plain = false;
                cursor.u8().filter(|byte| *byte > 0x1f).map(|_escaped| 2)?
            }
            0x00..=0x1f => return None,
            _ => 1,
        };
    }
}

/// Goes over a value.
fn value<'a>(cursor: &mut Cursor<'a>) -> Option<Value<'a>> {
    match next(cursor)? {
        b'"' => string(cursor).map(|(text, is_plain)| is_plain.then_some(text)),
        b'{' | b'[' => skip_nested(cursor).map(|()| None),
        _ => {
            while matches!(cursor.peek(), Some(b' ' | b'\t')) {
                cursor.u8();
            }
            let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
            let word = cursor.rest();
            let length = word.iter().position(|byte| !is_word(byte)).unwrap_or(word.len());
            let word = cursor.range(length).and_then(|_range| word.get(..length))?;
            let none: Value<'_> = (word == b"null").then_some(&[]);
            (!word.is_empty()).then_some(none)
        }
    }
}

/// Goes over a map or a list with all that is in it.
fn skip_nested(cursor: &mut Cursor<'_>) -> Option<()> {
    let mut ends = Vec::new();
    loop {
        match next(cursor)? {
            b'"' => drop(string(cursor)?),
            open @ (b'{' | b'[') if ends.len() < DEPTH_MAX => {
                take(cursor, open)?;
                ends.push(if open == b'{' { b'}' } else { b']' });
            }
            end @ (b'}' | b']') => {
                take(cursor, end)?;
                if ends.pop() != Some(end) {
                    return None;
                }
                if ends.is_empty() {
                    return Some(());
                }
            }
            other if other.is_ascii_alphanumeric() || b"+-.,:".contains(&other) => {
                take(cursor, other)?;
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests;
