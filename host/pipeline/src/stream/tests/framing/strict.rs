//! A reader of HTTP/1 that takes nothing that could be read another way.

/// A message as the other side reads it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Message {
    pub(super) start: String,
    /// Names in lower case, values without the white space around them.
    pub(super) fields: Vec<Field>,
    pub(super) body: Vec<u8>,
    pub(super) trailers: Vec<Field>,
}

pub(super) type Field = (String, Vec<u8>);

/// What has been read so far: a whole message with its length, or nothing yet.
pub(super) type Read = Part<Message>;

/// Fields that belong to a connection or to its framing.
pub(super) const HOP_BY_HOP: [&str; 7] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
    "te",
];

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Request,
    Response,
}

/// Reads one message. `all` says that nothing follows what is there.
pub(super) fn read(bytes: &[u8], kind: Kind, all: bool) -> Read {
    let Some((head, mut at)) = section(bytes, 0)? else { return Ok(None) };
    let mut lines = head.into_iter();
    let start =
        String::from_utf8(lines.next().unwrap_or_default()).map_err(|_no_text| "start line")?;
    let fields = lines.map(|line| field(&line)).collect::<Result<Vec<_>, _>>()?;
    check_start(&start, kind)?;
    check_fields(&fields, kind)?;
    let mut message = Message { start, fields, ..Message::default() };
    let bodyless =
        ["204", "304"].iter().any(|status| message.start.contains(&format!(" {status}")));
    match (message.one("transfer-encoding")?, message.one("content-length")?) {
        (Some(_), Some(_)) => return Err("two framings".into()),
        (Some(coding), None) if coding != b"chunked" => return Err("another coding".into()),
        (Some(_), None) if bodyless => return Err("chunks of nothing".into()),
        (Some(_), None) => match chunks(bytes, at)? {
            Some((body, trailers, end)) => {
                (message.body, message.trailers, at) = (body, trailers, end)
            }
            None => return Ok(None),
        },
        (None, Some(length)) => {
            let digits = !length.is_empty() && length.iter().all(u8::is_ascii_digit);
            let length = String::from_utf8(length).ok().filter(|_| digits);
            let length: usize = length.and_then(|text| text.parse().ok()).ok_or("length")?;
            let length = if bodyless && kind == Kind::Response { 0 } else { length };
            let Some(body) = bytes.get(at..at + length) else { return Ok(None) };
            message.body = body.to_vec();
            at += length;
        }
        (None, None) if kind == Kind::Response && !bodyless => {
            if !all {
                return Ok(None);
            }
            message.body = bytes[at..].to_vec();
            at = bytes.len();
        }
        (None, None) => {}
    }
    Ok(Some((message, at)))
}

impl Message {
    /// The only value of a field.
    pub(super) fn one(&self, name: &str) -> Result<Option<Vec<u8>>, String> {
        let mut values = self.fields.iter().filter(|(known, _)| known == name);
        let first = values.next().map(|(_, value)| value.clone());
        if values.next().is_some() { Err(format!("{name} twice")) } else { Ok(first) }
    }
}

fn check_start(start: &str, kind: Kind) -> Result<(), String> {
    let parts: Vec<&str> = start.split(' ').collect();
    let is_right = match (kind, parts.as_slice()) {
        (Kind::Request, [method, target, "HTTP/1.1"]) => {
            is_token(method.as_bytes()) && target.bytes().all(|byte| byte.is_ascii_graphic())
        }
        (Kind::Response, ["HTTP/1.1", status, ..]) => {
            status.len() == 3
                && status.bytes().all(|byte| byte.is_ascii_digit())
                && !status.starts_with('1')
        }
        _ => false,
    };
    if is_right { Ok(()) } else { Err(format!("start line {start:?}")) }
}

fn check_fields(fields: &[Field], kind: Kind) -> Result<(), String> {
    let hosts = fields.iter().filter(|(name, _)| name == "host").count();
    if kind == Kind::Request && hosts != 1 {
        return Err(format!("{hosts} hosts"));
    }
    for (name, value) in fields {
        let allowed: &[&[u8]] = match name.as_str() {
            "connection" => &[b"close", b"keep-alive"],
            "te" => &[b"trailers"],
            "transfer-encoding" => &[b"chunked"],
            "keep-alive" | "proxy-connection" | "upgrade" | "http2-settings" => &[],
            _ => continue,
        };
        if !allowed.contains(&value.as_slice()) {
            return Err(format!("{name}: {:?}", value.escape_ascii().to_string()));
        }
    }
    Ok(())
}

/// A part of a message with where it ends; nothing where more has to come.
type Part<T> = Result<Option<(T, usize)>, String>;

/// Lines up to an empty one, and where it ends.
fn section(bytes: &[u8], from: usize) -> Part<Vec<Vec<u8>>> {
    let (mut lines, mut at) = (Vec::new(), from);
    loop {
        let Some((line, next)) = line(bytes, at)? else { return Ok(None) };
        at = next;
        if line.is_empty() {
            return Ok(Some((lines, at)));
        }
        lines.push(line);
    }
}

/// One line, which ends with CR LF and has neither alone.
fn line(bytes: &[u8], from: usize) -> Part<Vec<u8>> {
    let Some(end) = bytes[from..].iter().position(|byte| *byte == b'\n') else { return Ok(None) };
    let line = &bytes[from..from + end];
    let line = line.strip_suffix(b"\r").ok_or("a bare LF")?;
    if line.contains(&b'\r') {
        return Err("a bare CR".into());
    }
    Ok(Some((line.to_vec(), from + end + 1)))
}

fn field(line: &[u8]) -> Result<Field, String> {
    let shown = || line.escape_ascii().to_string();
    let colon = line.iter().position(|byte| *byte == b':').ok_or_else(shown)?;
    let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
    let is_text = |byte: &u8| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f);
    if !is_token(name) || !value.iter().all(is_text) {
        return Err(shown());
    }
    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
    Ok((name, value.to_vec()))
}

fn is_token(name: &[u8]) -> bool {
    let is_mark = |byte: u8| b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || is_mark(*byte))
}

type Chunks = Result<Option<(Vec<u8>, Vec<Field>, usize)>, String>;

fn chunks(bytes: &[u8], from: usize) -> Chunks {
    let (mut body, mut at) = (Vec::new(), from);
    loop {
        let Some((size, next)) = line(bytes, at)? else { return Ok(None) };
        let text = String::from_utf8(size).map_err(|_no_text| "a chunk's size")?;
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let size = usize::from_str_radix(&text, 16).ok().filter(|_| digits);
        let size = size.ok_or("a chunk's size")?;
        at = next;
        if size == 0 {
            break;
        }
        let Some(chunk) = bytes.get(at..at + size + 2) else { return Ok(None) };
        body.extend_from_slice(chunk.strip_suffix(b"\r\n").ok_or("a chunk's end")?);
        at += size + 2;
    }
    let Some((lines, end)) = section(bytes, at)? else { return Ok(None) };
    let trailers = lines.iter().map(|line| field(line)).collect::<Result<Vec<_>, _>>()?;
    Ok(Some((body, trailers, end)))
}
