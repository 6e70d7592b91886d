//! Whether a child still answers, as one session sees it. Pure: the time is an argument.
//!
//! Any word shows that its process lives. Only an answer shows that its plugin does: a child that
//! answers pings and no exchange is given up as one that is silent.

use std::time::Duration;

use tokio::time::Instant;

use super::limits::{PING_INTERVAL, PING_INTERVAL_SUSPECT, TIMEOUTS_MAX};

/// What was heard of a child, and what it owes.
#[derive(Debug)]
pub(super) struct Health {
    heard_at: Instant,
    /// Since when something waits for an answer while nothing at all was heard.
    waiting_since: Option<Instant>,
    /// Exchanges without an answer in time, in a row.
    timeouts: u32,
    /// Since when there were so many of them that nothing new is asked.
    unresponsive_since: Option<Instant>,
    /// A ping that was not answered.
    ping: Option<u64>,
    pings: u64,
    was_given_up: bool,
    patience: Duration,
}

impl Health {
    /// Of a session that begins. A child that is silent for `patience` is given up, and so is one
    /// that is unresponsive for so long.
    pub(super) fn new(now: Instant, patience: Duration) -> Self {
        Self {
            heard_at: now,
            waiting_since: None,
            timeouts: 0,
            unresponsive_since: None,
            ping: None,
            pings: 0,
            was_given_up: false,
            patience,
        }
    }

    /// Something was sent that asks for an answer.
    pub(super) fn asked(&mut self, now: Instant) {
        self.waiting_since.get_or_insert(now);
    }

    /// The child said anything.
    pub(super) fn heard(&mut self, now: Instant) {
        self.heard_at = now;
        self.waiting_since = None;
    }

    /// The child answered for its plugin, if late. True where it counted as unresponsive until now.
    pub(super) fn answered(&mut self) -> bool {
        self.timeouts = 0;
        self.unresponsive_since.take().is_some()
    }

    /// The child answered a ping.
    pub(super) fn ponged(&mut self, number: u64) {
        if self.ping == Some(number) {
            self.ping = None;
        }
    }

    /// An exchange had no answer in time. True where that makes the child unresponsive.
    pub(super) fn timed_out(&mut self, now: Instant) -> bool {
        self.timeouts = self.timeouts.saturating_add(1);
        if self.timeouts < TIMEOUTS_MAX || self.is_unresponsive() {
            return false;
        }
        self.unresponsive_since = Some(now);
        true
    }

    pub(super) fn is_unresponsive(&self) -> bool {
        self.unresponsive_since.is_some()
    }

    /// The number of a ping, where it is time for one. While one is under way there is none: a
    /// child that comes back answers that.
    pub(super) fn ping(&mut self, now: Instant) -> Option<u64> {
        if self.ping.is_some() || now < self.ping_at() {
            return None;
        }
        self.pings += 1;
        self.ping = Some(self.pings);
        self.asked(now);
        self.ping
    }

    /// True once the child was silent or unresponsive for too long. Said once.
    pub(super) fn give_up(&mut self, now: Instant) -> bool {
        let is_late = self.give_up_at().is_some_and(|at| at <= now);
        is_late && !std::mem::replace(&mut self.was_given_up, true)
    }

    /// When to look again.
    pub(super) fn next(&self) -> Option<Instant> {
        let ping = self.ping.is_none().then(|| self.ping_at());
        let give_up = self.give_up_at().filter(|_at| !self.was_given_up);
        ping.into_iter().chain(give_up).min()
    }

    fn ping_at(&self) -> Instant {
        let interval = if self.is_unresponsive() { PING_INTERVAL_SUSPECT } else { PING_INTERVAL };
        self.heard_at + interval
    }

    fn give_up_at(&self) -> Option<Instant> {
        let since = self.waiting_since.into_iter().chain(self.unresponsive_since).min();
        since.map(|since| since + self.patience)
    }
}

#[cfg(test)]
mod tests;
