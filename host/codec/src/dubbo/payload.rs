//! Payloads in Hessian 2.
//!
//! A request: version of the protocol, service, its version, method, types of the parameters, the
//! arguments, the attachments. A response: what it holds, the value or exception, and attachments
//! where it says so. Where each part lies is found again when a frame is written, so that nothing
//! is kept for the many that nobody changes.

use std::ops::Range;

use bytes::Bytes;
use host_extension::Rewrite;
use host_types::{FieldList, Frame};

use super::{
    attachments::{Attachments, Found},
    head::HEAD_BYTES,
    target,
};
use crate::{
    hessian::{Read, Values, read_int, read_text},
    read::Cursor,
};

/// What a request says of the call.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// The version of the protocol.
    pub(super) dubbo: Box<str>,
    /// The path of the service.
    pub(super) service: Box<str>,
    /// Its interface, which is mostly the path, too.
    pub(super) interface: Box<str>,
    /// The version of the service.
    pub(super) version: Box<str>,
    pub(super) method: Box<str>,
    pub(super) group: Option<Box<[u8]>>,
    /// In milliseconds.
    pub(super) timeout: Option<u64>,
}

/// Where the parts of a request lie.
struct Request {
    arguments: Range<usize>,
    arguments_count: usize,
    attachments: Attachments,
}

/// What a response holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Holds(i32);

impl Holds {
    const EXCEPTION: i32 = 0;
    const VALUE: i32 = 1;
    const NULL: i32 = 2;
    /// Added to those where attachments follow.
    const ATTACHED: i32 = 3;

    fn read(cursor: &mut Cursor<'_>) -> Read<Self> {
        match read_int(cursor)? {
            what @ 0..=5 => Ok(Self(what)),
            _ => Err("a response holds what is not known"),
        }
    }

    /// Value or no value, by the bytes of it.
    pub(super) fn value(is_there: bool, is_attached: bool) -> Self {
        let what = if is_there { Self::VALUE } else { Self::NULL };
        Self(if is_attached { what + Self::ATTACHED } else { what })
    }

    /// Writes it, which is a small number.
    pub(super) fn write(self, out: &mut Vec<u8>) {
        out.push(0x90 | self.0.to_be_bytes()[3]);
    }

    pub(super) fn is_exception(self) -> bool {
        self.0 % Self::ATTACHED == Self::EXCEPTION
    }

    fn is_null(self) -> bool {
        self.0 % Self::ATTACHED == Self::NULL
    }

    fn is_attached(self) -> bool {
        self.0 >= Self::ATTACHED
    }
}

/// Reads a request's payload into the frame.
pub(super) fn read_request(frame: &mut Frame) -> Read<Names> {
    let raw = frame.raw.clone();
    let mut found = Found::of(FieldList::new(raw.clone()));
    let (mut names, request) = request(&raw, Some(&mut found))?;
    target::settle(&mut names, &raw, &found.fields, &request.attachments)?;
    frame.body = raw.slice(request.arguments);
    frame.fields = found.fields;
    names.timeout = found.timeout;
    let field = |name| frame.fields.get_exact(name);
    names.group = field(b"group").map(Into::into);
    let interface = field(b"interface").and_then(|name| std::str::from_utf8(name).ok());
    names.interface = interface.map_or_else(|| names.service.clone(), Into::into);
    Ok(names)
}

/// The version of the protocol that a request begins with.
pub(super) fn read_version(raw: &[u8]) -> Read<Box<str>> {
    let version = read_text(&mut Cursor::from(raw, HEAD_BYTES))?;
    version.map_or_else(|| Ok(Box::default()), |version| version.text(raw).map(Into::into))
}

fn request(raw: &[u8], found: Option<&mut Found>) -> Read<(Names, Request)> {
    let mut cursor = Cursor::from(raw, HEAD_BYTES);
    let mut text = || match read_text(&mut cursor)? {
        Some(text) => text.text(raw).map(Box::<str>::from),
        None => Ok(Box::default()),
    };
    let (dubbo, service, version, method) = (text()?, text()?, text()?, text()?);
    let types = read_text(&mut cursor)?;
    let types = types.as_ref().map_or(Ok(""), |types| types.text(raw))?;
    let arguments_count = count_types(types.as_bytes()).ok_or("types that are none")?;
    let start = cursor.place();
    let mut values = Values::default();
    for _argument in 0..arguments_count {
        values.skip(&mut cursor)?;
    }
    let arguments = start..cursor.place();
    let attachments = Attachments::read(&mut cursor, &mut values, found)?;
    let names = Names { dubbo, service, version, method, ..Names::default() };
    Ok((names, Request { arguments, arguments_count, attachments }))
}

/// How many types are written one behind the other, in the form of the Java machine.
pub(super) fn count_types(types: &[u8]) -> Option<usize> {
    let (mut rest, mut count) = (types, 0);
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        match first {
            b'[' => {
                if rest.is_empty() {
                    return None;
                }
                continue;
            }
            b'L' => {
                let end = rest.iter().position(|byte| *byte == b';')?;
                rest = rest.get(end + 1..)?;
            }
            b'Z' | b'B' | b'C' | b'S' | b'I' | b'J' | b'F' | b'D' => {}
            _ => return None,
        }
        count += 1;
    }
    Some(count)
}

/// Writes the payload of a request in which something was changed.
pub(super) fn write_request(out: &mut Vec<u8>, rewrite: &Rewrite<'_>) -> Option<()> {
    let frame = rewrite.frame;
    let (mut names, request) = request(&frame.raw, None).ok()?;
    let (fields, attachments) = (&frame.fields, &request.attachments);
    if fields.is_changed() && !target::is_kept(&mut names, &frame.raw, fields, attachments) {
        return None;
    }
    out.extend_from_slice(frame.raw.get(HEAD_BYTES..request.arguments.start)?);
    if rewrite.body_changed {
        are_values(&frame.body, request.arguments_count)?;
        out.extend_from_slice(&frame.body);
    } else {
        out.extend_from_slice(frame.raw.get(request.arguments)?);
    }
    request.attachments.write(out, &frame.raw, &frame.fields, rewrite.body_changed)
}

/// Reads a response's payload into the frame.
pub(super) fn read_response(frame: &mut Frame) -> Read<Holds> {
    let raw: Bytes = frame.raw.clone();
    let mut found = Found::of(FieldList::new(raw.clone()));
    let response = response(&raw, Some(&mut found))?;
    frame.body = raw.slice(response.value);
    frame.fields = found.fields;
    Ok(response.holds)
}

/// Where the parts of a response lie.
struct Response {
    holds: Holds,
    value: Range<usize>,
    attachments: Option<Attachments>,
}

fn response(raw: &[u8], found: Option<&mut Found>) -> Read<Response> {
    let mut cursor = Cursor::from(raw, HEAD_BYTES);
    let holds = Holds::read(&mut cursor)?;
    let start = cursor.place();
    if !holds.is_attached() {
        // Nothing comes behind the value, so nobody needs to know where it ends.
        let value = if holds.is_null() { start..start } else { start..raw.len() };
        return Ok(Response { holds, value, attachments: None });
    }
    let mut values = Values::default();
    if !holds.is_null() {
        values.skip(&mut cursor)?;
    }
    let value = start..cursor.place();
    let attachments = Attachments::read(&mut cursor, &mut values, found)?;
    Ok(Response { holds, value, attachments: Some(attachments) })
}

/// Writes the payload of a response in which something was changed.
pub(super) fn write_response(out: &mut Vec<u8>, rewrite: &Rewrite<'_>) -> Option<()> {
    let frame = rewrite.frame;
    let response = response(&frame.raw, None).ok()?;
    let is_attached = response.attachments.is_some();
    let value = if rewrite.body_changed {
        are_values(&frame.body, usize::from(!frame.body.is_empty()))?;
        &frame.body
    } else {
        frame.raw.get(response.value)?
    };
    if !response.holds.is_exception() {
        Holds::value(!value.is_empty(), is_attached).write(out);
    } else if value.is_empty() {
        return None;
    } else {
        response.holds.write(out);
    }
    out.extend_from_slice(value);
    let Some(attachments) = response.attachments else { return Some(()) };
    attachments.write(out, &frame.raw, &frame.fields, rewrite.body_changed)
}

/// Something where the bytes are so many values and nothing else.
fn are_values(bytes: &[u8], count: usize) -> Option<()> {
    let mut cursor = Cursor::new(bytes);
    let mut values = Values::default();
    for _value in 0..count {
        values.skip(&mut cursor).ok()?;
    }
    cursor.is_done().then_some(())
}

#[cfg(test)]
mod tests;
