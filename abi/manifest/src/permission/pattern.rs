//! Patterns of names: bytes that stand for themselves, and `*` for any number of bytes.

use std::{fmt, str::FromStr};

/// How many `*` one pattern may have: each costs a pass over the name.
const WILDCARDS_MAX: usize = 8;

/// Names that a permission is about.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Pattern(Box<str>);

/// Why a text is no pattern.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// There is nothing in it.
    #[error("it is empty; leave the `:` out, or write `*`, for every name")]
    Empty,
    /// It has bytes that no name has.
    #[error("it has spaces or control characters")]
    Unprintable,
    /// It is to be a path, and is none from the root on.
    #[error("it is no absolute path; `*` stands for all of them, and in none")]
    NoPath,
    /// It has too many wildcards.
    #[error("it has more than {WILDCARDS_MAX} `*`")]
    TooManyWildcards,
}

impl Pattern {
    /// True where it stands for exactly one name.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        !self.0.contains('*')
    }

    /// True for an absolute path, and for `*`, which is all of them.
    pub(super) fn is_path(&self) -> bool {
        &*self.0 == "*" || (self.0.starts_with('/') && self.is_exact())
    }

    /// The text of it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a name is one of these. Letters of ASCII in both cases are the same where
    /// `ignore_case`. Takes at most a time in proportion to the product of both lengths.
    #[must_use]
    pub fn matches(&self, name: &[u8], ignore_case: bool) -> bool {
        let same =
            |one: u8, other: u8| one == other || (ignore_case && one.eq_ignore_ascii_case(&other));
        let pattern = self.0.as_bytes();
        let (mut at_pattern, mut at_name) = (0, 0);
        // Where the last `*` stands, and up to where it has eaten.
        let mut star: Option<(usize, usize)> = None;
        while let Some(&byte) = name.get(at_name) {
            let wanted = pattern.get(at_pattern).copied();
            if wanted == Some(b'*') {
                star = Some((at_pattern, at_name));
                at_pattern += 1;
                continue;
            }
            if wanted.is_some_and(|wanted| same(wanted, byte)) {
                at_pattern += 1;
                at_name += 1;
                continue;
            }
            let Some((place, eaten)) = star else { return false };
            star = Some((place, eaten + 1));
            (at_pattern, at_name) = (place + 1, eaten + 1);
        }
        pattern.get(at_pattern..).is_some_and(|rest| rest.iter().all(|&byte| byte == b'*'))
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        if text.chars().any(|one| one.is_control() || one.is_whitespace()) {
            return Err(PatternError::Unprintable);
        }
        if text.matches('*').count() > WILDCARDS_MAX {
            return Err(PatternError::TooManyWildcards);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
