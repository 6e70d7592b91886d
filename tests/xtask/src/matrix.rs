//! `cargo xtask matrix`: every case of the matrix on every backend, as a table.

use std::{collections::BTreeMap, fs, path::PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::{
    journey,
    run::{Report, root},
};

/// The rows and columns that there must be.
const POINTS: [&str; 3] = ["stream_filter", "network_filter", "codec"];
const BACKENDS: [&str; 5] = ["builtin", "wasm", "process", "process_tcp", "native"];

/// How many cases a cell has.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Cell {
    passed: u64,
    failed: u64,
}

type Cells = BTreeMap<(String, String), Cell>;

/// Runs the matrix and prints it.
pub(crate) fn matrix(report: &mut Report, as_json: bool) -> Result<()> {
    let file = results("matrix-cells.jsonl")?;
    let ran = journey::run(report, "matrix", "matrix::", &["MORTISE_MATRIX_CELLS"], &file, &[]);
    let cells = parse(&fs::read_to_string(&file).unwrap_or_default())?;
    if as_json {
        println!("{}", as_value(&cells));
    } else {
        println!("{}", table(&cells));
    }
    ran?;
    complete(&cells)
}

/// An empty file for results.
pub(crate) fn results(name: &str) -> Result<PathBuf> {
    let folder = root().join("target/results");
    fs::create_dir_all(&folder)?;
    let file = folder.join(name);
    fs::write(&file, "").with_context(|| format!("{}", file.display()))?;
    Ok(file)
}

fn parse(text: &str) -> Result<Cells> {
    let mut cells = Cells::new();
    for line in text.lines() {
        let value: Value = serde_json::from_str(line).context("a cell")?;
        let word = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or("?").to_owned();
        let number = |key: &str| value.get(key).and_then(Value::as_u64).unwrap_or_default();
        let cell = cells.entry((word("extension_point"), word("backend"))).or_default();
        cell.passed += number("passed");
        cell.failed += number("failed");
    }
    Ok(cells)
}

/// What is missing or failed.
fn complete(cells: &Cells) -> Result<()> {
    for point in POINTS {
        for backend in BACKENDS {
            let cell = cells.get(&(point.to_owned(), backend.to_owned()));
            match cell {
                Some(Cell { passed: 1.., failed: 0 }) => {}
                Some(Cell { failed: 1.., .. }) => bail!("{point} on {backend}: cases failed"),
                Some(_) | None => bail!("{point} on {backend}: the cell is empty"),
            }
        }
    }
    Ok(())
}

fn as_value(cells: &Cells) -> Value {
    let list = cells.iter().map(|((point, backend), cell)| {
        json!({
            "extension_point": point,
            "backend": backend,
            "passed": cell.passed,
            "failed": cell.failed,
        })
    });
    json!({ "cells": list.collect::<Vec<_>>() })
}

/// Rows of extension points, columns of backends; `passed/all` in each cell.
fn table(cells: &Cells) -> String {
    let mut text = format!("{:16}", "extension point");
    for backend in BACKENDS {
        text.push_str(&format!("{backend:>13}"));
    }
    for point in POINTS {
        text.push_str(&format!("\n{point:16}"));
        for backend in BACKENDS {
            let cell = cells.get(&(point.to_owned(), backend.to_owned()));
            let shown = cell.map_or_else(
                || "-".to_owned(),
                |cell| format!("{}/{}", cell.passed, cell.passed + cell.failed),
            );
            text.push_str(&format!("{shown:>13}"));
        }
    }
    text
}

#[cfg(test)]
mod tests;
