//! Whether a directory can hold code: nobody but this user (and root) may be able to put
//! something in it, or another directory in its place.

use std::{
    fs,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
};

use super::CacheError;

const OWNER_ONLY: u32 = 0o700;
const OTHERS_WRITE: u32 = 0o022;
const STICKY: u32 = 0o1000;

/// Makes the directory where it is missing, and checks it and all above it. Answers with its
/// path without links.
pub(super) fn prepare(directory: &Path) -> Result<PathBuf, CacheError> {
    let unusable = |error| CacheError::Unusable(directory.to_owned(), error);
    fs::DirBuilder::new().recursive(true).mode(OWNER_ONLY).create(directory).map_err(unusable)?;
    let real = fs::canonicalize(directory).map_err(unusable)?;
    for (level, at) in real.ancestors().enumerate() {
        let about = fs::metadata(at).map_err(unusable)?;
        check(&about, level == 0).map_err(|why| CacheError::Exposed(at.to_owned(), why))?;
    }
    Ok(real)
}

/// Checks one directory. Above the cache a sticky one will do, as `/tmp` is: there others can
/// put things, but not take ours away.
fn check(about: &fs::Metadata, is_cache: bool) -> Result<(), &'static str> {
    let ours = rustix::process::geteuid().as_raw();
    if about.uid() != ours && about.uid() != 0 {
        return Err("it belongs to another user");
    }
    let open = about.mode() & OTHERS_WRITE != 0;
    if open && (is_cache || about.mode() & STICKY == 0) {
        return Err("its mode lets others write");
    }
    Ok(())
}
