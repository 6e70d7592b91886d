//! Peers that speak Courier, the protocol of the example `courier`: frames written and read
//! without any codec of ours.

use std::fmt;

use tests_support::RawPeer;

use crate::matrix::settings::shown_bytes;

/// The kinds of frames.
pub(crate) const REQUEST: u8 = 0;
pub(crate) const ONE_WAY: u8 = 1;
pub(crate) const RESPONSE: u8 = 2;
pub(crate) const HEARTBEAT: u8 = 3;
pub(crate) const HEARTBEAT_REPLY: u8 = 4;
pub(crate) const GO_AWAY: u8 = 5;

/// One frame.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) id: u32,
    /// The timeout of a request, the status of a response.
    pub(crate) word: u32,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Frame {
    /// A frame of a kind, with nothing in it.
    pub(crate) fn new(kind: u8, id: u32) -> Self {
        Self { kind, id, word: 0, fields: Vec::new(), body: Vec::new() }
    }

    /// A request for the method `say` of the service `demo.Echo`.
    pub(crate) fn request(id: u32) -> Self {
        Self::new(REQUEST, id).field("service", "demo.Echo").field("method", "say")
    }

    /// With a timeout or a status.
    pub(crate) fn word(mut self, word: u32) -> Self {
        self.word = word;
        self
    }

    /// With one more field.
    pub(crate) fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a body.
    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// As it stands on the wire.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut block = Vec::new();
        for (name, value) in &self.fields {
            for text in [name, value] {
                block.extend(u16::try_from(text.len()).expect("a short field").to_be_bytes());
            }
            block.extend(name.bytes().chain(value.bytes()));
        }
        let mut bytes = vec![b'C', b'R', 1, self.kind];
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).expect("a short frame");
        for number in [self.id, self.word, length(&block), length(&self.body)] {
            bytes.extend(number.to_be_bytes());
        }
        bytes.extend(block);
        bytes.extend(&self.body);
        bytes
    }

    /// The next frame of a connection; the error has what came in its place.
    pub(crate) async fn read(peer: &mut RawPeer) -> Result<Self, String> {
        const HEAD: usize = 20;
        let Some(head) = peer.try_read_exact(HEAD).await else { return Err("the end".to_owned()) };
        let number = |at: usize| {
            let digits = head.get(at..at + 4).and_then(|digits| digits.try_into().ok());
            u32::from_be_bytes(digits.unwrap_or_default())
        };
        if !head.starts_with(b"CR\x01") {
            return Err(format!("no frame: {}", shown_bytes(&head)));
        }
        let size = |at| usize::try_from(number(at)).expect("a length");
        let rest = peer.try_read_exact(size(12) + size(16)).await;
        let Some(mut block) = rest else { return Err("the end within a frame".to_owned()) };
        let body = block.split_off(size(12));
        let fields = fields(&block).ok_or("fields that lie")?;
        Ok(Self { kind: head[3], id: number(4), word: number(8), fields, body })
    }
}

fn fields(mut block: &[u8]) -> Option<Vec<(String, String)>> {
    let mut fields = Vec::new();
    while let Some((lengths, rest)) = block.split_first_chunk::<4>() {
        let [a, b, c, d] = *lengths;
        let (name, rest) = rest.split_at_checked(u16::from_be_bytes([a, b]).into())?;
        let (value, rest) = rest.split_at_checked(u16::from_be_bytes([c, d]).into())?;
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        fields.push((text(name), text(value)));
        block = rest;
    }
    block.is_empty().then_some(fields)
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = ["request", "one-way", "response", "heartbeat", "heartbeat reply", "go-away"];
        let kind = kinds.get(usize::from(self.kind)).unwrap_or(&"frame of no kind");
        write!(f, "{kind} {}", self.id)?;
        match self.kind {
            RESPONSE => write!(f, " status={}", self.word)?,
            _ if self.word > 0 => write!(f, " timeout={}", self.word)?,
            _ => {}
        }
        for (name, value) in &self.fields {
            write!(f, " {name}={}", shown_bytes(value.as_bytes()))?;
        }
        if self.body.is_empty() { Ok(()) } else { write!(f, " body={}", shown_bytes(&self.body)) }
    }
}
