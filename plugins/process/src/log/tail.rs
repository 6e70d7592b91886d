//! The last lines of a child.

use std::collections::VecDeque;

use host_telemetry::escape_line;

use super::parse::Parser;

/// Lines that are kept.
pub(super) const LINES_MAX: usize = 8;
/// Bytes of a line that are kept.
const KEPT_BYTES_MAX: usize = 1024;
/// Bytes of a line that are shown.
const SHOWN_BYTES_MAX: usize = 240;

/// Keeps the last lines as they came. They are read only when somebody asks: most are kept for
/// nothing.
#[derive(Debug, Default)]
pub(crate) struct Tail(VecDeque<Vec<u8>>);

impl Tail {
    pub(super) fn push(&mut self, line: &[u8]) {
        let full = self.0.len() >= LINES_MAX;
        let mut kept = full.then(|| self.0.pop_front()).flatten().unwrap_or_default();
        kept.clear();
        kept.extend_from_slice(line.get(..KEPT_BYTES_MAX).unwrap_or(line));
        self.0.push_back(kept);
    }

    /// All of them in one line, for a person.
    pub(crate) fn text(&self) -> String {
        let mut parser = Parser::default();
        let texts = self.0.iter().map(|line| parser.read(line).1);
        let shown = texts.filter(|text| !text.is_empty());
        let shown: Vec<String> =
            shown.map(|text| escape_line(text.as_bytes(), SHOWN_BYTES_MAX).into_owned()).collect();
        shown.join(" | ")
    }
}

#[cfg(test)]
mod tests;
