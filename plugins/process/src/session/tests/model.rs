//! Random lives of contexts against a child that notes whatever breaks the rules of the session.
//!
//! `ledger` is the child's side: it answers by chance, and knows what may come next. `driver` is the
//! worker's: it calls hooks, waits, gives up and goes away by chance, as a pipeline may. Both roll
//! the dice of one seed, which is told where something is wrong.

mod driver;
mod ledger;

use std::{io::Write, time::Duration};

use tokio::time::Instant;

use self::{driver::Driver, ledger::Ledger};
use super::*;

/// Lives until so many events have reached the children.
fn live(seed: u64, events: u64, limit: Duration) {
    local_within(limit, async move {
        let begun = Instant::now();
        let mut driver = Driver::new(seed, limit);
        while driver.events() < events {
            driver.step().await;
        }
        let ends = driver.end().await;
        let mut output = std::io::stderr();
        writeln!(output, "seed {seed}: {ends} in {:?}", begun.elapsed()).expect("an output");
    });
}

#[test]
fn whatever_happens_each_context_ends_once_and_nothing_comes_after() {
    live(fastrand::u64(..), 10_000, Duration::from_secs(60));
}

#[test]
#[ignore = "a million events take minutes, to be run by hand"]
fn slow_a_million_events_end_each_context_once() {
    live(fastrand::u64(..), 1_000_000, Duration::from_mins(20));
}
