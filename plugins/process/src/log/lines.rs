//! Bytes to lines of at most some length.

/// Bytes of one line; what follows of a longer one is left out.
pub(super) const LINE_BYTES_MAX: usize = 64 * 1024;

/// Puts lines together.
#[derive(Debug, Default)]
pub(super) struct Lines {
    partial: Vec<u8>,
    /// True while the rest of a line that was too long goes by.
    skips: bool,
}

impl Lines {
    /// Takes more bytes, and shows each line that they end, without its end.
    pub(super) fn push(&mut self, mut bytes: &[u8], show: &mut impl FnMut(&[u8])) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = bytes.split_at(end);
            bytes = rest.get(1..).unwrap_or_default();
            if std::mem::take(&mut self.skips) {
                continue;
            }
            if self.partial.is_empty() && line.len() <= LINE_BYTES_MAX {
                show(trim(line));
            } else {
                self.extend(line);
                self.skips = false;
                show(trim(&std::mem::take(&mut self.partial)));
            }
        }
        if !self.skips && self.extend(bytes) {
            show(trim(&std::mem::take(&mut self.partial)));
            self.skips = true;
        }
    }

    /// Leaves lines out unseen, all but the last ones that the bytes end: how many, and the bytes
    /// that are to be pushed in place of all.
    pub(super) fn leave_out<'a>(&mut self, bytes: &'a [u8], kept: usize) -> (u64, &'a [u8]) {
        let ends = bytes.iter().enumerate().rev().filter(|(_at, byte)| **byte == b'\n');
        let Some((end, _newline)) = ends.into_iter().nth(kept) else { return (0, bytes) };
        let (left_out, rest) = bytes.split_at(end + 1);
        let mut lines = 0;
        // A plain loop: where nothing is optimised, this is what a flood costs.
        for byte in left_out {
            if *byte == b'\n' {
                lines += 1;
            }
        }
        self.partial.clear();
        // The end of a line that was shown already ends none.
        if std::mem::take(&mut self.skips) {
            lines -= 1;
        }
        (lines, rest)
    }

    /// Shows what came without an end.
    pub(super) fn finish(&mut self, show: &mut impl FnMut(&[u8])) {
        if !self.partial.is_empty() {
            show(trim(&std::mem::take(&mut self.partial)));
        }
    }

    /// Adds up to the limit; true where it was reached.
    fn extend(&mut self, bytes: &[u8]) -> bool {
        let room = LINE_BYTES_MAX.saturating_sub(self.partial.len());
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.partial.extend_from_slice(taken);
        taken.len() < bytes.len()
    }
}

fn trim(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests;
