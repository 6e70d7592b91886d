//! When a use of a plugin that failed may start its next instance: backoff and breaker.
//!
//! Pure: the time is an argument, and so is the randomness. Start reading at
//! [`Recovery::fault`].

use std::{collections::VecDeque, time::Duration};

use crate::backoff::{DELAY_MAX, delay};

/// Faults within [`WINDOW`] that open the breaker.
pub(crate) const FAULTS_MAX: usize = 5;

/// The time over which faults are counted.
pub(crate) const WINDOW: Duration = Duration::from_secs(60);

/// How long an instance must serve without a fault until all is forgotten.
pub(crate) const QUIET: Duration = Duration::from_secs(60);

/// How long an open breaker stays so.
pub(crate) const OPEN_FOR: Duration = DELAY_MAX;

/// The history of one use on one worker.
#[derive(Debug)]
pub(crate) struct Recovery {
    breaker: Breaker,
    /// No start before this time.
    start_at: Duration,
    /// When the instance that serves was started.
    serving_since: Option<Duration>,
    /// Faults since the last quiet time.
    streak: u32,
    /// The times of the newest faults, at most [`FAULTS_MAX`].
    recent: VecDeque<Duration>,
    random: fastrand::Rng,
}

/// Whether starts are given up for a while.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Breaker {
    /// No: backoff rules.
    Closed,
    /// Yes.
    Open,
    /// The while is over and one instance is tried; its first fault opens the breaker again.
    HalfOpen,
}

impl Recovery {
    pub(crate) fn new(random: fastrand::Rng) -> Self {
        Self {
            breaker: Breaker::Closed,
            start_at: Duration::ZERO,
            serving_since: None,
            streak: 0,
            recent: VecDeque::with_capacity(FAULTS_MAX),
            random,
        }
    }

    pub(crate) fn breaker(&self) -> Breaker {
        self.breaker
    }

    /// An instance failed, or did not start.
    pub(crate) fn fault(&mut self, now: Duration) {
        let served = self.serving_since.take().map(|since| now.saturating_sub(since));
        if served.is_some_and(|served| served >= QUIET) {
            self.forget();
        }
        self.streak = self.streak.saturating_add(1);
        self.recent.retain(|fault| now.saturating_sub(*fault) < WINDOW);
        self.recent.push_back(now);
        let gives_up = self.breaker == Breaker::HalfOpen || self.recent.len() >= FAULTS_MAX;
        self.start_at = if gives_up {
            self.breaker = Breaker::Open;
            self.recent.clear();
            now.saturating_add(OPEN_FOR)
        } else {
            now.saturating_add(self.backoff())
        };
    }

    /// True where an instance may be started now. Half-opens a breaker whose time is over.
    pub(crate) fn admits_start(&mut self, now: Duration) -> bool {
        if now < self.start_at {
            return false;
        }
        if self.breaker == Breaker::Open {
            self.breaker = Breaker::HalfOpen;
        }
        true
    }

    /// An instance was started and serves.
    pub(crate) fn started(&mut self, now: Duration) {
        self.serving_since = Some(now);
    }

    /// The first fault is answered at once: most are the fault of one odd request.
    fn backoff(&mut self) -> Duration {
        match self.streak.checked_sub(2) {
            None => Duration::ZERO,
            Some(tries) => delay(tries, &mut self.random),
        }
    }

    fn forget(&mut self) {
        self.breaker = Breaker::Closed;
        self.streak = 0;
        self.recent.clear();
    }
}

#[cfg(test)]
mod tests;
