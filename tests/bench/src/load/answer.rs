//! Responses as far as a load needs them: is it whole, and is it what was asked for?

use anyhow::{Context, Result, bail, ensure};
use memchr::memmem;

/// Most bytes of a response head.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// The length of the head, once the response is whole; `None` before.
///
/// # Errors
/// It is no 200 with a body of `bytes` bytes.
pub(super) fn whole(buffer: &[u8], bytes: usize) -> Result<Option<usize>> {
    let Some(end) = memmem::find(buffer, b"\r\n\r\n") else {
        ensure!(buffer.len() <= HEAD_BYTES_MAX, "the answer's head does not end");
        return Ok(None);
    };
    let (head, body) = buffer.split_at(end + 4);
    let shown = || format!("not {bytes} bytes: {}", String::from_utf8_lossy(head));
    ensure!(head.starts_with(b"HTTP/1.1 200 "), "not the answer: {}", shown());
    let is_whole = match field(head, b"content-length:") {
        Some(length) => {
            let length = str::from_utf8(length).ok().and_then(|text| text.parse().ok());
            ensure!(length == Some(bytes), "{}", shown());
            ensure!(body.len() <= bytes, "the answer is longer than it says");
            body.len() == bytes
        }
        None if field(head, b"transfer-encoding:") == Some(b"chunked") => {
            let length = chunks(body)?;
            ensure!(length.is_none_or(|length| length == bytes), "{}", shown());
            length.is_some()
        }
        None => bail!("{}", shown()),
    };
    Ok(is_whole.then_some(head.len()))
}

/// The value of a field, which is given with its colon.
fn field<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    head.split(|byte| *byte == b'\n').find_map(|line| {
        let (start, value) = line.split_at_checked(name.len())?;
        start.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
    })
}

/// The bytes in all chunks, once the last one is there.
fn chunks(mut rest: &[u8]) -> Result<Option<usize>> {
    let mut sum = 0;
    loop {
        let Some(end) = memmem::find(rest, b"\r\n") else { return Ok(None) };
        let (line, behind) = rest.split_at(end);
        let size = str::from_utf8(line).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
        let size = size.context("a chunk is malformed")?;
        // The line ends of the size and of the data.
        let Some(next) = behind.get(size.saturating_add(4)..) else { return Ok(None) };
        if size == 0 {
            ensure!(next.is_empty(), "something follows the answer");
            return Ok(Some(sum));
        }
        sum += size;
        rest = next;
    }
}

#[cfg(test)]
mod tests;
