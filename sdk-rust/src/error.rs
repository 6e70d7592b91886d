//! Why the host did not do what it was asked.

use std::fmt;

/// Why a host call was not carried out. A plugin survives each of them.
///
/// A Wasm sandbox has fewer words: what a policy denies reads as [`HostError::NotFound`] there,
/// or as done, and a full queue as one that is not there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum HostError {
    /// What was asked for is not there.
    NotFound,
    /// An argument makes no sense.
    BadArgument,
    /// Not in this phase of the stream.
    WrongPhase,
    /// The operator did not grant it.
    Denied,
    /// A limit was reached.
    LimitReached,
    /// This host does not offer it.
    Unsupported,
    /// Somebody else changed the value in between.
    Conflict,
    /// There is nothing in it.
    Empty,
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "not found",
            Self::BadArgument => "bad argument",
            Self::WrongPhase => "not available in this phase",
            Self::Denied => "permission denied",
            Self::LimitReached => "limit reached",
            Self::Unsupported => "not offered by this host",
            Self::Conflict => "changed by somebody else",
            Self::Empty => "empty",
        })
    }
}

impl std::error::Error for HostError {}
