//! The fields of a packet by their numbers, as places in its bytes.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};

use super::value;
use crate::{read::Cursor, wire::FIELDS_MAX};

/// What the fields of a packet mean.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Form {
    #[default]
    Request,
    Response,
}

impl Form {
    pub(super) fn id(self) -> u8 {
        match self {
            Self::Request => 4,
            Self::Response => 3,
        }
    }

    pub(super) fn message_type(self) -> u8 {
        match self {
            Self::Request => 3,
            Self::Response => 4,
        }
    }

    pub(super) fn payload(self) -> u8 {
        match self {
            Self::Request => 7,
            Self::Response => 6,
        }
    }

    pub(super) fn status(self) -> u8 {
        match self {
            Self::Request => 10,
            Self::Response => 7,
        }
    }
}

/// Where the known fields of a packet are.
#[derive(Debug, Default)]
pub(super) struct Packet {
    pub(super) form: Form,
    /// The last one may be damaged.
    known: [Option<Value>; KNOWN],
}

/// A field without its head.
#[derive(Clone, Copy, Debug)]
struct Value {
    of: u8,
    start: usize,
}

/// A field with its head.
struct Field {
    tag: u8,
    value: Value,
    /// Nothing where its value is damaged.
    whole: Option<Range<usize>>,
}

/// The places of a name and its value.
pub(super) type Entry = (Range<usize>, Range<usize>);

impl Packet {
    /// Reads all fields, and what is wrong with them; then the fields before are still known, and
    /// of the damaged one of what type it is.
    pub(super) fn read(raw: &[u8]) -> (Self, Option<&'static str>) {
        let mut packet = Self::default();
        let damage = packet.fill(raw).err();
        packet.form = match (packet.value(5), packet.value(6)) {
            (Some(fifth), _) if value::is_int(fifth.of) => Form::Response,
            (None, Some(sixth)) if sixth.of == value::BYTES => Form::Response,
            _ => Form::Request,
        };
        (packet, damage)
    }

    fn fill(&mut self, raw: &[u8]) -> Result<(), &'static str> {
        let mut before = None;
        for field in fields(raw) {
            let Field { tag, value, whole } = field?;
            // What a reader makes of fields in disorder is not what the next one does.
            if before.replace(tag).is_some_and(|before| before >= tag) {
                return Err("the fields of the packet are in disorder");
            }
            if let Some(known) = self.known.get_mut(usize::from(tag)) {
                *known = Some(value);
            }
            whole.ok_or(DAMAGED)?;
        }
        Ok(())
    }

    fn value(&self, tag: u8) -> Option<Value> {
        self.known.get(usize::from(tag)).copied().flatten()
    }

    /// A number.
    pub(super) fn int(&self, raw: &[u8], tag: u8) -> Option<i32> {
        let value = self.value(tag)?;
        value::int(&mut Cursor::from(raw, value.start), value.of)
    }

    /// The place of a number, which may have no bytes.
    pub(super) fn int_place(&self, raw: &[u8], tag: u8) -> Option<Range<usize>> {
        let value = self.value(tag)?;
        let mut cursor = Cursor::from(raw, value.start);
        value::int(&mut cursor, value.of)?;
        Some(value.start..cursor.place())
    }

    /// The place of a text, where there is one.
    pub(super) fn text(&self, raw: &[u8], tag: u8) -> Result<Option<Range<usize>>, &'static str> {
        let Some(value) = self.value(tag) else { return Ok(None) };
        let text = value::text(&mut Cursor::from(raw, value.start), value.of);
        text.map(Some).ok_or("a field that is a text is none")
    }

    /// The place of the bytes of a list of bytes, where there is one.
    pub(super) fn bytes(&self, raw: &[u8], tag: u8) -> Result<Option<Range<usize>>, &'static str> {
        let Some(value) = self.value(tag) else { return Ok(None) };
        let bytes = if value.of == value::BYTES {
            value::bytes(&mut Cursor::from(raw, value.start))
        } else {
            None
        };
        bytes.map(Some).ok_or("the payload is no list of bytes")
    }

    /// The places of the texts of a map; none where there is no map.
    pub(super) fn map(&self, raw: &[u8], tag: u8) -> Result<Vec<Entry>, &'static str> {
        let Some(value) = self.value(tag) else { return Ok(Vec::new()) };
        let mut cursor = Cursor::from(raw, value.start);
        let size = if value.of == value::MAP { value::size(&mut cursor) } else { None };
        let size = size.ok_or(NO_TEXTS)?;
        if size > FIELDS_MAX {
            return Err("a map has too many texts");
        }
        let mut text = |tag| match value::head(&mut cursor) {
            Some((is, of)) if is == tag => value::text(&mut cursor, of).ok_or(NO_TEXTS),
            _ => Err(NO_TEXTS),
        };
        (0..size).map(|_entry| Ok((text(0)?, text(1)?))).collect()
    }
}

/// The fields of a packet in order, up to the first that is damaged, with this one where its head
/// is sound.
fn fields(raw: &[u8]) -> impl Iterator<Item = Result<Field, &'static str>> + '_ {
    let mut cursor = Cursor::from(raw, LENGTH_BYTES);
    let mut values = VALUES_MAX;
    let mut is_over = false;
    std::iter::from_fn(move || {
        if is_over || cursor.is_done() {
            return None;
        }
        let field = field(&mut cursor, &mut values);
        is_over = field.as_ref().is_none_or(|field| field.whole.is_none());
        Some(field.ok_or(DAMAGED))
    })
}

fn field(cursor: &mut Cursor<'_>, values: &mut usize) -> Option<Field> {
    let start = cursor.place();
    let (tag, of) = value::head(cursor)?;
    let value = Value { of, start: cursor.place() };
    let whole = value::skip(cursor, of, values).map(|()| start..cursor.place());
    Some(Field { tag, value, whole })
}

/// The packet with some fields written anew, or added, in the order of their numbers.
pub(super) fn edited(raw: &[u8], edits: &[(u8, Vec<u8>)]) -> Option<Bytes> {
    let added: usize = edits.iter().map(|(_tag, bytes)| bytes.len()).sum();
    let mut out = BytesMut::with_capacity(raw.len() + added);
    out.put_bytes(0, LENGTH_BYTES);
    let mut edits = edits.iter().peekable();
    for field in fields(raw) {
        let Field { tag, whole, .. } = field.ok()?;
        let whole = whole?;
        while let Some((_tag, bytes)) = edits.next_if(|(edit, _)| *edit < tag) {
            out.put_slice(bytes);
        }
        match edits.next_if(|(edit, _)| *edit == tag) {
            Some((_tag, bytes)) => out.put_slice(bytes),
            None => out.put_slice(raw.get(whole)?),
        }
    }
    edits.for_each(|(_tag, bytes)| out.put_slice(bytes));
    let length = i32::try_from(out.len()).ok()?;
    out.get_mut(..LENGTH_BYTES)?.copy_from_slice(&length.to_be_bytes());
    Some(out.freeze())
}

const DAMAGED: &str = "a field of the packet is damaged";
const NO_TEXTS: &str = "a map is none of texts";
/// Most values of all fields together, so that a packet takes no longer than its bytes are worth.
const VALUES_MAX: usize = 16 * FIELDS_MAX;
/// Most of the numbers that mean something, from 0 on.
const KNOWN: usize = 11;
const LENGTH_BYTES: usize = 4;
