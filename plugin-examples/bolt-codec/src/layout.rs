//! Where what stands in a frame: a head of fixed length, a class name, a header block, a content.
//! All numbers are big-endian.

use std::{collections::BTreeSet, ops::Range};

use mortise_sdk::FrameKind;

/// Where the id stands, in requests and responses alike.
pub(crate) const ID: usize = 5;

const REQUEST_BYTES: usize = 22;
const RESPONSE_BYTES: usize = 20;

const HEARTBEAT: u16 = 0;
const REQUEST: u16 = 1;
const RESPONSE: u16 = 2;

/// What a block says in the place of a text that is not there.
const ABSENT: u32 = u32::MAX;

/// A field of a header block: its name and its value.
type Field = (Vec<u8>, Vec<u8>);
/// A text that may be absent, and what is behind it.
type Text<'a> = (Option<&'a [u8]>, &'a [u8]);

/// The head of a frame.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    /// 0 is a response, 1 a request, 2 a request that is not answered.
    kind: u8,
    command: u16,
    pub(crate) id: u32,
    codec: u8,
    /// Of a request: milliseconds; none where it is not above zero.
    timeout: i32,
    /// Of a response.
    pub(crate) status: u16,
    class_bytes: usize,
    field_bytes: usize,
    content_bytes: usize,
}

impl Head {
    /// The head of a frame; `None` while it is not whole.
    ///
    /// # Errors
    /// It is none of this protocol.
    pub(crate) fn read(bytes: &[u8]) -> Result<Option<Self>, String> {
        let [version, kind, rest @ ..] = bytes else { return Ok(None) };
        if *version != 1 {
            return Err(format!("version {version} is not spoken here"));
        }
        if *kind > 2 {
            return Err(format!("a frame of the type {kind}"));
        }
        if rest.len() < head_bytes(*kind) - 2 {
            return Ok(None);
        }
        let head = Self::read_whole(*kind, rest).ok_or("a head that does not add up")?;
        if head.command > RESPONSE || (head.command == RESPONSE && *kind != 0) {
            return Err(format!("a frame of the type {kind} with the command {}", head.command));
        }
        Ok(Some(head))
    }

    /// `rest` begins behind the type.
    fn read_whole(kind: u8, rest: &[u8]) -> Option<Self> {
        let (command, rest) = rest.split_first_chunk()?;
        let (_version, rest) = rest.split_first()?;
        let (id, rest) = rest.split_first_chunk()?;
        let (codec, rest) = rest.split_first()?;
        let (timeout, status, rest) = if kind == 0 {
            let (status, rest) = rest.split_first_chunk()?;
            (0, u16::from_be_bytes(*status), rest)
        } else {
            let (timeout, rest) = rest.split_first_chunk()?;
            (i32::from_be_bytes(*timeout), 0, rest)
        };
        let (class, rest) = rest.split_first_chunk()?;
        let (fields, rest) = rest.split_first_chunk()?;
        let (content, _behind) = rest.split_first_chunk()?;
        Some(Self {
            kind,
            command: u16::from_be_bytes(*command),
            id: u32::from_be_bytes(*id),
            codec: *codec,
            timeout,
            status,
            class_bytes: u16::from_be_bytes(*class).into(),
            field_bytes: u16::from_be_bytes(*fields).into(),
            content_bytes: usize::try_from(u32::from_be_bytes(*content)).ok()?,
        })
    }

    /// Of a heartbeat.
    pub(crate) fn heartbeat() -> Self {
        Self { kind: 1, command: HEARTBEAT, ..Self::response(0) }
    }

    /// Of the reply to a heartbeat.
    pub(crate) fn heartbeat_reply() -> Self {
        Self { command: HEARTBEAT, ..Self::response(0) }
    }

    /// Of a response with this status.
    pub(crate) fn response(status: u16) -> Self {
        Self {
            kind: 0,
            command: RESPONSE,
            id: 0,
            codec: 1,
            timeout: 3000,
            status,
            class_bytes: 0,
            field_bytes: 0,
            content_bytes: 0,
        }
    }

    pub(crate) fn kind(&self) -> FrameKind {
        match (self.command, self.kind) {
            (HEARTBEAT, 0) => FrameKind::HeartbeatReply,
            (HEARTBEAT, _) => FrameKind::Heartbeat,
            (_, 0) => FrameKind::Response,
            (REQUEST, 2) => FrameKind::OneWay,
            _ => FrameKind::Request,
        }
    }

    pub(crate) fn timeout_ms(&self) -> Option<u32> {
        u32::try_from(self.timeout).ok().filter(|timeout| *timeout > 0)
    }

    /// The bytes of the whole frame.
    pub(crate) fn length(&self) -> usize {
        self.content().end
    }

    /// Where the class name stands.
    pub(crate) fn class(&self) -> Range<usize> {
        let start = head_bytes(self.kind);
        start..start + self.class_bytes
    }

    /// Where the header block stands.
    pub(crate) fn fields(&self) -> Range<usize> {
        let start = self.class().end;
        start..start + self.field_bytes
    }

    /// Where the content stands.
    pub(crate) fn content(&self) -> Range<usize> {
        let start = self.fields().end;
        start..start.saturating_add(self.content_bytes)
    }

    /// A frame with this head and these parts; `None` where a part is too long.
    pub(crate) fn write(
        &self,
        id: u32,
        class: &[u8],
        fields: &[(&[u8], &[u8])],
        content: &[u8],
    ) -> Option<Vec<u8>> {
        let block = write_fields(fields)?;
        let mut bytes =
            Vec::with_capacity(REQUEST_BYTES + class.len() + block.len() + content.len());
        bytes.extend_from_slice(&[1, self.kind]);
        bytes.extend_from_slice(&self.command.to_be_bytes());
        bytes.push(1);
        bytes.extend_from_slice(&id.to_be_bytes());
        bytes.push(self.codec);
        if self.kind == 0 {
            bytes.extend_from_slice(&self.status.to_be_bytes());
        } else {
            bytes.extend_from_slice(&self.timeout.to_be_bytes());
        }
        bytes.extend_from_slice(&u16::try_from(class.len()).ok()?.to_be_bytes());
        bytes.extend_from_slice(&u16::try_from(block.len()).ok()?.to_be_bytes());
        bytes.extend_from_slice(&u32::try_from(content.len()).ok()?.to_be_bytes());
        bytes.extend_from_slice(class);
        bytes.extend_from_slice(&block);
        bytes.extend_from_slice(content);
        Some(bytes)
    }
}

fn head_bytes(kind: u8) -> usize {
    if kind == 0 { RESPONSE_BYTES } else { REQUEST_BYTES }
}

/// The fields of a header block.
///
/// # Errors
/// Its lengths do not add up, a field has no name, or a name stands twice: servers differ in which
/// one they read.
pub(crate) fn read_fields(mut block: &[u8]) -> Result<Vec<Field>, &'static str> {
    const LIES: &str = "the header block is not what its lengths say";
    let mut fields = Vec::new();
    let mut names = BTreeSet::new();
    while !block.is_empty() {
        let (name, value);
        (name, block) = read_text(block).ok_or(LIES)?;
        (value, block) = read_text(block).ok_or(LIES)?;
        let Some(name) = name else { continue };
        if !names.insert(name) {
            return Err("a name stands twice among the fields");
        }
        if let Some(value) = value {
            if name.is_empty() {
                return Err("a field has no name");
            }
            fields.push((name.to_vec(), value.to_vec()));
        }
    }
    Ok(fields)
}

/// The value of the field with just this name.
pub(crate) fn value_of<'a>(
    mut fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    wanted: &[u8],
) -> Option<&'a [u8]> {
    fields.find(|(name, _value)| *name == wanted).map(|(_name, value)| value)
}

/// Reads a text with its length in front.
fn read_text(block: &[u8]) -> Option<Text<'_>> {
    let (length, rest) = block.split_first_chunk()?;
    match u32::from_be_bytes(*length) {
        ABSENT => Some((None, rest)),
        length => {
            let (text, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
            Some((Some(text), rest))
        }
    }
}

/// `None` where a name stands twice, as a filter may have left it.
fn write_fields(fields: &[(&[u8], &[u8])]) -> Option<Vec<u8>> {
    let mut names = BTreeSet::new();
    if !fields.iter().all(|(name, _value)| names.insert(*name)) {
        return None;
    }
    let mut block = Vec::new();
    for text in fields.iter().flat_map(|(name, value)| [name, value]) {
        block.extend_from_slice(&u32::try_from(text.len()).ok()?.to_be_bytes());
        block.extend_from_slice(text);
    }
    Some(block)
}
