//! When a connection has waited long enough: for a request, for the rest of a frame, for quiet
//! before its end.
//!
//! Instants only: nothing here sleeps, reads or closes. Start reading at [`Clocks::next`].

use std::time::Duration;

use host_types::Limits;
use tokio::time::Instant;

/// A client that was told to go and sends no requests for so long sends none any more.
const TOLD_QUIET: Duration = Duration::from_secs(1);
/// A client that cannot be told may be between two requests for so long.
const UNTOLD_QUIET: Duration = Duration::from_millis(50);
/// A client that cannot be told is read for so long though it is never quiet.
const UNTOLD_BUSY_MAX: Duration = Duration::from_secs(5);
/// A frame may take a second for so many bytes, beside what the head of a request may take.
const BYTES_PER_SECOND: u64 = 64 * 1024;

/// The clocks of one connection.
#[derive(Debug)]
pub(super) struct Clocks {
    /// When the last frame came or went.
    active: Instant,
    /// When the last request came or was answered.
    busy: Instant,
    /// The frame of which only a part is there.
    begun: Option<Begun>,
    draining: Draining,
}

#[derive(Clone, Copy, Debug)]
struct Begun {
    at: Instant,
    /// When bytes of it came last.
    progress: Instant,
    /// Since when nobody reads.
    paused: Option<Instant>,
}

/// Whether the client is to go elsewhere.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Draining {
    No,
    /// It is closed when it is quiet for so long, and read until then.
    Going {
        since: Instant,
        quiet: Duration,
        last: Option<Instant>,
    },
    /// It was busy for too long.
    Last,
}

/// How the connection is, as far as its clocks depend on it.
#[derive(Clone, Copy, Debug)]
pub(super) struct State {
    /// No request is under way or waits.
    pub(super) is_free: bool,
    /// It is read.
    pub(super) is_read: bool,
    /// Nothing will be read any more.
    pub(super) is_ended: bool,
    /// Bytes of the frame that has begun: all of them, where that is known.
    pub(super) frame_bytes: usize,
}

/// What is due at an instant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Due {
    /// Nothing came for the idle timeout.
    Idle,
    /// The rest of a frame did not come in time.
    FrameLate,
    /// A client that is to go is quiet.
    Quiet,
    /// A client that is to go, and does not, was read for long enough.
    LastFrame,
}

impl Clocks {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self { active: now, busy: now, begun: None, draining: Draining::No }
    }

    /// When the last frame came or went.
    pub(super) fn active(&self) -> Instant {
        self.active
    }

    /// A frame came, or a reply is there.
    pub(super) fn frame(&mut self, is_request: bool) {
        self.active = Instant::now();
        if is_request {
            self.busy = self.active;
        }
    }

    /// Bytes were read and looked at: whole frames or none, with a part of one behind them or not.
    pub(super) fn read(&mut self, has_frames: bool, has_part: bool) {
        let now = Instant::now();
        let at = self.begun.filter(|_| !has_frames).map_or(now, |begun| begun.at);
        self.begun = has_part.then_some(Begun { at, progress: now, paused: None });
    }

    /// A frame is not the client's fault while nobody reads it.
    pub(super) fn pause(&mut self, is_read: bool) {
        let Some(begun) = &mut self.begun else { return };
        match begun.paused {
            None if !is_read => begun.paused = Some(Instant::now()),
            Some(since) if is_read => {
                let paused = since.elapsed();
                begun.at += paused;
                begun.progress += paused;
                begun.paused = None;
            }
            _ => {}
        }
    }

    /// The client should go elsewhere, and was told so or not. `within` is when it is cut off,
    /// where it is: half of that is left to requests that are under way.
    pub(super) fn drain(&mut self, is_told: bool, within: Option<Duration>) {
        let since = Instant::now();
        let half = within.map(|within| within / 2);
        let (quiet, busy_max) = if is_told {
            (TOLD_QUIET, half)
        } else {
            let busy_max = half.unwrap_or(UNTOLD_BUSY_MAX).min(UNTOLD_BUSY_MAX);
            (UNTOLD_QUIET, Some(busy_max))
        };
        let last = busy_max.map(|busy_max| since + busy_max);
        self.draining = Draining::Going { since, quiet, last };
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining != Draining::No
    }

    /// No frame is read any more but the one that has begun.
    pub(super) fn last_frame(&mut self) {
        self.draining = Draining::Last;
    }

    pub(super) fn is_last_frame(&self) -> bool {
        self.draining == Draining::Last
    }

    /// What is due next, and when.
    pub(super) fn next(&self, state: State, limits: &Limits) -> Option<(Instant, Due)> {
        if state.is_ended {
            return None;
        }
        let is_quiet = state.is_free && self.begun.is_none();
        let idle = is_quiet.then(|| (self.active + limits.idle_timeout, Due::Idle));
        let late = self.begun.filter(|_| state.is_read).map(|begun| {
            let at = begun.at + frame_time(state.frame_bytes, limits);
            (at.min(begun.progress + limits.stall_timeout), Due::FrameLate)
        });
        let (quiet, last) = match self.draining {
            Draining::No | Draining::Last => (None, None),
            Draining::Going { since, quiet, last } => (Some((since, quiet)), last),
        };
        let quiet = quiet.filter(|_| is_quiet && state.is_read);
        let quiet = quiet.map(|(since, grace)| (self.busy.max(since) + grace, Due::Quiet));
        let last = last.map(|at| (at, Due::LastFrame));
        [idle, late, quiet, last].into_iter().flatten().min_by_key(|(at, _)| *at)
    }
}

/// How long a frame of so many bytes may take.
fn frame_time(bytes: usize, limits: &Limits) -> Duration {
    let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
    limits.header_timeout.saturating_add(Duration::from_secs(bytes / BYTES_PER_SECOND))
}

#[cfg(test)]
mod tests;
