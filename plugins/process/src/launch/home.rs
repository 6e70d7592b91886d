//! Where the files of children live, and how none is left behind.
//!
//! While children run, this process has one directory, `mortise-<pid>-<random>`, that only its
//! user may enter (and pass through those that children are, where they are others), and in it one for each started child: its socket and its temporary files. A
//! child's goes when the child does, the whole when the last child does. What a process that was
//! killed left behind is removed by the next one: a directory whose lock nobody holds is stale,
//! whatever its number says.
//!
//! What children put into their directories is theirs to choose, so how it is removed has its own
//! module, `sweep`.

mod sweep;

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use parking_lot::Mutex;
use rustix::{
    fs::{FlockOperation, Mode, OFlags, flock, open},
    io::Errno,
    process::geteuid,
};

use self::sweep::AT_ONCE;

const PREFIX: &str = "mortise-";
const LOCK: &str = "lock";
const UNNAMED_LOCK: &str = "lock.new";
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
    /// Held until all of it is removed.
    lock: Option<File>,
}

/// The directory of one started child; removed with all that is in it when it is dropped.
#[derive(Debug)]
pub(crate) struct Private {
    path: PathBuf,
    home: Arc<Home>,
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
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix).permissions(fs::Permissions::from_mode(0o700));
        let path = builder.tempdir_in(base)?.keep();
        let lock = lock(&path);
        match lock {
            Ok(lock) => Ok(Self { path, next: AtomicU64::new(1), lock: Some(lock) }),
            Err(error) => {
                sweep::remove(&path, &mut AT_ONCE.clone(), ());
                Err(error)
            }
        }
    }

    /// A directory for one more child.
    pub(crate) fn private(self: &Arc<Self>) -> io::Result<Private> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.path.join(number.to_string());
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Private { path, home: Arc::clone(self) })
    }
}

impl Private {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        sweep::remove(&self.path, &mut AT_ONCE.clone(), Arc::clone(&self.home));
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        sweep::remove(&self.path, &mut AT_ONCE.clone(), self.lock.take());
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
    let mut at_once = AT_ONCE;
    for entry in entries.flatten().filter(ours).take(STALE_MAX) {
        let path = entry.path();
        let Ok(found) = fs::symlink_metadata(&path) else { continue };
        if !found.is_dir() || found.uid() != geteuid().as_raw() {
            continue;
        }
        if let State::Stale(lock) = state(&path, &found) {
            tracing::debug!(path = %path.display(), "removes what a proxy left that is gone");
            sweep::remove(&path, &mut at_once, lock);
        }
    }
}

/// Removes the directory of a process that is known to be gone. False where that is to be tried
/// again: its lock is still held, or somebody still writes there.
pub(crate) fn remove_left(path: &Path) -> bool {
    let Ok(found) = fs::symlink_metadata(path) else { return true };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if !is_name(&name) || !found.is_dir() || found.uid() != geteuid().as_raw() {
        return true;
    }
    match open_lock(path) {
        Ok(lock) if !take(&lock) => false,
        // Where there is none it was removed already, and the rest was not.
        Ok(_) | Err(Errno::NOENT) => sweep::remove_all(path),
        Err(_unreadable) => true,
    }
}

/// `mortise-<digits>-<something>`
fn is_name(name: &str) -> bool {
    let parts = name.strip_prefix(PREFIX).and_then(|rest| rest.split_once('-'));
    parts.is_some_and(|(pid, random)| {
        !random.is_empty() && !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// Makes the lock of a directory. It is held before it has its name: whoever finds it finds it
/// held, and until then the directory is one without a lock, and young.
fn lock(directory: &Path) -> io::Result<File> {
    let unnamed = directory.join(UNNAMED_LOCK);
    let lock = File::create_new(&unnamed)?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
    fs::rename(unnamed, directory.join(LOCK))?;
    Ok(lock)
}

/// Whose a directory is.
enum State {
    /// A process's that lives, or nobody can say.
    Kept,
    /// Nobody's; its lock, where it has one, is ours now.
    Stale(Option<File>),
}

fn state(path: &Path, found: &fs::Metadata) -> State {
    match open_lock(path) {
        Ok(lock) if take(&lock) => State::Stale(Some(lock)),
        Ok(_held) => State::Kept,
        Err(Errno::NOENT) => {
            let age =
                found.modified().ok().and_then(|at| SystemTime::now().duration_since(at).ok());
            if age.is_some_and(|age| age > UNLOCKED_AGE_MAX) {
                State::Stale(None)
            } else {
                State::Kept
            }
        }
        Err(_unreadable) => State::Kept,
    }
}

fn open_lock(directory: &Path) -> rustix::io::Result<File> {
    // What has that name may be anything, also a pipe that would be waited for.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    open(directory.join(LOCK), flags, Mode::empty()).map(File::from)
}

/// True where nobody else holds it.
fn take(lock: &File) -> bool {
    let is_file = lock.metadata().is_ok_and(|found| found.is_file());
    is_file && flock(lock, FlockOperation::NonBlockingLockExclusive).is_ok()
}

#[cfg(test)]
mod tests;
