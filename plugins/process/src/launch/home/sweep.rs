//! Removing what a child left, whatever it made of it.
//!
//! A child may nest directories as deep and fill them as wide as it likes, and take away the
//! right to enter them. So nothing here recurses: a directory within a directory is moved up
//! beside it, and two are open at a time. A few entries are removed at once; where there are
//! more, a thread of its own goes on with them, so that nobody who lets a child go waits for it.
//!
//! No link is followed. Start reading at [`remove`].

use std::{
    any::Any,
    ffi::CStr,
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
    sync::{
        OnceLock,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use rustix::{
    fs::{AtFlags, CWD, Dir, Mode, OFlags, chmod, fchmod, openat, renameat, unlinkat},
    io::Errno,
    path::Arg,
};

/// Entries that are removed at once, by who lets a child go.
pub(super) const AT_ONCE: u32 = 64;
/// Entries of one directory that the thread removes before it gives up.
const ENTRIES_MAX: u32 = 64 * 1024 * 1024;
/// Directories that wait for the thread; what comes then stays for the next proxy.
const WAITING_MAX: usize = 256;

/// A directory that is removed later.
struct Sweep {
    path: PathBuf,
    /// What must not go before.
    _held: Box<dyn Any + Send>,
}

/// Whether there is something left of what was to be removed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Rest {
    /// It is gone.
    Nothing,
    /// The count of entries was used up before.
    Some,
}

/// Removes a directory with all that is in it: as many entries as are left of the count at once,
/// what is more later. What is held is let go after. Best effort.
pub(super) fn remove(path: &Path, left: &mut u32, held: impl Send + 'static) {
    match remove_some(path, left) {
        Ok(Rest::Nothing) => {}
        Ok(Rest::Some) => later(Sweep { path: path.to_owned(), _held: Box::new(held) }),
        Err(error) => complain(path, &error.into()),
    }
}

/// The same at once, however much it is; false where something is left.
pub(super) fn remove_all(path: &Path) -> bool {
    matches!(remove_some(path, &mut ENTRIES_MAX.clone()), Ok(Rest::Nothing))
}

fn later(sweep: Sweep) {
    let path = sweep.path.clone();
    let sent = thread().and_then(|queue| {
        queue.try_send(sweep).map_err(|_full| io::Error::other("too many wait to be removed"))
    });
    if let Err(error) = sent {
        complain(&path, &error);
    }
}

fn complain(path: &Path, error: &io::Error) {
    tracing::warn!(path = %path.display(), %error, "cannot remove a child's directory");
}

/// The queue of the thread, which lives as long as the process.
fn thread() -> io::Result<&'static SyncSender<Sweep>> {
    static QUEUE: OnceLock<SyncSender<Sweep>> = OnceLock::new();
    if let Some(queue) = QUEUE.get() {
        return Ok(queue);
    }
    // Who comes second ends its thread at once: nobody can send to it.
    let (queue, sweeps) = sync_channel(WAITING_MAX);
    thread::Builder::new().name("plugin-sweeper".to_owned()).spawn(move || work(&sweeps))?;
    Ok(QUEUE.get_or_init(|| queue))
}

fn work(sweeps: &Receiver<Sweep>) {
    for sweep in sweeps {
        match remove_some(&sweep.path, &mut ENTRIES_MAX.clone()) {
            Ok(Rest::Nothing) => {}
            Ok(Rest::Some) => complain(&sweep.path, &io::Error::other("there is too much in it")),
            Err(error) => complain(&sweep.path, &error.into()),
        }
    }
}

/// Removes as many entries of a directory as are left of the count, and then itself.
pub(super) fn remove_some(path: &Path, left: &mut u32) -> rustix::io::Result<Rest> {
    let top = match open(CWD, path) {
        Ok(top) => top,
        Err(Errno::NOENT) => return Ok(Rest::Nothing),
        Err(error) => return Err(error),
    };
    let mut top = Dir::new(top)?;
    loop {
        let before = *left;
        while let Some(entry) = top.read() {
            let entry = entry?;
            let name = entry.file_name();
            if is_itself(name) {
                continue;
            }
            if !take(left) {
                return Ok(Rest::Some);
            }
            if unlink(top.fd()?, name)? == Rest::Some {
                flatten(top.fd()?, name, left)?;
            }
        }
        if *left == before {
            break;
        }
        // What was moved up need not have been seen.
        top.rewind();
    }
    match unlinkat(CWD, path, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(Rest::Nothing),
        Err(error) => Err(error),
    }
}

/// Empties and removes a directory; what is full in it is moved up, and met again there.
fn flatten(top: BorrowedFd<'_>, name: &CStr, left: &mut u32) -> rustix::io::Result<()> {
    let mut directory = Dir::new(open(top, name)?)?;
    while let Some(entry) = directory.read() {
        let entry = entry?;
        let inner = entry.file_name();
        if is_itself(inner) {
            continue;
        }
        if !take(left) {
            return Ok(());
        }
        if unlink(directory.fd()?, inner)? == Rest::Some {
            move_up(directory.fd()?, inner, top)?;
        }
    }
    unlink(top, name).map(drop)
}

/// Under a name that nobody can have taken before.
fn move_up(from: BorrowedFd<'_>, name: &CStr, top: BorrowedFd<'_>) -> rustix::io::Result<()> {
    let fresh = format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
    match renameat(from, name, top, &fresh) {
        Err(Errno::ACCESS) => {
            // To be moved it must be writable, which it is once it was opened here.
            drop(open(from, name)?);
            renameat(from, name, top, &fresh)
        }
        moved => moved,
    }
}

/// Removes a file, or a directory that is empty; otherwise something is left.
fn unlink(parent: BorrowedFd<'_>, name: &CStr) -> rustix::io::Result<Rest> {
    match unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(Rest::Nothing),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(error) => return Err(error),
    }
    match unlinkat(parent, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(Rest::Nothing),
        Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(Rest::Some),
        Err(error) => Err(error),
    }
}

/// Opens a directory to be emptied, also where its owner took all rights from it.
fn open(parent: impl AsFd, name: impl Arg + Copy) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = match openat(&parent, name, flags | OFlags::RDONLY, Mode::empty()) {
        Err(Errno::ACCESS) => {
            let closed = openat(&parent, name, flags | OFlags::PATH, Mode::empty())?;
            chmod(format!("/proc/self/fd/{}", closed.as_raw_fd()), Mode::RWXU)?;
            openat(&parent, name, flags | OFlags::RDONLY, Mode::empty())?
        }
        opened => opened?,
    };
    // Where that is refused, so is what follows, which says more.
    let _refused = fchmod(&opened, Mode::RWXU);
    Ok(opened)
}

fn is_itself(name: &CStr) -> bool {
    matches!(name.to_bytes(), b"." | b"..")
}

/// True where there was one left.
fn take(left: &mut u32) -> bool {
    let taken = left.checked_sub(1);
    *left = taken.unwrap_or_default();
    taken.is_some()
}

#[cfg(test)]
mod tests;
