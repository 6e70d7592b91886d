//! Tests of a codec without a proxy: the laws that every codec must keep, tried on samples.
//!
//! A [`CodecKit`] takes a codec and byte streams of its protocol, and tries what a proxy, a
//! network and a hostile peer do to them:
//!
//! | [`Law`] | what is tried |
//! |---|---|
//! | `Read` | a sample is whole frames, sound ones; what is told to be lost or malformed is |
//! | `Bound` | lengths, bodies and id places lie within the bytes that are there |
//! | `Told` | ids, statuses, names and attributes are such as the proxy takes |
//! | `More` | what a beginning says of the length of its frame |
//! | `Split` | the same frames, however the bytes are cut |
//! | `Memory` | what frames hold is bounded by the bytes that they came in |
//! | `Write` | `decode(encode(x)) = x`, with other ids, fields and bodies |
//! | `Patch` | an id that was written into its place reads as one that was encoded |
//! | `Heartbeat`, `Reject`, `GoAway` | what the proxy says by itself reads as what it is |
//! | `Detect` | the protocol is known by its first bytes, and others are not taken for it |
//! | `Panic` | nothing of all that panics, for changed and random bytes neither |
//!
//! ```
//! # use mortise_sdk::{Codec, CodecProfile, Decoded, Detection, Frame, IdPlace, IdWidth, Rewrite};
//! use mortise_sdk::testing::codec::CodecKit;
//! # struct Notes;
//! # impl Codec for Notes {
//! #     fn detect(&mut self, first: &[u8]) -> Detection {
//! #         match first.first() { Some(0x2a) => Detection::Match, _ => Detection::No }
//! #     }
//! #     fn decode(&mut self, bytes: &[u8]) -> Decoded {
//! #         match bytes {
//! #             [0x2a, a, b, c, d, body, rest @ ..] => {
//! #                 let length = 6 + usize::from(*body);
//! #                 if rest.len() < usize::from(*body) { return Decoded::NeedMore { total: length } }
//! #                 Decoded::Frame(Box::new(Frame {
//! #                     length, id: u32::from_be_bytes([*a, *b, *c, *d]).into(),
//! #                     id_place: Some(IdPlace { offset: 1, width: IdWidth::Four, little_endian: false }),
//! #                     body: 6..length, ..Frame::default()
//! #                 }))
//! #             }
//! #             [] | [0x2a, ..] => Decoded::NeedMore { total: 0 },
//! #             _ => Decoded::Lost("no note".into()),
//! #         }
//! #     }
//! #     fn encode(&mut self, rewrite: &Rewrite<'_>) -> Option<Vec<u8>> {
//! #         if !rewrite.fields.is_empty() { return None }
//! #         let mut bytes = vec![0x2a];
//! #         bytes.extend(u32::try_from(rewrite.id).ok()?.to_be_bytes());
//! #         bytes.push(u8::try_from(rewrite.body.len()).ok()?);
//! #         bytes.extend(rewrite.body);
//! #         Some(bytes)
//! #     }
//! # }
//!
//! // A protocol of a magic byte, an id, a length and a body.
//! CodecKit::new(CodecProfile::DEFAULT, || Box::new(Notes))
//!     .sample("two notes", *b"\x2a\0\0\0\x07\x05hello\x2a\0\0\0\x08\0")
//!     .lost("no magic", *b"\x2a\0\0\0\x07\0nothing")
//!     .assert_sound();
//! ```
//!
//! What comes of a kit is the same each time. Start reading at [`CodecKit`].

mod detection;
mod flaw;
mod mutation;
mod read;
mod write;

use std::{fmt, rc::Rc};

pub use self::flaw::{Flaw, Law};
use self::{
    flaw::Wrong,
    mutation::Mutations,
    read::{End, Seen},
};
use super::TestHost;
use crate::{Codec, CodecProfile};

/// A codec with the byte streams that it is tried on.
///
/// A connection begins with each sample, and with each part of one that a law tries: a codec that
/// reads a frame only after others of the connection cannot be tried with it.
#[derive(Clone)]
pub struct CodecKit {
    profile: CodecProfile,
    make: Rc<dyn Fn() -> Box<dyn Codec>>,
    samples: Vec<Sample>,
    foreign: Vec<(String, Vec<u8>)>,
    detects: bool,
    mutations: usize,
    seed: u64,
    held_per_byte: usize,
}

/// A byte stream of the protocol.
#[derive(Clone, Debug)]
struct Sample {
    name: String,
    bytes: Vec<u8>,
    expect: Expect,
}

/// How a sample is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Expect {
    /// As sound frames.
    Sound,
    /// As frames, of which one is malformed.
    Malformed,
    /// The framing is lost in it.
    Lost,
}

/// How much was tried, and what the codec does not do.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Tried {
    /// Frames of all samples.
    pub frames: usize,
    /// Streams that were cut.
    pub splits: usize,
    /// Changed inputs.
    pub mutations: usize,
    /// Frames that were written and read again.
    pub written: usize,
    /// Changed fields that the codec has no place for: the proxy ends such a stream.
    pub fields_refused: usize,
    /// Changed bodies that the codec has no place for.
    pub bodies_refused: usize,
    /// Requests that the codec has no words to reject: the proxy closes the connection.
    pub rejections_refused: usize,
}

/// Most streams that one sample is cut into in two.
const CUTS_MAX: usize = 4096;
/// How often a sample is cut into pieces at random.
const PIECES: usize = 64;

impl CodecKit {
    /// A codec by what makes it for each connection, and its [`Plugin::CODEC`].
    ///
    /// [`Plugin::CODEC`]: crate::Plugin::CODEC
    #[must_use]
    pub fn new(profile: CodecProfile, make: impl Fn() -> Box<dyn Codec> + 'static) -> Self {
        Self {
            profile,
            make: Rc::new(make),
            samples: Vec::new(),
            foreign: detection::foreign(),
            detects: true,
            mutations: 10_000,
            seed: 1,
            held_per_byte: 64,
        }
    }

    /// The codecs of a started plugin.
    ///
    /// # Panics
    /// When the kit is tried, where the plugin makes no codec.
    #[must_use]
    pub fn of(host: TestHost) -> Self {
        let profile = host.codec_profile();
        Self::new(profile, move || host.codec().expect("the plugin makes codecs"))
    }

    /// With a stream of whole, sound frames of either side.
    #[must_use]
    pub fn sample(self, name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.with(name, bytes.into(), Expect::Sound)
    }

    /// With a stream of whole frames, of which at least one must be read as malformed.
    #[must_use]
    pub fn malformed(self, name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.with(name, bytes.into(), Expect::Malformed)
    }

    /// With a stream in which the framing must be lost.
    #[must_use]
    pub fn lost(self, name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.with(name, bytes.into(), Expect::Lost)
    }

    /// With the first bytes of another protocol, beside those that the kit knows; what it is
    /// given is tried with zeros behind it.
    #[must_use]
    pub fn foreign(mut self, name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.foreign.push((name.to_owned(), bytes.into()));
        self
    }

    /// The protocol has no mark that tells it from others: it stands alone on its listeners, and
    /// detection is not tried.
    #[must_use]
    pub fn without_detection(mut self) -> Self {
        self.detects = false;
        self
    }

    /// With so many changed inputs of each sample, in place of 10 000; fewer of samples that are
    /// longer than 4096 bytes.
    #[must_use]
    pub fn mutations(mut self, count: usize) -> Self {
        self.mutations = count;
        self
    }

    /// With other changes than those of seed 1.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// A frame may hold so many bytes for each byte that it came in, in place of 64, beside 4096.
    #[must_use]
    pub fn held_per_byte(mut self, bytes: usize) -> Self {
        self.held_per_byte = bytes;
        self
    }

    /// Tries all laws.
    ///
    /// # Errors
    /// The first flaw that was found.
    pub fn check(&self) -> Result<Tried, Flaw> {
        let mut tried = Tried::default();
        for sample in &self.samples {
            self.sample_is_read(sample, &mut tried)?;
        }
        if self.detects {
            self.is_detected()?;
        }
        write::by_itself(self).map_err(|wrong| wrong.of("the codec by itself"))?;
        for (place, sample) in self.samples.iter().enumerate() {
            self.is_mutated(place, sample, &mut tried)?;
        }
        Ok(tried)
    }

    /// Tries all laws.
    ///
    /// # Panics
    /// With the first flaw that was found.
    #[track_caller]
    #[expect(clippy::panic, reason = "a flaw fails the test that asks")]
    pub fn assert_sound(&self) -> Tried {
        match self.check() {
            Ok(tried) => tried,
            Err(flaw) => panic!("{flaw}"),
        }
    }

    fn with(mut self, name: &str, bytes: Vec<u8>, expect: Expect) -> Self {
        self.samples.push(Sample { name: name.to_owned(), bytes, expect });
        self
    }

    fn codec(&self) -> Box<dyn Codec> {
        (self.make)()
    }

    fn sample_is_read(&self, sample: &Sample, tried: &mut Tried) -> Result<(), Flaw> {
        let mut codec = self.codec();
        let bytes = &sample.bytes;
        let seen = self.read(&mut *codec, bytes).and_then(|seen| {
            expected(sample.expect, &seen)?;
            Ok(seen)
        });
        let seen = seen.map_err(|wrong| wrong.of(&sample.name).in_bytes(bytes))?;
        tried.frames += seen.frames.len();
        self.beginnings(bytes, &seen)
            .and_then(|()| self.is_split(bytes, &seen, tried))
            .map_err(|wrong| wrong.of(&sample.name).in_bytes(bytes))?;
        for (start, frame) in &seen.frames {
            let raw = bytes.get(*start..start + frame.length).unwrap_or_default();
            write::frame(self, &mut *codec, frame, raw, tried)
                .map_err(|wrong| wrong.of(&sample.name).in_bytes(raw))?;
        }
        Ok(())
    }

    /// Every cut in two, one byte at a time, and pieces at random.
    fn is_split(&self, bytes: &[u8], whole: &Seen, tried: &mut Tried) -> Result<(), Wrong> {
        let step = bytes.len().div_ceil(CUTS_MAX).max(1);
        for cut in (1..bytes.len()).step_by(step) {
            self.same_in_pieces(bytes, whole, &[cut])?;
            tried.splits += 1;
        }
        let each: Vec<usize> = (1..bytes.len()).step_by(step).collect();
        self.same_in_pieces(bytes, whole, &each)?;
        let mut random = Mutations::new(self.seed);
        for _ in 0..PIECES {
            let cuts = random.cuts(bytes.len());
            self.same_in_pieces(bytes, whole, &cuts)?;
            tried.splits += 1;
        }
        Ok(())
    }

    fn same_in_pieces(&self, bytes: &[u8], whole: &Seen, cuts: &[usize]) -> Result<(), Wrong> {
        let pieces = self.read_pieces(&mut *self.codec(), bytes, cuts)?;
        match whole.differs(&pieces) {
            None => Ok(()),
            Some(what) => {
                let cuts = flaw::places(cuts);
                Err(Wrong::new(Law::Split, format!("cut at {cuts} of {}: {what}", bytes.len())))
            }
        }
    }

    fn is_mutated(&self, place: usize, sample: &Sample, tried: &mut Tried) -> Result<(), Flaw> {
        const FULL_BYTES: usize = 4096;
        let share = FULL_BYTES as f64 / sample.bytes.len().max(FULL_BYTES) as f64;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a part of a count is one"
        )]
        let count = (self.mutations as f64 * share).ceil() as usize;
        let mut mutations = Mutations::new(self.seed ^ (place as u64) << 32);
        for number in 0..count {
            let other = mutations.pick(&self.samples).map_or(&[][..], |other| &other.bytes);
            let mutant = mutations.mutant(&sample.bytes, other);
            let cuts = mutations.cuts(mutant.bytes.len());
            self.survives(&mutant.bytes, &cuts).map_err(|wrong| {
                let how = format!("changed input {number} of seed {}: {}", self.seed, mutant.how);
                wrong.after(&how).of(&sample.name).in_bytes(&mutant.bytes)
            })?;
            tried.mutations += 1;
        }
        Ok(())
    }

    /// What may come: anything but a panic, a lie, or frames that depend on the cuts.
    fn survives(&self, bytes: &[u8], cuts: &[usize]) -> Result<(), Wrong> {
        let mut codec = self.codec();
        let seen = self.read(&mut *codec, bytes)?;
        self.same_in_pieces(bytes, &seen, cuts)?;
        if self.detects {
            let first = bytes.get(..bytes.len().min(detection::BYTES_MAX)).unwrap_or_default();
            flaw::guarded("detect", || codec.detect(first))?;
        }
        for (start, frame) in &seen.frames {
            let raw = bytes.get(*start..start + frame.length).unwrap_or_default();
            write::unchanged(self, &mut *codec, frame, raw)?;
        }
        Ok(())
    }
}

/// Whether a sample is what it was said to be.
fn expected(expect: Expect, seen: &Seen) -> Result<(), Wrong> {
    let malformed = seen.frames.iter().find_map(|(start, frame)| {
        frame.malformed.as_ref().map(|why| format!("the frame at {start} is malformed: {why}"))
    });
    let wrong = match (expect, &seen.end) {
        (Expect::Lost, End::Lost(_)) => None,
        (Expect::Lost, End::Whole | End::More { .. }) => Some("the framing is not lost".into()),
        (_, End::Lost(why)) => Some(format!("lost behind {}: {why}", seen.shown())),
        (_, End::More { total }) => {
            Some(format!("it wants more behind {} ({total} bytes in all)", seen.shown()))
        }
        (Expect::Malformed, End::Whole) if malformed.is_none() => {
            Some("no frame is malformed".into())
        }
        (Expect::Malformed, End::Whole) => None,
        (Expect::Sound, End::Whole) => malformed,
    };
    wrong.map_or(Ok(()), |wrong| Err(Wrong::new(Law::Read, wrong)))
}

impl fmt::Debug for CodecKit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodecKit")
            .field("profile", &self.profile)
            .field("samples", &self.samples.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
