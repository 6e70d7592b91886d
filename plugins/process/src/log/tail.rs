//! The last lines of a child.

use std::collections::VecDeque;

use host_telemetry::escape_line;

const LINES_MAX: usize = 8;
const LINE_BYTES_MAX: usize = 240;

/// Keeps the last lines.
#[derive(Debug, Default)]
pub(crate) struct Tail(VecDeque<Box<str>>);

impl Tail {
    pub(super) fn push(&mut self, line: &str) {
        if self.0.len() >= LINES_MAX {
            self.0.pop_front();
        }
        self.0.push_back(escape_line(line.as_bytes(), LINE_BYTES_MAX).into());
    }

    /// All of them in one line, for a person.
    pub(crate) fn text(&self) -> String {
        let lines: Vec<&str> = self.0.iter().map(AsRef::as_ref).collect();
        lines.join(" | ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_and_made_safe() {
        let mut tail = Tail::default();
        assert_eq!(tail.text(), "");
        for line in 0..20 {
            tail.push(&format!("line {line}"));
        }
        tail.push("\u{1b}[2J");
        let text = tail.text();
        assert!(text.starts_with("line 13 | "), "{text}");
        assert!(text.ends_with(r"\u{1b}[2J"), "{text}");
    }
}
