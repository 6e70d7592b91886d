//! Patterns of names: bytes that stand for themselves, and `*` for any number of bytes.

use std::{borrow::Cow, fmt, str::FromStr};

use memchr::{memchr, memmem, memrchr};

/// How many `*` one pattern may have: each may cost a pass over the name.
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
    #[error("it has spaces, control characters or letters outside of ASCII")]
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
    /// `ignore_case`. Takes a time in proportion to the length of the name, times the number of
    /// `*` at most: a stranger writes patterns, and a stranger chooses names.
    #[must_use]
    pub fn matches(&self, name: &[u8], ignore_case: bool) -> bool {
        let same = |one: &[u8], other: &[u8]| {
            if ignore_case { one.eq_ignore_ascii_case(other) } else { one == other }
        };
        let pattern = self.0.as_bytes();
        let Some((start, rest)) = memchr(b'*', pattern).and_then(|at| around(pattern, at)) else {
            return same(pattern, name);
        };
        let (middle, end) = match memrchr(b'*', rest).and_then(|at| around(rest, at)) {
            Some((middle, end)) => (Some(middle), end),
            None => (None, rest),
        };
        let Some((first, behind)) = name.split_at_checked(start.len()) else { return false };
        let between =
            behind.len().checked_sub(end.len()).and_then(|at| behind.split_at_checked(at));
        let Some((between, last)) = between else { return false };
        same(first, start)
            && same(last, end)
            && middle.is_none_or(|middle| has_in_order(between, middle, ignore_case))
    }
}

/// What stands before and behind the byte at a place.
fn around(bytes: &[u8], at: usize) -> Option<(&[u8], &[u8])> {
    Some((bytes.get(..at)?, bytes.get(at + 1..)?))
}

/// Whether the parts of a pattern between `*` are in `bytes`, one behind the other. Taking each
/// where it is found first leaves most for the others.
fn has_in_order(bytes: &[u8], parts: &[u8], ignore_case: bool) -> bool {
    let (bytes, parts) = (folded(bytes, ignore_case), folded(parts, ignore_case));
    let mut left = &*bytes;
    parts.split(|&byte| byte == b'*').all(|part| {
        // To prepare a search for a long part costs more than most searches.
        let at = if part.len() > left.len() { None } else { memmem::find(left, part) };
        let found = at.and_then(|at| left.get(at + part.len()..));
        found.inspect(|rest| left = rest).is_some()
    })
}

/// In small letters, where their case says nothing.
fn folded(bytes: &[u8], ignore_case: bool) -> Cow<'_, [u8]> {
    if ignore_case && bytes.iter().any(u8::is_ascii_uppercase) {
        Cow::Owned(bytes.to_ascii_lowercase())
    } else {
        Cow::Borrowed(bytes)
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        // Shown to an operator, some letters pretend to be others, and some turn the line around.
        if !text.bytes().all(|one| one.is_ascii_graphic()) {
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
