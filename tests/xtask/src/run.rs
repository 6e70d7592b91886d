//! Running commands: each is printed, timed and remembered for the table at the end.

use std::{
    env,
    ffi::OsStr,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .canonicalize()
        .unwrap_or_else(|_missing| PathBuf::from("."))
}

/// A command in the repository's root, without what an outer cargo says of this program: its
/// variables would make the inner cargo compile things again.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    #[expect(clippy::disallowed_methods, reason = "running commands is what this program does")]
    let mut command = Command::new(program);
    command.current_dir(root());
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        let outer = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"];
        if outer.iter().any(|prefix| text.starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
    command
}

/// The cargo that started this program.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let mut command = command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args);
    command
}

/// Now, for durations in the table.
#[expect(clippy::disallowed_methods, reason = "there is no clock to take here")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// What was done, for the table at the end.
#[derive(Debug, Default)]
pub(crate) struct Report {
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    step: String,
    outcome: Outcome,
    took: Duration,
}

#[derive(Debug, Eq, PartialEq)]
enum Outcome {
    Passed,
    Failed,
    Skipped(String),
}

impl Report {
    /// Runs a command to its end; its failure is in the answer and in the table.
    pub(crate) fn step(&mut self, step: &str, command: &mut Command) -> Result<()> {
        println!("$ {}", shown(command));
        let started = now();
        let status = command.status().with_context(|| format!("{step}: cannot start"));
        let passed = status.as_ref().is_ok_and(std::process::ExitStatus::success);
        let outcome = if passed { Outcome::Passed } else { Outcome::Failed };
        self.lines.push(Line { step: step.to_owned(), outcome, took: started.elapsed() });
        if !passed {
            bail!("{step} failed: {}", status.map_or_else(|e| format!("{e:#}"), |s| s.to_string()));
        }
        Ok(())
    }

    /// Does something that is no single command.
    pub(crate) fn work(&mut self, step: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
        let started = now();
        let result = work();
        let outcome = if result.is_ok() { Outcome::Passed } else { Outcome::Failed };
        self.lines.push(Line { step: step.to_owned(), outcome, took: started.elapsed() });
        result.with_context(|| format!("{step} failed"))
    }

    /// Turns a step that failed into one that was left out.
    pub(crate) fn forgive(&mut self, step: &str, why: &str) {
        self.lines.retain(|line| line.step != step);
        self.skip(step, why);
    }

    /// Says loudly that a step was left out.
    pub(crate) fn skip(&mut self, step: &str, why: &str) {
        println!("!! SKIPPED {step}: {why}");
        let outcome = Outcome::Skipped(why.to_owned());
        self.lines.push(Line { step: step.to_owned(), outcome, took: Duration::ZERO });
    }

    /// True where nothing failed.
    pub(crate) fn passed(&self) -> bool {
        self.lines.iter().all(|line| line.outcome != Outcome::Failed)
    }

    /// Prints the table.
    pub(crate) fn print(&self) {
        if self.lines.is_empty() {
            return;
        }
        let width = self.lines.iter().map(|line| line.step.len()).max().unwrap_or_default();
        println!("\n{:width$}  {:>8}  result", "step", "seconds");
        for line in &self.lines {
            let result = match &line.outcome {
                Outcome::Passed => "passed".to_owned(),
                Outcome::Failed => "FAILED".to_owned(),
                Outcome::Skipped(why) => format!("SKIPPED: {why}"),
            };
            println!("{:width$}  {:>8.1}  {result}", line.step, line.took.as_secs_f64());
        }
        let total: Duration = self.lines.iter().map(|line| line.took).sum();
        println!("{:width$}  {:>8.1}", "all", total.as_secs_f64());
    }
}

/// The command as it would be typed.
pub(crate) fn shown(command: &Command) -> String {
    let root = format!("{}/", root().display());
    let variables = command.get_envs().filter_map(|(name, value)| {
        Some(format!("{}=\"{}\"", name.to_string_lossy(), value?.to_string_lossy()))
    });
    let program = PathBuf::from(command.get_program());
    let program = if program.is_absolute() && !program.starts_with(&root) {
        program.file_name().map(OsStr::to_os_string).unwrap_or_default()
    } else {
        program.into_os_string()
    };
    let words = std::iter::once(program.as_os_str()).chain(command.get_args());
    let words = words.map(|word| quoted(&word.to_string_lossy().replace(&root, "")));
    variables.chain(words).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    if word.is_empty() || word.contains([' ', '"', '$', '*']) {
        return format!("'{word}'");
    }
    word.to_owned()
}
