//! From bytes to callbacks, in an order that runs nothing of a library before all is known that
//! can be: its size, whether the operator allows it, what its ELF file says, its mark. Only then
//! it is loaded, from a copy that nobody can change, and entered.
//!
//! ```text
//! digest -> allow -> elf -> seal -> library (dlopen) -> module (layout) -> entry -> callbacks
//! ```

mod allow;
mod elf;
mod library;
mod seal;

use std::path::{Path, PathBuf};

use abi_native::{
    number::{Kind, MAJOR, MINOR},
    table::Host,
};
use host_types::PluginName;
use sha2::{Digest as _, Sha256};

pub(crate) use self::allow::{check_allowed, hexadecimal};
use crate::{
    builtin::Builtin,
    callbacks::{Callbacks, TableError},
};

/// Most bytes of a library.
const LIBRARY_BYTES_MAX: usize = 256 << 20;

/// The SHA-256 of a library.
pub(crate) type Digest = [u8; 32];

/// Why a library is not loaded, as the end of a sentence that begins with the plugin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error("is a library of {0} bytes, and the most is {LIBRARY_BYTES_MAX}")]
    TooLarge(usize),
    #[error(
        "is not allowed to be loaded into the proxy: the SHA-256 of {path} is {digest}; if you \
         trust it with everything that the proxy can do, write `native: {{ allow: [{{ sha256: \
         {digest} }}] }}` at the top of the configuration, or `{{ directory: … }}` for all \
         libraries of a directory that only you can write"
    )]
    NotAllowed { path: PathBuf, digest: String },
    #[error(
        "lies below {directory}, which is allowed, but {path} {why}; mend that, or allow the \
         library by its SHA-256"
    )]
    OthersCanWrite { path: Box<Path>, directory: Box<Path>, why: &'static str },
    #[error("is at {0} another one than was read: it was changed meanwhile, so load it again")]
    Changed(PathBuf),
    #[error("is no library that can be loaded here: {0}")]
    Elf(String),
    #[error(
        "is a library for version {found} of the interface, and this proxy offers {MAJOR}.{MINOR}: \
         {advice}"
    )]
    Version { found: String, advice: &'static str },
    #[error("cannot be copied into memory: {0}")]
    Seal(#[source] std::io::Error),
    #[error("cannot be loaded: {0}")]
    Open(String),
    #[error(
        "was built with other tables than this proxy has, though both have the same version: build \
         it against the same `abi-native`: {0}"
    )]
    Layout(String),
    #[error("cannot be entered: {0}")]
    Entry(&'static str),
    #[error(transparent)]
    Table(#[from] TableError),
    #[error(
        "cannot be loaded: this process has loaded {0} libraries already and gives none back; \
         start the proxy again"
    )]
    TooMany(usize),
    #[error("is not compiled in: there is no `{name}`, only `{known}`")]
    NoBuiltin { name: PathBuf, known: String },
}

impl LoadError {
    /// True where the operator does not want it.
    pub(crate) fn is_denial(&self) -> bool {
        matches!(self, Self::NotAllowed { .. } | Self::OthersCanWrite { .. })
    }
}

/// The digest of a library's bytes.
pub(crate) fn digest(bytes: &[u8]) -> Result<Digest, LoadError> {
    if bytes.len() > LIBRARY_BYTES_MAX {
        return Err(LoadError::TooLarge(bytes.len()));
    }
    Ok(Sha256::digest(bytes).into())
}

/// A library that is loaded, and was not entered yet.
pub(crate) struct Loaded {
    library: library::Opened,
    kind: Kind,
}

/// Loads a library that may be loaded.
pub(crate) fn open(plugin: &PluginName, bytes: &[u8]) -> Result<Loaded, LoadError> {
    let mark = elf::inspect(bytes)?;
    let copy = seal::seal(plugin, bytes).map_err(LoadError::Seal)?;
    Ok(Loaded { library: library::Opened::open(copy)?, kind: mark.kind })
}

impl Loaded {
    /// Enters it.
    pub(crate) fn enter(&self, host: &'static Host) -> Result<Callbacks, LoadError> {
        if self.kind == Kind::Rust {
            self.library.check_layout()?;
        }
        self.library.enter(host)
    }
}

/// Enters a plugin that is compiled in.
pub(crate) fn enter_builtin(
    builtin: &Builtin,
    host: &'static Host,
) -> Result<Callbacks, LoadError> {
    library::enter(builtin.entry, host)
}

#[cfg(test)]
mod tests;
