//! What came of a run, for programs and for people.

use std::{fmt::Write as _, time::Duration};

use serde_json::{Value, json};

use crate::{Figures, attack::Attack};

/// What came of one attack.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Its name.
    pub name: &'static str,
    /// How the plugin runs.
    pub backend: &'static str,
    /// What it does.
    pub about: &'static str,
    /// What holds it.
    pub held_by: &'static str,
    /// The stream got a defined answer in time, the plugin could do nothing that it must not,
    /// and the proxy serves on.
    pub contained: bool,
    /// The metric that is for it moved.
    pub counted: bool,
    /// A line of the log names the plugin and the reason.
    pub named: bool,
    /// What came of it, in words.
    pub outcome: String,
    /// From the request to the end of its answer.
    pub took: Duration,
    /// Why it could not be tried here, where it could not.
    pub skipped: Option<String>,
}

/// What came of all.
#[derive(Clone, Debug)]
pub struct Report {
    /// Each attack.
    pub attacks: Vec<Verdict>,
    /// The neighbour while nobody attacked.
    pub before: Figures,
    /// The neighbour meanwhile.
    pub during: Figures,
    /// Why the run broke off, where it did.
    pub broken: Option<String>,
}

impl Verdict {
    pub(crate) fn of(attack: &Attack) -> Self {
        Self {
            name: attack.name,
            backend: attack.form.backend(),
            about: attack.about,
            held_by: attack.held_by.word(),
            contained: false,
            counted: false,
            named: false,
            outcome: String::new(),
            took: Duration::ZERO,
            skipped: None,
        }
    }

    /// Contained, or not to be tried here.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.contained || self.skipped.is_some()
    }

    fn to_json(&self) -> Value {
        let mut json = json!({
            "name": self.name,
            "backend": self.backend,
            "about": self.about,
            "held_by": self.held_by,
            "contained": self.contained,
            "counted": self.counted,
            "named": self.named,
            "outcome": self.outcome,
            "ms": milliseconds(self.took),
        });
        if let (Some(why), Some(map)) = (&self.skipped, json.as_object_mut()) {
            map.insert("skipped".to_owned(), json!(why));
        }
        json
    }
}

impl Report {
    /// All were contained, and the neighbour lost nothing.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let contained = self.attacks.iter().all(Verdict::is_good);
        let all = !self.attacks.is_empty() && self.broken.is_none();
        all && contained && self.during.failed == 0 && self.during.requests > 0
    }

    /// For programs.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let attacks: Vec<_> = self.attacks.iter().map(Verdict::to_json).collect();
        let mut json = json!({
            "attacks": attacks,
            "neighbour": {
                "requests": self.during.requests,
                "failed": self.during.failed,
                "p99_before_us": microseconds(self.before.p99),
                "p99_during_us": microseconds(self.during.p99),
                "longest_during_us": microseconds(self.during.longest),
            },
        });
        if let (Some(why), Some(map)) = (&self.broken, json.as_object_mut()) {
            map.insert("broken".to_owned(), json!(why));
        }
        json
    }

    /// For people: a table.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let mut line = |parts: std::fmt::Arguments<'_>| {
            // Writing to a string does not fail.
            let _always = writeln!(text, "{parts}");
        };
        line(format_args!(
            "{:<24} {:<8} {:<9} {:<7} {:<5} {:>7}  {}",
            "attack", "backend", "contained", "counted", "named", "ms", "what it does"
        ));
        for attack in &self.attacks {
            let word = |yes: bool| match (&attack.skipped, yes) {
                (Some(_), _) => "-",
                (None, true) => "yes",
                (None, false) => "NO",
            };
            line(format_args!(
                "{:<24} {:<8} {:<9} {:<7} {:<5} {:>7}  {}",
                attack.name,
                attack.backend,
                word(attack.contained),
                word(attack.counted),
                word(attack.named),
                milliseconds(attack.took),
                attack.about
            ));
            if let Some(why) = &attack.skipped {
                line(format_args!("{:25}not tried: {why}", ""));
            } else if !(attack.contained && attack.counted && attack.named) {
                line(format_args!("{:25}{}", "", attack.outcome));
            }
        }
        let contained = self.attacks.iter().filter(|attack| attack.contained).count();
        let skipped = self.attacks.iter().filter(|attack| attack.skipped.is_some()).count();
        line(format_args!(
            "{contained} of {} attacks were contained, {skipped} were not tried",
            self.attacks.len()
        ));
        line(format_args!(
            "the neighbour: {} requests, {} failed; 99 of 100 within {} us before, {} us meanwhile",
            self.during.requests,
            self.during.failed,
            microseconds(self.before.p99),
            microseconds(self.during.p99),
        ));
        if let Some(why) = &self.broken {
            line(format_args!("the run broke off: {why}"));
        }
        text
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
