//! The place where the engine looks for compiled code and puts it: a directory of this
//! process, which holds one entry at most and is removed with it.

use std::{
    ffi::OsStr,
    fs::{self, File, Permissions},
    io,
    os::unix::fs::PermissionsExt,
    path::{Component, Path, PathBuf},
    time::{Duration, SystemTime},
};

use tempfile::TempDir;

use super::store::Entry;

const PREFIX: &str = "desk-";
const LOCK: &str = "lock";
/// A desk without a lock that is older than this is nobody's any more.
const UNLOCKED_AGE_MAX: Duration = Duration::from_secs(60);
/// How deep the engine puts its files.
const DEPTH_MAX: usize = 4;

/// One desk.
#[derive(Debug)]
pub(super) struct Desk {
    directory: TempDir,
    /// Locked as long as this process lives, which is how others see that it does.
    _lock: File,
}

impl Desk {
    /// Makes a desk, and removes those of processes that are gone.
    pub(super) fn open(cache: &Path) -> io::Result<Self> {
        sweep(cache)?;
        // Another process may look at the lock in the instant before it is ours, and take it
        // for an abandoned one.
        Self::make(cache).or_else(|_taken| Self::make(cache))
    }

    fn make(cache: &Path) -> io::Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix(PREFIX)
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(cache)?;
        let lock = File::create_new(directory.path().join(LOCK))?;
        lock.try_lock()?;
        let desk = Self { directory, _lock: lock };
        fs::create_dir(desk.place())?;
        Ok(desk)
    }

    /// Where the engine looks.
    pub(super) fn place(&self) -> PathBuf {
        self.directory.path().join("engine")
    }

    /// Lays an entry out. It must have been checked.
    pub(super) fn lay(&self, entry: &Entry) -> io::Result<()> {
        let name = Path::new(&entry.name);
        if !name.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(io::Error::other("its name leads elsewhere"));
        }
        let path = self.place().join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, &entry.code)
    }

    /// What the engine made: the only file that is no bookkeeping of its own.
    pub(super) fn made(&self) -> io::Result<Option<Entry>> {
        let mut files = Vec::new();
        code_files(&self.place(), 0, &mut files)?;
        let [path] = files.as_slice() else { return Ok(None) };
        let name = path.strip_prefix(self.place()).ok().and_then(Path::to_str);
        let Some(name) = name.map(str::to_owned) else { return Ok(None) };
        Ok(Some(Entry { name, code: fs::read(path)? }))
    }

    /// Takes all code from the desk, also what the engine left half written.
    pub(super) fn clear(&self) {
        let mut files = Vec::new();
        if let Err(error) = all_files(&self.place(), 0, &mut files) {
            tracing::debug!(%error, "the desk of compiled modules could not be read");
        }
        // Its bookkeeping stays: the engine writes that from a thread of its own.
        files.retain(|path| path.file_name().and_then(OsStr::to_str).is_none_or(holds_code));
        for path in files {
            if let Err(error) = fs::remove_file(&path) {
                tracing::debug!(%error, "a file of compiled code stays on the desk");
            }
        }
    }
}

/// Files whose name has no extension: those of the engine's own bookkeeping have one.
fn code_files(directory: &Path, depth: usize, files: &mut Vec<PathBuf>) -> io::Result<()> {
    all_files(directory, depth, files)?;
    files.retain(|path| path.file_name().and_then(OsStr::to_str).is_some_and(is_code));
    Ok(())
}

fn is_code(name: &str) -> bool {
    !name.contains('.')
}

/// True also for code that is half written.
fn holds_code(name: &str) -> bool {
    !name.starts_with('.') && !name.ends_with("stats")
}

fn all_files(directory: &Path, depth: usize, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if !entry.file_type()?.is_dir() {
            files.push(entry.path());
        } else if depth < DEPTH_MAX {
            all_files(&entry.path(), depth + 1, files)?;
        }
    }
    Ok(())
}

/// Removes desks whose processes are gone.
fn sweep(cache: &Path) -> io::Result<()> {
    for entry in fs::read_dir(cache)? {
        let entry = entry?;
        let path = entry.path();
        // A link leads to something that is not ours.
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_directory
            && entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX))
            && is_abandoned(&path)
            && let Err(error) = fs::remove_dir_all(&path)
        {
            tracing::debug!(%error, "an abandoned desk of compiled modules stays");
        }
    }
    Ok(())
}

fn is_abandoned(desk: &Path) -> bool {
    match File::open(desk.join(LOCK)) {
        Ok(lock) => lock.try_lock().is_ok(),
        // It is just being made, or was never more than that. With anything else in it, it may
        // be a directory of somebody's that is only called so.
        Err(_) => is_empty(desk) && is_old(desk),
    }
}

fn is_empty(desk: &Path) -> bool {
    fs::read_dir(desk).is_ok_and(|mut entries| entries.next().is_none())
}

fn is_old(desk: &Path) -> bool {
    fs::metadata(desk).and_then(|about| about.modified()).is_ok_and(|made| {
        SystemTime::now().duration_since(made).unwrap_or_default() > UNLOCKED_AGE_MAX
    })
}
