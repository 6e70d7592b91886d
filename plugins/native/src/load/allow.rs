//! Which libraries the operator allows.
//!
//! A digest says all of a library. A directory says who may write it: so everything from the
//! library up to the directory must be one that nobody else can change, and the library is read
//! once more behind that check. What was read before is served only where it is the same.

use std::{
    fmt::Write,
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use host_types::NativeAllowed;
use rustix::{fs::OFlags, process::geteuid};
use sha2::{Digest as _, Sha256};

use super::{Digest, LIBRARY_BYTES_MAX, LoadError};

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
            && let Some((library, directory)) = below(resolved.as_deref(), directory)
        {
            check_owned(library, &directory)?;
            return check_same(library, digest);
        }
    }
    Err(LoadError::NotAllowed { path: source.into(), digest: hexadecimal(digest) })
}

/// The library and the directory, with all links followed, where the one lies below the other.
fn below<'a>(library: Option<&'a Path>, directory: &Path) -> Option<(&'a Path, PathBuf)> {
    let directory = fs::canonicalize(directory).ok()?;
    library.filter(|library| library.starts_with(&directory)).map(|library| (library, directory))
}

/// Looks at the library and all directories up to the one that is allowed: only who runs the
/// proxy, or root, may be able to change what lies there.
fn check_owned(library: &Path, directory: &Path) -> Result<(), LoadError> {
    let all = library.ancestors().take_while(|path| path.starts_with(directory));
    for path in all {
        let open =
            |why| LoadError::OthersCanWrite { path: path.into(), directory: directory.into(), why };
        // A link here took the place of something since the links were followed: its mode says
        // that all may write it.
        let facts = fs::symlink_metadata(path).map_err(|_gone| open("was taken away"))?;
        // A group with the number of the user is that user alone, on systems that make one for
        // each and let it write.
        let is_private = facts.gid() == facts.uid();
        let others = if is_private { WRITABLE_BY_ALL } else { WRITABLE_BY_OTHERS };
        if facts.mode() & others != 0 {
            return Err(open("can be written by others (`chmod go-w` takes that right away)"));
        }
        if facts.uid() != 0 && facts.uid() != geteuid().as_raw() {
            return Err(open("belongs to somebody else"));
        }
    }
    Ok(())
}

/// Writable by its group, or by all.
const WRITABLE_BY_OTHERS: u32 = 0o022;
const WRITABLE_BY_ALL: u32 = 0o002;

/// Reads the library at the place that was looked at, and compares.
fn check_same(library: &Path, digest: &Digest) -> Result<(), LoadError> {
    match read_digest(library) {
        Ok(found) if found == *digest => Ok(()),
        Ok(_) | Err(_) => Err(LoadError::Changed(library.into())),
    }
}

/// The digest of a plain file.
fn read_digest(path: &Path) -> io::Result<Digest> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let flags = flags.bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // What grows meanwhile is another one as well.
    let most = u64::try_from(LIBRARY_BYTES_MAX).unwrap_or(u64::MAX);
    let mut file = file.take(most.saturating_add(1));
    let (mut hash, mut chunk) = (Sha256::new(), vec![0; CHUNK_BYTES]);
    loop {
        match file.read(&mut chunk) {
            Ok(0) => return Ok(hash.finalize().into()),
            Ok(count) => hash.update(chunk.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

const CHUNK_BYTES: usize = 64 * 1024;

/// A digest as people write it.
pub(crate) fn hexadecimal(digest: &Digest) -> String {
    digest.iter().fold(String::with_capacity(64), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string does not fail");
        text
    })
}

#[cfg(test)]
mod tests;
