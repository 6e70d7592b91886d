//! Which libraries the operator allows.

use std::{
    fmt::Write,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use host_types::NativeAllowed;

use super::{Digest, LoadError};

/// Looks for an entry that allows a library: by its digest, or by a directory that it lies
/// below, however the way there is written.
pub(crate) fn check_allowed(
    allow: &[NativeAllowed],
    source: &Path,
    digest: &Digest,
) -> Result<(), LoadError> {
    let by_digest =
        |entry: &NativeAllowed| matches!(entry, NativeAllowed::Sha256(known) if known == digest);
    if allow.iter().any(by_digest) {
        return Ok(());
    }
    let resolved = fs::canonicalize(source).ok();
    for entry in allow {
        if let NativeAllowed::Directory(directory) = entry
            && let Some(directory) = below(resolved.as_deref(), directory)
        {
            return if is_open(&directory) {
                Err(LoadError::OpenDirectory(directory))
            } else {
                Ok(())
            };
        }
    }
    Err(LoadError::NotAllowed { path: source.into(), digest: hexadecimal(digest) })
}

/// The directory, with all links followed, where the library lies below it.
fn below(library: Option<&Path>, directory: &Path) -> Option<PathBuf> {
    let directory = fs::canonicalize(directory).ok()?;
    library?.starts_with(&directory).then_some(directory)
}

/// True where everybody can write to it.
fn is_open(directory: &Path) -> bool {
    fs::metadata(directory).is_ok_and(|facts| facts.permissions().mode() & 0o002 != 0)
}

/// A digest as people write it.
pub(crate) fn hexadecimal(digest: &Digest) -> String {
    digest.iter().fold(String::with_capacity(64), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string does not fail");
        text
    })
}

#[cfg(test)]
mod tests;
