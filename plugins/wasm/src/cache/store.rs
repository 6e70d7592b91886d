//! Entries with their digests: what is kept from one start to the next.
//!
//! A file is the format's name, the digest of all that follows together with its key, the
//! name that the engine knows the code by, and the code. Files are written elsewhere and
//! renamed into place, so that of several writers one wins and no reader sees half a file.

use std::{
    fmt::Write as _,
    fs::{self, File, FileTimes, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

use rustix::fs::OFlags;
use sha2::{Digest, Sha256};

/// What tells an entry from all others.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Key(pub(super) [u8; 32]);

/// Compiled code, as the engine writes it.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Entry {
    /// Where the engine looks for it, below its directory.
    pub(super) name: String,
    /// Its bytes.
    pub(super) code: Vec<u8>,
}

/// All entries.
#[derive(Debug)]
pub(super) struct Store {
    directory: PathBuf,
    bytes_max: u64,
}

const EXTENSION: &str = "module";
/// What the name of a file begins with that is being written; as many characters follow as
/// `tempfile` makes of itself.
const PREFIX: &str = "new-";
const RANDOM_CHARACTERS: usize = 6;
const DIGEST_BYTES: usize = 32;

impl Store {
    pub(super) fn new(directory: PathBuf, bytes_max: u64) -> Self {
        Self { directory, bytes_max }
    }

    /// Reads an entry; one that is not whole is removed. One that cannot be read may be whole.
    pub(super) fn take(&self, key: &Key) -> Option<Entry> {
        let path = self.path(key);
        let bytes = match self.read(&path) {
            Ok(bytes) => bytes,
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::debug!(%error, "a compiled module on disk cannot be read");
                }
                return None;
            }
        };
        let entry = Entry::decode(key, &bytes);
        if entry.is_none() {
            tracing::warn!(
                file = %path.display(),
                "a compiled module on disk is damaged: it is removed and compiled anew"
            );
            if let Err(error) = fs::remove_file(&path) {
                tracing::debug!(%error, "a damaged entry stays");
            }
        }
        entry
    }

    /// Keeps an entry, and drops others where there are too many bytes.
    pub(super) fn put(&self, key: &Key, entry: &Entry) -> io::Result<()> {
        let bytes = entry.encode(key)?;
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if size > self.bytes_max {
            return Err(io::Error::other("it is larger than the whole cache may be"));
        }
        self.make_room(size, &self.path(key));
        let mut file = tempfile::Builder::new().prefix(PREFIX).tempfile_in(&self.directory)?;
        file.write_all(&bytes)?;
        file.persist(self.path(key))?;
        Ok(())
    }

    fn path(&self, key: &Key) -> PathBuf {
        let mut name = String::with_capacity(2 * DIGEST_BYTES);
        for byte in key.0 {
            write!(name, "{byte:02x}").expect("writing to a string does not fail");
        }
        self.directory.join(name).with_extension(EXTENSION)
    }

    /// Reads a plain file within the limit, and notes that it was used.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file =
            OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
        let about = file.metadata()?;
        if !about.is_file() || about.len() > self.bytes_max {
            return Err(io::Error::other("no plain file of a fitting size"));
        }
        if let Err(error) = touch(&file) {
            tracing::debug!(%error, "the use of a compiled module is not noted");
        }
        let mut bytes = Vec::with_capacity(usize::try_from(about.len()).unwrap_or(0));
        file.take(self.bytes_max).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Removes the entries that were not used for longest, until `size` more bytes fit. Files
    /// that a writer left behind go the same way.
    fn make_room(&self, size: u64, replaced: &Path) {
        let mut entries = match self.entries() {
            Ok(entries) => entries,
            Err(error) => {
                tracing::debug!(%error, "the cache of compiled modules cannot be listed");
                return;
            }
        };
        entries.retain(|(_, _, path)| path != replaced);
        entries.sort();
        let mut total = entries.iter().fold(size, |sum, (_, bytes, _)| sum.saturating_add(*bytes));
        for (_, bytes, path) in entries {
            if total <= self.bytes_max {
                return;
            }
            match fs::remove_file(&path) {
                Ok(()) => total = total.saturating_sub(bytes),
                Err(error) => tracing::debug!(%error, "an old entry stays"),
            }
        }
    }

    /// All files of our own with their last use and size. Whatever else stands in the
    /// directory is somebody's, and is neither counted nor removed.
    fn entries(&self) -> io::Result<Vec<(SystemTime, u64, PathBuf)>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            if !entry.file_name().to_str().is_some_and(is_own) {
                continue;
            }
            // Another process may have removed it in between.
            let Ok(about) = entry.metadata() else { continue };
            if about.is_file() {
                let used = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                entries.push((used, about.len(), entry.path()));
            }
        }
        Ok(entries)
    }
}

impl Entry {
    /// What a file begins with.
    pub(super) const FORMAT: &'static [u8] = b"mortise module 1\n";

    /// The bytes of its file.
    fn encode(&self, key: &Key) -> io::Result<Vec<u8>> {
        let name_len = u16::try_from(self.name.len()).map_err(io::Error::other)?;
        let body = [&name_len.to_le_bytes(), self.name.as_bytes(), &self.code].concat();
        Ok([Self::FORMAT, digest(key, &body).as_slice(), body.as_slice()].concat())
    }

    /// The entry of a file; `None` where it is not the one that was written under that key.
    fn decode(key: &Key, bytes: &[u8]) -> Option<Self> {
        let (digest_then, body) =
            bytes.strip_prefix(Self::FORMAT)?.split_first_chunk::<DIGEST_BYTES>()?;
        if *digest_then != digest(key, body) {
            return None;
        }
        let (name_len, rest) = body.split_first_chunk::<2>()?;
        let (name, code) = rest.split_at_checked(u16::from_le_bytes(*name_len).into())?;
        Some(Self { name: String::from_utf8(name.to_vec()).ok()?, code: code.to_vec() })
    }
}

/// True for the name of an entry, and for that of a file that is to become one.
fn is_own(name: &str) -> bool {
    if let Some(random) = name.strip_prefix(PREFIX) {
        return random.len() == RANDOM_CHARACTERS
            && random.bytes().all(|byte| byte.is_ascii_alphanumeric());
    }
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let stem = name.strip_suffix(EXTENSION).and_then(|stem| stem.strip_suffix('.'));
    stem.is_some_and(|stem| stem.len() == 2 * DIGEST_BYTES && stem.bytes().all(is_digit))
}

fn digest(key: &Key, body: &[u8]) -> [u8; DIGEST_BYTES] {
    Sha256::new().chain_update(key.0).chain_update(body).finalize().into()
}

fn touch(file: &File) -> io::Result<()> {
    file.set_times(FileTimes::new().set_modified(SystemTime::now()))
}

#[cfg(test)]
mod tests;
