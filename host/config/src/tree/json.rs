//! JSON as RFC 8259 has it, with places. Strings and numbers are left to `serde_json`.

use serde::de::DeserializeOwned;

use super::{DEPTH_MAX, MapBuilder, NODES_MAX, Node, Span, Tree};
use crate::problem::{Problem, Problems};

struct Reader<'a> {
    text: &'a str,
    at: usize,
    nodes: usize,
    problems: &'a Problems,
}

/// The file is no JSON; the problem says why.
type Read<T> = Result<T, Box<Problem>>;

/// Reads a JSON file.
pub(super) fn read(text: &str, problems: &Problems) -> Option<Node> {
    let mut reader = Reader { text, at: 0, nodes: 0, problems };
    match reader.file() {
        Ok(node) => Some(node),
        Err(problem) => {
            problems.add(*problem);
            None
        }
    }
}

impl Reader<'_> {
    fn file(&mut self) -> Read<Node> {
        let node = self.value(0)?;
        match self.peek() {
            None => Ok(node),
            Some(_) => Err(self.unexpected("the end of the file")),
        }
    }

    fn value(&mut self, depth: usize) -> Read<Node> {
        self.nodes += 1;
        if depth >= DEPTH_MAX {
            let message = format!("the nesting is deeper than {DEPTH_MAX}");
            return Err(Problem::new(message, self.here(1), "too deep").boxed());
        }
        if self.nodes > NODES_MAX {
            let message = format!("the file has more than {NODES_MAX} values");
            return Err(Problem::new(message, self.here(1), "one too many").boxed());
        }
        match self.peek() {
            Some(b'{') => self.map(depth),
            Some(b'[') => self.list(depth),
            Some(b'"') => {
                let (text, span) = self.string()?;
                Ok(Node::new(span, Tree::Text(text)))
            }
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.word(),
        }
    }

    fn map(&mut self, depth: usize) -> Read<Node> {
        let start = self.at;
        self.at += 1;
        let mut map = MapBuilder::default();
        let mut more = !self.skip(b'}');
        while more {
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("a key in double quotes"));
            }
            let (key, key_span) = self.string()?;
            if !self.skip(b':') {
                return Err(self.unexpected("`:`"));
            }
            let value = self.value(depth + 1)?;
            map.add(key, key_span, value, self.problems);
            more = self.more(b'}')?;
        }
        Ok(map.build(start..self.at))
    }

    fn list(&mut self, depth: usize) -> Read<Node> {
        let start = self.at;
        self.at += 1;
        let mut items = Vec::new();
        let mut more = !self.skip(b']');
        while more {
            items.push(self.value(depth + 1)?);
            more = self.more(b']')?;
        }
        Ok(Node::new(start..self.at, Tree::List(items)))
    }

    /// True where a comma says that more follows, false where it ends.
    fn more(&mut self, end: u8) -> Read<bool> {
        if self.skip(end) {
            return Ok(false);
        }
        if self.skip(b',') {
            return Ok(true);
        }
        Err(self.unexpected(&format!("`,` or `{}`", char::from(end))))
    }

    fn string(&mut self) -> Read<(String, Span)> {
        let start = self.at;
        let mut escaped = false;
        let bytes = self.text.as_bytes().iter().enumerate().skip(start + 1);
        let end = bytes.into_iter().find_map(|(at, byte)| {
            let closes = *byte == b'"' && !escaped;
            escaped = *byte == b'\\' && !escaped;
            closes.then_some(at + 1)
        });
        let Some(end) = end else {
            return Err(Problem::new(
                "the text has no closing quote",
                start..start + 1,
                "opened here",
            )
            .boxed());
        };
        self.at = end;
        Ok((self.parse(start..end, "the text is no JSON string")?, start..end))
    }

    fn number(&mut self) -> Read<Node> {
        let start = self.at;
        let rest = self.text.get(start..).unwrap_or_default();
        let number = |byte: char| byte.is_ascii_alphanumeric() || "+-.".contains(byte);
        let end = self.text.len() - rest.trim_start_matches(number).len();
        self.at = end;
        let number = self.parse(start..end, "the number is no JSON number")?;
        Ok(Node::new(start..end, Tree::Number(number)))
    }

    fn word(&mut self) -> Read<Node> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let words =
            [("null", Tree::Null), ("true", Tree::Bool(true)), ("false", Tree::Bool(false))];
        let found = words.into_iter().find(|(word, _)| rest.starts_with(word));
        let Some((word, tree)) = found else { return Err(self.unexpected("a value")) };
        let span = self.here(word.len());
        self.at = span.end;
        Ok(Node::new(span, tree))
    }

    fn parse<T: DeserializeOwned>(&self, span: Span, message: &str) -> Read<T> {
        let text = self.text.get(span.clone()).unwrap_or_default();
        serde_json::from_str(text).map_err(|error| {
            // The library appends a place in the piece, which would mislead.
            let reason = error.to_string();
            let reason = reason.split_once(" at line ").map_or(reason.as_str(), |(first, _)| first);
            Problem::new(message, span, reason).boxed()
        })
    }

    /// The next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(self.at) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    fn skip(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn unexpected(&self, expected: &str) -> Box<Problem> {
        let found = self.text.get(self.at..).and_then(|rest| rest.chars().next());
        let (found, length) = match found {
            Some(found) => (format!("`{found}`"), found.len_utf8()),
            None => (String::from("the end of the file"), 0),
        };
        let message = format!("expected {expected}, found {found}");
        Problem::new(message, self.here(length), format!("expected {expected}")).boxed()
    }

    fn here(&self, length: usize) -> Span {
        self.at..(self.at + length).min(self.text.len())
    }
}
