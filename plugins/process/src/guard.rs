//! The guard: the one process that lives a moment longer than the proxy.
//!
//! A child is bound to the proxy's life by the kernel, but not what it started in turn. So one
//! small process is told of every group of processes that a child leads, before anything of the
//! plugin runs in it, and told again when the group was killed. When the proxy is gone, in
//! whatever way, it kills the groups that it still watches, removes the directories that are
//! left, and ends. It is the proxy's own program, started with a hidden argument; it lives in a
//! session of its own, passes over the signals that stop a service, has nothing open but its
//! orders, and rests in one system call.
//!
//! This file is the proxy's side: what is watched, and that there is always a guard that knows of
//! it. A group is forgotten before its leader is reaped, so its number is its own as long as it
//! is watched by a proxy that lives. What the guard does is `duty`; how it makes sure that a
//! number was not taken by others since the proxy ended is `ending`; how it is told is `order`.
//!
//! It never decides when a child ends, and never waits for one. Start reading at [`watch`].

mod duty;
mod ending;
mod order;
pub(crate) mod processes;

use std::{
    collections::BTreeMap,
    env, io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::process::CommandExt,
    },
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use parking_lot::Mutex;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};
use tokio::time::Instant;

use self::order::Order;
pub(crate) use self::{duty::main, order::Group};
use crate::launch::Launcher;

/// The word after the hidden argument with which the proxy's program is the guard.
pub(crate) const WORD: &str = "guard";

/// Groups that are watched at a time.
const GROUPS_MAX: usize = 1024;
/// How long the guard may leave its orders unread once there is no room for more.
const ORDER_PATIENCE: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };
/// A guard that lived as long is replaced at once.
const STEADY: Duration = Duration::from_secs(1);
/// How long the next one is waited with when it did not, at first and at most.
const PAUSE: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(10);

static WATCH: Mutex<Watch> =
    Mutex::new(Watch { groups: BTreeMap::new(), line: None, is_kept: false });

/// What is watched, and by whom.
struct Watch {
    groups: BTreeMap<i32, Group>,
    /// None while one guard is gone and the next not there.
    line: Option<Line>,
    /// True once there is a thread that replaces it.
    is_kept: bool,
}

/// The way to one guard.
struct Line {
    orders: io::PipeWriter,
    guard: OwnedFd,
}

/// A group that is watched until it is forgotten.
#[derive(Debug)]
#[must_use]
pub(crate) struct Watched(Pid);

/// Has a group watched from now on. Its leader must not have been reaped.
pub(crate) fn watch(launcher: &Launcher, group: Group) -> io::Result<Watched> {
    let leader = group.leader;
    let order = Order::Watch(group.clone()).encode()?;
    let mut watch = WATCH.lock();
    if watch.groups.len() >= GROUPS_MAX {
        return Err(io::Error::other("too many child processes"));
    }
    if !watch.is_kept {
        let guard = watch.start(launcher)?;
        keep(launcher.clone(), guard).inspect_err(|_no_thread| watch.dismiss())?;
        watch.is_kept = true;
    }
    watch.groups.insert(leader.as_raw_nonzero().get(), group);
    // Where there is none just now, the next one is told.
    if let Some(line) = &watch.line {
        line.say(&order);
    }
    Ok(Watched(leader))
}

impl Watched {
    /// Must come after the group was killed and before its leader is reaped.
    pub(crate) fn forget(self) {
        let mut watch = WATCH.lock();
        watch.groups.remove(&self.0.as_raw_nonzero().get());
        if let Some(line) = &watch.line
            && let Ok(order) = Order::Forget(self.0).encode()
        {
            line.say(&order);
        }
    }
}

impl Watch {
    /// Starts a guard that knows of all that is watched.
    fn start(&mut self, launcher: &Launcher) -> io::Result<Child> {
        let (theirs, orders) = io::pipe()?;
        rustix::io::ioctl_fionbio(&orders, true)?;
        #[expect(clippy::disallowed_methods, reason = "this is the place that starts the guard")]
        let mut command = Command::new(launcher.program());
        if let Some(name) = env::args_os().next() {
            command.arg0(name);
        }
        command.args(launcher.arguments()).arg(WORD).arg(std::process::id().to_string());
        command.env_clear().current_dir("/");
        command.stdin(Stdio::from(theirs)).stdout(Stdio::null()).stderr(Stdio::null());
        let all = self.groups.values().map(|group| Order::Watch(group.clone()).encode());
        let all = all.collect::<io::Result<Vec<_>>>()?;
        // All that has room lies in the pipe before there is anybody to read it.
        let said = all.iter().take_while(|order| rustix::io::write(&orders, order).is_ok()).count();
        let mut child = command.spawn()?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or(Errno::SRCH);
        let guard = match pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty())) {
            Ok(guard) => guard,
            Err(error) => {
                let _gone = child.kill();
                let _reaped = child.wait();
                return Err(error.into());
            }
        };
        let line = Line { orders, guard };
        all.iter().skip(said).for_each(|order| line.say(order));
        self.line = Some(line);
        tracing::debug!(pid = child.id(), "the guard of child processes was started");
        Ok(child)
    }

    /// Ends the guard, which nobody would wait for.
    fn dismiss(&mut self) {
        if let Some(line) = self.line.take() {
            let _gone = pidfd_send_signal(&line.guard, Signal::KILL);
        }
    }
}

impl Line {
    /// Tells the guard. One that does not listen is killed, and so replaced by one that knows.
    fn say(&self, order: &[u8]) {
        if self.write(order).is_err() {
            let _gone = pidfd_send_signal(&self.guard, Signal::KILL);
        }
    }

    /// A pipe takes an order whole or not at all.
    fn write(&self, order: &[u8]) -> rustix::io::Result<()> {
        let again = match rustix::io::write(&self.orders, order) {
            Ok(_whole) => return Ok(()),
            Err(error) => error,
        };
        if !matches!(again, Errno::AGAIN | Errno::INTR) {
            return Err(again);
        }
        let orders = self.orders.as_fd();
        let _in_time = poll(&mut [PollFd::new(&orders, PollFlags::OUT)], Some(&ORDER_PATIENCE));
        rustix::io::write(&self.orders, order).map(drop)
    }
}

/// Starts the thread that waits for the guard's end, and replaces it as long as the process lives.
fn keep(launcher: Launcher, mut guard: Child) -> io::Result<()> {
    let kept = thread::Builder::new().name("plugin-guard".to_owned()).spawn(move || {
        let mut pause = PAUSE;
        loop {
            let begun = Instant::now();
            let ended = guard.wait();
            WATCH.lock().line = None;
            let how = ended.map_or_else(|error| error.to_string(), |status| status.to_string());
            tracing::warn!(
                pid = guard.id(),
                "the guard of child processes ended ({how}); another one is started"
            );
            if begun.elapsed() >= STEADY {
                pause = PAUSE;
            } else {
                thread::park_timeout(pause);
                pause = pause.saturating_mul(2).min(PAUSE_MAX);
            }
            guard = another(&launcher);
        }
    });
    kept.map(drop)
}

/// Another guard, however long that takes.
fn another(launcher: &Launcher) -> Child {
    let mut pause = PAUSE;
    loop {
        let started = WATCH.lock().start(launcher);
        match started {
            Ok(guard) => return guard,
            Err(error) => {
                tracing::warn!(%error, "the guard of child processes cannot be started");
                thread::park_timeout(pause);
                pause = pause.saturating_mul(2).min(PAUSE_MAX);
            }
        }
    }
}

#[cfg(test)]
mod tests;
