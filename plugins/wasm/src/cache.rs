//! Compiled modules on disk, so that a module is compiled once and not at every start.
//!
//! Compiled code that was altered would run with the rights of the process, so nothing of the
//! disk reaches the engine unchecked, and checked is what is used: an entry is read whole, its
//! digest compared, and only then laid on the *desk*, an empty directory of this process
//! alone, which is the only place where the engine looks. What the engine makes anew it puts
//! on the desk too, and it goes from there into the store with a digest. All of it stands in
//! a directory that nobody else may write to (see `directory`); another one is not used.
//!
//! A damaged entry is removed and compiled anew, and old ones make room for new ones; files
//! that are not of this cache stand there untouched. A full or failing disk costs the time of
//! compiling and nothing else. This protects against accidents (torn writes, damaged sectors,
//! other versions) and against other users of the machine, not against who may write as this
//! user: he needs no cache to have his way.

mod desk;
mod directory;
mod store;

use std::{
    hash::{Hash, Hasher},
    io,
    path::{Path, PathBuf},
};

use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use wasmtime::{Cache, CacheConfig, Engine, Module};

use self::{
    desk::Desk,
    store::{Entry, Key, Store},
};

/// The cache of one engine.
#[derive(Debug)]
pub(crate) struct ModuleCache {
    store: Store,
    desk: Desk,
    /// The engine's own cache, whose directory is the desk.
    of_engine: Cache,
    /// Who holds it has the desk for himself.
    turn: Mutex<()>,
}

/// Whether a module had to be compiled.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Found {
    /// It was in the store.
    Hit,
    /// It was not, or not whole.
    Miss,
}

/// Why there is no cache.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CacheError {
    /// Others could put code into it.
    #[error("`{0}` can be written by others than this user: `{1}`")]
    Exposed(PathBuf, &'static str),
    /// It cannot be made or read.
    #[error("`{0}` cannot be used")]
    Unusable(PathBuf, #[source] io::Error),
    /// The engine refuses the desk.
    #[error("the engine cannot use `{0}`: {1}")]
    Engine(PathBuf, String),
}

impl ModuleCache {
    /// Opens a cache of at most so many bytes; the directory is made where it is missing.
    ///
    /// # Errors
    /// The directory cannot be used, or must not be.
    pub(crate) fn open(directory: &Path, bytes_max: u64) -> Result<Self, CacheError> {
        let directory = directory::prepare(directory)?;
        let unusable = |error| CacheError::Unusable(directory.clone(), error);
        let desk = Desk::open(&directory).map_err(unusable)?;
        let mut config = CacheConfig::new();
        // What comes of the disk is decompressed at every start, and compressed once.
        config.with_directory(desk.place()).with_baseline_compression_level(1);
        config.with_optimized_compression_usage_counter_threshold(u64::MAX);
        let of_engine = Cache::new(config)
            .map_err(|error| CacheError::Engine(directory.clone(), format!("{error:#}")))?;
        let store = Store::new(directory.clone(), bytes_max);
        Ok(Self { store, desk, of_engine, turn: Mutex::new(()) })
    }

    /// What the engine is to be configured with.
    pub(crate) fn of_engine(&self) -> Cache {
        self.of_engine.clone()
    }

    /// Compiles a module, or takes it from the store.
    ///
    /// # Errors
    /// It cannot be compiled. Whatever goes wrong with the disk is no error.
    pub(crate) fn compile(
        &self,
        engine: &Engine,
        bytes: &[u8],
    ) -> (wasmtime::Result<Module>, Found) {
        let _turn = self.turn.lock();
        let key = key(engine, bytes);
        self.desk.clear();
        if let Some(entry) = self.store.take(&key)
            && let Err(error) = self.desk.lay(&entry)
        {
            tracing::debug!(%error, "a compiled module could not be laid out");
        }
        let hits = self.of_engine.cache_hits();
        let module = Module::new(engine, bytes);
        let found = if self.of_engine.cache_hits() > hits { Found::Hit } else { Found::Miss };
        if found == Found::Miss && module.is_ok() {
            self.keep(&key);
        }
        self.desk.clear();
        (module, found)
    }

    /// Puts what the engine left on the desk into the store.
    fn keep(&self, key: &Key) {
        let kept = self.desk.made().and_then(|entry| match entry {
            Some(entry) => self.store.put(key, &entry),
            None => Err(io::Error::other("the engine left no file")),
        });
        if let Err(error) = kept {
            tracing::debug!(%error, "a compiled module was not kept");
        }
    }
}

/// What tells a module's code from all other code: its bytes, and all that the engine and its
/// version make of them.
fn key(engine: &Engine, bytes: &[u8]) -> Key {
    let mut hasher = DigestHasher(Sha256::new());
    hasher.0.update(Entry::FORMAT);
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.0.update(Sha256::digest(bytes));
    Key(hasher.0.finalize().into())
}

/// Lets the engine tell what it is made of.
struct DigestHasher(Sha256);

impl Hasher for DigestHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        // Nobody asks: the whole digest is what counts.
        0
    }
}

#[cfg(test)]
mod tests;
