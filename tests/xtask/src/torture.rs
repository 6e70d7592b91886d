//! `cargo xtask torture`: the reliability runs, with their figures.

use std::{fs, path::Path};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::{
    journey,
    matrix::results,
    run::{Report, cargo},
};

/// Crates that have runs of their own, beside those against the built proxy, and how the names of
/// these begin.
const CRATES: [(&str, &[&str]); 4] = [
    ("plugins-wasm", &["r8", "r10", "r11", "r12", "r31"]),
    ("plugins-native", &["r12"]),
    ("plugins-process", &["r12"]),
    ("host-pipeline", &["r12"]),
];

/// Runs those whose name begins with `only`, one after the other, and prints what they measured.
pub(crate) fn torture(report: &mut Report, only: &str, as_json: bool) -> Result<()> {
    let file = results("torture-runs.jsonl")?;
    let filter = format!("torture::{}", only.replace('-', "_"));
    let more = ["--ignored", "--test-threads=1"];
    let ran = journey::run(report, "torture", &filter, &["MORTISE_TORTURE_RUNS"], &file, &more);
    let ran = ran.and(of_crates(report, only, &file));
    let runs = parse(&fs::read_to_string(&file).unwrap_or_default())?;
    if as_json {
        println!("{}", json!({ "runs": runs }));
    } else {
        for run in &runs {
            println!("{}", shown(run));
        }
    }
    ran?;
    if runs.is_empty() {
        bail!("no run has a name that begins with {only:?}");
    }
    Ok(())
}

/// The runs within crates, which append to the same file.
fn of_crates(report: &mut Report, only: &str, file: &Path) -> Result<()> {
    let mut outcome = Ok(());
    for (package, _runs) in CRATES.iter().filter(|(_package, runs)| may_have(runs, only)) {
        let filter = format!("torture::{}", only.replace('-', "_"));
        let mut test = cargo(&["test", "--locked", "-p", package, "--lib", "--", &filter]);
        test.args(["--ignored", "--test-threads=1"]).env("MORTISE_TORTURE_RUNS", file);
        outcome = outcome.and(report.step(&format!("torture of {package}"), &mut test));
    }
    outcome
}

/// True where one of these names may begin with `only`.
fn may_have(runs: &[&str], only: &str) -> bool {
    runs.iter().any(|run| run.starts_with(only) || only.starts_with(run))
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
