//! When a child that ended is started again. Pure: the time is given, chance is the caller's.

use std::{collections::VecDeque, time::Duration};

use host_types::RestartSettings;

/// A child that served so long was well: the waits begin anew.
const WELL_AFTER: Duration = Duration::from_secs(60);
/// Starts in a row that may fail for what the child said.
const MISUNDERSTANDINGS_MAX: u32 = 2;
/// A wait doubles at most so often.
const DOUBLINGS_MAX: u32 = 20;

/// How one start of a child came to its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum End {
    /// It served for so long.
    Served(Duration),
    /// It did not get ready.
    NotReady(NotReady),
}

/// What kind of reason a start failed for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum NotReady {
    /// It fails the same way again, however often it is tried.
    Fatal,
    /// What it said made no sense: that may have been an accident once.
    Misunderstood,
    /// The next time may be better.
    Passing,
}

/// What to do now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Next {
    /// Start it again after a wait between nothing and this.
    Within(Duration),
    /// Never start it again, until it is loaded anew.
    GiveUp(Reason),
}

/// Why a child is given up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reason {
    /// It would fail again.
    Fatal,
    /// It ended too often.
    Budget {
        /// So often.
        ends: u32,
        /// Within this time.
        window: Duration,
    },
}

/// What is remembered of a plugin's starts.
#[derive(Debug)]
pub(crate) struct Restarts {
    settings: RestartSettings,
    /// When it ended, within the window.
    ends: VecDeque<Duration>,
    /// Starts in a row that did not last.
    short: u32,
    misunderstandings: u32,
}

impl Restarts {
    pub(crate) fn new(settings: RestartSettings) -> Self {
        Self { settings, ends: VecDeque::new(), short: 0, misunderstandings: 0 }
    }

    /// A start ended at a time.
    pub(crate) fn after(&mut self, end: End, now: Duration) -> Next {
        match end {
            End::NotReady(NotReady::Fatal) => return Next::GiveUp(Reason::Fatal),
            End::NotReady(NotReady::Misunderstood) => {
                self.misunderstandings += 1;
                if self.misunderstandings >= MISUNDERSTANDINGS_MAX {
                    return Next::GiveUp(Reason::Fatal);
                }
            }
            End::Served(time) => {
                self.misunderstandings = 0;
                if time >= WELL_AFTER {
                    self.short = 0;
                }
            }
            End::NotReady(NotReady::Passing) => self.misunderstandings = 0,
        }
        let RestartSettings { crashes_max, window, backoff, backoff_max } = self.settings;
        while self.ends.front().is_some_and(|end| now.saturating_sub(*end) >= window) {
            self.ends.pop_front();
        }
        self.ends.push_back(now);
        let ends = u32::try_from(self.ends.len()).unwrap_or(u32::MAX);
        if ends > crashes_max {
            return Next::GiveUp(Reason::Budget { ends, window });
        }
        let factor = 1_u32 << self.short.min(DOUBLINGS_MAX);
        self.short = self.short.saturating_add(1);
        Next::Within(backoff.saturating_mul(factor).min(backoff_max))
    }
}

#[cfg(test)]
mod tests;
