//! HTTP/2 frames made by hand, for what no well-behaved client sends.

use std::net::SocketAddr;

use crate::RawPeer;

/// A kind of frame, by its number on the wire.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FrameKind {
    /// DATA
    Data,
    /// HEADERS
    Headers,
    /// RST_STREAM
    Reset,
    /// SETTINGS
    Settings,
    /// PING
    Ping,
    /// GOAWAY
    GoAway,
    /// WINDOW_UPDATE
    WindowUpdate,
    /// Any other.
    Other(u8),
}

impl FrameKind {
    fn number(self) -> u8 {
        match self {
            Self::Data => 0,
            Self::Headers => 1,
            Self::Reset => 3,
            Self::Settings => 4,
            Self::Ping => 6,
            Self::GoAway => 7,
            Self::WindowUpdate => 8,
            Self::Other(number) => number,
        }
    }

    fn of(number: u8) -> Self {
        let known = [
            Self::Data,
            Self::Headers,
            Self::Reset,
            Self::Settings,
            Self::Ping,
            Self::GoAway,
            Self::WindowUpdate,
        ];
        let found = known.into_iter().find(|kind| kind.number() == number);
        found.unwrap_or(Self::Other(number))
    }
}

/// One frame.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RawFrame {
    /// Its kind.
    pub kind: FrameKind,
    /// Its flags.
    pub flags: u8,
    /// Its stream.
    pub stream: u32,
    /// What it carries.
    pub payload: Vec<u8>,
}

impl RawFrame {
    /// Ends the stream.
    pub const END_STREAM: u8 = 1;
    /// Acknowledges (SETTINGS and PING).
    pub const ACK: u8 = 1;
    /// Ends the header block.
    pub const END_HEADERS: u8 = 4;

    /// The status in a response's head, where it stands first and is in the static table.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match (self.kind, self.payload.first()?) {
            (FrameKind::Headers, 0x88) => Some(200),
            (FrameKind::Headers, 0x89) => Some(204),
            (FrameKind::Headers, 0x8c) => Some(400),
            (FrameKind::Headers, 0x8d) => Some(404),
            (FrameKind::Headers, 0x8e) => Some(500),
            _ => None,
        }
    }
}

/// One field as a header block carries it: literal, not indexed, not compressed.
#[must_use]
pub fn literal(name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut field = vec![0];
    for text in [name, value] {
        push_length(&mut field, text.len());
        field.extend_from_slice(text);
    }
    field
}

/// A length with a prefix of 7 bits (RFC 7541 section 5.1).
fn push_length(out: &mut Vec<u8>, length: usize) {
    if length < 0x7f {
        out.push(u8::try_from(length).unwrap_or(0));
        return;
    }
    out.push(0x7f);
    let mut rest = length - 0x7f;
    while rest >= 0x80 {
        out.push(u8::try_from(rest & 0x7f).unwrap_or(0) | 0x80);
        rest >>= 7;
    }
    out.push(u8::try_from(rest).unwrap_or(0));
}

/// An HTTP/2 client that sends whatever it is told to.
#[derive(Debug)]
pub struct RawHttp2 {
    peer: RawPeer,
}

impl RawHttp2 {
    /// Connects and sends the preface with empty settings.
    pub async fn connect(address: SocketAddr) -> Self {
        let mut peer = RawPeer::connect(address).await;
        peer.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        let mut client = Self { peer };
        client.send(FrameKind::Settings, 0, 0, &[]).await;
        client
    }

    /// Sends a frame.
    pub async fn send(&mut self, kind: FrameKind, flags: u8, stream: u32, payload: &[u8]) {
        let [_, length @ ..] = u32::try_from(payload.len()).unwrap_or(0).to_be_bytes();
        let mut frame = length.to_vec();
        frame.push(kind.number());
        frame.push(flags);
        frame.extend_from_slice(&stream.to_be_bytes());
        frame.extend_from_slice(payload);
        // A peer that broke off shows when its frames are read.
        drop(self.peer.try_send(frame).await);
    }

    /// Sends a whole request head of these fields.
    pub async fn request(&mut self, stream: u32, fields: &[(&[u8], &[u8])], end: bool) {
        let block: Vec<u8> = fields.iter().flat_map(|(name, value)| literal(name, value)).collect();
        let end = if end { RawFrame::END_STREAM } else { 0 };
        self.send(FrameKind::Headers, end | RawFrame::END_HEADERS, stream, &block).await;
    }

    /// The next frame; `None` at the end of the connection. Settings and pings are
    /// acknowledged.
    pub async fn next(&mut self) -> Option<RawFrame> {
        let head = self.exact(9).await?;
        let (length, rest) = head.split_first_chunk::<3>()?;
        let (kind, rest) = rest.split_first()?;
        let (flags, stream) = rest.split_first()?;
        let [high, middle, low] = *length;
        let length = usize::try_from(u32::from_be_bytes([0, high, middle, low])).ok()?;
        let stream = u32::from_be_bytes(*stream.first_chunk::<4>()?) & 0x7fff_ffff;
        let payload = self.exact(length).await?;
        let frame = RawFrame { kind: FrameKind::of(*kind), flags: *flags, stream, payload };
        if frame.flags & RawFrame::ACK == 0 {
            self.acknowledge(&frame).await;
        }
        Some(frame)
    }

    async fn acknowledge(&mut self, frame: &RawFrame) {
        if frame.kind == FrameKind::Settings {
            self.send(frame.kind, RawFrame::ACK, 0, &[]).await;
        } else if frame.kind == FrameKind::Ping {
            self.send(frame.kind, RawFrame::ACK, 0, &frame.payload).await;
        }
    }

    /// The first frame that `wanted` takes; `None` where the connection ends before.
    pub async fn find(&mut self, mut wanted: impl FnMut(&RawFrame) -> bool) -> Option<RawFrame> {
        loop {
            let frame = self.next().await?;
            if wanted(&frame) {
                return Some(frame);
            }
        }
    }

    async fn exact(&mut self, length: usize) -> Option<Vec<u8>> {
        self.peer.try_read_exact(length).await
    }
}
