//! One run: what it measured, and what was wrong.

use std::{collections::BTreeMap, fmt::Display, fs, io::Write, time::SystemTime};

use rustix::time::{ClockId, clock_gettime};

/// So many say enough.
const WRONG_MAX: usize = 20;

/// A run under way.
#[derive(Debug)]
pub(super) struct Run {
    name: &'static str,
    begun: SystemTime,
    figures: BTreeMap<&'static str, f64>,
    wrong: Vec<String>,
}

impl Run {
    pub(super) fn new(name: &'static str) -> Self {
        let (figures, wrong) = (BTreeMap::new(), Vec::new());
        Self { name, begun: SystemTime::now(), figures, wrong }
    }

    /// Remembers a figure.
    #[expect(clippy::cast_precision_loss, reason = "figures are for people")]
    pub(super) fn figure(&mut self, name: &'static str, value: u64) {
        self.figures.insert(name, value as f64);
    }

    /// Remembers what is wrong, where it is.
    pub(super) fn must(&mut self, right: bool, what: impl Display) {
        if !right && self.wrong.len() < WRONG_MAX {
            self.wrong.push(what.to_string());
        }
    }

    /// Seconds since it began.
    pub(super) fn seconds(&self) -> f64 {
        self.begun.elapsed().unwrap_or_default().as_secs_f64()
    }

    /// Tells the run, and fails where something was wrong.
    pub(super) fn finish(mut self) {
        self.figures.insert("seconds", self.seconds());
        let Self { name, figures, wrong, .. } = self;
        let build = if cfg!(debug_assertions) { "dev" } else { "release" };
        eprintln!("{name} ({build}): {figures:#?}");
        if let Some(runs) = std::env::var_os("MORTISE_TORTURE_RUNS") {
            let passed = wrong.is_empty();
            // Names and figures are written by `Debug` as JSON has them.
            let quoted: Vec<_> = wrong.iter().map(|one| harmless(one)).collect();
            let line = format!(
                r#"{{"name":{name:?},"passed":{passed},"build":{build:?},"figures":{figures:?},"wrong":{quoted:?}}}"#
            );
            let opened = fs::OpenOptions::new().append(true).create(true).open(runs);
            let written = opened.and_then(|mut file| writeln!(file, "{line}"));
            written.expect("the file of the runs");
        }
        assert!(wrong.is_empty(), "{name} ({build}): {wrong:#?}");
    }
}

/// A text that `Debug` writes as JSON does.
fn harmless(text: &str) -> String {
    let plain = |one: char| if one == ' ' || one.is_ascii_graphic() { one } else { '?' };
    text.chars().map(plain).collect()
}

/// The processor time of this thread, in microseconds.
pub(super) fn processor_time() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec * 1_000_000 + time.tv_nsec / 1000).expect("after the beginning")
}

/// The memory that this process has resident, in bytes.
pub(super) fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("a process has one");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next()).expect("a line");
    number.parse::<u64>().expect("a number") * 1024
}
