//! Thrift's binary protocol, as far as a proxy must know it: the begin of a message, and the
//! exception that a server answers when it could not call.

use std::ops::Range;

use bytes::BufMut;

use super::string;
use crate::read::Cursor;

/// The begin of a message.
pub(super) struct Message {
    pub(super) of: Type,
    /// Where the name of the method stands.
    pub(super) name: Range<usize>,
    pub(super) sequence: i32,
    /// Where the struct begins.
    pub(super) body: usize,
}

/// What a message is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Type {
    Call,
    Reply,
    Exception,
    OneWay,
}

impl Type {
    pub(super) fn number(self) -> u8 {
        match self {
            Self::Call => 1,
            Self::Reply => 2,
            Self::Exception => 3,
            Self::OneWay => 4,
        }
    }

    /// The type of the message at a place, whatever else is wrong with it.
    pub(super) fn read(raw: &[u8], at: usize) -> Option<Self> {
        let mut cursor = Cursor::from(raw, at);
        if cursor.peek()? >= 0x80 {
            return cursor.array().and_then(|[_, _, _, of]| Self::of(of));
        }
        string(&mut cursor)?;
        Self::of(cursor.u8()?)
    }

    fn of(number: u8) -> Option<Self> {
        [Self::Call, Self::Reply, Self::Exception, Self::OneWay]
            .into_iter()
            .find(|of| of.number() == number)
    }
}

impl Message {
    /// Reads the begin of a message at a place, in the form with a version or in the older one.
    pub(super) fn read(raw: &[u8], at: usize) -> Result<Self, &'static str> {
        let mut cursor = Cursor::from(raw, at);
        let is_versioned = cursor.peek().is_some_and(|byte| byte >= 0x80);
        let version = if is_versioned { cursor.array() } else { Some([0; 4]) };
        let name = string(&mut cursor);
        let of = match (is_versioned, version) {
            (true, Some([high, low, 0, of])) if [high, low] == VERSION => Some(of),
            (true, _) => return Err("the version of the Thrift message is unknown"),
            (false, _) => cursor.u8(),
        };
        let (Some(name), Some(of), Some(sequence)) = (name, of, cursor.i32()) else {
            return Err("the frame ends within the begin of the message");
        };
        let of = Type::of(of).ok_or("the type of the Thrift message is unknown")?;
        Ok(Self { of, name, sequence, body: cursor.place() })
    }
}

/// Writes the begin of a message.
pub(super) fn put_begin(out: &mut Vec<u8>, of: Type, name: &[u8], sequence: i32) -> Option<()> {
    out.put_slice(&[VERSION[0], VERSION[1], 0, of.number()]);
    put_string(out, name)?;
    out.put_i32(sequence);
    Some(())
}

/// The struct of an exception: a text and what it is about, both by the number of a field.
pub(super) fn exception(text: &[u8], http: u16) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() + 16);
    out.put_slice(&TEXT_FIELD);
    put_string(&mut out, text)?;
    out.put_slice(&ABOUT_FIELD);
    out.put_i32(match http {
        404 => UNKNOWN_METHOD,
        400 => PROTOCOL_ERROR,
        _ => INTERNAL_ERROR,
    });
    out.put_slice(NOTHING);
    Some(out)
}

/// What HTTP would say of a response. Of an exception only the usual form is read, which begins
/// with its text; a result that is an exception that the method declares is an answer.
pub(super) fn http(of: Type, body: &[u8]) -> u16 {
    if of != Type::Exception {
        return 200;
    }
    let mut cursor = Cursor::new(body);
    let about = (cursor.array() == Some(TEXT_FIELD))
        .then(|| string(&mut cursor))
        .flatten()
        .and_then(|_text| cursor.array())
        .filter(|field| *field == ABOUT_FIELD)
        .and_then(|_field| cursor.i32());
    if about == Some(UNKNOWN_METHOD) { 404 } else { 500 }
}

fn put_string(out: &mut Vec<u8>, text: &[u8]) -> Option<()> {
    out.put_i32(i32::try_from(text.len()).ok()?);
    out.put_slice(text);
    Some(())
}

/// A struct without fields.
pub(super) const NOTHING: &[u8] = &[0];
const VERSION: [u8; 2] = [0x80, 0x01];
/// A string with the number 1.
const TEXT_FIELD: [u8; 3] = [11, 0, 1];
/// A number of four bytes with the number 2.
const ABOUT_FIELD: [u8; 3] = [8, 0, 2];
const UNKNOWN_METHOD: i32 = 1;
const INTERNAL_ERROR: i32 = 6;
const PROTOCOL_ERROR: i32 = 7;
