//! One process: waiting for it and ending it, by its handle and never by its bare number.
//!
//! A process leads a group. The group is killed whenever the process ends, before it is reaped:
//! until then the number of the group cannot be another's.

use std::{
    fmt, io,
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_send_signal, waitid},
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    time::timeout,
};

/// How long a process that was killed may take to be gone.
const KILL_PATIENCE: Duration = Duration::from_secs(5);
const DROP_PATIENCE: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };

/// A running process. One that is dropped is killed.
#[derive(Debug)]
pub(crate) struct Process {
    pid: Pid,
    handle: AsyncFd<OwnedFd>,
    ended: Option<Ended>,
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

impl Process {
    /// Takes a process that nobody waits for. Called on a runtime.
    #[expect(
        deprecated,
        reason = "an owned descriptor keeps its number, which is all that is asked"
    )]
    pub(crate) fn new(pid: Pid, handle: OwnedFd) -> io::Result<Self> {
        let handle = AsyncFd::with_interest(handle, Interest::READABLE)?;
        Ok(Self { pid, handle, ended: None })
    }

    /// Its number, to be shown.
    pub(crate) fn pid(&self) -> u32 {
        u32::try_from(self.pid.as_raw_nonzero().get()).unwrap_or_default()
    }

    /// Waits until it has ended. May be given up and asked again.
    pub(crate) async fn ended(&mut self) -> Ended {
        loop {
            if let Some(ended) = self.look() {
                return ended;
            }
            match self.handle.readable().await {
                Ok(mut ready) => ready.clear_ready(),
                Err(_runtime_ends) => return Ended::Unknown,
            }
        }
    }

    /// The same, for some time.
    pub(crate) async fn ended_within(&mut self, patience: Duration) -> Option<Ended> {
        timeout(patience, self.ended()).await.ok()
    }

    /// How it ended, when it has.
    fn look(&mut self) -> Option<Ended> {
        if self.ended.is_some() {
            return self.ended;
        }
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let ended = match waitid(WaitId::PidFd(self.handle.get_ref().as_fd()), options) {
            Ok(Some(status)) => match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => Ended::Code(code),
                (None, Some(signal)) => Ended::Signal(signal),
                (None, None) => Ended::Unknown,
            },
            Ok(None) | Err(rustix::io::Errno::INTR) => return None,
            Err(_reaped_elsewhere) => Ended::Unknown,
        };
        if ended != Ended::Unknown {
            let _none_left = kill_process_group(self.pid, Signal::KILL);
        }
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        let _reaped = waitid(WaitId::PidFd(self.handle.get_ref().as_fd()), options);
        self.ended = Some(ended);
        self.ended
    }

    /// Asks it to end.
    pub(crate) fn terminate(&self) {
        if self.ended.is_none() {
            let _gone = pidfd_send_signal(self.handle.get_ref(), Signal::TERM);
        }
    }

    /// Ends it and all of its group.
    pub(crate) async fn kill(&mut self) -> Ended {
        self.send_kill();
        self.ended_within(KILL_PATIENCE).await.unwrap_or(Ended::Unknown)
    }

    fn send_kill(&mut self) {
        if self.look().is_none() {
            let _gone = pidfd_send_signal(self.handle.get_ref(), Signal::KILL);
            // Not reaped, so the number is its own.
            let _gone = kill_process_group(self.pid, Signal::KILL);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.send_kill();
        if self.ended.is_none() {
            let mut handle = [PollFd::new(self.handle.get_ref(), PollFlags::IN)];
            let _in_time = poll(&mut handle, Some(&DROP_PATIENCE));
            let _ended = self.look();
        }
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
