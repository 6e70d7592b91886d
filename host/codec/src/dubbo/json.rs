//! The little of fastjson's payloads that is known: lines, each with one value in JSON.

mod pairs;

use self::pairs::Pairs;
use super::payload::{Names, count_types};
use crate::hessian::Read;

/// Longest line that is read for a name.
const NAME_BYTES_MAX: usize = 4096;

/// The names that a request begins with. `None` where nobody can be sure that a provider reads
/// the same: the request goes on unread.
///
/// # Errors
/// The attachments name another service.
pub(super) fn read_names(payload: &[u8]) -> Read<Option<Names>> {
    let mut lines = payload.split(|byte| *byte == b'\n');
    let mut next = || name(lines.next().unwrap_or_default());
    let (Ok(dubbo), Ok(service), Ok(version), Ok(method), Ok(types)) =
        (next(), next(), next(), next(), next())
    else {
        return Ok(None);
    };
    // Others begin a line behind each return.
    let is_strange = payload.windows(2).any(|two| matches!(two, [b'\r', next] if *next != b'\n'));
    let Some(arguments) = count_types(types.as_bytes()).filter(|_count| !is_strange) else {
        return Ok(None);
    };
    let line = lines.nth(arguments).unwrap_or_default().trim_ascii();
    let Some(pairs) = Pairs::read(line) else { return Ok(None) };
    let interface = service.clone();
    let mut names = Names { dubbo, service, interface, version, method, ..Names::default() };
    pairs.settle(&mut names)?;
    Ok(Some(names))
}

/// The version of the protocol that a request begins with.
pub(super) fn read_version(payload: &[u8]) -> Option<Box<str>> {
    name(payload.split(|byte| *byte == b'\n').next()?).ok()
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
