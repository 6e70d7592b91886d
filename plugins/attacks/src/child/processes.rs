//! Other processes, and what a process is itself.

use std::{
    fs::{File, OpenOptions},
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Stdio},
};

use rustix::process::{
    Pid, PidfdFlags, PidfdGetfdFlags, Resource, Rlimit, Signal, getpid, getppid, kill_process,
    pidfd_getfd, pidfd_open, pidfd_send_signal, setpgid, setrlimit, setsid, test_kill_process,
};
use rustix::thread::{
    CapabilitySet, CapabilitySets, UnshareFlags, set_capabilities, set_no_new_privs,
};

use super::Could;

/// How many processes it starts.
const FORKS: usize = 100;

/// The number of the proxy; 1 where there is none.
pub(super) fn parent() -> i32 {
    getppid().map_or(1, |pid| pid.as_raw_nonzero().get())
}

/// Sends signals to whom it can find.
pub(super) fn kill() -> Could {
    let mut could = Could::new();
    let Some(proxy) = getppid() else { return vec!["no-parent"] };
    if test_kill_process(proxy).is_ok() {
        could.push("probe-proxy");
    }
    // Stopped, not killed, so that it can be told from a proxy that ended by itself.
    if kill_process(proxy, Signal::STOP).is_ok() {
        could.push("stop-proxy");
    }
    let handle = pidfd_open(proxy, PidfdFlags::empty());
    if handle.is_ok_and(|handle| pidfd_send_signal(&handle, Signal::STOP).is_ok()) {
        could.push("stop-proxy-by-handle");
    }
    // The children beside it and the guard have numbers near its own.
    let own = getpid().as_raw_nonzero().get();
    let is_thread = |number: &i32| Path::new("/proc/self/task").join(number.to_string()).exists();
    for near in (own.saturating_sub(64)..own.saturating_add(64)).filter(|near| !is_thread(near)) {
        if Pid::from_raw(near).is_some_and(|pid| kill_process(pid, Signal::CONT).is_ok()) {
            could.push("signal-neighbour");
        }
    }
    if Pid::from_raw(1).is_some_and(|init| test_kill_process(init).is_ok()) {
        could.push("signal-init");
    }
    could
}

/// Looks into the proxy as a debugger does.
pub(super) fn trace() -> Could {
    let mut could = Could::new();
    let proxy = parent();
    for file in ["mem", "auxv", "stack", "syscall", "exe", "cwd/.", "root/."] {
        if File::open(format!("/proc/{proxy}/{file}")).is_ok() {
            could.push("open-state");
        }
    }
    if OpenOptions::new().write(true).open(format!("/proc/{proxy}/mem")).is_ok() {
        could.push("write-memory");
    }
    if OpenOptions::new().write(true).open(format!("/proc/{proxy}/oom_score_adj")).is_ok() {
        could.push("write-score");
    }
    let handle = getppid().and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
    if let Some(handle) = handle {
        for number in 0..32 {
            if pidfd_getfd(&handle, number, PidfdGetfdFlags::empty()).is_ok() {
                could.push("take-open-file");
            }
        }
    }
    could
}

/// Gets away from what holds it.
pub(super) fn escape() -> Could {
    let mut could = Could::new();
    let mut note = |done: bool, word| {
        if done {
            could.push(word);
        }
    };
    note(setsid().is_ok(), "own-session");
    note(setpgid(None, None).is_ok(), "own-group");
    let none = rustix::process::set_parent_process_death_signal(None);
    note(none.is_ok(), "outlive-proxy");
    note(set_no_new_privs(false).is_ok(), "new-privileges");
    let all = CapabilitySet::all();
    let sets = CapabilitySets { effective: all, permitted: all, inheritable: all };
    note(set_capabilities(None, sets).is_ok(), "capabilities");
    let unlimited = Rlimit { current: None, maximum: None };
    for resource in [Resource::Data, Resource::Nofile, Resource::Fsize, Resource::Core] {
        note(setrlimit(resource, unlimited).is_ok(), "lift-limit");
    }
    let spaces =
        [UnshareFlags::NEWUSER, UnshareFlags::NEWNS, UnshareFlags::NEWNET, UnshareFlags::NEWPID];
    for space in spaces {
        #[expect(deprecated, reason = "the name that works without `unsafe`")]
        let unshared = rustix::thread::unshare(space);
        note(unshared.is_ok(), "namespace");
    }
    note(rustix::process::chroot(".").is_ok(), "other-root");
    could
}

/// Starts many processes that last, and ends. `with` has a mark by which they are found.
pub(super) fn fork(with: &[String]) -> Could {
    let Some(mark) = with.first() else { return vec!["no-mark"] };
    for _each in 0..FORKS {
        #[expect(clippy::disallowed_methods, reason = "to start processes is what it is there for")]
        let mut sleep = Command::new("sleep");
        sleep.arg(mark).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // They are left alone: that is the point of it.
        drop(sleep.spawn());
    }
    end_now()
}

/// Becomes another program.
pub(super) fn become_another() -> Could {
    #[expect(clippy::disallowed_methods, reason = "to become another is what it is there for")]
    let mut shell = Command::new("/bin/sh");
    // Returns only where it is refused.
    let _refused = shell.args(["-c", "exec sleep 1"]).exec();
    end_now()
}

/// Ends at once.
pub(super) fn end_now() -> Could {
    let _never = kill_process(getpid(), Signal::KILL);
    Could::new()
}
