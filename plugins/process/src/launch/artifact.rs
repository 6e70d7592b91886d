//! A plugin's program, kept so that every start runs the very bytes that were loaded.
//!
//! An ELF program is copied once into a sealed memory file and started from there. A script is
//! started by its path, since its interpreter opens it anew and finds its neighbours by it; each
//! start reads it again and refuses bytes that are not those that were loaded.

use std::{
    fs::File,
    io::{self, Write},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use sha2::{Digest, Sha256};

use crate::go_plugin::unsuited;

/// A program that can be started.
#[derive(Debug)]
pub(crate) enum Artifact {
    /// An open ELF program: a sealed memory file, or the proxy's own.
    Elf(OwnedFd),
    /// A script, with the digest that it must have.
    Script {
        /// Its absolute path.
        path: PathBuf,
        /// Its SHA-256.
        digest: [u8; 32],
    },
}

/// Why an artifact is no program.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ArtifactError {
    #[error("{0}")]
    Unsuited(String),
    #[error("the program cannot be kept in memory")]
    Memory(#[source] io::Error),
    #[error("the proxy's own program cannot be opened")]
    Itself(#[source] io::Error),
    #[error("the artifact's path cannot be made absolute")]
    Path(#[source] io::Error),
}

impl Artifact {
    /// Takes the bytes that were read from `source`.
    pub(crate) fn new(source: &Path, bytes: &[u8]) -> Result<Self, ArtifactError> {
        if let Some(why) = unsuited(bytes) {
            return Err(ArtifactError::Unsuited(why));
        }
        if bytes.starts_with(b"#!") {
            let path = source.canonicalize().map_err(ArtifactError::Path)?;
            return Ok(Self::Script { path, digest: digest(bytes) });
        }
        seal(bytes).map(Self::Elf).map_err(ArtifactError::Memory)
    }

    /// The program that is running; found even when its file was replaced since.
    pub(crate) fn itself() -> Result<Self, ArtifactError> {
        let program = File::open("/proc/self/exe").map_err(ArtifactError::Itself)?;
        Ok(Self::Elf(program.into()))
    }

    /// The open file of the program, where it is started from one.
    pub(crate) fn file(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Elf(file) => Some(file.as_fd()),
            Self::Script { .. } => None,
        }
    }
}

/// The SHA-256 of an artifact.
pub(crate) fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn seal(bytes: &[u8]) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Kernels before 6.3 do not know the flag; there every memory file can be executed.
    let file = memfd_create("plugin", flags | MemfdFlags::EXEC)
        .or_else(|_unknown| memfd_create("plugin", flags))?;
    let mut file = File::from(file);
    file.write_all(bytes)?;
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    fcntl_add_seals(&file, seals)?;
    Ok(file.into())
}

#[cfg(test)]
mod tests;
