//! How much an instance may write to the log.

use std::{
    borrow::Cow,
    time::{Duration, SystemTime},
};

use host_extension::{HostCalls, LogLevel};
use host_types::PluginLimits;

/// Counts the lines of a second.
#[derive(Debug)]
pub(crate) struct LineGate {
    lines_per_second_max: u32,
    line_bytes_max: usize,
    second: u64,
    lines: u32,
    dropped: u64,
}

impl LineGate {
    pub(crate) fn new(limits: &PluginLimits) -> Self {
        Self {
            lines_per_second_max: limits.log_lines_per_second_max,
            line_bytes_max: limits.log_line_bytes_max,
            second: 0,
            lines: 0,
            dropped: 0,
        }
    }

    /// Writes a line, if one more may be written.
    pub(crate) fn write(
        &mut self,
        calls: &dyn HostCalls,
        plugin: &str,
        level: LogLevel,
        line: &str,
    ) {
        let Some(dropped) = self.pass(calls.now()) else { return calls.log_dropped(plugin) };
        if dropped > 0 {
            let note = format!("{dropped} log lines were dropped: too many in a second");
            calls.log(plugin, LogLevel::Warn, &note);
        }
        calls.log(plugin, level, &self.text(line));
    }

    /// Whether a line passes; tells how many were dropped before it.
    fn pass(&mut self, now: SystemTime) -> Option<u64> {
        let second =
            now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since: Duration| since.as_secs());
        if second != self.second {
            self.second = second;
            self.lines = 0;
        }
        if self.lines >= self.lines_per_second_max {
            self.dropped = self.dropped.saturating_add(1);
            return None;
        }
        self.lines += 1;
        Some(std::mem::take(&mut self.dropped))
    }

    /// Text of a child, as much of it as a line may hold.
    pub(crate) fn cut<'a>(&self, text: &'a str) -> &'a str {
        text.get(..text.floor_char_boundary(self.line_bytes_max)).unwrap_or_default()
    }

    /// As [`LineGate::cut`], and says so.
    pub(crate) fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let kept = self.cut(text);
        match text.len() - kept.len() {
            0 => Cow::Borrowed(text),
            cut => Cow::Owned(format!("{kept} [{cut} bytes cut off]")),
        }
    }
}

#[cfg(test)]
mod tests;
