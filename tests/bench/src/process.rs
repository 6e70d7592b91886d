//! A candidate's process: started, proven to work, watched, and always ended.
//!
//! Candidates that are not loaded are stopped meanwhile, so that what they do by themselves
//! does not disturb the one that is.

use std::{
    fs,
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use tokio::time::{Instant, interval};

use crate::{
    candidate::{Candidate, Entry},
    load::Connection,
    measure::Scenario,
    placement::Placement,
};

/// Longest wait for a candidate that starts; some compile their plugins meanwhile.
const START_MAX: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A candidate that runs.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) entry: &'static Entry,
    pub(crate) address: SocketAddr,
    child: Child,
    pid: Pid,
    access_log: Option<PathBuf>,
}

/// While one of these lives its candidate runs.
#[derive(Debug)]
pub(crate) struct Awake<'a>(&'a Running);

/// Lets this process, and those that it starts, have the files that the load needs.
pub(crate) fn allow_many_files() -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let more = Rlimit { current: limit.maximum, ..limit };
    setrlimit(Resource::Nofile, more).context("cannot allow more open files")
}

impl Running {
    /// Starts a candidate, proves that it answers as it should, and stops it.
    pub(crate) async fn start(candidate: Candidate, placement: &Placement) -> Result<Self> {
        let Candidate { entry, mut command, address, access_log } = candidate;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit());
        let child = placement.with_candidates(|| command.spawn())?;
        let child = child.with_context(|| format!("{} does not start", entry.name))?;
        let pid = Pid::from_child(&child);
        let mut running = Self { entry, address, child, pid, access_log };
        running.prove().await.with_context(|| format!("{} does not work", entry.name))?;
        running.signal(Signal::STOP)?;
        Ok(running)
    }

    async fn prove(&mut self) -> Result<()> {
        let mut connection = self.connect().await?;
        for scenario in Scenario::of(self.entry.talk()) {
            let answer = connection.ask(&scenario.request(), scenario).await?;
            let proven = self.entry.proof.is_none_or(|field| answer.has_field(field));
            ensure!(proven, "its answers lack {:?}", self.entry.proof);
        }
        Ok(())
    }

    /// Waits until it listens.
    async fn connect(&mut self) -> Result<Connection> {
        let until = Instant::now() + START_MAX;
        let mut looks = interval(LOOK_AGAIN);
        while Instant::now() < until {
            if let Ok(connection) = Connection::open(self.address).await {
                return Ok(connection);
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended with {status}");
            }
            looks.tick().await;
        }
        bail!("it does not listen after {START_MAX:?}")
    }

    /// Lets the candidate run.
    pub(crate) fn wake(&self) -> Result<Awake<'_>> {
        self.signal(Signal::CONT)?;
        Ok(Awake(self))
    }

    /// Empties its access log, which would fill the disk.
    pub(crate) fn forget_log(&self) -> Result<()> {
        if let Some(log) = &self.access_log {
            let file = fs::OpenOptions::new().write(true).open(log);
            file.and_then(|file| file.set_len(0)).context("cannot empty an access log")?;
        }
        Ok(())
    }

    /// The processor time that it used so far.
    pub(crate) fn processor_time(&self) -> Result<Duration> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id()));
        let mut sum = Duration::ZERO;
        for task in tasks.with_context(|| format!("{} ended", self.entry.name))? {
            // Nanoseconds, where `stat` has the same in hundredths of a second.
            if let Ok(line) = fs::read_to_string(task?.path().join("schedstat")) {
                sum += Duration::from_nanos(schedstat(&line).context("an odd schedstat")?);
            }
        }
        ensure!(!sum.is_zero(), "the kernel does not say what {} used", self.entry.name);
        Ok(sum)
    }

    /// The memory that it holds.
    pub(crate) fn resident_bytes(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        resident_kib(&status).map(|kib| kib * 1024).context("the kernel does not say VmRSS")
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(self.pid, signal).with_context(|| format!("{} ended", self.entry.name))
    }
}

impl Drop for Awake<'_> {
    fn drop(&mut self) {
        // Errs where the candidate ended, which the next look at it reports.
        drop(self.0.signal(Signal::STOP));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Errs where it ended already, which is what is wanted.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The time on the processor in a line of `schedstat`.
fn schedstat(line: &str) -> Option<u64> {
    line.split_whitespace().next()?.parse().ok()
}

fn resident_kib(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests;
