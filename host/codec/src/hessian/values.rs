//! Going over values of Hessian, whatever they are.

use super::{CUT_SHORT, END, Read, is_text, text::skip_text};
use crate::read::Cursor;

/// What is known of the values of one message while it is read.
#[derive(Debug, Default)]
pub(crate) struct Values {
    /// How many fields the classes have that were defined, in order.
    classes: Vec<usize>,
    /// The lists, maps and objects that the place is in.
    open: Vec<Open>,
}

/// Something with values in it, and what is still to come of it.
#[derive(Clone, Copy, Debug)]
enum Open {
    /// So many values.
    Left(usize),
    /// Values up to an end.
    List,
    /// Pairs up to an end; a key without its value is `odd`.
    Map { odd: bool },
}

impl Values {
    /// Goes over the next value, with all that is in it. True where it has no parts that other
    /// values could refer to, and refers to none: it means the same wherever it stands.
    pub(crate) fn skip(&mut self, cursor: &mut Cursor<'_>) -> Read<bool> {
        self.open.clear();
        let mut alone = true;
        loop {
            alone &= self.begin(cursor)?;
            if !self.goes_on(cursor)? {
                return Ok(alone);
            }
        }
    }

    /// Goes over a value's own bytes, up to its first part where it has any.
    fn begin(&mut self, cursor: &mut Cursor<'_>) -> Read<bool> {
        let mut tag = cursor.peek().ok_or(CUT_SHORT)?;
        if is_text(tag) {
            skip_text(cursor)?;
            return Ok(true);
        }
        let _tag = cursor.u8();
        while tag == b'C' {
            self.define(cursor)?;
            tag = cursor.u8().ok_or(CUT_SHORT)?;
            // Only an object makes sense of a definition, but any value may follow.
            if is_text(tag) {
                *cursor = Cursor::from(cursor.bytes(), cursor.place() - 1);
                skip_text(cursor)?;
                return Ok(false);
            }
        }
        if let Some(length) = scalar(tag) {
            cursor.range(length).ok_or(CUT_SHORT)?;
            return Ok(true);
        }
        match tag {
            0x20..=0x2f | 0x34..=0x37 | b'A' | b'B' => {
                skip_binary(tag, cursor)?;
                return Ok(true);
            }
            b'Q' => drop(read_length(cursor)?),
            b'H' => self.open(Open::Map { odd: false })?,
            b'M' => {
                skip_type(cursor)?;
                self.open(Open::Map { odd: false })?;
            }
            b'U' => {
                skip_type(cursor)?;
                self.open(Open::List)?;
            }
            b'W' => self.open(Open::List)?,
            b'V' => {
                skip_type(cursor)?;
                let length = read_length(cursor)?;
                self.open(Open::Left(length))?;
            }
            b'X' => {
                let length = read_length(cursor)?;
                self.open(Open::Left(length))?;
            }
            0x70..=0x77 => {
                skip_type(cursor)?;
                self.open(Open::Left(usize::from(tag - 0x70)))?;
            }
            0x78..=0x7f => self.open(Open::Left(usize::from(tag - 0x78)))?,
            b'O' => {
                let class = read_length(cursor)?;
                self.object(class)?;
            }
            0x60..=0x6f => self.object(usize::from(tag - 0x60))?,
            _ => return Err("a value of an unknown kind"),
        }
        Ok(false)
    }

    /// Ends what is over. False where nothing is open any more.
    fn goes_on(&mut self, cursor: &mut Cursor<'_>) -> Read<bool> {
        while let Some(open) = self.open.last_mut() {
            let is_over = match open {
                Open::Left(0) => true,
                Open::Left(left) => {
                    *left -= 1;
                    return Ok(true);
                }
                Open::Map { odd: true } if cursor.peek() == Some(END) => {
                    return Err("a map's key has no value");
                }
                Open::List | Open::Map { .. } if cursor.peek() == Some(END) => {
                    cursor.u8().is_some()
                }
                Open::List => return Ok(true),
                Open::Map { odd } => {
                    *odd = !*odd;
                    return Ok(true);
                }
            };
            debug_assert!(is_over, "what is not over goes on");
            self.open.pop();
        }
        Ok(false)
    }

    fn open(&mut self, open: Open) -> Read<()> {
        if self.open.len() >= DEPTH_MAX {
            return Err("values lie too deep in each other");
        }
        self.open.push(open);
        Ok(())
    }

    fn object(&mut self, class: usize) -> Read<()> {
        let fields = self.classes.get(class).copied();
        self.open(Open::Left(fields.ok_or("an object of a class that is not defined")?))
    }

    fn define(&mut self, cursor: &mut Cursor<'_>) -> Read<()> {
        skip_text(cursor)?;
        let fields = read_length(cursor)?;
        for _field in 0..fields {
            skip_text(cursor)?;
        }
        if self.classes.len() >= CLASSES_MAX {
            return Err("too many classes");
        }
        self.classes.push(fields);
        Ok(())
    }
}

/// How many bytes follow the tag of a value without parts.
fn scalar(tag: u8) -> Option<usize> {
    match tag {
        b'T' | b'F' | b'N' | 0x5b | 0x5c | 0x80..=0xbf | 0xd8..=0xef => Some(0),
        0x5d | 0xc0..=0xcf | 0xf0..=0xff => Some(1),
        0x38..=0x3f | 0x5e | 0xd0..=0xd7 => Some(2),
        b'I' | b'Y' | 0x4b | 0x5f => Some(4),
        b'D' | b'L' | 0x4a => Some(8),
        _ => None,
    }
}

fn skip_binary(tag: u8, cursor: &mut Cursor<'_>) -> Read<()> {
    let mut tag = tag;
    loop {
        let length = match tag {
            0x20..=0x2f => usize::from(tag - 0x20),
            0x34..=0x37 => {
                usize::from(tag - 0x34) << 8 | usize::from(cursor.u8().ok_or(CUT_SHORT)?)
            }
            b'A' | b'B' => usize::from(cursor.u16().ok_or(CUT_SHORT)?),
            _ => return Err("a chunk of bytes is followed by none"),
        };
        cursor.range(length).ok_or(CUT_SHORT)?;
        if tag != b'A' {
            return Ok(());
        }
        tag = cursor.u8().ok_or(CUT_SHORT)?;
    }
}

/// A type: its name, or the number of one that was named before.
fn skip_type(cursor: &mut Cursor<'_>) -> Read<()> {
    if is_text(cursor.peek().ok_or(CUT_SHORT)?) {
        skip_text(cursor)
    } else {
        read_length(cursor).map(drop)
    }
}

fn read_length(cursor: &mut Cursor<'_>) -> Read<usize> {
    match usize::try_from(read_int(cursor)?) {
        Ok(length) => Ok(length),
        Err(_negative) => Err("a length is negative"),
    }
}

/// Reads a number of 32 bits.
pub(crate) fn read_int(cursor: &mut Cursor<'_>) -> Read<i32> {
    let tag = cursor.u8().ok_or(CUT_SHORT)?;
    let high = |zero: u8| i32::from(tag) - i32::from(zero);
    match tag {
        0x80..=0xbf => Ok(high(0x90)),
        0xc0..=0xcf => Ok((high(0xc8) << 8) + i32::from(cursor.u8().ok_or(CUT_SHORT)?)),
        0xd0..=0xd7 => Ok((high(0xd4) << 16) + i32::from(cursor.u16().ok_or(CUT_SHORT)?)),
        b'I' => cursor.i32().ok_or(CUT_SHORT),
        _ => Err("what should be a number is none"),
    }
}

/// Reads a number of 32 or 64 bits.
pub(crate) fn read_number(cursor: &mut Cursor<'_>) -> Read<i64> {
    let tag = cursor.peek().ok_or(CUT_SHORT)?;
    let high = |zero: u8| i64::from(tag) - i64::from(zero);
    let mut behind = cursor.clone();
    let _tag = behind.u8();
    let number = match tag {
        0xd8..=0xef => high(0xe0),
        0xf0..=0xff => (high(0xf8) << 8) + i64::from(behind.u8().ok_or(CUT_SHORT)?),
        0x38..=0x3f => (high(0x3c) << 16) + i64::from(behind.u16().ok_or(CUT_SHORT)?),
        b'Y' => i64::from(behind.i32().ok_or(CUT_SHORT)?),
        b'L' => behind.array().map(i64::from_be_bytes).ok_or(CUT_SHORT)?,
        _ => return read_int(cursor).map(i64::from),
    };
    *cursor = behind;
    Ok(number)
}

/// How deep values may lie in each other.
const DEPTH_MAX: usize = 1024;

/// How many classes a message may define.
const CLASSES_MAX: usize = 4096;

#[cfg(test)]
mod tests;
