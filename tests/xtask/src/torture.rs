//! `cargo xtask torture`: the reliability runs, with their figures.

use std::{fs, io::Write as _, path::Path, process::Command, time::Duration};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::{
    journey,
    matrix::results,
    run::{Report, cargo, now},
};

/// Runs within crates, beside those against the built proxy.
struct Within {
    what: &'static str,
    /// The tests that it is.
    tests: &'static str,
    /// How the names of its runs begin.
    names: &'static [&'static str],
    tells: Tells,
}

/// Who writes down how it went.
enum Tells {
    /// The tests themselves: ignored ones, which append lines of JSON to the file that is named to
    /// them.
    Itself,
    /// This program: tests that know nothing of runs, with what they are told.
    Here(&'static [(&'static str, &'static str)]),
}

const MILLION: &str = "1000000";

const WITHIN: [Within; 4] = [
    Within {
        what: "guests and libraries",
        tests: "torture::",
        names: &["r8", "r10", "r11", "r12", "r31"],
        tells: Tells::Itself,
    },
    Within {
        what: "sessions of children",
        tests: "session::tests::model::",
        names: &["r12-process-lifecycles"],
        tells: Tells::Here(&[]),
    },
    Within {
        what: "streams of the pipeline",
        tests: "stream::tests::lifecycles::",
        names: &["r12-pipeline-lifecycles"],
        tells: Tells::Here(&[("MORTISE_LIFECYCLE_EVENTS", MILLION)]),
    },
    Within {
        what: "connections of the pipeline",
        tests: "network::pump::tests::lifecycles::",
        names: &["r12-network-lifecycles"],
        tells: Tells::Here(&[]),
    },
];

/// Runs those whose name begins with `only`, one after the other, and prints what they measured.
pub(crate) fn torture(report: &mut Report, only: &str, as_json: bool) -> Result<()> {
    let file = results("torture-runs.jsonl")?;
    let filter = format!("torture::{}", only.replace('-', "_"));
    let more = ["--ignored", "--test-threads=1"];
    let ran = journey::run(report, "torture", &filter, &["MORTISE_TORTURE_RUNS"], &file, &more);
    let ran_within = within(report, only, &file);
    let runs = parse(&fs::read_to_string(&file).unwrap_or_default())?;
    if as_json {
        println!("{}", json!({ "runs": runs }));
    } else {
        for run in &runs {
            println!("{}", shown(run));
        }
    }
    ran.and(ran_within)?;
    if runs.is_empty() {
        bail!("no run has a name that begins with {only:?}");
    }
    Ok(())
}

/// The runs within crates.
fn within(report: &mut Report, only: &str, file: &Path) -> Result<()> {
    let mut outcome = Ok(());
    for run in WITHIN.iter().filter(|run| run.may_be(only)) {
        let begun = now();
        let ran = report.step(&format!("torture of {}", run.what), &mut run.command(only, file));
        let told = run.tell(file, ran.is_ok(), begun.elapsed());
        outcome = outcome.and(ran).and(told);
    }
    outcome
}

impl Within {
    /// True where one of its names may begin with `only`.
    fn may_be(&self, only: &str) -> bool {
        self.names.iter().any(|name| name.starts_with(only) || only.starts_with(name))
    }

    /// All crates are named to cargo, as `cargo xtask test` names them: what they depend on, the
    /// Wasm compiler above all, has other features in a build of one, and would be compiled anew.
    fn command(&self, only: &str, file: &Path) -> Command {
        let mut test = cargo(&["test", "--locked", "--quiet", "--workspace", "--lib", "--"]);
        test.arg("--test-threads=1");
        match self.tells {
            Tells::Itself => {
                let tests = format!("{}{}", self.tests, only.replace('-', "_"));
                test.args([&tests, "--ignored"]).env("MORTISE_TORTURE_RUNS", file);
            }
            Tells::Here(variables) => {
                test.args([self.tests, "--include-ignored"]).envs(variables.iter().copied());
            }
        }
        test
    }

    /// Writes the line of one that does not write it itself.
    fn tell(&self, file: &Path, passed: bool, took: Duration) -> Result<()> {
        let (Tells::Here(_), [name, ..]) = (&self.tells, self.names) else { return Ok(()) };
        let figures = json!({ "events": 1_000_000, "seconds": took.as_secs_f64() });
        let line = json!({
            "name": name, "passed": passed, "build": "dev", "figures": figures, "wrong": [],
        });
        let mut file = fs::OpenOptions::new().append(true).create(true).open(file)?;
        writeln!(file, "{line}").context("the file of the runs")
    }
}

fn parse(text: &str) -> Result<Vec<Value>> {
    text.lines().map(|line| serde_json::from_str(line).context("a run")).collect()
}

/// A run for a person: its name, its outcome, a line for each figure.
fn shown(run: &Value) -> String {
    let word = |key: &str| run.get(key).and_then(Value::as_str).unwrap_or("?");
    let passed = run.get("passed").and_then(Value::as_bool).unwrap_or_default();
    let outcome = if passed { "passed" } else { "FAILED" };
    let mut text = format!("{} ({} build): {outcome}", word("name"), word("build"));
    for (name, value) in run.get("figures").and_then(Value::as_object).into_iter().flatten() {
        let value = value.as_f64().unwrap_or_default();
        text.push_str(&format!("\n  {name:36} {value:>14.1}"));
    }
    for wrong in run.get("wrong").and_then(Value::as_array).into_iter().flatten() {
        let line: String = wrong.as_str().unwrap_or("?").chars().take(LINE_MAX).collect();
        text.push_str(&format!("\n  wrong: {line}"));
    }
    text
}

const LINE_MAX: usize = 400;

#[cfg(test)]
mod tests;
