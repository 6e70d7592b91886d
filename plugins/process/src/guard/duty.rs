//! The guard itself: the `main` of the process.
//!
//! It reads orders until the proxy is gone, which the kernel tells it by a handle of the proxy's
//! process: that its orders end is not enough to kill anybody. Then it does what it is there for,
//! and ends. It reports to nobody: there is nobody left.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs,
    io::Write,
    os::{fd::OwnedFd, unix::process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    sync::Arc,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{Pid, PidfdFlags, getpid, getppid, pidfd_open, setsid},
    stdio::stdin,
};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2},
    flag,
};

use super::{
    GROUPS_MAX,
    ending::{Evidence, end_groups, end_leavers},
    order::{END, Group, ORDER_BYTES_MAX, Order},
    processes::{Seen, now, pause},
};
use crate::{confine::cgroup::Place, launch::home};

/// What the guard ends with where it cannot do its duty.
const FAILED: u8 = 125;
/// Its name where processes are shown.
const NAME: &std::ffi::CStr = c"mortise-guard";
/// Said by a guard that had more open than its own to the one that it became.
const CLEAN: &str = "clean";
/// How long the proxy may take to be gone after its end of the orders is.
const END_PATIENCE: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };
const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
/// Attempts to remove a directory, and milliseconds between two: those who write there were
/// killed, but need a moment to be gone.
const REMOVALS_MAX: usize = 100;
const BETWEEN_REMOVALS: u8 = 20;

/// Guards the children of the proxy whose number is the first argument.
pub(crate) fn main(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let proxy = arguments.next().and_then(|text| text.to_str()?.parse().ok());
    let Some(proxy) = proxy.and_then(Pid::from_raw) else {
        let text = "this is how the proxy guards its plugins; it is not meant for people";
        let _unread = writeln!(std::io::stderr(), "{text}");
        return ExitCode::from(FAILED);
    };
    if arguments.next().is_none() {
        let_go_of_all_else();
    }
    // Before it has a session of its own it is in the proxy's.
    let Some(Seen { session, .. }) = Seen::look(getpid()) else { return ExitCode::from(FAILED) };
    pass_over_signals();
    let _leads_a_group = setsid();
    let _unnamed = rustix::thread::set_name(NAME);
    let handle = pidfd_open(proxy, PidfdFlags::empty());
    let mut duty = Duty::default();
    let over = if getppid() == Some(proxy) {
        match handle {
            // Taken while it was the parent, so it is the proxy's.
            Ok(proxy) => duty.serve(&proxy),
            Err(_no_handles) => return ExitCode::from(FAILED),
        }
    } else {
        duty.read_rest();
        Over::ProxyGone
    };
    if over == Over::ProxyGone {
        duty.end(proxy, Evidence { session, gone_at: now() });
    }
    ExitCode::SUCCESS
}

/// Who stops a service may well send a signal to all of its processes. The guard ends after the
/// proxy does, not with it.
fn pass_over_signals() {
    for signal in [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2] {
        let _refused = flag::register(signal, Arc::default());
    }
}

/// A library in the proxy may have files open that are not closed where a program is started.
/// They must not stay open because of the guard, so it starts itself once more without them.
fn let_go_of_all_else() {
    let Ok(open) = fs::read_dir("/proc/self/fd") else { return };
    let open: Vec<PathBuf> = open.flatten().map(|entry| entry.path()).collect();
    // One was the list's own, and is gone by now.
    let is_open = |path: &PathBuf| {
        let number: Option<u32> = path.file_name().and_then(|name| name.to_str()?.parse().ok());
        number.is_some_and(|number| number > 2) && fs::symlink_metadata(path).is_ok()
    };
    if open.iter().any(is_open) {
        close_fds::set_fds_cloexec(3, &[]);
        #[expect(clippy::disallowed_methods, reason = "it becomes itself")]
        let mut command = Command::new("/proc/self/exe");
        let mut arguments = std::env::args_os();
        if let Some(name) = arguments.next() {
            command.arg0(name);
        }
        let _stays_as_it_is = command.args(arguments).arg(CLEAN).exec();
    }
}

/// Why the orders are over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Over {
    /// The proxy has ended.
    ProxyGone,
    /// The proxy lives and has no more orders: another guard has the watch.
    Relieved,
}

/// What the guard knows.
#[derive(Debug, Default)]
struct Duty {
    groups: BTreeMap<i32, Group>,
    /// The directories that children's are in; one, but for moments.
    homes: BTreeSet<PathBuf>,
    /// What was read of an order that is not whole.
    begun: Vec<u8>,
}

impl Duty {
    fn serve(&mut self, proxy: &OwnedFd) -> Over {
        loop {
            let orders = stdin();
            let mut events =
                [PollFd::new(&orders, PollFlags::IN), PollFd::new(proxy, PollFlags::IN)];
            let woken = poll(&mut events, None);
            let [has_orders, is_gone] = events.map(|event| !event.revents().is_empty());
            match woken {
                Err(Errno::INTR) => {}
                Err(_unusable) => return Over::Relieved,
                Ok(_) if is_gone => {
                    self.read_rest();
                    return Over::ProxyGone;
                }
                Ok(_) if has_orders && !self.read() => return until_gone(proxy),
                Ok(_) => {}
            }
        }
    }

    /// Reads what the proxy said before it was gone.
    fn read_rest(&mut self) {
        loop {
            let orders = stdin();
            let mut events = [PollFd::new(&orders, PollFlags::IN)];
            match poll(&mut events, Some(&AT_ONCE)) {
                Ok(1) if self.read() => {}
                Err(Errno::INTR) => {}
                Ok(_) | Err(_) => return,
            }
        }
    }

    /// Reads some orders and carries them out; false at their end.
    fn read(&mut self) -> bool {
        let mut bytes = [0; ORDER_BYTES_MAX];
        match rustix::io::read(stdin(), &mut bytes) {
            Ok(0) => false,
            Ok(read) => {
                self.take(bytes.get(..read).unwrap_or_default());
                true
            }
            Err(error) => matches!(error, Errno::INTR | Errno::AGAIN),
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        let mut parts = bytes.split(|byte| *byte == END).peekable();
        while let Some(part) = parts.next() {
            if self.begun.len().saturating_add(part.len()) <= ORDER_BYTES_MAX {
                self.begun.extend_from_slice(part);
            }
            if parts.peek().is_some() {
                // Both ends are one program: there is nothing but orders.
                let order = Order::decode(&self.begun);
                self.begun.clear();
                order.into_iter().for_each(|order| self.carry_out(order));
            }
        }
    }

    fn carry_out(&mut self, order: Order) {
        match order {
            Order::Watch(group) => {
                if let Some(home) = group.private.parent() {
                    self.homes.retain(|home| home.exists());
                    self.homes.insert(home.to_owned());
                }
                if self.groups.len() < GROUPS_MAX {
                    self.groups.insert(group.leader.as_raw_nonzero().get(), group);
                }
            }
            Order::Forget(leader) => {
                if let Some(group) = self.groups.remove(&leader.as_raw_nonzero().get()) {
                    end_leavers(&[group]);
                }
            }
        }
    }

    /// The proxy is gone: nothing of its children stays.
    fn end(self, proxy: Pid, evidence: Evidence) {
        let groups: Vec<Group> = self.groups.into_values().collect();
        end_groups(&groups, evidence);
        end_leavers(&groups);
        self.homes.iter().for_each(|home| remove(home));
        sweep_groups(proxy);
    }
}

/// Waits until the proxy is gone, which its end of the orders is already.
fn until_gone(proxy: &OwnedFd) -> Over {
    match poll(&mut [PollFd::new(proxy, PollFlags::IN)], Some(&END_PATIENCE)) {
        Ok(1) => Over::ProxyGone,
        Ok(_) | Err(_) => Over::Relieved,
    }
}

fn remove(home: &Path) {
    for _attempt in 0..REMOVALS_MAX {
        if home::remove_left(home) {
            return;
        }
        pause(BETWEEN_REMOVALS);
    }
}

/// The guard's own control groups are the proxy's.
fn sweep_groups(proxy: Pid) {
    let place = Place::found();
    for _attempt in 0..REMOVALS_MAX {
        if place.sweep(Some(proxy)) {
            return;
        }
        pause(BETWEEN_REMOVALS);
    }
}

#[cfg(test)]
mod tests;
