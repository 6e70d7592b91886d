//! `mortise doctor --attack`: evil plugins against a proxy that is started for it.
//!
//! What the plugins do and how each is judged is in `plugins-attacks`. Here the proxy is started:
//! this very program, as a process of its own, with a configuration in a private directory. Start
//! reading at [`attack`].

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use miette::miette;
use plugins_attacks::{Options, Report, Target, child};
use plugins_process::doctor::{Feature, State, report};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio::{
    runtime::Builder,
    signal::{
        ctrl_c,
        unix::{SignalKind, signal},
    },
};

use crate::{
    cli::{CheckReport, Failure},
    telemetry,
};

/// What children cannot be confined without.
const NEEDED: [&str; 2] = ["Landlock", "seccomp"];

/// Attacks a proxy, with the attacks whose names hold `filter`.
///
/// # Errors
/// The proxy or its peers cannot be started.
pub fn attack(filter: &str) -> Result<CheckReport, Failure> {
    if plugins_attacks::all().iter().all(|attack| !attack.name.contains(filter)) {
        let text = format!("no attack has `{}` in its name\n", filter.escape_debug());
        return Ok(CheckReport { is_clean: false, text, json: json!({ "attacks": [] }) });
    }
    let report = run(filter).map_err(|error| {
        Failure::Unreachable(miette!("the attack cannot be run: {}", telemetry::chain(&error)))
    })?;
    Ok(CheckReport { is_clean: report.is_clean(), text: report.to_text(), json: report.to_json() })
}

fn run(filter: &str) -> io::Result<Report> {
    let folder = tempfile::Builder::new().prefix("mortise-attack-").tempdir()?;
    let program = std::env::current_exe()?;
    let options =
        Options { folder: folder.path(), program: &program, no_children: no_children(), filter };
    let start = |config: &Path| Proxy::start(&program, config, folder.path());
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        let mut terminated = signal(SignalKind::terminate())?;
        // Who leaves early leaves nothing behind: the proxy ends with the run.
        tokio::select! {
            report = plugins_attacks::run(&options, start) => report,
            _interrupted = ctrl_c() => Err(io::ErrorKind::Interrupted.into()),
            _terminated = terminated.recv() => Err(io::ErrorKind::Interrupted.into()),
        }
    })
}

/// Why children cannot be confined on this machine, where they cannot.
fn no_children() -> Option<String> {
    let is_missing =
        |feature: &Feature| NEEDED.contains(&feature.name) && feature.state == State::Missing;
    let missing = report().into_iter().find(is_missing)?;
    Some(format!("this machine has no {}: {}", missing.name, missing.how))
}

/// The proxy under attack. It is killed when this value goes away.
struct Proxy {
    process: Child,
    log: PathBuf,
}

impl Proxy {
    #[expect(clippy::disallowed_methods, reason = "the proxy is attacked, not its doctor")]
    fn start(program: &Path, config: &Path, folder: &Path) -> io::Result<Self> {
        let log = folder.join("log");
        let process = Command::new(program)
            .args(["run", "-c"])
            .arg(config)
            .env("XDG_RUNTIME_DIR", folder)
            .env("NO_COLOR", "1")
            .env(child::SECRET, "a variable of the proxy's own")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()?;
        Ok(Self { process, log })
    }

    fn status(&self) -> String {
        fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap_or_default()
    }
}

impl Target for Proxy {
    fn lives(&mut self) -> bool {
        let is_stopped = self.status().lines().any(|line| line.starts_with("State:\tT"));
        matches!(self.process.try_wait(), Ok(None)) && !is_stopped
    }

    fn reload(&mut self) {
        // One that has ended is found out by who waits for it.
        let _gone = kill_process(Pid::from_child(&self.process), Signal::HUP);
    }

    fn memory(&self) -> u64 {
        let status = self.status();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        kib.unwrap_or_default() * 1024
    }

    fn log(&self) -> Vec<u8> {
        fs::read(&self.log).unwrap_or_default()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // It has ended, or it does now; its guard ends what it started.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
