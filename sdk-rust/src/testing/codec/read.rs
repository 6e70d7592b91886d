//! Reading as the proxy does it: whole, and in pieces.

use std::mem;

use super::{
    CodecKit,
    flaw::{Law, Wrong, guarded},
};
use crate::{Codec, Decoded, Frame, IdPlace, IdWidth};

/// What came of some bytes.
#[derive(Debug)]
pub(super) struct Seen {
    /// The frames, with the places of their first bytes.
    pub(super) frames: Vec<(usize, Frame)>,
    pub(super) end: End,
}

/// What is behind the last frame.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum End {
    /// Nothing.
    Whole,
    /// The beginning of a frame.
    More { total: usize },
    /// Bytes that are none of the protocol.
    Lost(String),
}

/// What a frame may hold whatever its length.
const HELD_FREE: usize = 4096;

impl CodecKit {
    /// Reads all frames of some bytes that are all there.
    pub(super) fn read(&self, codec: &mut dyn Codec, bytes: &[u8]) -> Result<Seen, Wrong> {
        self.read_pieces(codec, bytes, &[])
    }

    /// Reads bytes that come in pieces. The codec is asked when bytes come, and not before those
    /// that it said are needed.
    pub(super) fn read_pieces(
        &self,
        codec: &mut dyn Codec,
        bytes: &[u8],
        cuts: &[usize],
    ) -> Result<Seen, Wrong> {
        let mut seen = Seen { frames: Vec::new(), end: End::Whole };
        let mut start = 0;
        for end in cuts.iter().copied().chain([bytes.len()]) {
            let mut rest = bytes.get(start..end).unwrap_or_default();
            while !rest.is_empty() && rest.len() >= seen.needed() {
                let answer = self.one(codec, rest);
                let answer = answer.map_err(|wrong| wrong.after(&format!("at {start}")))?;
                match seen.take(start, answer) {
                    Some(next) => start = next,
                    None => break,
                }
                rest = bytes.get(start..end).unwrap_or_default();
            }
        }
        Ok(seen)
    }

    /// One answer of the codec, which is no lie.
    fn one(&self, codec: &mut dyn Codec, rest: &[u8]) -> Result<Decoded, Wrong> {
        let decoded = guarded("decode", || codec.decode(rest))?;
        match &decoded {
            Decoded::Frame(frame) => self.sound(frame, rest)?,
            Decoded::NeedMore { total } if *total > 0 && *total <= rest.len() => {
                let what = format!("it says {total} bytes in all, and {} are there", rest.len());
                return Err(Wrong::new(Law::More, what));
            }
            Decoded::Lost(why) if why.capacity() > HELD_FREE => {
                let what = format!("the reason of what is lost has {} bytes", why.len());
                return Err(Wrong::new(Law::Memory, what));
            }
            Decoded::NeedMore { .. } | Decoded::Lost(_) => {}
        }
        Ok(decoded)
    }

    /// Each beginning of each frame: more is needed, and no more than the frame has.
    pub(super) fn beginnings(&self, bytes: &[u8], seen: &Seen) -> Result<(), Wrong> {
        // Of long frames the first bytes tell it all.
        const BEGINNING_MAX: usize = 512;
        for (start, frame) in &seen.frames {
            for length in 1..frame.length.min(BEGINNING_MAX) {
                let rest = bytes.get(*start..start + length).unwrap_or_default();
                let all = frame.length;
                let wrong = match self.one(&mut *self.codec(), rest)? {
                    Decoded::NeedMore { total } if total <= all => continue,
                    Decoded::NeedMore { total } => format!("it says {total} bytes in all"),
                    Decoded::Frame(frame) => format!("it is a frame of {} bytes", frame.length),
                    Decoded::Lost(why) => format!("it is lost: {why}"),
                };
                let what = format!("the first {length} of the {all} bytes at {start}: {wrong}");
                return Err(Wrong::new(Law::More, what).with(rest));
            }
        }
        Ok(())
    }

    /// Whether a frame is one that the proxy takes.
    fn sound(&self, frame: &Frame, rest: &[u8]) -> Result<(), Wrong> {
        let there = rest.len();
        let length = frame.length;
        let bound = |what: String| Err(Wrong::new(Law::Bound, what).with(rest));
        if length == 0 || length > there {
            return bound(format!("a frame of {length} bytes, and {there} are there"));
        }
        let body = &frame.body;
        if body.start > body.end || body.end > length {
            return bound(format!("a body at {body:?} of a frame of {length} bytes"));
        }
        if let Some(place) = frame.id_place {
            let Some(stands) = id_at(rest.get(..length).unwrap_or_default(), place) else {
                return bound(format!("an id at {place:?} of a frame of {length} bytes"));
            };
            if stands != frame.id {
                let what = format!("the id is {}, and at its place stands {stands}", frame.id);
                return Err(Wrong::new(Law::Told, what).with(rest));
            }
        }
        let held = held(frame);
        let held_max = length.saturating_mul(self.held_per_byte).saturating_add(HELD_FREE);
        if held > held_max {
            let what = format!("a frame of {length} bytes holds {held}, more than {held_max}");
            return Err(Wrong::new(Law::Memory, what).with(rest));
        }
        match self.told(frame) {
            None => Ok(()),
            Some(what) => Err(Wrong::new(Law::Told, what).with(rest)),
        }
    }

    /// What a frame says that nobody takes.
    fn told(&self, frame: &Frame) -> Option<String> {
        if frame.id > id_max(self.profile.id_width) {
            return Some(format!("the id {} is wider than the profile says", frame.id));
        }
        let status = frame.http_status;
        if frame.kind == crate::FrameKind::Response && !(200..=599).contains(&status) {
            return Some(format!("a response with the HTTP status {status}"));
        }
        if frame.fields.iter().any(|(name, _value)| name.is_empty()) {
            return Some("a field without a name".to_owned());
        }
        let attribute = frame.attributes.iter().find(|(name, _)| !name.starts_with(':'));
        attribute.map(|(name, _)| format!("the attribute `{name}` begins with no colon"))
    }
}

impl Seen {
    /// How many bytes must be there before the codec is asked again.
    fn needed(&self) -> usize {
        match self.end {
            End::Whole => 0,
            End::More { total } => total,
            End::Lost(_) => usize::MAX,
        }
    }

    /// Takes an answer about the bytes at `start`: where the next frame begins, if there may be
    /// one in them.
    fn take(&mut self, start: usize, answer: Decoded) -> Option<usize> {
        match answer {
            Decoded::Frame(frame) => {
                let next = start + frame.length;
                self.frames.push((start, *frame));
                self.end = End::Whole;
                return Some(next);
            }
            Decoded::NeedMore { total } => self.end = End::More { total },
            Decoded::Lost(why) => self.end = End::Lost(why),
        }
        None
    }

    /// How the frames of the same bytes differ where they came otherwise.
    pub(super) fn differs(&self, other: &Self) -> Option<String> {
        let pairs = self.frames.iter().zip(&other.frames).enumerate();
        for (number, (whole, cut)) in pairs {
            if whole != cut {
                return Some(format!("frame {number} is {cut:?}, uncut {whole:?}"));
            }
        }
        if self.frames.len() != other.frames.len() {
            let (cut, whole) = (other.frames.len(), self.frames.len());
            return Some(format!("{cut} frames, uncut {whole}; {:?}", other.end));
        }
        // Who waits for more bytes than came was not asked again.
        let waits = |end: &End| matches!(end, End::More { total: 1.. });
        let same = mem::discriminant(&self.end) == mem::discriminant(&other.end);
        (!same && !waits(&self.end) && !waits(&other.end))
            .then(|| format!("it ends with {:?}, uncut with {:?}", other.end, self.end))
    }

    pub(super) fn shown(&self) -> String {
        let end = self.frames.last().map_or(0, |(start, frame)| start + frame.length);
        format!("{} frames of {end} bytes", self.frames.len())
    }
}

/// What a frame holds beside the bytes that it came in.
fn held(frame: &Frame) -> usize {
    let pair = size_of::<(Vec<u8>, Vec<u8>)>();
    let fields: usize = frame.fields.iter().map(|(n, v)| n.capacity() + v.capacity()).sum();
    let attributes: usize = frame.attributes.iter().map(|(n, v)| n.capacity() + v.capacity()).sum();
    let tables = (frame.fields.capacity() + frame.attributes.capacity()) * pair;
    let texts = [&frame.service, &frame.method].map(String::capacity).iter().sum::<usize>();
    fields + attributes + tables + texts + frame.malformed.as_ref().map_or(0, String::capacity)
}

/// The number at a place, where it lies within the frame.
fn id_at(frame: &[u8], place: IdPlace) -> Option<u64> {
    let bytes = frame.get(place.offset..place.offset.checked_add(width(place.width))?)?;
    let number = |sum: u64, byte: &u8| (sum << 8) | u64::from(*byte);
    Some(match place.little_endian {
        true => bytes.iter().rev().fold(0, number),
        false => bytes.iter().fold(0, number),
    })
}

/// The frame with another id in its place.
pub(super) fn patched(frame: &[u8], place: IdPlace, id: u64) -> Option<Vec<u8>> {
    let mut bytes = frame.to_vec();
    let digits = id.to_be_bytes();
    let mut digits = digits.get(digits.len() - width(place.width)..)?.to_vec();
    if place.little_endian {
        digits.reverse();
    }
    let end = place.offset.checked_add(digits.len())?;
    bytes.get_mut(place.offset..end)?.copy_from_slice(&digits);
    Some(bytes)
}

/// The largest id.
pub(super) fn id_max(width: IdWidth) -> u64 {
    match width {
        IdWidth::Four => u64::from(u32::MAX),
        IdWidth::Eight => u64::MAX,
    }
}

fn width(width: IdWidth) -> usize {
    match width {
        IdWidth::Four => 4,
        IdWidth::Eight => 8,
    }
}
