//! Reads the framing of HTTP/1 requests as strictly as two parsers must to agree on it.
//!
//! hyper is lenient where request smuggling lives: it takes `content-length` beside
//! `transfer-encoding`, repeated equal lengths and bare line feeds, and hides from us that
//! they were there. So the bytes pass this scanner first. It only looks: it changes nothing,
//! keeps no message, and stops at the first thing that two parsers could read differently
//! (RFC 9112 sections 2.2, 5, 6 and 7). Everything else that is malformed is left to hyper.
//!
//! Start reading at [`FramingScanner::scan`].

use memchr::memchr;

/// Why bytes were refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("a line ends without a carriage return")]
    BareLineFeed,
    #[error("content-length is repeated")]
    RepeatedLength,
    #[error("content-length is not a number")]
    BadLength,
    #[error("content-length and transfer-encoding in one head")]
    LengthAndEncoding,
    #[error("transfer-encoding is not exactly `chunked`")]
    BadEncoding,
    #[error("the request target has a fragment")]
    Fragment,
    #[error("the host field is repeated")]
    RepeatedHost,
    #[error("a chunk is malformed")]
    BadChunk,
    #[error("a line is longer than the limit")]
    LineTooLong,
}

/// Where scanning stopped: offset in the scanned bytes of the line that is at fault, and
/// whether it stands in a head (hyper can still answer 400) or in a body (it cannot).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Fault {
    pub(crate) refusal: Refusal,
    pub(crate) offset: usize,
    pub(crate) in_head: bool,
}

/// What the connection is in the middle of; the clocks of the connection depend on it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Position {
    /// Between requests.
    Between,
    /// In a head.
    Head,
    /// In a body.
    Body,
}

/// Follows the messages of one connection.
#[derive(Debug)]
pub(crate) struct FramingScanner {
    state: State,
    /// The start of a line whose end has not come yet.
    partial: Vec<u8>,
    line_bytes_max: usize,
    heads: u64,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Start,
    Fields(Framing),
    Body(u64),
    ChunkSize,
    ChunkData(u64),
    Trailers,
    /// Behind an upgrade or CONNECT: bytes of another protocol, or of a request that will
    /// never be read, because the connection closes when the upgrade is refused.
    Opaque,
}

/// What the head said so far.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each says of one field that the head had it")]
struct Framing {
    length: Option<u64>,
    chunked: bool,
    host: bool,
    upgrade: bool,
    connect: bool,
}

impl FramingScanner {
    /// A scanner for a new connection. A longer line than `line_bytes_max` is refused.
    pub(crate) fn new(line_bytes_max: usize) -> Self {
        Self { state: State::Start, partial: Vec::new(), line_bytes_max, heads: 0 }
    }

    /// Where the connection is.
    pub(crate) fn position(&self) -> Position {
        match self.state {
            State::Start if self.partial.is_empty() => Position::Between,
            State::Start | State::Fields(_) => Position::Head,
            State::Body(_) | State::ChunkSize | State::ChunkData(_) | State::Trailers => {
                Position::Body
            }
            State::Opaque => Position::Body,
        }
    }

    /// How many heads have come to their end.
    pub(crate) fn heads(&self) -> u64 {
        self.heads
    }

    /// Looks at the next bytes of the connection.
    ///
    /// # Errors
    /// The first fault; the scanner must not be used after it.
    pub(crate) fn scan(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            at += match self.state {
                State::Opaque => rest.len(),
                State::Body(left) => self.body(rest.len(), left),
                State::ChunkData(left) => self.chunk_data(rest.len(), left),
                State::Start | State::Fields(_) | State::ChunkSize | State::Trailers => {
                    let in_head = matches!(self.state, State::Start | State::Fields(_));
                    let fault = |refusal| Fault { refusal, offset: at, in_head };
                    self.line_part(rest).map_err(fault)?
                }
            };
        }
        Ok(())
    }

    fn body(&mut self, available: usize, left: u64) -> usize {
        let taken = usize::try_from(left).unwrap_or(usize::MAX).min(available);
        let left = left - taken as u64;
        self.state = if left == 0 { State::Start } else { State::Body(left) };
        taken
    }

    fn chunk_data(&mut self, available: usize, left: u64) -> usize {
        let taken = usize::try_from(left).unwrap_or(usize::MAX).min(available);
        let left = left - taken as u64;
        self.state = if left == 0 { State::ChunkSize } else { State::ChunkData(left) };
        taken
    }

    /// Takes bytes up to the end of a line; handles the line where it is whole.
    fn line_part(&mut self, rest: &[u8]) -> Result<usize, Refusal> {
        let Some(end) = memchr(b'\n', rest) else {
            if self.partial.len() + rest.len() > self.line_bytes_max {
                return Err(Refusal::LineTooLong);
            }
            self.partial.extend_from_slice(rest);
            return Ok(rest.len());
        };
        let part = rest.get(..end).unwrap_or_default();
        if self.partial.len() + part.len() > self.line_bytes_max {
            return Err(Refusal::LineTooLong);
        }
        let was_head = matches!(self.state, State::Fields(_));
        if self.partial.is_empty() {
            self.state = next_state(self.state, part)?;
        } else {
            let mut line = std::mem::take(&mut self.partial);
            line.extend_from_slice(part);
            self.state = next_state(self.state, &line)?;
            line.clear();
            self.partial = line;
        }
        self.heads += u64::from(was_head && !matches!(self.state, State::Fields(_)));
        Ok(end + 1)
    }
}

fn next_state(state: State, line: &[u8]) -> Result<State, Refusal> {
    let line = line.strip_suffix(b"\r").ok_or(Refusal::BareLineFeed)?;
    match state {
        State::Start if line.is_empty() => Ok(State::Start),
        State::Start => request_line(line).map(State::Fields),
        State::Fields(framing) if line.is_empty() => Ok(after_head(framing)),
        State::Fields(framing) => field(framing, line).map(State::Fields),
        State::ChunkSize => chunk_size(line),
        State::Trailers if line.is_empty() => Ok(State::Start),
        State::Trailers => Ok(State::Trailers),
        other @ (State::Body(_) | State::ChunkData(_) | State::Opaque) => Ok(other),
    }
}

fn request_line(line: &[u8]) -> Result<Framing, Refusal> {
    if line.contains(&b'#') {
        return Err(Refusal::Fragment);
    }
    Ok(Framing { connect: line.starts_with(b"CONNECT "), ..Framing::default() })
}

fn after_head(framing: Framing) -> State {
    match framing {
        Framing { upgrade: true, .. } | Framing { connect: true, .. } => State::Opaque,
        Framing { chunked: true, .. } => State::ChunkSize,
        Framing { length: Some(length), .. } if length > 0 => State::Body(length),
        Framing { .. } => State::Start,
    }
}

fn field(mut framing: Framing, line: &[u8]) -> Result<Framing, Refusal> {
    let Some(colon) = memchr(b':', line) else {
        return Ok(framing); // no field at all: hyper refuses it
    };
    let (name, value) = line.split_at(colon);
    // Most names have another length: one look decides.
    match name.len() {
        4 if name.eq_ignore_ascii_case(b"host") => {
            let repeated = std::mem::replace(&mut framing.host, true);
            (!repeated).then_some(()).ok_or(Refusal::RepeatedHost)?;
        }
        7 if name.eq_ignore_ascii_case(b"upgrade") => framing.upgrade = true,
        14 if name.eq_ignore_ascii_case(b"content-length") => {
            let length = content_length(field_value(value))?;
            if framing.length.replace(length).is_some() {
                return Err(Refusal::RepeatedLength);
            }
        }
        17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
            if framing.chunked || !field_value(value).eq_ignore_ascii_case(b"chunked") {
                return Err(Refusal::BadEncoding);
            }
            framing.chunked = true;
        }
        _ => {}
    }
    if framing.chunked && framing.length.is_some() {
        return Err(Refusal::LengthAndEncoding);
    }
    Ok(framing)
}

/// The value behind the colon, without the optional white space around it.
fn field_value(from_colon: &[u8]) -> &[u8] {
    from_colon.get(1..).unwrap_or_default().trim_ascii()
}

fn content_length(value: &[u8]) -> Result<u64, Refusal> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let text = str::from_utf8(value).ok().filter(|_| digits).ok_or(Refusal::BadLength)?;
    text.parse().map_err(|_too_large| Refusal::BadLength)
}

/// `size [; extensions]`; extensions are dropped by us, but must not hide a line's end.
fn chunk_size(line: &[u8]) -> Result<State, Refusal> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (size, extensions) = line.split_at(digits);
    let clean = !extensions.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t');
    if !(1..=15).contains(&digits) || !clean || !matches!(extensions.first(), None | Some(b';')) {
        return Err(Refusal::BadChunk);
    }
    let text = str::from_utf8(size).map_err(|_no_number| Refusal::BadChunk)?;
    let size = u64::from_str_radix(text, 16).map_err(|_no_number| Refusal::BadChunk)?;
    // The line end behind the data counts as data: hyper insists on its bytes.
    Ok(if size == 0 { State::Trailers } else { State::ChunkData(size + 2) })
}

#[cfg(test)]
mod tests;
