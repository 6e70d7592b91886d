//! Processes of this machine as `/proc` shows them, and as they are held.
//!
//! A number alone may be another process's the next moment. So whoever is to be signalled is held
//! by a handle first, and looked at again through the same number after: then what was seen is
//! the handle's own, or that one has ended, and a signal for it reaches nobody.

use std::{
    fs::{self, File},
    io::Read,
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::Path,
};

use rustix::{
    event::{Timespec, poll},
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
    time::{ClockId, clock_gettime},
};

/// Bytes of an environment that are read.
const ENVIRONMENT_BYTES_MAX: u64 = 1 << 20;
/// What the kernel counts as a second where it shows times, on all machines that we run on.
const TICKS: u64 = 100;
/// Looks at a process that is to stand still, a millisecond apart.
const LOOKS_MAX: usize = 50;

/// A process as it was seen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Seen {
    pub(crate) pid: Pid,
    state: u8,
    threads: u32,
    pub(crate) group: i32,
    pub(super) session: i32,
    /// When it started, in ticks since the machine did.
    pub(super) started: u64,
}

/// A process that no other is taken for.
#[derive(Debug)]
pub(super) struct Held {
    seen: Seen,
    handle: OwnedFd,
}

/// Now, as processes' starts are counted.
pub(super) fn now() -> u64 {
    let time = clock_gettime(ClockId::Boottime);
    let part = u64::try_from(time.tv_nsec).unwrap_or_default() / (1_000_000_000 / TICKS);
    u64::try_from(time.tv_sec).unwrap_or_default().saturating_mul(TICKS).saturating_add(part)
}

/// Waits a moment, where there is nothing that says when.
pub(super) fn pause(millis: u8) {
    let moment = Timespec { tv_sec: 0, tv_nsec: i64::from(millis).saturating_mul(1_000_000) };
    let _over = poll(&mut [], Some(&moment));
}

/// All processes that have not ended.
pub(crate) fn all() -> impl Iterator<Item = Seen> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok().and_then(Pid::from_raw))
        .filter_map(Seen::look)
        .filter(Seen::lives)
}

impl Seen {
    pub(super) fn look(pid: Pid) -> Option<Self> {
        let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
        Self::parse(pid, &String::from_utf8_lossy(&stat))
    }

    /// The name, in brackets, may hold anything, brackets too.
    fn parse(pid: Pid, stat: &str) -> Option<Self> {
        let (_name, fields) = stat.rsplit_once(") ")?;
        let mut fields = fields.split_ascii_whitespace();
        let state = *fields.next()?.as_bytes().first()?;
        let group = fields.nth(1)?.parse().ok()?;
        let session = fields.next()?.parse().ok()?;
        let threads = fields.nth(13)?.parse().ok()?;
        let started = fields.nth(1)?.parse().ok()?;
        Some(Self { pid, state, threads, group, session, started })
    }

    /// One whose first thread has ended may live on in others.
    fn lives(&self) -> bool {
        !matches!(self.state, b'Z' | b'X' | b'x') || self.threads > 1
    }

    /// True where it ends by nobody's will but a killer's.
    fn is_still(&self) -> bool {
        matches!(self.state, b'T' | b't')
    }

    /// True where this path, or one beneath it, is the value of a variable that it was started
    /// with.
    pub(super) fn was_given(&self, path: &Path) -> bool {
        let Ok(file) = File::open(format!("/proc/{}/environ", self.pid)) else { return false };
        let mut environment = Vec::new();
        // What was read before an error counts.
        let _all = file.take(ENVIRONMENT_BYTES_MAX).read_to_end(&mut environment);
        environment.split(|byte| *byte == 0).any(|variable| names(variable, path))
    }
}

fn names(variable: &[u8], path: &Path) -> bool {
    let value = variable.splitn(2, |byte| *byte == b'=').nth(1).unwrap_or_default();
    let beneath = value.strip_prefix(path.as_os_str().as_bytes());
    beneath.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

impl Held {
    /// Holds the process that was seen, where it still is.
    pub(super) fn take(seen: &Seen) -> Option<Self> {
        let handle = pidfd_open(seen.pid, PidfdFlags::empty()).ok()?;
        let now = Seen::look(seen.pid)?;
        let is_same = now.started == seen.started && now.group == seen.group && now.lives();
        is_same.then_some(Self { seen: now, handle })
    }

    pub(super) fn seen(&self) -> &Seen {
        &self.seen
    }

    pub(super) fn kill(&self) {
        let _gone = pidfd_send_signal(&self.handle, Signal::KILL);
    }

    /// Stops it. True when it stands still in its group, which it then cannot leave.
    pub(super) fn stop(&self) -> bool {
        if pidfd_send_signal(&self.handle, Signal::STOP).is_err() {
            return false;
        }
        for _look in 0..LOOKS_MAX {
            let Some(now) = Seen::look(self.seen.pid) else { return false };
            let is_same = now.started == self.seen.started && now.group == self.seen.group;
            if !is_same || !now.lives() {
                return false;
            }
            if now.is_still() {
                return true;
            }
            pause(1);
        }
        false
    }
}

#[cfg(test)]
mod tests;
