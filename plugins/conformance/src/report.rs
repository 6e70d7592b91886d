//! What came of a run, for a person and for a program.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Write as _},
};

use serde_json::{Value, json};

use crate::{Phase, case::Case};

/// What came of one case.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Its name.
    pub name: String,
    /// What is wrong; nothing where it passed.
    pub detail: Option<String>,
}

impl Verdict {
    pub(crate) fn new(case: &Case, complaints: &[String]) -> Self {
        let detail = (!complaints.is_empty()).then(|| complaints.join("; "));
        Self { name: case.name.clone(), detail }
    }

    fn status(&self) -> &'static str {
        if self.detail.is_none() { "passed" } else { "failed" }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status(), self.name)?;
        match &self.detail {
            Some(detail) => write!(f, ": {detail}"),
            None => Ok(()),
        }
    }
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// The proxy that was run against.
    pub host: String,
    /// The cases, in the order in which they ran.
    pub cases: Vec<Verdict>,
}

impl Report {
    pub(crate) fn new(host: &str) -> Self {
        Self { host: host.to_owned(), cases: Vec::new() }
    }

    pub(crate) fn add(&mut self, verdict: Verdict) {
        self.cases.push(verdict);
    }

    /// How many cases failed.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.cases.iter().filter(|verdict| verdict.detail.is_some()).count()
    }

    /// The last line for a person.
    #[must_use]
    pub fn total(&self) -> String {
        let (total, failed) = (self.cases.len(), self.failed());
        format!("{}: {total} cases, {} passed, {failed} failed", self.host, total - failed)
    }

    /// All of it for a program.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let cases = self.cases.iter().map(|verdict| match &verdict.detail {
            Some(detail) => {
                json!({ "name": verdict.name, "status": verdict.status(), "detail": detail })
            }
            None => json!({ "name": verdict.name, "status": verdict.status() }),
        });
        json!({
            "host": self.host,
            "total": self.cases.len(),
            "passed": self.cases.len() - self.failed(),
            "failed": self.failed(),
            "cases": cases.collect::<Vec<_>>(),
        })
    }
}

/// How many cases there are for each subject in each callback, as a table.
pub(crate) fn coverage(cases: &[Case]) -> String {
    let mut counts: BTreeMap<&str, BTreeMap<Phase, usize>> = BTreeMap::new();
    let mut phases = BTreeSet::new();
    for case in cases {
        *counts.entry(case.subject).or_default().entry(case.phase).or_default() += 1;
        phases.insert(case.phase);
    }
    let width = counts.keys().map(|subject| subject.len()).max().unwrap_or_default();
    let mut table = String::new();
    for (phase, column) in phases.iter().zip(b'a'..) {
        let _infallible = writeln!(table, "{}: {}", char::from(column), phase.label());
    }
    let letters = (b'a'..).take(phases.len()).map(|letter| format!("{:>3}", char::from(letter)));
    let _infallible = writeln!(table, "{:width$}{}", "", letters.collect::<String>());
    for (subject, row) in &counts {
        let cells = phases.iter().map(|phase| match row.get(phase) {
            Some(count) => format!("{count:>3}"),
            None => "  .".to_owned(),
        });
        let _infallible = writeln!(table, "{subject:width$}{}", cells.collect::<String>());
    }
    table
}
