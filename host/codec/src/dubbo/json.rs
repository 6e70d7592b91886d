//! The little of fastjson's payloads that is known: lines, each with one value in JSON.

use super::payload::Names;
use crate::hessian::Read;

/// Longest line that is read for a name.
const NAME_BYTES_MAX: usize = 1024;

/// The names that a request begins with. An error where the lines do not hold them: the request
/// goes on unread.
pub(super) fn read_names(payload: &[u8]) -> Read<Names> {
    let mut lines = payload.split(|byte| *byte == b'\n');
    let mut next = || name(lines.next().unwrap_or_default());
    let (dubbo, service, version, method) = (next()?, next()?, next()?, next()?);
    let interface = service.clone();
    Ok(Names { dubbo, service, interface, version, method, ..Names::default() })
}

/// A string without escapes, which no name has, or null.
fn name(line: &[u8]) -> Read<Box<str>> {
    const OTHER: &str = "what should be a name is none";
    let line = line.trim_ascii();
    if line == b"null" {
        return Ok(Box::default());
    }
    let inner = line.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).ok_or(OTHER)?;
    let is_plain = !inner.iter().any(|byte| matches!(byte, b'"' | b'\\' | 0x00..=0x1f));
    if !is_plain || inner.len() > NAME_BYTES_MAX {
        return Err(OTHER);
    }
    std::str::from_utf8(inner).map(Into::into).or(Err(OTHER))
}

/// Writes a string as a line.
pub(super) fn write_line(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0x00..=0x1f => {
                let digit = |half: u8| if half < 10 { b'0' + half } else { b'a' + half - 10 };
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[digit(byte >> 4), digit(byte & 0x0f)]);
            }
            _ => out.push(byte),
        }
    }
    out.extend_from_slice(b"\"\n");
}
