//! How much an instance may write to the log, and how its words are told.

use std::{borrow::Cow, time::SystemTime};

use host_extension::{HostCalls, LogLevel};
use host_types::PluginLimits;

/// Most characters of a plugin's words in a story.
const SAID_CHARS_MAX: usize = 1000;

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
        line: &[u8],
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
        let second = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
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

    /// A line as text, cut to its limit.
    fn text<'a>(&self, line: &'a [u8]) -> Cow<'a, str> {
        match line.get(..self.line_bytes_max) {
            Some(kept) if kept.len() < line.len() => {
                let cut = line.len() - kept.len();
                Cow::Owned(format!("{} [{cut} bytes cut off]", String::from_utf8_lossy(kept)))
            }
            _ => String::from_utf8_lossy(line),
        }
    }

    /// Words for the access log, cut as a line.
    pub(crate) fn cut(&self, text: &[u8]) -> Box<str> {
        let kept = text.get(..self.line_bytes_max).unwrap_or(text);
        String::from_utf8_lossy(kept).into()
    }
}

/// Words of a plugin in one harmless line.
pub(crate) fn harmless(said: &str) -> String {
    let kept = said.chars().take(SAID_CHARS_MAX);
    kept.flat_map(|character| {
        let is_harmless = !character.is_control();
        let escaped = (!is_harmless).then(|| character.escape_debug());
        is_harmless.then_some(character).into_iter().chain(escaped.into_iter().flatten())
    })
    .collect()
}

#[cfg(test)]
mod tests;
