//! How many lines a child may write.

use std::{
    borrow::Cow,
    time::{Duration, Instant},
};

use host_types::PluginLimits;

/// Counts the lines of a second.
#[derive(Debug)]
pub(super) struct Gate {
    lines_per_second_max: u32,
    line_bytes_max: usize,
    since: Option<Instant>,
    lines: u32,
    dropped: u64,
}

/// Whether a line passes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Pass {
    /// It does; so many were dropped before it.
    After(u64),
    /// It does not.
    Drop,
}

impl Gate {
    pub(super) fn new(limits: &PluginLimits) -> Self {
        Self {
            lines_per_second_max: limits.log_lines_per_second_max,
            line_bytes_max: limits.log_line_bytes_max,
            since: None,
            lines: 0,
            dropped: 0,
        }
    }

    /// Asks for a line to pass now.
    pub(super) fn pass(&mut self, now: Instant) -> Pass {
        let is_new = |since: Instant| now.duration_since(since) >= Duration::from_secs(1);
        if self.since.is_none_or(is_new) {
            self.since = Some(now);
            self.lines = 0;
        }
        if self.lines >= self.lines_per_second_max {
            self.dropped = self.dropped.saturating_add(1);
            return Pass::Drop;
        }
        self.lines += 1;
        Pass::After(std::mem::take(&mut self.dropped))
    }

    /// A line cut to its limit.
    pub(super) fn cut<'a>(&self, line: &'a str) -> Cow<'a, str> {
        let end = line.floor_char_boundary(self.line_bytes_max);
        match line.get(..end) {
            Some(kept) if kept.len() < line.len() => {
                let cut = line.len() - kept.len();
                Cow::Owned(format!("{kept} [{cut} bytes cut off]"))
            }
            _ => Cow::Borrowed(line),
        }
    }
}

#[cfg(test)]
mod tests;
