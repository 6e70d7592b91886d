//! The frames of Courier: one codec for each connection.
//!
//! A codec turns bytes into frames and frames into bytes, and knows nothing of sockets, routes or
//! timeouts. Start reading at [`Courier`]; what the bytes mean is in the readme.

use mortise_sdk::{
    Codec, CodecProfile, Decoded, Detection, Frame, FrameKind, IdPlace, IdWidth, PoolMode,
    Rejection, Rewrite,
};

/// What holds of all connections: many requests at a time, told apart by ids of four bytes.
pub(crate) const PROFILE: CodecProfile = CodecProfile {
    pool: PoolMode::Multiplexed,
    id_width: IdWidth::Four,
    heartbeats: true,
    go_away: true,
    default_timeout_ms: 3000,
};

/// The head that every frame begins with.
pub(crate) const HEAD_BYTES: usize = 20;

/// Most bytes of a frame, where the configuration does not say.
pub(crate) const FRAME_BYTES_MAX: usize = 4 * 1024 * 1024;

const MAGIC: [u8; 3] = *b"CR\x01";
const FIELDS_MAX: usize = 1024;

/// The kinds of frames by their numbers.
const KINDS: [FrameKind; 6] = [
    FrameKind::Request,
    FrameKind::OneWay,
    FrameKind::Response,
    FrameKind::Heartbeat,
    FrameKind::HeartbeatReply,
    FrameKind::GoAway,
];

/// The statuses of a response, and what HTTP would say.
const STATUSES: [(u32, u16); 10] = [
    (0, 200),
    (1, 400),
    (2, 403),
    (3, 404),
    (4, 413),
    (5, 429),
    (6, 500),
    (7, 502),
    (8, 503),
    (9, 504),
];
const REFUSED: u32 = 1;
const FAILED: u32 = 6;

/// The codec of one connection. It keeps nothing between frames.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Courier {
    frame_bytes_max: usize,
}

/// What the first twenty bytes say.
#[derive(Clone, Copy, Debug)]
struct Head {
    kind: FrameKind,
    id: u32,
    /// The timeout of a request in milliseconds, or the status of a response.
    word: u32,
    fields_bytes: usize,
    body_bytes: usize,
}

/// A field that stands in a frame.
type Field<'a> = (&'a [u8], &'a [u8]);

impl Courier {
    /// A codec that takes no frame of more bytes.
    #[must_use]
    pub(crate) fn new(frame_bytes_max: usize) -> Self {
        Self { frame_bytes_max }
    }
}

impl Codec for Courier {
    fn detect(&mut self, first: &[u8]) -> Detection {
        if !is_beginning(first) {
            return Detection::No;
        }
        match first.get(MAGIC.len()) {
            None => Detection::NeedMore,
            Some(kind) if usize::from(*kind) < KINDS.len() => Detection::Match,
            Some(_unknown) => Detection::No,
        }
    }

    fn decode(&mut self, bytes: &[u8]) -> Decoded {
        // Each byte is looked at as soon as it is there: a peer that speaks something else must
        // not be waited for.
        if !is_beginning(bytes) {
            return Decoded::Lost("it does not begin as a frame does".into());
        }
        if let Some(kind) = bytes.get(MAGIC.len())
            && usize::from(*kind) >= KINDS.len()
        {
            return Decoded::Lost(format!("there is no frame of kind {kind}"));
        }
        let Some((head, rest)) = Head::read(bytes) else { return Decoded::NeedMore { total: 0 } };
        // The sum of three numbers of which two have 32 bits: a 32-bit machine may overflow.
        let total = HEAD_BYTES.checked_add(head.fields_bytes);
        let total = total.and_then(|sum| sum.checked_add(head.body_bytes));
        let Some(total) = total.filter(|total| *total <= self.frame_bytes_max) else {
            return Decoded::Lost(format!("a frame is longer than {}", self.frame_bytes_max));
        };
        let Some(block) = rest.get(..head.fields_bytes).filter(|_| bytes.len() >= total) else {
            return Decoded::NeedMore { total };
        };
        Decoded::Frame(Box::new(head.frame(total, block)))
    }

    fn encode(&mut self, rewrite: &Rewrite<'_>) -> Option<Vec<u8>> {
        let (head, _rest) = Head::read(rewrite.raw)?;
        let calls = matches!(rewrite.kind, FrameKind::Request | FrameKind::OneWay);
        if calls && value_of(&rewrite.fields, b"method").is_none() {
            // A request without a method stands for nothing.
            return None;
        }
        let id = u32::try_from(rewrite.id).ok()?;
        self.frame(rewrite.kind, id, head.word, &rewrite.fields, rewrite.body)
    }

    fn heartbeat(&mut self, id: u64) -> Option<Vec<u8>> {
        self.frame(FrameKind::Heartbeat, u32::try_from(id).ok()?, 0, &[], b"")
    }

    fn heartbeat_reply(&mut self, _heartbeat: &[u8], id: u64) -> Option<Vec<u8>> {
        self.frame(FrameKind::HeartbeatReply, u32::try_from(id).ok()?, 0, &[], b"")
    }

    fn reject(&mut self, rejection: &Rejection<'_>) -> Option<Vec<u8>> {
        let status = status_of(rejection.status);
        let told = status != 0 && rejection.body.is_empty();
        let body = if told { rejection.message.as_bytes() } else { rejection.body };
        let id = u32::try_from(rejection.id).ok()?;
        self.frame(FrameKind::Response, id, status, &rejection.fields, body)
    }

    fn go_away(&mut self) -> Option<Vec<u8>> {
        self.frame(FrameKind::GoAway, 0, 0, &[], b"")
    }
}

impl Courier {
    /// Writes a frame; `None` where it cannot stand in the protocol.
    fn frame(
        &self,
        kind: FrameKind,
        id: u32,
        word: u32,
        fields: &[Field<'_>],
        body: &[u8],
    ) -> Option<Vec<u8>> {
        if fields.len() > FIELDS_MAX {
            return None;
        }
        let number = KINDS.iter().position(|known| *known == kind)?;
        let field_bytes = |(name, value): &Field<'_>| 4 + name.len() + value.len();
        let fields_bytes: usize = fields.iter().map(field_bytes).sum();
        let total = HEAD_BYTES + fields_bytes + body.len();
        if total > self.frame_bytes_max {
            return None;
        }
        let mut bytes = Vec::with_capacity(total);
        bytes.extend(MAGIC);
        bytes.push(u8::try_from(number).ok()?);
        bytes.extend(id.to_be_bytes());
        bytes.extend(word.to_be_bytes());
        bytes.extend(u32::try_from(fields_bytes).ok()?.to_be_bytes());
        bytes.extend(u32::try_from(body.len()).ok()?.to_be_bytes());
        for (name, value) in fields {
            bytes.extend(u16::try_from(name.len()).ok()?.to_be_bytes());
            bytes.extend(u16::try_from(value.len()).ok()?.to_be_bytes());
            bytes.extend(*name);
            bytes.extend(*value);
        }
        bytes.extend(body);
        Some(bytes)
    }
}

impl Head {
    /// The head, and what is behind it; `None` where not all of it is there, or it is none.
    fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (magic, rest) = bytes.split_first_chunk::<3>()?;
        let (kind, rest) = rest.split_first()?;
        let kind = *KINDS.get(usize::from(*kind)).filter(|_known| *magic == MAGIC)?;
        let (id, rest) = number(rest)?;
        let (word, rest) = number(rest)?;
        let (fields, rest) = number(rest)?;
        let (body, rest) = number(rest)?;
        let fields_bytes = usize::try_from(fields).ok()?;
        let body_bytes = usize::try_from(body).ok()?;
        Some((Self { kind, id, word, fields_bytes, body_bytes }, rest))
    }

    /// The whole frame, whose fields are `block`.
    fn frame(&self, total: usize, block: &[u8]) -> Frame {
        let mut frame = Frame {
            kind: self.kind,
            length: total,
            id: self.id.into(),
            id_place: Some(IdPlace { offset: 4, width: IdWidth::Four, little_endian: false }),
            attributes: vec![(":version".to_owned(), b"1".to_vec())],
            body: HEAD_BYTES + block.len()..total,
            ..Frame::default()
        };
        let fields = match fields_of(block) {
            Ok(fields) => fields,
            Err(why) => {
                frame.malformed = Some(why.to_owned());
                return frame;
            }
        };
        match self.kind {
            FrameKind::Request | FrameKind::OneWay => {
                frame.timeout_ms = (self.word > 0).then_some(self.word);
                frame.malformed = call(&fields, &mut frame).err().map(str::to_owned);
            }
            FrameKind::Response => {
                frame.status = self.word;
                frame.http_status = http_of(self.word);
            }
            FrameKind::Heartbeat | FrameKind::HeartbeatReply | FrameKind::GoAway => {}
        }
        frame.fields =
            fields.into_iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
        frame
    }
}

/// What a request is for.
fn call(fields: &[Field<'_>], frame: &mut Frame) -> Result<(), &'static str> {
    let text = |name| value_of(fields, name).map(str::from_utf8).transpose();
    let service = text(b"service").map_err(|_no_text| "the service is no text")?;
    let method = text(b"method").map_err(|_no_text| "the method is no text")?;
    frame.service = service.unwrap_or_default().to_owned();
    frame.method = method.ok_or("a request without a method")?.to_owned();
    Ok(())
}

/// True where the bytes are those that every frame begins with, as far as they go.
fn is_beginning(bytes: &[u8]) -> bool {
    bytes.iter().zip(MAGIC).all(|(byte, magic)| *byte == magic)
}

/// A number of four bytes, and what is behind it.
fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*digits), rest))
}

/// The fields of a block, which end where it does.
fn fields_of(mut block: &[u8]) -> Result<Vec<Field<'_>>, &'static str> {
    let mut fields = Vec::new();
    while let Some((lengths, rest)) = block.split_first_chunk::<4>() {
        let [name_high, name_low, value_high, value_low] = *lengths;
        let name_bytes = u16::from_be_bytes([name_high, name_low]).into();
        let value_bytes = u16::from_be_bytes([value_high, value_low]).into();
        let (name, rest) = rest.split_at_checked(name_bytes).ok_or("a name ends nowhere")?;
        let (value, rest) = rest.split_at_checked(value_bytes).ok_or("a value ends nowhere")?;
        if name.is_empty() {
            return Err("a field without a name");
        }
        if fields.len() == FIELDS_MAX {
            return Err("too many fields");
        }
        fields.push((name, value));
        block = rest;
    }
    if block.is_empty() { Ok(fields) } else { Err("bytes behind the fields") }
}

/// The first value of a field.
fn value_of<'a>(fields: &[Field<'a>], name: &[u8]) -> Option<&'a [u8]> {
    fields.iter().find(|(own, _value)| *own == name).map(|(_name, value)| *value)
}

fn http_of(status: u32) -> u16 {
    STATUSES.iter().find(|(own, _http)| *own == status).map_or(500, |(_own, http)| *http)
}

fn status_of(http: u16) -> u32 {
    let same = STATUSES.iter().find(|(_own, known)| *known == http).map(|(own, _http)| *own);
    same.unwrap_or(match http {
        ..400 => 0,
        400..500 => REFUSED,
        500.. => FAILED,
    })
}
