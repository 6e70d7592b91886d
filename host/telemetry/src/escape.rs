//! Text from outside, made safe to show.
//!
//! Whatever a client or a plugin says may end up in a terminal or in a file of lines. A line
//! end would forge a record, an escape sequence would drive the terminal, and a bidirectional
//! override would show something else than what is there. [`is_hidden`] says which characters
//! are never written as they are, in all logs alike.

use std::{borrow::Cow, fmt::Write};

/// A line for a person: hidden characters as `\n`, `\t` or `\u{1b}`, bytes that are no UTF-8
/// as `\xff`, and what is past `bytes_max` bytes of the line cut off. Borrows where the line
/// is safe as it is. A line end at the very end is dropped.
#[must_use]
pub fn escape_line(line: &[u8], bytes_max: usize) -> Cow<'_, str> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let is_cut = line.len() > bytes_max;
    let line = cut(line, bytes_max);
    match std::str::from_utf8(line) {
        Ok(text) if !is_cut && !text.contains(is_hidden) => Cow::Borrowed(text),
        Ok(_) | Err(_) => Cow::Owned(escape(line, is_cut)),
    }
}

/// What the end of a cut line says.
const CUT_MARK: &str = "...";

fn escape(line: &[u8], is_cut: bool) -> String {
    let mut text = String::with_capacity(line.len() + line.len() / 8);
    for chunk in line.utf8_chunks() {
        for character in chunk.valid().chars() {
            if is_hidden(character) {
                text.extend(character.escape_default());
            } else {
                text.push(character);
            }
        }
        for byte in chunk.invalid() {
            write!(text, "\\x{byte:02x}").expect("a string takes every write");
        }
    }
    if is_cut {
        text.push_str(CUT_MARK);
    }
    text
}

/// The first `bytes_max` bytes, or up to three fewer, so that no character is cut in two.
pub(crate) fn cut(line: &[u8], bytes_max: usize) -> &[u8] {
    let mut end = bytes_max.min(line.len());
    // Bytes 10xxxxxx go on a character that began before them.
    while end + 3 > bytes_max && line.get(end).is_some_and(|byte| byte & 0xc0 == 0x80) {
        let Some(before) = end.checked_sub(1) else { break };
        end = before;
    }
    line.get(..end).unwrap_or(line)
}

/// Writes a JSON string; cut off after `bytes_max` bytes of text.
pub(crate) fn push_json_string(out: &mut Vec<u8>, text: &str, bytes_max: usize) {
    let text = text.get(..text.floor_char_boundary(bytes_max)).unwrap_or(text);
    out.push(b'"');
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\') {
        out.extend_from_slice(text.as_bytes());
    } else {
        text.chars().for_each(|character| push_json_char(out, character));
    }
    out.push(b'"');
}

fn push_json_char(out: &mut Vec<u8>, character: char) {
    match character {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        hidden if is_hidden(hidden) => {
            for unit in hidden.encode_utf16(&mut [0; 2]) {
                out.extend_from_slice(b"\\u");
                for shift in [12, 8, 4, 0] {
                    let digit = usize::from(*unit >> shift & 0xf);
                    out.push(*b"0123456789abcdef".get(digit).unwrap_or(&b'0'));
                }
            }
        }
        plain => out.extend_from_slice(plain.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

/// Characters that end a line, drive a terminal, turn the direction of text or cannot be seen.
pub(crate) fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            // Soft hyphen; Arabic letter mark; Mongolian vowel separator.
            '\u{ad}' | '\u{61c}' | '\u{180e}'
            // Zero-width characters, direction marks, line and paragraph separators,
            // embeddings and overrides.
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            // Word joiner, invisible operators, isolates, deprecated formatting.
            | '\u{2060}'..='\u{206f}'
            // Byte order mark, interlinear annotation, tags.
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests;
