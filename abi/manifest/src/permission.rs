//! Permissions: what a plugin asks for and an operator grants, in one language.
//!
//! A permission is written `word` or `word:pattern`. The word names a capability, or by its
//! first parts several: `headers` stands for reading and writing both heads. The pattern narrows
//! down to which names it applies; without one it applies to all of them (to the plugin's own
//! namespace where the capability is about namespaces). Start reading at [`Permission`].

mod capability;
mod pattern;

use std::{fmt, str::FromStr};

pub use self::{
    capability::{Argument, Capability},
    pattern::{Pattern, PatternError},
};

/// The longest permission that is read, in bytes.
pub const PERMISSION_BYTES_MAX: usize = 256;

/// What a manifest asks for, or a policy grants or denies.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Permission {
    word: Box<str>,
    pattern: Option<Pattern>,
}

/// Why a text is no permission; one line for a person.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PermissionError {
    /// It is longer than [`PERMISSION_BYTES_MAX`].
    #[error("a permission is at most {PERMISSION_BYTES_MAX} bytes long")]
    TooLong,
    /// No capability has that name.
    #[error("there is no permission `{word}`{}", suggestion.as_deref().map(|known| format!("; did you mean `{known}`?")).unwrap_or_default())]
    Unknown {
        /// What was written.
        word: Box<str>,
        /// The nearest one that there is.
        suggestion: Option<Box<str>>,
    },
    /// The capability has nothing that a pattern could name.
    #[error("`{word}` is granted as a whole: nothing comes behind it")]
    NoArgument {
        /// The capability.
        word: Box<str>,
    },
    /// The pattern makes no sense.
    #[error("`{pattern}` is no pattern: {source}")]
    Pattern {
        /// What was written.
        pattern: Box<str>,
        /// Why not.
        source: PatternError,
    },
}

impl Permission {
    /// A capability for all names that it can be about.
    #[must_use]
    pub fn whole(capability: Capability) -> Self {
        Self { word: capability.word().into(), pattern: None }
    }

    /// A capability for the names of a pattern.
    #[must_use]
    pub fn narrow(capability: Capability, pattern: Pattern) -> Self {
        Self { word: capability.word().into(), pattern: Some(pattern) }
    }

    /// What it is about: one capability, or all that its word is the beginning of.
    pub fn capabilities(&self) -> impl Iterator<Item = Capability> {
        named_by(&self.word)
    }

    /// The names for which it holds; `None` for all (for the plugin's own namespace where the
    /// capability is about namespaces).
    #[must_use]
    pub fn pattern(&self) -> Option<&Pattern> {
        self.pattern.as_ref()
    }
}

impl FromStr for Permission {
    type Err = PermissionError;

    fn from_str(text: &str) -> Result<Self, PermissionError> {
        if text.len() > PERMISSION_BYTES_MAX {
            return Err(PermissionError::TooLong);
        }
        let (word, pattern) = match text.split_once(':') {
            Some((word, pattern)) => (word, Some(pattern)),
            None => (text, None),
        };
        if named_by(word).next().is_none() {
            return Err(PermissionError::Unknown {
                word: word.into(),
                suggestion: capability::nearest(word).map(Into::into),
            });
        }
        let Some(pattern) = pattern else { return Ok(Self { word: word.into(), pattern: None }) };
        if named_by(word).any(|one| one.argument() == Argument::None) {
            return Err(PermissionError::NoArgument { word: word.into() });
        }
        let refused = |source| PermissionError::Pattern { pattern: pattern.into(), source };
        let parsed: Pattern = pattern.parse().map_err(refused)?;
        let is_path = named_by(word).any(|one| one.argument() == Argument::Path);
        if is_path && !parsed.is_path() {
            return Err(refused(PatternError::NoPath));
        }
        Ok(Self { word: word.into(), pattern: Some(parsed) })
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.word)?;
        self.pattern.as_ref().map_or(Ok(()), |pattern| write!(f, ":{pattern}"))
    }
}

/// The capabilities that a word names, by itself or as the first parts of their words.
fn named_by(word: &str) -> impl Iterator<Item = Capability> {
    Capability::ALL.into_iter().filter(move |one| {
        let rest = one.word().strip_prefix(word);
        !word.is_empty() && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

#[cfg(test)]
mod tests;
