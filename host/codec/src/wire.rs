//! What all built-in codecs share: cutting a stream of bytes into frames, and the factory.
//!
//! A protocol's module says where a frame ends and what is in it ([`Wire`]); here the frames are
//! taken out of the bytes, without a copy. All answers stand at once.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    rc::Rc,
};

use bytes::{Bytes, BytesMut};
use host_extension::{
    Codec, CodecProfile, CodecStep, Decoded, Detection, FilterFactory, Phases, PluginFault,
    Rejection, ResponseTo, Rewrite,
};
use host_types::{FieldList, Frame};

/// The wire format of one protocol, on one connection.
pub(crate) trait Wire: fmt::Debug {
    /// See [`Codec::detect`].
    fn detect(&self, first: &[u8]) -> Detection;

    /// Where the frame ends that the bytes begin with; they are never empty.
    fn cut(&self, bytes: &[u8]) -> Cut;

    /// Reads a frame of the length that [`Wire::cut`] said.
    ///
    /// # Errors
    /// It shows that the borders cannot be believed.
    fn read(&self, raw: Bytes) -> Result<Frame, Box<str>>;

    /// See [`Decoded::response_to`].
    fn response_to(&self, start: &[u8]) -> ResponseTo;

    /// See [`Codec::encode`].
    fn write(&self, rewrite: &Rewrite<'_>) -> Option<Bytes>;

    /// See [`Codec::heartbeat`].
    fn heartbeat(&self, id: u64) -> Option<Bytes> {
        let _ = id;
        None
    }

    /// See [`Codec::heartbeat_reply`].
    fn heartbeat_reply(&self, heartbeat: &Frame) -> Option<Bytes> {
        let _ = heartbeat;
        None
    }

    /// See [`Codec::reject`].
    fn reject(&self, rejection: &Rejection<'_>) -> Option<Bytes>;

    /// See [`Codec::go_away`].
    fn go_away(&self) -> Option<Bytes> {
        None
    }
}

/// Most fields of one frame; one with more is malformed. What is kept of a field is a multiple of
/// the bytes that a short one has.
pub(crate) const FIELDS_MAX: usize = 1024;

/// What a frame is whose header block has a name twice. Servers differ in which one they read,
/// and no caller writes so: its block is a map.
pub(crate) const DOUBLE: &str = "a name stands twice among the fields";

/// So many names are compared one by one.
const FEW: usize = 32;

/// True where two names are the same, byte by byte.
pub(crate) fn has_double<'a>(mut names: impl Iterator<Item = &'a [u8]> + Clone) -> bool {
    if names.clone().nth(FEW).is_some() {
        let mut seen = BTreeSet::new();
        return !names.all(|name| seen.insert(name));
    }
    while let Some(name) = names.next() {
        if names.clone().any(|other| other == name) {
            return true;
        }
    }
    false
}

/// The fields as they are written: of several with just the same name, which filters may have
/// added, only the last.
pub(crate) fn last_of_each(fields: &FieldList) -> Vec<(&[u8], &[u8])> {
    let mut pairs: Vec<(&[u8], &[u8])> = fields.block().collect();
    if has_double(pairs.iter().map(|(name, _value)| *name)) {
        let places = pairs.iter().enumerate().map(|(place, (name, _value))| (*name, place));
        let last: BTreeMap<&[u8], usize> = places.collect();
        let mut place = 0..;
        pairs.retain(|(name, _value)| last.get(name).copied() == place.next());
    }
    pairs
}

/// The field with just this name that is written: the last.
pub(crate) fn last_of<'a>(fields: &'a FieldList, name: &[u8]) -> Option<&'a [u8]> {
    let named = fields.block().filter(|(other, _value)| *other == name);
    named.last().map(|(_name, value)| value)
}

/// What a refusal says in words: its body, where that is a text, else its message.
pub(crate) fn words_of<'a>(rejection: &Rejection<'a>) -> &'a str {
    let body = str::from_utf8(rejection.body).unwrap_or_default();
    if body.is_empty() { rejection.message } else { body }
}

/// Where a frame ends.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Cut {
    /// It has so many bytes, at least one, and all of them are there.
    Whole(usize),
    /// It has at least so many bytes, which are not all there; 0 where nobody knows yet.
    Partial(usize),
    /// These are no frames of the protocol, and why.
    Lost(&'static str),
}

impl Cut {
    /// What a frame of this length is that so many bytes are there of.
    pub(crate) fn at(length: usize, there: usize) -> Self {
        if there >= length { Self::Whole(length) } else { Self::Partial(length) }
    }
}

/// Makes the codecs of one protocol.
pub(crate) struct Factory<F> {
    profile: CodecProfile,
    make: F,
}

impl<F> Factory<F> {
    pub(crate) fn new(profile: CodecProfile, make: F) -> Self {
        Self { profile, make }
    }
}

impl<F> fmt::Debug for Factory<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Factory").field("profile", &self.profile).finish_non_exhaustive()
    }
}

impl<W: Wire + 'static, F: Fn() -> W> FilterFactory for Factory<F> {
    fn phases(&self) -> Phases {
        Phases::NONE
    }

    fn codec(&self) -> Result<Rc<dyn Codec>, PluginFault> {
        Ok(Rc::new(Wired((self.make)())))
    }

    fn codec_profile(&self) -> CodecProfile {
        self.profile
    }

    fn outlives(&self, fault: &PluginFault) -> bool {
        let _ = fault;
        true
    }
}

/// A wire format as a codec.
#[derive(Debug)]
pub(crate) struct Wired<W>(pub(crate) W);

impl<W: Wire> Codec for Wired<W> {
    fn detect(&self, first: &[u8]) -> CodecStep<Detection> {
        CodecStep::ready(self.0.detect(first))
    }

    fn decode(&self, bytes: BytesMut) -> CodecStep<Decoded> {
        CodecStep::ready(decode(&self.0, bytes))
    }

    fn encode(&self, rewrite: Rewrite<'_>) -> CodecStep<Option<Bytes>> {
        CodecStep::ready(self.0.write(&rewrite))
    }

    fn heartbeat(&self, id: u64) -> CodecStep<Option<Bytes>> {
        CodecStep::ready(self.0.heartbeat(id))
    }

    fn heartbeat_reply(&self, heartbeat: &Frame) -> CodecStep<Option<Bytes>> {
        CodecStep::ready(self.0.heartbeat_reply(heartbeat))
    }

    fn reject(&self, rejection: Rejection<'_>) -> CodecStep<Option<Bytes>> {
        CodecStep::ready(self.0.reject(&rejection))
    }

    fn go_away(&self) -> CodecStep<Option<Bytes>> {
        CodecStep::ready(self.0.go_away())
    }
}

fn decode(wire: &impl Wire, mut bytes: BytesMut) -> Decoded {
    let mut decoded = Decoded::default();
    while !bytes.is_empty() && decoded.lost.is_none() {
        match wire.cut(&bytes) {
            Cut::Whole(0) => decoded.lost = Some("a frame without bytes".into()),
            Cut::Whole(length) => {
                let frame = wire.read(take(&mut bytes, length).freeze());
                match frame {
                    Ok(frame) => decoded.frames.push(frame),
                    Err(why) => decoded.lost = Some(why),
                }
            }
            Cut::Partial(needed) => {
                decoded.needed = needed;
                decoded.response_to = wire.response_to(&bytes);
                break;
            }
            Cut::Lost(why) => decoded.lost = Some(why.into()),
        }
    }
    decoded.rest = bytes;
    decoded
}

/// Takes a frame out. One that nothing comes behind takes the buffer with it, so that nobody
/// shares its bytes and an id can be written in place.
fn take(bytes: &mut BytesMut, length: usize) -> BytesMut {
    if length >= bytes.len() { std::mem::take(bytes) } else { bytes.split_to(length) }
}

#[cfg(test)]
mod tests;
