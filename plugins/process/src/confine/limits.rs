//! Limits of resources, capabilities, no new privileges.

use std::{fs, io};

use rustix::{
    process::{Resource, Rlimit, getrlimit, getuid, setrlimit},
    thread::{CapabilitySet, CapabilitySets, set_capabilities, set_no_new_privs},
};

use super::ConfineError;
use crate::launch::order::Sandbox;

/// The largest file that a child may make. How many it makes is bounded by nothing but the file
/// system on which its directory is.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Processes that are looked at for the threads of this user.
const PROCESSES_SEEN_MAX: usize = 65_536;
/// Threads that others of this user may start later, the plugins beside it above all: the kernel
/// compares all threads of the user with this child's limit whenever it starts one.
const LATER_MAX: u64 = 4096;

pub(crate) fn apply(sandbox: &Sandbox) -> Result<(), ConfineError> {
    limit("core dumps", Resource::Core, 0)?;
    limit("the size of a file", Resource::Fsize, FILE_BYTES_MAX)?;
    limit("open files", Resource::Nofile, sandbox.files_max)?;
    limit("memory", Resource::Data, sandbox.memory_bytes_max)?;
    // The kernel counts a user's threads, not a child's; root's it does not count at all.
    let user = sandbox.identity.map_or_else(|| getuid().as_raw(), |identity| identity.user);
    if user != 0 {
        let others = threads_of_user(user);
        limit("processes", Resource::Nproc, threads_max(others, sandbox.processes_max))?;
    }
    Ok(())
}

fn threads_max(others: u64, own: u64) -> u64 {
    others.saturating_add(own).saturating_add(LATER_MAX)
}

fn limit(what: &'static str, resource: Resource, value: u64) -> Result<(), ConfineError> {
    let now = getrlimit(resource);
    let value = now.maximum.map_or(value, |maximum| value.min(maximum));
    setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) })
        .map_err(|source| ConfineError::Limit { what, source: source.into() })
}

/// Gives up what root or file capabilities gave, for ever.
pub(crate) fn drop_privileges() -> Result<(), ConfineError> {
    let failed = |what| {
        move |source: rustix::io::Errno| ConfineError::Limit {
            what,
            source: io::Error::from(source),
        }
    };
    set_no_new_privs(true).map_err(failed("new privileges"))?;
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    set_capabilities(None, sets).map_err(failed("capabilities"))
}

fn threads_of_user(uid: u32) -> u64 {
    let Ok(processes) = fs::read_dir("/proc") else { return 0 };
    let is_process = |entry: &fs::DirEntry| {
        entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit())
    };
    let processes = processes.flatten().filter(is_process).take(PROCESSES_SEEN_MAX);
    let status = processes.filter_map(|entry| fs::read_to_string(entry.path().join("status")).ok());
    status.filter_map(|status| threads(&status, uid)).sum()
}

/// The threads of a process from its `status`, where it is this user's.
fn threads(status: &str, uid: u32) -> Option<u64> {
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_ascii_whitespace().next()
    };
    let is_users = field("Uid:")?.parse() == Ok(uid);
    if is_users { field("Threads:")?.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugins_that_start_later_take_nothing_from_those_that_run() {
        let mut threads = 100;
        let first = threads_max(threads, 64);
        for _later in 0..32 {
            assert!(threads < threads_max(threads, 64));
            threads += 64;
        }
        assert!(threads + 64 < first, "{threads} of {first}");
        assert_eq!(threads_max(u64::MAX, 64), u64::MAX);
    }

    #[test]
    fn threads_are_counted_by_user() {
        let status = "Name:\tx\nUid:\t10\t11\t10\t10\nThreads:\t7\n";
        assert_eq!(threads(status, 10), Some(7));
        assert_eq!(threads(status, 11), None);
        assert_eq!(threads("", 0), None);
        assert!(threads_of_user(getuid().as_raw()) > 0);
    }
}
