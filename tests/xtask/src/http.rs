//! Just enough of HTTP/1.1 to ask the demo's questions and to be its upstream.
//!
//! It reads whole messages, up to a limit, and is no part of the proxy.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context, Result, bail};

/// How long one read or write may take.
const PATIENCE: Duration = Duration::from_secs(30);
const HEAD_BYTES_MAX: u64 = 64 * 1024;
const BODY_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// A request or a response.
#[derive(Debug, Default)]
pub(crate) struct Message {
    /// The request line or the status line.
    pub(crate) first: String,
    /// Names in lower case, with values.
    pub(crate) headers: Vec<(String, String)>,
    /// The whole body.
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// The first value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The second word of the first line: a request's target or a response's status.
    pub(crate) fn target(&self) -> &str {
        self.first.split(' ').nth(1).unwrap_or_default()
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Sends one request on a connection of its own.
pub(crate) fn ask(to: SocketAddr, method: &str, path: &str, body: &[u8]) -> Result<Message> {
    ask_with(to, method, path, &[], body)
}

/// As [`ask`], with more headers.
pub(crate) fn ask_with(
    to: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Message> {
    let mut stream = TcpStream::connect_timeout(&to, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    let mut reader = BufReader::new(stream.try_clone()?);
    let body = body.to_vec();
    // The answer may begin before the body is sent: one side must not wait for the other.
    let writer = std::thread::spawn(move || {
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body))
    });
    let answer = read(&mut reader, true)?.context("the connection was closed without an answer")?;
    // An answer that came before the whole body was read may have closed the connection.
    let _early = writer.join();
    Ok(answer)
}

/// Reads one message; nothing where the peer closed before it.
pub(crate) fn read(from: &mut impl BufRead, response: bool) -> Result<Option<Message>> {
    let mut message = Message::default();
    let mut head = from.take(HEAD_BYTES_MAX);
    let Some(first) = line(&mut head)? else { return Ok(None) };
    message.first = first;
    while let Some(text) = line(&mut head)?.filter(|text| !text.is_empty()) {
        let Some((name, value)) = text.split_once(':') else { bail!("not a header: {text}") };
        message.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    if message.header("transfer-encoding").is_some_and(|coding| coding.contains("chunked")) {
        message.body = chunks(from)?;
    } else if let Some(length) = message.header("content-length") {
        let length: u64 = length.parse()?;
        if length > BODY_BYTES_MAX {
            bail!("a body of {length} bytes");
        }
        from.take(length).read_to_end(&mut message.body)?;
    } else if response {
        from.take(BODY_BYTES_MAX).read_to_end(&mut message.body)?;
    }
    Ok(Some(message))
}

fn chunks(from: &mut impl BufRead) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = line(&mut from.take(HEAD_BYTES_MAX))?.context("unfinished body")?;
        let size = size.split(';').next().unwrap_or_default();
        let size = u64::from_str_radix(size.trim(), 16).with_context(|| format!("{size:?}"))?;
        if size > BODY_BYTES_MAX {
            bail!("a chunk of {size} bytes");
        }
        from.take(size).read_to_end(&mut body)?;
        if body.len() as u64 > BODY_BYTES_MAX {
            bail!("a body of more than {BODY_BYTES_MAX} bytes");
        }
        if size == 0 {
            break;
        }
        line(&mut from.take(HEAD_BYTES_MAX))?;
    }
    while line(&mut from.take(HEAD_BYTES_MAX))?.is_some_and(|trailer| !trailer.is_empty()) {}
    Ok(body)
}

fn line(from: &mut impl BufRead) -> Result<Option<String>> {
    let mut text = Vec::new();
    if from.read_until(b'\n', &mut text)? == 0 {
        return Ok(None);
    }
    let text = text.trim_ascii_end();
    Ok(Some(String::from_utf8_lossy(text).into_owned()))
}
