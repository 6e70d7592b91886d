//! One process: waiting for it and ending it, by its handle and never by its bare number.
//!
//! A process leads a group. The group is killed whenever the process ends, before it is reaped:
//! until then the number of the group cannot be another's. When the proxy is killed the kernel ends
//! the process, and the guard its group, which it watches from the start until here.

use std::{
    fmt, io,
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{
        Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open,
        pidfd_send_signal, waitid,
    },
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    time::timeout,
};

use crate::guard::Watched;

/// How long a process that was killed may take to be gone.
const KILL_PATIENCE: Duration = Duration::from_secs(5);
const DROP_PATIENCE: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };

/// A process that is a child of this one. Dropped before it was seen ended, it is killed.
#[derive(Debug)]
pub(crate) struct Handle {
    pid: Pid,
    file: OwnedFd,
    ended: Option<Ended>,
    watched: Option<Watched>,
}

/// A process that is waited for on the supervisor's loop.
#[derive(Debug)]
pub(crate) struct Process {
    handle: Handle,
    wakes: AsyncFd<OwnedFd>,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ended {
    /// With an exit code.
    Code(i32),
    /// By a signal.
    Signal(i32),
    /// Nobody knows.
    Unknown,
}

impl Handle {
    /// Takes a process that nobody has waited for, so that its number is still its own.
    pub(crate) fn new(pid: Pid) -> io::Result<Self> {
        let file = pidfd_open(pid, PidfdFlags::NONBLOCK)?;
        Ok(Self { pid, file, ended: None, watched: None })
    }

    /// Its group is watched by the guard.
    pub(crate) fn watched_as(&mut self, watched: Watched) {
        self.watched = Some(watched);
    }

    /// How it ended, when it has.
    fn look(&mut self) -> Option<Ended> {
        if self.ended.is_some() {
            return self.ended;
        }
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        let look = options | WaitIdOptions::NOWAIT;
        let ended = match waitid(WaitId::PidFd(self.file.as_fd()), look) {
            Ok(Some(status)) => match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => Ended::Code(code),
                (None, Some(signal)) => Ended::Signal(signal),
                (None, None) => Ended::Unknown,
            },
            Ok(None) | Err(Errno::INTR | Errno::AGAIN) => return None,
            Err(_no_child_of_ours) => {
                self.forget();
                self.ended = Some(Ended::Unknown);
                return self.ended;
            }
        };
        let _none_left = kill_process_group(self.pid, Signal::KILL);
        self.forget();
        let _reaped = waitid(WaitId::PidFd(self.file.as_fd()), options);
        self.ended = Some(ended);
        self.ended
    }

    /// What is never seen ended is never reaped, and stays watched.
    fn forget(&mut self) {
        if let Some(watched) = self.watched.take() {
            watched.forget();
        }
    }

    fn terminate(&self) {
        if self.ended.is_none() {
            let _gone = pidfd_send_signal(&self.file, Signal::TERM);
        }
    }

    fn kill(&mut self) {
        if self.look().is_none() {
            let _gone = pidfd_send_signal(&self.file, Signal::KILL);
            // Not reaped, so the number is its own.
            let _gone = kill_process_group(self.pid, Signal::KILL);
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.kill();
        if self.ended.is_none() {
            let mut ended = [PollFd::new(&self.file, PollFlags::IN)];
            let _in_time = poll(&mut ended, Some(&DROP_PATIENCE));
            let _ended = self.look();
        }
    }
}

impl Process {
    /// Called on the supervisor's loop.
    #[expect(deprecated, reason = "an owned descriptor keeps its number, which is all it asks for")]
    pub(crate) fn new(handle: Handle) -> io::Result<Self> {
        let wakes = AsyncFd::with_interest(handle.file.try_clone()?, Interest::READABLE)?;
        Ok(Self { handle, wakes })
    }

    /// Its number, to be shown.
    pub(crate) fn pid(&self) -> u32 {
        u32::try_from(self.handle.pid.as_raw_nonzero().get()).unwrap_or_default()
    }

    /// Waits until it has ended. May be given up and asked again.
    pub(crate) async fn ended(&mut self) -> Ended {
        loop {
            if let Some(ended) = self.handle.look() {
                return ended;
            }
            match self.wakes.readable().await {
                Ok(mut ready) => ready.clear_ready(),
                Err(_loop_ends) => return Ended::Unknown,
            }
        }
    }

    /// The same, for some time.
    pub(crate) async fn ended_within(&mut self, patience: Duration) -> Option<Ended> {
        timeout(patience, self.ended()).await.ok()
    }

    /// Asks it to end.
    pub(crate) fn terminate(&self) {
        self.handle.terminate();
    }

    /// Ends it and all of its group.
    pub(crate) async fn kill(&mut self) -> Ended {
        self.handle.kill();
        self.ended_within(KILL_PATIENCE).await.unwrap_or(Ended::Unknown)
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "with exit code {code}"),
            Self::Signal(signal) => match signal_name(*signal) {
                Some(name) => write!(f, "by {name}"),
                None => write!(f, "by signal {signal}"),
            },
            Self::Unknown => f.write_str("nobody knows how"),
        }
    }
}

fn signal_name(signal: i32) -> Option<&'static str> {
    let named = [
        (Signal::HUP, "SIGHUP"),
        (Signal::INT, "SIGINT"),
        (Signal::QUIT, "SIGQUIT"),
        (Signal::ILL, "SIGILL"),
        (Signal::TRAP, "SIGTRAP"),
        (Signal::ABORT, "SIGABRT"),
        (Signal::BUS, "SIGBUS"),
        (Signal::FPE, "SIGFPE"),
        (Signal::KILL, "SIGKILL"),
        (Signal::SEGV, "SIGSEGV"),
        (Signal::PIPE, "SIGPIPE"),
        (Signal::ALARM, "SIGALRM"),
        (Signal::TERM, "SIGTERM"),
        (Signal::XCPU, "SIGXCPU"),
        (Signal::XFSZ, "SIGXFSZ"),
        (Signal::SYS, "SIGSYS"),
    ];
    named.into_iter().find(|(named, _name)| named.as_raw() == signal).map(|(_signal, name)| name)
}
