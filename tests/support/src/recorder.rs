//! An HTTP/1 upstream that writes down the bytes it was sent, and splits them into requests
//! by the plainest reading of the rules. What smuggles a request past a proxy shows here.

use std::{io, net::SocketAddr, sync::Arc};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

use crate::fail;

/// One request as it stood on the wire.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The request line.
    pub line: String,
    /// The fields, names in lower case.
    pub fields: Vec<(String, String)>,
    /// The body without its framing.
    pub body: Vec<u8>,
    /// The lines of the trailer section.
    pub trailers: Vec<String>,
}

impl Recorded {
    /// All values of a field.
    #[must_use]
    pub fn values(&self, name: &str) -> Vec<&str> {
        let named = self.fields.iter().filter(|(field, _)| field == name);
        named.map(|(_, value)| value.as_str()).collect()
    }
}

/// The upstream. It goes away with this value.
#[derive(Debug)]
pub struct Recorder {
    address: SocketAddr,
    book: Arc<Mutex<Vec<Recorded>>>,
    accepting: JoinHandle<()>,
}

impl Recorder {
    /// Listens on a free loopback port; each request is answered with `answer`.
    pub async fn answering(answer: &'static str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await;
        let listener = listener.unwrap_or_else(|error| fail(error));
        let address = listener.local_addr().unwrap_or_else(|error| fail(error));
        let book = Arc::new(Mutex::new(Vec::new()));
        let accepting = tokio::spawn(accept(listener, answer, Arc::clone(&book)));
        Self { address, book, accepting }
    }

    /// One that answers 200 with the body `ok`.
    pub async fn start() -> Self {
        Self::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// All requests so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Recorded> {
        self.book.lock().clone()
    }

    /// All requests so far; the book is empty afterwards.
    #[must_use]
    pub fn take(&self) -> Vec<Recorded> {
        std::mem::take(&mut self.book.lock())
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, answer: &'static str, book: Arc<Mutex<Vec<Recorded>>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _peer)) = listener.accept().await {
        let wire = Wire { stream, unread: Vec::new() };
        connections.spawn(record(wire, answer, Arc::clone(&book)));
    }
}

async fn record(mut wire: Wire, answer: &'static str, book: Arc<Mutex<Vec<Recorded>>>) {
    // Ends when the proxy closes.
    while let Ok(request) = wire.request().await {
        book.lock().push(request);
        if wire.stream.write_all(answer.as_bytes()).await.is_err() {
            break;
        }
    }
}

struct Wire {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Wire {
    async fn request(&mut self) -> io::Result<Recorded> {
        let line = self.line().await?;
        let mut fields = Vec::new();
        loop {
            let field = self.line().await?;
            let Some((name, value)) = field.split_once(':') else { break };
            fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut request = Recorded { line, fields, body: Vec::new(), trailers: Vec::new() };
        let length = request.values("content-length").first().and_then(|text| text.parse().ok());
        if !request.values("transfer-encoding").is_empty() {
            request.body = self.chunks().await?;
            request.trailers = self.trailers().await?;
        } else if let Some(length) = length {
            request.body = self.take(length).await?;
        }
        Ok(request)
    }

    async fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let size = self.line().await?;
            let size = usize::from_str_radix(size.trim(), 16).map_err(io::Error::other)?;
            if size == 0 {
                break;
            }
            body.extend(self.take(size).await?);
            self.line().await?;
        }
        Ok(body)
    }

    async fn trailers(&mut self) -> io::Result<Vec<String>> {
        let mut trailers = Vec::new();
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                return Ok(trailers);
            }
            trailers.push(line);
        }
    }

    /// One line without its end.
    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line = self.take(end + 1).await?;
                return Ok(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).into());
            }
            self.fill().await?;
        }
    }

    async fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.unread.len() < length {
            self.fill().await?;
        }
        let rest = self.unread.split_off(length);
        Ok(std::mem::replace(&mut self.unread, rest))
    }

    async fn fill(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.unread).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _more => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
