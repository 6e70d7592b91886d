//! The expected texts, and what differs from them.

use std::{collections::BTreeMap, fs, io::Write, path::PathBuf, time::Duration};

use serde_json::json;
use tests_support::until;
use tokio::time::Instant;

use super::{backend::Backend, case::Outcome};

/// How long what comes later may take: lines of the log, counts.
pub(crate) const LATER_MAX: Duration = Duration::from_secs(8);
/// A text that stays the same for so many looks is taken for the last.
const LOOKS: u32 = 80;

/// The expected texts of one extension point, by case.
#[derive(Debug)]
pub(crate) struct Golden {
    texts: BTreeMap<String, String>,
    /// The texts are to be written, not compared.
    updates: bool,
}

impl Golden {
    pub(crate) fn of(point: &str, backend: Backend) -> Self {
        let wanted = std::env::var_os("UPDATE_EXPECT").is_some_and(|value| value == "1");
        let text = fs::read_to_string(file(point)).unwrap_or_default();
        let texts = text.split("== ").filter_map(|section| {
            let (name, text) = section.split_once('\n')?;
            Some((name.to_owned(), text.trim_end().to_owned()))
        });
        Self { texts: texts.collect(), updates: wanted && backend == Backend::Wasm }
    }

    /// Looks at a case until it came out as expected, or until nothing changes any more.
    pub(crate) async fn settled(
        &self,
        name: &str,
        mut look: impl AsyncFnMut() -> String,
    ) -> String {
        let begun = Instant::now();
        let (mut last, mut same) = (String::new(), 0);
        until("the end of a case", async || {
            let now = look().await;
            same = if now == last { same + 1 } else { 0 };
            last.clone_from(&now);
            let done = match self.updates {
                true => same >= LOOKS,
                false => self.agrees(name, &now) || begun.elapsed() > LATER_MAX,
            };
            done.then_some(now)
        })
        .await
    }

    /// True where a case came out as expected.
    fn agrees(&self, name: &str, text: &str) -> bool {
        self.texts.get(name).is_some_and(|expected| expected == text.trim_end())
    }

    /// Tells the cell, and fails where a case did not come out as expected.
    pub(crate) fn finish(&self, point: &str, backend: Backend, outcomes: &[Outcome]) {
        if self.updates {
            let sections = outcomes
                .iter()
                .map(|outcome| format!("== {}\n{}\n\n", outcome.name, outcome.text.trim_end()));
            fs::write(file(point), sections.collect::<String>()).expect("the golden file");
            return;
        }
        let count = outcomes.len();
        let wrong = self.differences(outcomes);
        tell(point, backend, count - wrong.len(), wrong.len());
        let (name, failed) = (backend.name(), wrong.len());
        assert!(wrong.is_empty(), "{point} on {name}: {failed} of {count}:\n{}", wrong.join("\n"));
        assert!(count > 0, "{point} on {name}: no cases");
    }

    /// What did not come out as expected.
    pub(crate) fn differences(&self, outcomes: &[Outcome]) -> Vec<String> {
        let wrong = outcomes.iter().filter(|one| !self.agrees(one.name, &one.text));
        wrong.map(|outcome| self.difference(outcome)).collect()
    }

    fn difference(&self, outcome: &Outcome) -> String {
        let expected = self.texts.get(outcome.name).map_or("(nothing)", String::as_str);
        let indented = |text: &str| text.trim_end().replace('\n', "\n    ");
        format!(
            "== {}\n  expected\n    {}\n  found\n    {}",
            outcome.name,
            indented(expected),
            indented(&outcome.text)
        )
    }
}

fn file(point: &str) -> PathBuf {
    let name = format!("golden/matrix_{point}.txt");
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Adds a cell to the file that `cargo xtask matrix` reads.
pub(crate) fn tell(point: &str, backend: Backend, passed: usize, failed: usize) {
    let Some(cells) = std::env::var_os("MORTISE_MATRIX_CELLS") else { return };
    let cell = json!({
        "extension_point": point,
        "backend": backend.name(),
        "passed": passed,
        "failed": failed,
    });
    let opened = fs::OpenOptions::new().append(true).create(true).open(cells);
    let written = opened.and_then(|mut file| writeln!(file, "{cell}"));
    written.expect("the file of the cells");
}
