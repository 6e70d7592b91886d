//! Rust text without what is no code: comments and literals become spaces, lines stay lines.
//!
//! It is no parser; it knows just enough that a word in a comment or in a message is not
//! taken for code. Start reading at [`only`].

/// The code of a Rust file.
#[must_use]
pub fn only(text: &str) -> String {
    let mut reader = Reader { rest: text, code: String::with_capacity(text.len()) };
    while reader.step() {}
    reader.code
}

/// True where `word` stands in `code` on its own.
#[must_use]
pub fn has_word(code: &str, word: &str) -> bool {
    let part = |letter: char| letter.is_alphanumeric() || letter == '_';
    code.match_indices(word).any(|(at, found)| {
        let before = code.get(..at).and_then(|text| text.chars().next_back());
        let behind = code.get(at + found.len()..).and_then(|text| text.chars().next());
        !before.is_some_and(part) && !behind.is_some_and(part)
    })
}

struct Reader<'a> {
    rest: &'a str,
    code: String,
}

impl Reader<'_> {
    /// Reads one piece; false at the end.
    fn step(&mut self) -> bool {
        let Some(first) = self.rest.chars().next() else { return false };
        let length = match first {
            '/' if self.rest.starts_with("//") => self.rest.find('\n').unwrap_or(self.rest.len()),
            '/' if self.rest.starts_with("/*") => block_comment(self.rest),
            '"' => string(self.rest),
            '\'' => character(self.rest),
            _ => match raw_string(self.rest) {
                Some(length) if !self.inside_word() => length,
                _ => return self.keep(first),
            },
        };
        self.blank(length)
    }

    fn inside_word(&self) -> bool {
        self.code.chars().next_back().is_some_and(|last| last.is_alphanumeric() || last == '_')
    }

    fn keep(&mut self, letter: char) -> bool {
        self.code.push(letter);
        self.rest = self.rest.get(letter.len_utf8()..).unwrap_or_default();
        true
    }

    fn blank(&mut self, length: usize) -> bool {
        let (gone, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.code.extend(gone.chars().map(|letter| if letter == '\n' { '\n' } else { ' ' }));
        self.rest = rest;
        true
    }
}

/// The length of a block comment, which may hold others.
fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of a literal between double quotes.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of a character literal; of the quote alone where a lifetime follows.
fn character(text: &str) -> usize {
    let mut letters = text.char_indices().skip(1);
    match letters.next() {
        Some((_, '\\')) => {
            // The escaped letter may be a quote itself.
            letters.next();
            letters.find(|(_, letter)| *letter == '\'').map_or(text.len(), |(at, _)| at + 1)
        }
        Some(_) => match letters.next() {
            Some((at, '\'')) => at + 1,
            _ => 1,
        },
        None => 1,
    }
}

/// The length of a raw string, where one starts here.
fn raw_string(text: &str) -> Option<usize> {
    let start = ["r", "br", "cr"].into_iter().find_map(|prefix| {
        let hashes = text.strip_prefix(prefix)?;
        let open = hashes.trim_start_matches('#');
        open.starts_with('"').then_some((prefix.len(), hashes.len() - open.len()))
    });
    let (prefix, hashes) = start?;
    let body = prefix + hashes + 1;
    let close = format!("\"{}", "#".repeat(hashes));
    let length = text.get(body..)?.find(&close).map(|at| body + at + close.len());
    Some(length.unwrap_or(text.len()))
}

#[cfg(test)]
mod tests;
