//! Where the files of children live, and how none is left behind.
//!
//! While children run, this process has one directory, `mortise-<pid>-<random>`, that only its
//! user may enter, and in it one for each started child: its socket and its temporary files. A
//! child's goes when the child does, the whole when the last child does. What a process that was
//! killed left behind is removed by the next one: a directory whose lock nobody holds is stale,
//! whatever its number says.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use parking_lot::Mutex;
use rustix::{
    fs::{FlockOperation, flock},
    process::geteuid,
};

const PREFIX: &str = "mortise-";
const LOCK: &str = "lock";
/// A directory without a lock that is older was left between two steps of its making.
const UNLOCKED_AGE_MAX: Duration = Duration::from_mins(10);
/// Directories that are looked at for stale ones.
const STALE_MAX: usize = 1024;

static CURRENT: Mutex<Weak<Home>> = Mutex::new(Weak::new());

/// The directory of this process.
#[derive(Debug)]
pub(crate) struct Home {
    path: PathBuf,
    next: AtomicU64,
    _lock: File,
}

/// The directory of one started child; removed with all that is in it when it is dropped.
#[derive(Debug)]
pub(crate) struct Private {
    path: PathBuf,
    _home: Arc<Home>,
}

impl Home {
    /// The one of this process; made, after stale ones were removed, where there is none.
    pub(crate) fn current() -> io::Result<Arc<Self>> {
        let mut current = CURRENT.lock();
        if let Some(home) = current.upgrade() {
            return Ok(home);
        }
        let home = Arc::new(Self::make(&base())?);
        *current = Arc::downgrade(&home);
        Ok(home)
    }

    fn make(base: &Path) -> io::Result<Self> {
        remove_stale(base);
        let prefix = format!("{PREFIX}{}-", std::process::id());
        let path = tempfile::Builder::new().prefix(&prefix).tempdir_in(base)?.keep();
        let lock = File::create(path.join(LOCK)).and_then(|lock| {
            flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
            Ok(lock)
        });
        match lock {
            Ok(lock) => Ok(Self { path, next: AtomicU64::new(1), _lock: lock }),
            Err(error) => {
                remove(&path);
                Err(error)
            }
        }
    }

    /// A directory for one more child.
    pub(crate) fn private(self: &Arc<Self>) -> io::Result<Private> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.path.join(number.to_string());
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Private { path, _home: Arc::clone(self) })
    }
}

impl Private {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// Where such directories are made.
pub(crate) fn base() -> PathBuf {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let usable = |path: &PathBuf| {
        let Ok(found) = fs::metadata(path) else { return false };
        path.is_absolute() && found.is_dir() && found.uid() == geteuid().as_raw()
    };
    runtime.filter(usable).unwrap_or_else(std::env::temp_dir)
}

/// Removes what processes that are gone left behind. Best effort.
fn remove_stale(base: &Path) {
    let Ok(entries) = fs::read_dir(base) else { return };
    let ours = |entry: &fs::DirEntry| is_name(&entry.file_name().to_string_lossy());
    for entry in entries.flatten().filter(ours).take(STALE_MAX) {
        let path = entry.path();
        let Ok(found) = fs::symlink_metadata(&path) else { continue };
        if found.is_dir() && found.uid() == geteuid().as_raw() && is_stale(&path, &found) {
            tracing::debug!(path = %path.display(), "removes what a proxy left that is gone");
            remove(&path);
        }
    }
}

/// `mortise-<digits>-<something>`
fn is_name(name: &str) -> bool {
    let parts = name.strip_prefix(PREFIX).and_then(|rest| rest.split_once('-'));
    parts.is_some_and(|(pid, random)| {
        !random.is_empty() && !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit())
    })
}

fn is_stale(path: &Path, found: &fs::Metadata) -> bool {
    match File::open(path.join(LOCK)) {
        Ok(lock) => flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let age =
                found.modified().ok().and_then(|at| SystemTime::now().duration_since(at).ok());
            age.is_some_and(|age| age > UNLOCKED_AGE_MAX)
        }
        Err(_unreadable) => false,
    }
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_dir_all(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %error, "cannot remove a child's directory");
    }
}

#[cfg(test)]
mod tests;
