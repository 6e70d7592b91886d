//! Peers that send the very bytes a test says, and see the very bytes that come.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
};

use crate::{fail, within};

const READ_AT_ONCE: usize = 64 * 1024;

/// A listening socket whose connections the test plays by hand.
#[derive(Debug)]
pub struct RawUpstream {
    listener: TcpListener,
    address: SocketAddr,
}

impl RawUpstream {
    /// Listens on a free loopback port.
    pub async fn bind() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await;
        let listener = listener.unwrap_or_else(|error| fail(error));
        let address = listener.local_addr().unwrap_or_else(|error| fail(error));
        Self { listener, address }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next connection.
    pub async fn accept(&self) -> RawPeer {
        match within("a connection to the upstream", self.listener.accept()).await {
            Ok((stream, _peer)) => RawPeer::new(stream),
            Err(error) => fail(error),
        }
    }

    /// An address that refuses connections, and that nobody else gets while the tests run: a
    /// socket has it and never listens.
    pub async fn refused() -> SocketAddr {
        let socket = TcpSocket::new_v4().unwrap_or_else(|error| fail(error));
        let bound = socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)));
        bound.unwrap_or_else(|error| fail(error));
        let kept: &TcpSocket = Box::leak(Box::new(socket));
        kept.local_addr().unwrap_or_else(|error| fail(error))
    }
}

/// One end of a TCP connection.
#[derive(Debug)]
pub struct RawPeer {
    stream: TcpStream,
    unread: Vec<u8>,
}

/// One HTTP/1 response as it stood on the wire.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RawReply {
    /// The status.
    pub status: u16,
    /// The head with its empty line.
    pub head: String,
    /// The body without its framing.
    pub body: Vec<u8>,
    /// Whether the body ended as its framing says.
    pub complete: bool,
}

impl RawPeer {
    pub(crate) fn new(stream: TcpStream) -> Self {
        // Without it small writes may be joined; the tests still work.
        drop(stream.set_nodelay(true));
        Self { stream, unread: Vec::new() }
    }

    /// Connects.
    pub async fn connect(address: SocketAddr) -> Self {
        match within("connect", TcpStream::connect(address)).await {
            Ok(stream) => Self::new(stream),
            Err(error) => fail(format_args!("{address}: {error}")),
        }
    }

    /// The socket.
    #[must_use]
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Gives the socket up; nothing read may be waiting.
    #[must_use]
    pub fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// Sends bytes; a peer that went away fails the test.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        if let Err(error) = self.try_send(bytes).await {
            fail(format_args!("send: {error}"));
        }
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// The peer went away.
    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        within("room to send", self.stream.write_all(bytes.as_ref())).await
    }

    /// Sends as much of `bytes` as fits without waiting: how many.
    #[must_use]
    pub fn send_now(&self, bytes: &[u8]) -> usize {
        self.stream.try_write(bytes).unwrap_or(0)
    }

    /// Ends our direction; the other one stays open.
    pub async fn finish(&mut self) {
        // Fails only where the peer is gone, which a later read shows.
        drop(self.stream.shutdown().await);
    }

    /// Breaks the connection with a reset.
    pub fn reset(self) {
        if let Err(error) = self.stream.set_zero_linger() {
            fail(format_args!("reset: {error}"));
        }
    }

    /// Reads once: how many bytes came; 0 at the end.
    async fn fill(&mut self) -> io::Result<usize> {
        let mut piece = vec![0; READ_AT_ONCE];
        let length = self.stream.read(&mut piece).await?;
        self.unread.extend(piece.iter().take(length));
        Ok(length)
    }

    /// What came next, whatever it is; empty at the end.
    pub async fn read_some(&mut self) -> Vec<u8> {
        if self.unread.is_empty()
            && let Err(error) = within("bytes", self.fill()).await
        {
            fail(format_args!("read: {error}"));
        }
        std::mem::take(&mut self.unread)
    }

    /// Exactly `length` bytes.
    pub async fn read_exact(&mut self, length: usize) -> Vec<u8> {
        while self.unread.len() < length {
            self.more("bytes").await;
        }
        let rest = self.unread.split_off(length);
        std::mem::replace(&mut self.unread, rest)
    }

    /// Exactly `length` bytes; `None` where the connection ends before.
    pub async fn try_read_exact(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.unread.len() < length {
            let read = within("bytes", self.fill()).await;
            read.ok().filter(|read| *read > 0)?;
        }
        let rest = self.unread.split_off(length);
        Some(std::mem::replace(&mut self.unread, rest))
    }

    /// Everything up to and with `mark`.
    pub async fn read_until(&mut self, mark: &[u8]) -> Vec<u8> {
        loop {
            let found = self.unread.windows(mark.len()).position(|window| window == mark);
            if let Some(at) = found {
                return self.read_exact(at + mark.len()).await;
            }
            self.more(&String::from_utf8_lossy(mark)).await;
        }
    }

    /// A message head with its empty line.
    pub async fn read_head(&mut self) -> String {
        String::from_utf8_lossy(&self.read_until(b"\r\n\r\n").await).into_owned()
    }

    /// One response with a body of known or chunked length.
    pub async fn read_reply(&mut self) -> RawReply {
        loop {
            if let Some((reply, length)) = parse_reply(&self.unread, false)
                && reply.complete
            {
                self.unread.drain(..length);
                return reply;
            }
            self.more("a whole response").await;
        }
    }

    async fn more(&mut self, what: &str) {
        match within(what, self.fill()).await {
            Ok(0) => fail(format_args!(
                "the peer closed before {what:?}; it sent {:?}",
                String::from_utf8_lossy(&self.unread)
            )),
            Ok(_more) => {}
            Err(error) => fail(format_args!("{what}: {error}")),
        }
    }

    /// All that comes until the peer ends the connection, by reset or not.
    pub async fn read_to_end(&mut self) -> Vec<u8> {
        while within("the end of the connection", self.fill()).await.is_ok_and(|read| read > 0) {}
        std::mem::take(&mut self.unread)
    }
}

/// All responses in `bytes`, which a connection sent from its start to its end.
#[must_use]
pub fn parse_replies(mut bytes: &[u8]) -> Vec<RawReply> {
    let mut replies = Vec::new();
    while let Some((reply, length)) = parse_reply(bytes, true) {
        replies.push(reply);
        bytes = bytes.get(length..).unwrap_or_default();
    }
    replies
}

/// The first response in `bytes`, and where it ends. `at_end`: nothing more will come.
fn parse_reply(bytes: &[u8], at_end: bool) -> Option<(RawReply, usize)> {
    let head_end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let (head, rest) = bytes.split_at_checked(head_end)?;
    let head = String::from_utf8_lossy(head).into_owned();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let lower = head.to_ascii_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length: Option<usize> = length.and_then(|length| length.trim().parse().ok());
    let chunked = lower.contains("transfer-encoding: chunked");
    let (body, taken, complete) = if chunked {
        parse_chunks(rest)
    } else if let Some(length) = length {
        let body = rest.get(..length.min(rest.len()))?.to_vec();
        let taken = body.len();
        (body, taken, taken == length)
    } else if (100..200).contains(&status) || status == 204 || status == 304 {
        (Vec::new(), 0, true)
    } else {
        (rest.to_vec(), rest.len(), at_end)
    };
    Some((RawReply { status, head, body, complete }, head_end + taken))
}

/// A chunked body: what it carries, where it ends, whether it ended.
fn parse_chunks(bytes: &[u8]) -> (Vec<u8>, usize, bool) {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let Some(line) = rest.windows(2).position(|window| window == b"\r\n") else {
            return (body, bytes.len(), false);
        };
        let size = String::from_utf8_lossy(rest.get(..line).unwrap_or_default()).into_owned();
        let size = size.split(';').next().unwrap_or_default().trim().to_owned();
        let Ok(size) = usize::from_str_radix(&size, 16) else {
            return (body, bytes.len(), false);
        };
        if size == 0 {
            let section = rest.get(line..).unwrap_or_default();
            let end = section.windows(4).position(|window| window == b"\r\n\r\n");
            return match end {
                Some(end) => (body, at + line + end + 4, true),
                None => (body, bytes.len(), false),
            };
        }
        let Some(data) = rest.get(line + 2..line + 2 + size) else {
            return (body, bytes.len(), false);
        };
        body.extend_from_slice(data);
        at += line + 2 + size + 2;
    }
}

#[cfg(test)]
mod tests;
