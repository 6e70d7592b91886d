//! How much a guest may write to the log.

use std::{
    borrow::Cow,
    time::{Duration, SystemTime},
};

use host_types::PluginLimits;

/// Counts the lines of a second.
#[derive(Debug)]
pub(crate) struct LogGate {
    lines_per_second_max: u32,
    line_bytes_max: usize,
    second: Duration,
    lines: u32,
    dropped: u64,
}

/// Whether a line passes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Pass {
    /// It does; so many were dropped before it.
    After(u64),
    /// It does not.
    Drop,
}

impl LogGate {
    pub(crate) fn new(limits: &PluginLimits) -> Self {
        Self {
            lines_per_second_max: limits.log_lines_per_second_max,
            line_bytes_max: limits.log_line_bytes_max,
            second: Duration::ZERO,
            lines: 0,
            dropped: 0,
        }
    }

    /// Asks for a line to pass now.
    pub(crate) fn pass(&mut self, now: SystemTime) -> Pass {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let second = Duration::from_secs(now.as_secs());
        if second != self.second {
            self.second = second;
            self.lines = 0;
        }
        if self.lines >= self.lines_per_second_max {
            self.dropped = self.dropped.saturating_add(1);
            return Pass::Drop;
        }
        self.lines += 1;
        Pass::After(std::mem::take(&mut self.dropped))
    }

    /// The most bytes of a line.
    pub(crate) fn line_bytes_max(&self) -> usize {
        self.line_bytes_max
    }

    /// A line as text, cut to its limit.
    pub(crate) fn text<'a>(&self, line: &'a [u8]) -> Cow<'a, str> {
        match line.get(..self.line_bytes_max) {
            Some(kept) if kept.len() < line.len() => {
                let cut = line.len() - kept.len();
                Cow::Owned(format!("{} [{cut} bytes cut off]", String::from_utf8_lossy(kept)))
            }
            _ => String::from_utf8_lossy(line),
        }
    }
}

#[cfg(test)]
mod tests;
