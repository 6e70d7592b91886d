//! How much a plugin may write to the log: so many lines in a second, each of so many bytes.
//!
//! One gate for all backends. It reads no clock: the time is an argument. Start reading at
//! [`LineGate::write`], or at [`LineGate::pass`] where lines do not go through the host's calls.

use std::{
    borrow::Cow,
    time::{Duration, SystemTime},
};

use host_extension::{HostCalls, LogLevel};
use host_types::PluginLimits;

use crate::escape::cut;

/// Counts the lines of a second.
#[derive(Debug)]
pub struct LineGate {
    lines_per_second_max: u32,
    line_bytes_max: usize,
    second: u64,
    lines: u32,
    dropped: u64,
}

/// Whether a line passes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LinePass {
    /// It does; so many were dropped before it.
    After(u64),
    /// It does not.
    Drop,
}

impl LineGate {
    /// A gate that nothing went through yet.
    #[must_use]
    pub fn new(limits: &PluginLimits) -> Self {
        Self {
            lines_per_second_max: limits.log_lines_per_second_max,
            line_bytes_max: limits.log_line_bytes_max,
            second: 0,
            lines: 0,
            dropped: 0,
        }
    }

    /// Writes a line through the host, if one more may be written; the text that was.
    pub fn write<'a>(
        &mut self,
        calls: &dyn HostCalls,
        plugin: &str,
        level: LogLevel,
        line: &'a [u8],
    ) -> Option<Cow<'a, str>> {
        let now = calls.now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let LinePass::After(dropped) = self.pass(now) else {
            calls.log_dropped(plugin);
            return None;
        };
        if dropped > 0 {
            let note = format!("{dropped} log lines were dropped: too many in a second");
            calls.log(plugin, LogLevel::Warn, &note);
        }
        let text = self.text(line);
        calls.log(plugin, level, &text);
        Some(text)
    }

    /// Asks for a line to pass. `now` counts from any beginning, the same for all lines.
    pub fn pass(&mut self, now: Duration) -> LinePass {
        if self.is_shut(now) {
            self.leave_out(1);
            return LinePass::Drop;
        }
        self.second = now.as_secs();
        self.lines += 1;
        LinePass::After(std::mem::take(&mut self.dropped))
    }

    /// True where no line passes until the next second. Begins that second where it has come.
    pub fn is_shut(&mut self, now: Duration) -> bool {
        if now.as_secs() != self.second {
            self.second = now.as_secs();
            self.lines = 0;
        }
        self.lines >= self.lines_per_second_max
    }

    /// Counts lines as dropped that nobody asked for to pass.
    pub fn leave_out(&mut self, lines: u64) {
        self.dropped = self.dropped.saturating_add(lines);
    }

    /// The most bytes of a line.
    #[must_use]
    pub fn line_bytes_max(&self) -> usize {
        self.line_bytes_max
    }

    /// As much of a line as may be written, without a part of a character at its end.
    #[must_use]
    pub fn cut<'a>(&self, line: &'a [u8]) -> Cow<'a, str> {
        String::from_utf8_lossy(cut(line, self.line_bytes_max))
    }

    /// As [`LineGate::cut`], and says what is missing.
    #[must_use]
    pub fn text<'a>(&self, line: &'a [u8]) -> Cow<'a, str> {
        let kept = cut(line, self.line_bytes_max);
        match line.len() - kept.len() {
            0 => String::from_utf8_lossy(line),
            cut => Cow::Owned(format!("{} [{cut} bytes cut off]", String::from_utf8_lossy(kept))),
        }
    }
}

#[cfg(test)]
mod tests;
