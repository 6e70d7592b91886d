//! A running `mortise`: started, waited for, and always ended.

use std::{
    fs::File,
    net::SocketAddr,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};

use crate::{
    http,
    run::{command, now, root, shown},
};

const START_MAX: Duration = Duration::from_secs(60);
const STOP_MAX: Duration = Duration::from_secs(15);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Where cargo puts the program.
pub(crate) fn binary() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    root().join(target).join("debug/mortise")
}

/// A child process; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Proxy {
    child: Child,
}

impl Proxy {
    /// Starts the proxy and waits until its admin page says that it is ready. With a log file
    /// its output goes there, otherwise to the terminal.
    pub(crate) fn start(config: &Path, admin: SocketAddr, log: Option<&Path>) -> Result<Self> {
        let mut run = command(binary());
        run.args(["run", "-c"]).arg(config);
        println!("$ {}", shown(&run));
        Self::spawn(run, admin, "/readyz", log)
    }

    /// As [`Proxy::start`], for any program with an admin page that answers 200 when it is ready.
    pub(crate) fn spawn(
        run: Command,
        admin: SocketAddr,
        ready: &str,
        log: Option<&Path>,
    ) -> Result<Self> {
        let mut proxy = Self::launch(run, log)?;
        let asked = || http::ask(admin, "GET", ready, b"");
        proxy.wait_until(|| asked().is_ok_and(|answer| answer.target() == "200"))?;
        Ok(proxy)
    }

    /// Starts any program, and does not wait until it can do anything.
    pub(crate) fn launch(mut run: Command, log: Option<&Path>) -> Result<Self> {
        if let Some(log) = log {
            let file = File::create(log).with_context(|| format!("{}", log.display()))?;
            run.stdout(file.try_clone()?).stderr(file);
        }
        // A group of its own: Ctrl-C reaches this program alone, which then ends the child.
        let child = run
            .process_group(0)
            .spawn()
            .with_context(|| format!("{} did not start", shown(&run)))?;
        Ok(Self { child })
    }

    /// Waits for what `ready` finds out, as long as the child runs.
    pub(crate) fn wait_until(&mut self, ready: impl Fn() -> bool) -> Result<()> {
        let started = now();
        while started.elapsed() < START_MAX {
            if let Some(status) = self.ended()? {
                bail!("it ended before it was ready: {status}");
            }
            if ready() {
                return Ok(());
            }
            thread::park_timeout(LOOK_AGAIN);
        }
        bail!("it was not ready after {} seconds", START_MAX.as_secs())
    }

    /// How the child ended, where it did.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().context("cannot look after the process")
    }

    /// Asks the child to stop, and insists after a while.
    fn stop(&mut self) -> Result<()> {
        if self.ended()?.is_some() {
            return Ok(());
        }
        let id = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(id) = id {
            rustix::process::kill_process(id, rustix::process::Signal::TERM)?;
        }
        let asked = now();
        while asked.elapsed() < STOP_MAX {
            if self.ended()?.is_some() {
                return Ok(());
            }
            thread::park_timeout(LOOK_AGAIN);
        }
        println!("the proxy did not stop within {} seconds: killing it", STOP_MAX.as_secs());
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            println!("the proxy could not be stopped: {error:#}");
        }
    }
}
