//! One child's group.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::{
    Limits,
    place::{Base, Controller, Place, Version},
};

/// `mortise-<pid>-<when that started>-<number>`
pub(super) const PREFIX: &str = "mortise-";

/// The window in which processor time is counted, in microseconds, and a longer one for little of
/// it: the kernel takes no share below a millisecond.
const WINDOW: u64 = 100_000;
const LONG_WINDOW: u64 = 1_000_000;
const SHARE_MIN: u64 = 1000;
/// How often a group is tried to be removed whose last members are about to end, and how long is
/// waited between.
const REMOVALS_MAX: u32 = 500;
const BETWEEN_REMOVALS: Duration = Duration::from_millis(10);
/// Members that are killed at a time.
const KILLED_MAX: usize = 65_536;

/// The directories of a group, of which there is one for each kind of control. It goes, with all
/// that is in it, when this is dropped.
#[derive(Debug)]
pub(crate) struct Group {
    directories: Vec<(Version, PathBuf)>,
}

impl Group {
    /// Makes one; nothing where there is no place for it.
    ///
    /// # Errors
    /// The kernel refused a limit. The group is gone.
    pub(crate) fn new(place: &Place, limits: Limits) -> io::Result<Option<Self>> {
        if place.bases().is_empty() {
            return Ok(None);
        }
        let mut group = Self { directories: Vec::new() };
        let name = name().ok_or_else(|| io::Error::other("/proc does not show this process"))?;
        for base in place.bases() {
            let directory = base.path.join(&name);
            fs::create_dir(&directory)?;
            group.directories.push((base.version, directory.clone()));
            limit(base, &directory, limits).map_err(|error| {
                io::Error::new(error.kind(), format!("{}: {error}", directory.display()))
            })?;
        }
        Ok(Some(group))
    }

    /// Puts a process into it that has not started others.
    pub(crate) fn take(&self, process: Pid) -> io::Result<()> {
        for (_version, directory) in &self.directories {
            fs::write(directory.join("cgroup.procs"), process.to_string())?;
        }
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn directories(&self) -> Vec<&Path> {
        self.directories.iter().map(|(_version, directory)| directory.as_path()).collect()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let mut left = std::mem::take(&mut self.directories);
        left.retain(|(version, directory)| {
            end_members(*version, directory);
            fs::remove_dir(directory).is_err_and(|error| error.kind() != io::ErrorKind::NotFound)
        });
        if left.is_empty() {
            return;
        }
        // Who was killed may take a moment to be gone, which nobody should wait for.
        let removing = thread::Builder::new().name("plugin-groups".to_owned());
        let started = removing.spawn(move || remove(left));
        if let Err(error) = started {
            tracing::warn!(%error, "a control group is left until the next proxy starts");
        }
    }
}

fn remove(mut left: Vec<(Version, PathBuf)>) {
    for _attempt in 0..REMOVALS_MAX {
        left.retain(|(version, directory)| {
            end_members(*version, directory);
            fs::remove_dir(directory).is_err_and(|error| error.kind() != io::ErrorKind::NotFound)
        });
        if left.is_empty() {
            return;
        }
        thread::park_timeout(BETWEEN_REMOVALS);
    }
    for (_version, directory) in left {
        tracing::warn!(path = %directory.display(), "cannot remove a control group");
    }
}

/// Kills who is in a group.
fn end_members(version: Version, directory: &Path) {
    let is_whole = version == Version::Two && fs::write(directory.join("cgroup.kill"), "1").is_ok();
    if is_whole {
        return;
    }
    let Some(name) = directory.file_name().and_then(|name| name.to_str()) else { return };
    let members = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
    for pid in members.lines().take(KILLED_MAX) {
        let Some(pid) = pid.parse().ok().and_then(Pid::from_raw) else { continue };
        let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { continue };
        // Held, it is looked at again: a number may have become another's.
        let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        if groups.lines().any(|line| line.ends_with(name)) {
            let _gone = pidfd_send_signal(&handle, Signal::KILL);
        }
    }
}

/// A name that no group has had.
fn name() -> Option<String> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let own = std::process::id();
    let started = started_at(own)?;
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    Some(format!("{PREFIX}{own}-{started}-{number}"))
}

/// When a process started, in ticks since the machine did; nothing where it is gone, also where
/// it only waits to be noticed.
pub(super) fn started_at(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_name, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split_ascii_whitespace();
    let lives = fields.next().is_some_and(|state| !matches!(state, "Z" | "X"));
    if lives { fields.nth(18)?.parse().ok() } else { None }
}

fn limit(base: &Base, directory: &Path, limits: Limits) -> io::Result<()> {
    let write = |file: &str, value: String| fs::write(directory.join(file), value);
    for controller in &base.controllers {
        match (controller, base.version) {
            (Controller::Memory, version) => limit_memory(version, &write, limits)?,
            (Controller::Processes, _) => write("pids.max", limits.processes_max.to_string())?,
            (Controller::Cpu, version) => {
                let Some(share) = limits.cpu_per_second else { continue };
                let (share, window) = share_of(share);
                match version {
                    Version::One => {
                        write("cpu.cfs_period_us", window.to_string())?;
                        write("cpu.cfs_quota_us", share.to_string())?;
                    }
                    Version::Two => write("cpu.max", format!("{share} {window}"))?,
                }
            }
        }
    }
    Ok(())
}

/// Where the kernel counts what was moved out of memory, too, none of it is. Where one process of
/// the group has to go for want of memory, all go.
fn limit_memory(
    version: Version,
    write: &impl Fn(&str, String) -> io::Result<()>,
    limits: Limits,
) -> io::Result<()> {
    let bytes = limits.memory_bytes_max.to_string();
    match version {
        Version::One => {
            write("memory.limit_in_bytes", bytes.clone())?;
            let _not_counted = write("memory.memsw.limit_in_bytes", bytes);
        }
        Version::Two => {
            write("memory.max", bytes)?;
            let _not_counted = write("memory.swap.max", "0".to_owned());
            let _unknown = write("memory.oom.group", "1".to_owned());
        }
    }
    Ok(())
}

/// Microseconds of a window of so many.
fn share_of(per_second: Duration) -> (u64, u64) {
    let whole = u64::try_from(per_second.as_micros()).unwrap_or(u64::MAX);
    let part = whole / (LONG_WINDOW / WINDOW);
    if part >= SHARE_MIN { (part, WINDOW) } else { (whole.max(SHARE_MIN), LONG_WINDOW) }
}

#[cfg(test)]
mod tests;
