//! What becomes of the path of a forwarded or redirected request.
//!
//! The query is never touched. The result is a path that can be sent, or a typed error: a
//! rewrite cannot smuggle bytes into a request line.

use http::uri::PathAndQuery;
use regex::Regex;

use crate::{
    PathMatch, PatternError,
    pattern::{self, TEXT_BYTES_MAX},
};

/// What becomes of a path.
#[derive(Clone, Debug, PartialEq)]
pub enum PathRewrite {
    /// The part that the route's match names is replaced: the prefix, or the whole path where
    /// the match is not a prefix. Exactly one slash joins the replacement to the rest.
    Prefix(Box<str>),
    /// Every place that an expression finds is replaced.
    Regex(RegexRewrite),
}

/// An expression with what replaces each place that it finds.
#[derive(Clone, Debug)]
pub struct RegexRewrite {
    regex: Regex,
    substitution: Box<str>,
}

/// The path that came out cannot be sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RewriteError {
    /// It does not begin with a slash or has bytes that no path may have.
    #[error("the rewritten path is not valid")]
    Invalid,
    /// It is longer than a request line may be.
    #[error("the rewritten path is longer than {PATH_BYTES_MAX} bytes")]
    TooLong,
}

/// Longest path with query that can come out.
const PATH_BYTES_MAX: usize = 32 * 1024;

impl PathRewrite {
    /// The path that a request goes on with.
    ///
    /// # Errors
    /// What comes out is no path.
    pub fn apply(
        &self,
        condition: &PathMatch,
        path: &PathAndQuery,
    ) -> Result<PathAndQuery, RewriteError> {
        let rewritten = match self {
            Self::Prefix(replacement) => join(replacement, condition.rest(path.path())),
            Self::Regex(rewrite) => rewrite.replace(path.path())?,
        };
        with_query(rewritten, path.query())
    }
}

impl RegexRewrite {
    /// An expression with its substitution, in which `$1`, `${1}` and `${name}` stand for what
    /// a group found and `$$` for a dollar sign.
    ///
    /// # Errors
    /// The expression does not parse or is too large; the substitution is too long or names a
    /// group that the expression has not.
    pub fn new(pattern: &str, substitution: &str) -> Result<Self, PatternError> {
        let regex = pattern::compile(pattern)?;
        if substitution.len() > TEXT_BYTES_MAX {
            return Err(PatternError::SubstitutionTooLong);
        }
        let known = |group: &str| match group.parse::<usize>() {
            Ok(number) => number < regex.captures_len(),
            Err(_) => regex.capture_names().flatten().any(|name| name == group),
        };
        if let Some(group) = groups(substitution).into_iter().find(|group| !known(group)) {
            return Err(PatternError::UnknownGroup(group.into()));
        }
        Ok(Self { regex, substitution: substitution.into() })
    }

    fn replace(&self, path: &str) -> Result<String, RewriteError> {
        let mut rewritten = String::with_capacity(path.len());
        let mut copied = 0;
        for captures in self.regex.captures_iter(path) {
            let found = captures.get_match();
            rewritten.push_str(path.get(copied..found.start()).unwrap_or_default());
            captures.expand(&self.substitution, &mut rewritten);
            copied = found.end();
            if rewritten.len() > PATH_BYTES_MAX {
                return Err(RewriteError::TooLong);
            }
        }
        rewritten.push_str(path.get(copied..).unwrap_or_default());
        Ok(rewritten)
    }
}

impl PartialEq for RegexRewrite {
    fn eq(&self, other: &Self) -> bool {
        self.regex.as_str() == other.regex.as_str() && self.substitution == other.substitution
    }
}

/// The groups that a substitution names, read as the regex library reads them.
fn groups(substitution: &str) -> Vec<&str> {
    let mut groups = Vec::new();
    let mut rest = substitution;
    while let Some((_, behind)) = rest.split_once('$') {
        if let Some(behind) = behind.strip_prefix('$') {
            rest = behind;
        } else if let Some((group, behind)) =
            behind.strip_prefix('{').and_then(|braced| braced.split_once('}'))
        {
            groups.push(group);
            rest = behind;
        } else {
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let behind_word = behind.trim_start_matches(word);
            let group = behind.strip_suffix(behind_word).unwrap_or_default();
            if !group.is_empty() {
                groups.push(group);
            }
            rest = behind_word;
        }
    }
    groups
}

/// Joins two parts of a path with exactly one slash; an empty whole is the root.
pub(crate) fn join(replacement: &str, rest: &str) -> String {
    let replacement_open = replacement.trim_end_matches('/');
    match rest {
        "" if replacement.is_empty() => String::from("/"),
        "" => replacement.to_owned(),
        _ => format!("{replacement_open}/{}", rest.strip_prefix('/').unwrap_or(rest)),
    }
}

/// Puts a query behind a path and checks the whole.
pub(crate) fn with_query(
    mut path: String,
    query: Option<&str>,
) -> Result<PathAndQuery, RewriteError> {
    // A `?` or `#` in the path would move the border to the query, or cut the rest off.
    if !path.starts_with('/') || path.contains(['?', '#']) {
        return Err(RewriteError::Invalid);
    }
    if path.len() + query.map_or(0, |query| query.len() + 1) > PATH_BYTES_MAX {
        return Err(RewriteError::TooLong);
    }
    if let Some(query) = query {
        path.push('?');
        path.push_str(query);
    }
    PathAndQuery::try_from(path).map_err(|_not_a_path| RewriteError::Invalid)
}

#[cfg(test)]
mod tests;
