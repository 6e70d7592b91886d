//! One run: what it measured, and what was wrong.

use std::{collections::BTreeMap, fmt::Display, fs, io::Write};

use serde_json::json;
use tests_support::mortise_binary;

/// A run under way.
#[derive(Debug)]
pub(crate) struct Run {
    name: &'static str,
    figures: BTreeMap<&'static str, f64>,
    wrong: Vec<String>,
}

impl Run {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, figures: BTreeMap::new(), wrong: Vec::new() }
    }

    /// Remembers a figure.
    pub(crate) fn figure(&mut self, name: &'static str, value: f64) {
        self.figures.insert(name, value);
    }

    /// Remembers what is wrong, where it is.
    pub(crate) fn must(&mut self, right: bool, what: impl Display) {
        if !right {
            self.wrong.push(what.to_string());
        }
    }

    /// As [`Run::must`], where only an optimised program is held to it.
    pub(crate) fn must_where_optimised(&mut self, right: bool, what: impl Display) {
        if optimised() {
            self.must(right, what);
        }
    }

    /// Tells the run, and fails where something was wrong.
    pub(crate) fn finish(self) {
        let build = if optimised() { "release" } else { "dev" };
        if let Some(runs) = std::env::var_os("MORTISE_TORTURE_RUNS") {
            let line = json!({
                "name": self.name,
                "passed": self.wrong.is_empty(),
                "build": build,
                "figures": self.figures,
                "wrong": self.wrong,
            });
            let opened = fs::OpenOptions::new().append(true).create(true).open(runs);
            let written = opened.and_then(|mut file| writeln!(file, "{line}"));
            written.expect("the file of the runs");
        }
        let (name, wrong, figures) = (self.name, self.wrong, self.figures);
        assert!(wrong.is_empty(), "{name} ({build}): {wrong:#?}\n{figures:#?}");
    }
}

/// True where the proxy under test was built for release.
fn optimised() -> bool {
    mortise_binary().components().any(|part| part.as_os_str() == "release")
}
