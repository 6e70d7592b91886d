//! What is shown at the end, and written as JSON.

use std::fmt;

use serde_json::{Value, json};

use crate::{
    arguments::Arguments,
    load::Talk,
    measure::{Memory, SCENARIOS, Times},
    placement::Placement,
    statistics::{least, median, paired},
};

/// The results of a run.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    rows: Vec<Row>,
    memory: &'a [Memory],
    settings: Value,
}

/// One candidate in one scenario. Times are in microseconds of processor time per request.
#[derive(Debug)]
struct Row {
    scenario: &'static str,
    name: &'static str,
    about: &'static str,
    median: f64,
    least: f64,
    /// Of its time to the reference's, by round; the median.
    ratio: Option<f64>,
    /// What it takes more than its base, by round; the median, and the difference of the
    /// least times.
    price: Option<Price>,
    rate: f64,
    rounds: Vec<f64>,
}

#[derive(Debug)]
struct Price {
    over: &'static str,
    median: f64,
    least: f64,
}

impl<'a> Report<'a> {
    /// Makes the tables of what was measured.
    pub(crate) fn new(
        arguments: &Arguments,
        placement: &Placement,
        times: &[Times],
        memory: &'a [Memory],
    ) -> Self {
        let settings = json!({
            "rounds": arguments.rounds,
            "seconds": arguments.seconds,
            "connections": arguments.connections,
            "idle_connections": arguments.idle,
            "load": "own client: kept connections, one request at a time on each",
            "placement": placement.to_string(),
        });
        Self { rows: times.iter().filter_map(|one| row(one, times)).collect(), memory, settings }
    }

    /// The same as JSON.
    pub(crate) fn json(&self) -> Value {
        let rows: Vec<Value> = self.rows.iter().map(Row::json).collect();
        let memory = self.memory.iter().map(|memory| {
            json!({
                "candidate": memory.entry.name,
                "process_bytes": memory.before_bytes,
                "idle_connection_bytes": memory.connection_bytes.round(),
            })
        });
        let memory: Vec<Value> = memory.collect();
        let references = [Talk::Http, Talk::Bolt].map(Talk::reference);
        json!({ "settings": self.settings, "references": references, "cpu_us": rows, "memory": memory })
    }
}

fn row(times: &Times, all: &[Times]) -> Option<Row> {
    let same = |name: &str| {
        let mut candidates = all.iter().filter(|other| other.scenario.name == times.scenario.name);
        candidates.find(|other| other.entry.name == name)
    };
    let ratio = same(times.scenario.talk.reference())
        .and_then(|other| paired(&times.micros, &other.micros, |one, base| one / base));
    let price = times.entry.base.and_then(|over| {
        let base = same(over)?;
        let median = paired(&times.micros, &base.micros, |one, base| one - base)?;
        Some(Price { over, median, least: least(&times.micros)? - least(&base.micros)? })
    });
    Some(Row {
        scenario: times.scenario.name,
        name: times.entry.name,
        about: times.entry.about,
        median: median(&times.micros)?,
        least: least(&times.micros)?,
        ratio,
        price,
        rate: median(&times.rates)?,
        rounds: times.micros.clone(),
    })
}

impl Row {
    fn json(&self) -> Value {
        let price = self.price.as_ref().map(|price| {
            json!({
                "over": price.over,
                "median": thousandths(price.median),
                "min": thousandths(price.least),
            })
        });
        json!({
            "scenario": self.scenario,
            "candidate": self.name,
            "median": thousandths(self.median),
            "min": thousandths(self.least),
            "ratio": self.ratio.map(thousandths),
            "price": price,
            "requests_per_second": self.rate.round(),
            "rounds": self.rounds.iter().copied().map(thousandths).collect::<Vec<_>>(),
        })
    }
}

fn thousandths(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for scenario in &SCENARIOS {
            writeln!(
                f,
                "\n{}, {} responses: microseconds of processor time per request",
                scenario.talk, scenario.name
            )?;
            writeln!(
                f,
                "{:<18}{:>8}{:>8}{:>10}  {:<36}what",
                "candidate",
                "median",
                "min",
                scenario.talk.reference(),
                "price, median (min)"
            )?;
            for row in self.rows.iter().filter(|row| row.scenario == scenario.name) {
                writeln!(f, "{row}")?;
            }
        }
        if !self.memory.is_empty() {
            writeln!(f, "\n{:<18}{:>12}{:>24}", "memory", "process MiB", "idle connection KiB")?;
        }
        for memory in self.memory {
            #[expect(clippy::cast_precision_loss, reason = "no process has 2^52 bytes")]
            let process = memory.before_bytes as f64 / 1024.0 / 1024.0;
            let connection = memory.connection_bytes / 1024.0;
            writeln!(f, "{:<18}{process:>12.1}{connection:>24.1}", memory.entry.name)?;
        }
        Ok(())
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ratio = self.ratio.map_or_else(|| "-".to_owned(), |ratio| format!("x {ratio:.2}"));
        let price = self.price.as_ref().map_or_else(String::new, |price| {
            format!("{:+.2} ({:+.2}) over {}", price.median, price.least, price.over)
        });
        let Self { name, median, least, about, .. } = self;
        write!(f, "{name:<18}{median:>8.2}{least:>8.2}{ratio:>10}  {price:<36}{about}")
    }
}

#[cfg(test)]
mod tests;
