//! `cargo xtask torture`: the reliability runs, with their figures.

use std::fs;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::{journey, matrix::results, run::Report};

/// Runs those whose name begins with `only`, one after the other, and prints what they measured.
pub(crate) fn torture(report: &mut Report, only: &str, as_json: bool) -> Result<()> {
    let file = results("torture-runs.jsonl")?;
    let filter = format!("torture::{}", only.replace('-', "_"));
    let more = ["--ignored", "--test-threads=1"];
    let ran = journey::run(report, "torture", &filter, &["MORTISE_TORTURE_RUNS"], &file, &more);
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
