//! Artifacts: reading them, and telling one from another.

use std::{
    fmt,
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
};

use host_extension::{FaultKind, PluginFault};
use sha2::{Digest as _, Sha256};

/// The largest artifact that is read.
const ARTIFACT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The SHA-256 of an artifact; shown as hexadecimal digits.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Digest([u8; 32]);

/// An artifact as it was read.
#[derive(Debug)]
pub(crate) struct Artifact {
    pub(crate) bytes: Vec<u8>,
    pub(crate) digest: Digest,
}

/// Why an artifact could not be read.
#[derive(Debug, thiserror::Error)]
enum SourceError {
    #[error("cannot read the artifact: {0}")]
    Unreadable(#[from] io::Error),
    #[error("the artifact is a directory; name the file in it")]
    Directory,
    #[error("the artifact is not a regular file")]
    NotAFile,
    #[error("the artifact is empty")]
    Empty,
    #[error("the artifact is larger than {max} bytes")]
    TooLarge { max: u64 },
}

impl Artifact {
    /// Reads a file, whole.
    pub(crate) fn read(path: &Path) -> Result<Self, PluginFault> {
        let bytes = read(path, ARTIFACT_BYTES_MAX).map_err(|error| {
            let message = format!("{}: {error}", path.display());
            PluginFault::new(FaultKind::LoadFailed, message)
        })?;
        let digest = Digest::of(&bytes);
        Ok(Self { bytes, digest })
    }
}

fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, SourceError> {
    // Asked before it is opened: opening a pipe would wait for its other end.
    let kind = fs::metadata(path)?.file_type();
    if kind.is_dir() {
        return Err(SourceError::Directory);
    }
    if !kind.is_file() {
        return Err(SourceError::NotAFile);
    }
    let mut bytes = Vec::new();
    // The size that the metadata tell may be outdated; what counts is what is read.
    let read = File::open(path)?.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    match read {
        0 => Err(SourceError::Empty),
        read if u64::try_from(read).is_ok_and(|read| read <= bytes_max) => Ok(bytes),
        _ => Err(SourceError::TooLarge { max: bytes_max }),
    }
}

impl Digest {
    fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

#[cfg(test)]
mod tests;
