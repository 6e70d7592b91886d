//! One attack is driven and judged.

use std::{fs, net::SocketAddr, path::Path, time::Duration};

use tokio::time::{Instant, interval, sleep};

use super::{Listeners, PAUSE, Target, Trap};
use crate::{
    attack::{Answer, Attack, Counted, Drive},
    client::{self, Reply},
    page::{self, Metrics},
    report::Verdict,
    setup::Setup,
};

/// By which a reply may come later than the budget has it: machines are busy.
const SLACK: Duration = Duration::from_secs(1);
/// A line that says how many were dropped comes with the first one of another second.
const ANOTHER_SECOND: Duration = Duration::from_millis(1100);
/// What is counted and logged may come so much later.
const LATER_MAX: Duration = Duration::from_secs(3);
/// Memory of the proxy by which it may grow meanwhile.
const GROWTH_MAX: u64 = 192 << 20;
/// Series that a plugin may make up: its policy says so.
const SERIES_MAX: usize = 50;
/// What a name in a log line may not have beside it.
const NAME_BYTES: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789_";

/// Drives and judges.
pub(super) struct Judge<'a, T> {
    pub(super) setup: &'a Setup<'a>,
    pub(super) target: &'a mut T,
    pub(super) listeners: Listeners,
    pub(super) trap: &'a Trap,
}

impl<T: Target> Judge<'_, T> {
    pub(super) async fn verdict(&mut self, attack: &Attack) -> Verdict {
        let (caught, memory) = (self.trap.caught(), self.target.memory());
        let reply = self.provoke(attack).await;
        let mut wrong = Vec::new();
        self.look_at_reply(attack, &reply, &mut wrong);
        let counted = self.until_counted(attack).await;
        if attack.counted == Counted::Refused("log") {
            sleep(ANOTHER_SECOND).await;
            let _again = self.provoke(attack).await;
        }
        let named = self.until_named(attack).await;
        self.look_beside(attack, &mut wrong).await;
        if self.trap.caught() > caught {
            wrong.push("it reached what it must not".to_owned());
        }
        let grown = self.target.memory().saturating_sub(memory);
        if grown > GROWTH_MAX {
            wrong.push(format!("the proxy grew by {} MiB", grown >> 20));
        }
        let contained = wrong.is_empty();
        let mut outcome = told(reply.answer);
        for part in wrong {
            outcome.push_str("; ");
            outcome.push_str(&part);
        }
        for (is, word) in [(counted, "not counted"), (named, "no line of the log names it")] {
            if !is {
                outcome.push_str("; ");
                outcome.push_str(word);
            }
        }
        Verdict { contained, counted, named, outcome, took: reply.took, ..Verdict::of(attack) }
    }

    async fn provoke(&self, attack: &Attack) -> Reply {
        match attack.drive {
            Drive::Exchange | Drive::Report => {
                client::exchange(self.listener("web"), &path(attack)).await
            }
            Drive::Bytes => client::bytes(self.listener(attack.name)).await,
        }
    }

    /// Port 0, where nobody is, for one that is not there.
    fn listener(&self, name: &str) -> SocketAddr {
        let found = self.listeners.iter().find(|(known, _address)| known == name);
        found.map_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)), |(_name, address)| *address)
    }

    fn look_at_reply(&self, attack: &Attack, reply: &Reply, wrong: &mut Vec<String>) {
        if !reply.answer.is_some_and(|answer| attack.replies.contains(&answer)) {
            wrong.push("which is none of those that are defined".to_owned());
        }
        if reply.took > Duration::from_millis(attack.budget_ms) + SLACK {
            wrong.push(format!("after {:?}", reply.took));
        }
        if attack.drive == Drive::Report && reply.field("x-tried").is_none() {
            wrong.push("it did not tell that it tried".to_owned());
        }
        if let Some(could) = reply.field("x-could") {
            wrong.push(format!("it could {could}"));
        }
        let smuggled = reply.fields.keys().find(|name| name.as_str().contains("smuggled"));
        if let Some(name) = smuggled {
            wrong.push(format!("it made the field {name}"));
        }
        // What the upstream saw, where the request came that far.
        let seen = [("x-seen-path", path(attack)), ("x-seen-authority", AUTHORITY.to_owned())];
        for (name, right) in seen {
            if reply.field(name).is_some_and(|seen| seen != right) {
                wrong.push(format!("the upstream saw another {name}"));
            }
        }
        let is_whole = reply.answer == Some(Answer::Status(200)) && attack.drive == Drive::Report;
        if is_whole && reply.body != client::BODY {
            wrong.push("the body is another".to_owned());
        }
    }

    async fn until_counted(&self, attack: &Attack) -> bool {
        let admin = self.setup.admin();
        until(async || {
            let metrics = Metrics::read(&admin).await?;
            (metrics.counted(attack.name, attack.counted) > 0.0).then_some(())
        })
        .await
    }

    async fn until_named(&self, attack: &Attack) -> bool {
        until(async || {
            let log = self.target.log();
            let text = String::from_utf8_lossy(&log);
            let says = |line: &str| {
                names(line, attack.name) && attack.named.iter().any(|word| line.contains(word))
            };
            text.lines().any(says).then_some(())
        })
        .await
    }

    /// What can be seen without the plugin's telling.
    async fn look_beside(&mut self, attack: &Attack, wrong: &mut Vec<String>) {
        let admin = self.setup.admin();
        if !self.target.lives() || page::page(&admin, "/readyz").await.is_none() {
            wrong.push("the proxy does not serve any more".to_owned());
        }
        if attack.counted == Counted::Refused("log") && is_forged(&self.target.log()) {
            wrong.push("it wrote lines of its own, or control characters, to the log".to_owned());
        }
        if let Some(metrics) = Metrics::read(&admin).await {
            let series = metrics.made_up("plugin_flood_");
            if series > SERIES_MAX {
                wrong.push(format!("it made up {series} series"));
            }
        }
        let mark = self.setup.mark();
        if !until(async || left(&mark).is_none().then_some(())).await {
            wrong.push("processes of it are left".to_owned());
        }
    }
}

/// The authority of the requests.
const AUTHORITY: &str = "attacked.example";

fn path(attack: &Attack) -> String {
    format!("/{}/x", attack.name)
}

fn told(answer: Option<Answer>) -> String {
    match answer {
        Some(Answer::Status(status)) => format!("answered with {status}"),
        Some(Answer::Broken) => "broken off".to_owned(),
        None => "no answer".to_owned(),
    }
}

/// Looks again and again, for a while.
async fn until(look: impl AsyncFn() -> Option<()>) -> bool {
    let begun = Instant::now();
    let mut timer = interval(PAUSE);
    while begun.elapsed() < LATER_MAX {
        timer.tick().await;
        if look().await.is_some() {
            return true;
        }
    }
    false
}

/// True where a line holds the name as a word.
fn names(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(at, _)| {
        let before = line.as_bytes().get(at.wrapping_sub(1));
        let after = line.as_bytes().get(at + name.len());
        [before, after].into_iter().flatten().all(|byte| !NAME_BYTES.contains(byte))
    })
}

/// True where a plugin's line became two, or something in it reached the log as it was.
fn is_forged(log: &[u8]) -> bool {
    let text = String::from_utf8_lossy(log);
    let is_raw = |character: char| character.is_control() && character != '\n';
    let turns =
        |character: char| matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.lines().any(|line| line.starts_with("forged"))
        || text.chars().any(|character| is_raw(character) || turns(character))
}

/// A process that lives and has this argument.
fn left(mark: &str) -> Option<()> {
    let processes = fs::read_dir("/proc").ok()?;
    let has_it = |path: &Path| {
        let words = fs::read(path.join("cmdline")).unwrap_or_default();
        words.split(|byte| *byte == 0).any(|word| word == mark.as_bytes())
    };
    processes.flatten().any(|entry| has_it(&entry.path())).then_some(())
}

#[cfg(test)]
mod tests;
