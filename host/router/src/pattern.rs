//! Regular expressions with limits.
//!
//! The engine has no backtracking, so a match takes time linear in the text; what has to be
//! bounded is the size of the expression, which is done here once for every use.

use std::fmt;

use regex::{Regex, RegexBuilder, bytes};

/// An expression that must match the whole of a value.
#[derive(Clone)]
pub struct Pattern {
    text: Box<str>,
    regex: bytes::Regex,
}

/// The text is no expression that can be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// The expression is too long or needs too much memory.
    #[error("the regular expression is too large")]
    TooLarge,
    /// The expression does not parse.
    #[error("the regular expression is not valid: {0}")]
    Syntax(Box<str>),
    /// The substitution names a group that the expression has not.
    #[error("the substitution names the group `{0}`, which the regular expression has not")]
    UnknownGroup(Box<str>),
    /// The substitution is too long.
    #[error("the substitution is longer than {TEXT_BYTES_MAX} bytes")]
    SubstitutionTooLong,
}

/// Longest expression and longest substitution.
pub(crate) const TEXT_BYTES_MAX: usize = 1024;
/// Most memory of a compiled expression.
const COMPILED_BYTES_MAX: usize = 1024 * 1024;

impl Pattern {
    /// Compiles an expression.
    ///
    /// # Errors
    /// It does not parse or is too large.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(PatternError::TooLarge);
        }
        // Compiled alone first: a stray `)` would otherwise close the group around it.
        compile_bytes(text)?;
        let regex = compile_bytes(&format!(r"\A(?:{text})\z"))?;
        Ok(Self { text: text.into(), regex })
    }

    /// True where the expression matches all of `value`.
    #[must_use]
    pub fn matches(&self, value: &[u8]) -> bool {
        self.regex.is_match(value)
    }

    /// The expression as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({:?})", self.text)
    }
}

/// Compiles an expression that searches in text.
pub(crate) fn compile(text: &str) -> Result<Regex, PatternError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(PatternError::TooLarge);
    }
    let built = RegexBuilder::new(text).size_limit(COMPILED_BYTES_MAX).build();
    built.map_err(|error| refused(&error))
}

fn compile_bytes(text: &str) -> Result<bytes::Regex, PatternError> {
    let built = bytes::RegexBuilder::new(text).size_limit(COMPILED_BYTES_MAX).build();
    built.map_err(|error| refused(&error))
}

fn refused(error: &regex::Error) -> PatternError {
    let regex::Error::Syntax(message) = error else { return PatternError::TooLarge };
    // The library draws a picture over several lines; its last one says what is wrong.
    let last = message.lines().last().unwrap_or(message);
    PatternError::Syntax(last.strip_prefix("error: ").unwrap_or(last).into())
}

#[cfg(test)]
mod tests;
