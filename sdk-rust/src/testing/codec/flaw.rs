//! What is wrong with a codec, for a person to read.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// A law that a codec breaks.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Law {
    /// A sample is not read as what it is.
    Read,
    /// A frame claims bytes that are not there.
    Bound,
    /// A frame says what no proxy takes.
    Told,
    /// A beginning says too much or too little of its frame's length.
    More,
    /// The frames depend on where the bytes are cut.
    Split,
    /// A frame holds more than its bytes allow.
    Memory,
    /// What is written is not read as what was to be written.
    Write,
    /// An id in its place reads otherwise than an encoded one.
    Patch,
    /// Heartbeats are not what they should be.
    Heartbeat,
    /// A rejection is not what it should be.
    Reject,
    /// The go-away frame is none.
    GoAway,
    /// The protocol is not detected, or another one is taken for it.
    Detect,
    /// It panics.
    Panic,
}

/// A law that a codec breaks, with what it was tried on.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Flaw {
    /// Which law.
    pub law: Law,
    /// On which sample.
    pub sample: Box<str>,
    /// What came in the place of what.
    pub what: Box<str>,
    /// The bytes in hand.
    pub bytes: Box<[u8]>,
}

/// A flaw whose sample is not said yet.
#[derive(Debug)]
pub(super) struct Wrong {
    law: Law,
    what: String,
    bytes: Option<Vec<u8>>,
}

/// Most bytes that a flaw shows.
const SHOWN_MAX: usize = 512;
const ROW: usize = 16;

impl Wrong {
    pub(super) fn new(law: Law, what: impl Into<String>) -> Self {
        Self { law, what: what.into(), bytes: None }
    }

    /// With the bytes that say it best: the first ones that are given are kept.
    pub(super) fn with(mut self, bytes: &[u8]) -> Self {
        self.bytes.get_or_insert_with(|| bytes.to_vec());
        self
    }

    /// With what was done before.
    pub(super) fn after(mut self, how: &str) -> Self {
        self.what = format!("{how}: {}", self.what);
        self
    }

    pub(super) fn of(self, sample: &str) -> Flaw {
        let bytes = self.bytes.unwrap_or_default();
        Flaw { law: self.law, sample: sample.into(), what: self.what.into(), bytes: bytes.into() }
    }
}

impl Flaw {
    /// With these bytes, where none are known.
    pub(super) fn in_bytes(mut self, bytes: &[u8]) -> Self {
        if self.bytes.is_empty() {
            self.bytes = bytes.into();
        }
        self
    }
}

impl Law {
    fn text(self) -> &'static str {
        match self {
            Self::Read => "a sample is read as what it is",
            Self::Bound => "a frame claims no bytes that are not there",
            Self::Told => "a frame says what the proxy takes",
            Self::More => "a beginning tells the length of its frame, or nothing",
            Self::Split => "frames do not depend on where bytes are cut",
            Self::Memory => "what a frame holds is bounded by its bytes",
            Self::Write => "what is written is read as what was to be written",
            Self::Patch => "an id written into its place reads as an encoded one",
            Self::Heartbeat => "heartbeats and their replies are read as such",
            Self::Reject => "a rejection is read as the response to its request",
            Self::GoAway => "the go-away frame is read as one",
            Self::Detect => "the protocol is known by its first bytes, and no other is",
            Self::Panic => "nothing panics",
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}\n  {}: {}", self.law, self.law.text(), self.sample, self.what)?;
        for (row, bytes) in self.bytes.chunks(ROW).take(SHOWN_MAX / ROW).enumerate() {
            let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let text: String = bytes.iter().map(|byte| shown(*byte)).collect();
            write!(f, "\n  {:06x}  {:47}  {text}", row * ROW, digits.join(" "))?;
        }
        match self.bytes.len().checked_sub(SHOWN_MAX) {
            None | Some(0) => Ok(()),
            Some(more) => write!(f, "\n  and {more} bytes more"),
        }
    }
}

impl std::error::Error for Flaw {}

fn shown(byte: u8) -> char {
    if byte.is_ascii_graphic() || byte == b' ' { char::from(byte) } else { '.' }
}

/// A few places of a list.
pub(super) fn places(cuts: &[usize]) -> String {
    const PLACES_MAX: usize = 8;
    let shown: Vec<String> = cuts.iter().take(PLACES_MAX).map(ToString::to_string).collect();
    let more = if cuts.len() > PLACES_MAX { ", ..." } else { "" };
    format!("{}{more}", shown.join(", "))
}

/// Calls the codec; a panic is a flaw.
pub(super) fn guarded<T>(call: &str, run: impl FnOnce() -> T) -> Result<T, Wrong> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic");
        Wrong::new(Law::Panic, format!("`{call}` panics: {text}"))
    })
}
