//! YAML 1.2 with its core schema: `yes` and `off` are text, `<<` merges nothing, tags are
//! refused. The parser's events are gathered without recursion.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError};
use serde_json::Number;

use super::{DEPTH_MAX, MapBuilder, NODES_MAX, Node, Span, Tree};
use crate::problem::{Problem, Problems};

/// Reads a YAML file.
pub(super) fn read(text: &str, problems: &Problems) -> Option<Node> {
    let mut reader = Reader::new(text, problems);
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let result = match event {
            Ok((event, place)) => reader.event(event, reader.places.span(place)),
            Err(error) => Err(reader.refused(&error).boxed()),
        };
        if let Err(problem) = result {
            problems.add(*problem);
            return None;
        }
    }
    // A file without a document says nothing, which is a value, too.
    Some(reader.root.unwrap_or_else(|| Node::new(0..0, Tree::Null)))
}

struct Reader<'a> {
    text: &'a str,
    places: Places,
    problems: &'a Problems,
    open: Vec<Open>,
    anchors: HashMap<usize, (Node, usize)>,
    root: Option<Node>,
    documents: usize,
    nodes: usize,
}

/// A list or map whose end has not come.
struct Open {
    start: usize,
    anchor: usize,
    /// The count of nodes before it, to know how many an alias would repeat.
    nodes_before: usize,
    parts: Parts,
}

enum Parts {
    List(Vec<Node>),
    Map(MapBuilder, Option<(String, Span)>),
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, problems: &'a Problems) -> Self {
        Self {
            text,
            places: Places::new(text),
            problems,
            open: Vec::new(),
            anchors: HashMap::new(),
            root: None,
            documents: 0,
            nodes: 0,
        }
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Box<Problem>> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    let message = "the file has more than one document";
                    return Err(Problem::new(message, span, "a second one begins here").boxed());
                }
                Ok(())
            }
            Event::Alias(anchor) => self.alias(anchor, span),
            Event::Scalar(text, style, anchor, tag) => {
                refuse_tag(tag.is_some(), &span)?;
                self.count(1, &span)?;
                let node = self.scalar(&text, style, span);
                self.place(node, anchor, 1)
            }
            Event::SequenceStart(anchor, tag) => {
                refuse_tag(tag.is_some(), &span)?;
                self.open(anchor, span, Parts::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                refuse_tag(tag.is_some(), &span)?;
                self.open(anchor, span, Parts::Map(MapBuilder::default(), None))
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(&span),
        }
    }

    fn open(&mut self, anchor: usize, span: Span, parts: Parts) -> Result<(), Box<Problem>> {
        if self.open.len() >= DEPTH_MAX {
            let message = format!("the nesting is deeper than {DEPTH_MAX}");
            return Err(Problem::new(message, span, "too deep").boxed());
        }
        let nodes_before = self.nodes;
        self.count(1, &span)?;
        self.open.push(Open { start: span.start, anchor, nodes_before, parts });
        Ok(())
    }

    fn close(&mut self, span: &Span) -> Result<(), Box<Problem>> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let span = open.start..span.end.max(open.start);
        let node = match open.parts {
            Parts::List(items) => Node::new(span, Tree::List(items)),
            Parts::Map(map, _) => map.build(span),
        };
        self.place(node, open.anchor, self.nodes - open.nodes_before)
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<(), Box<Problem>> {
        let Some((node, size)) = self.anchors.get(&anchor).cloned() else {
            return Err(
                Problem::new("the alias stands inside of what it names", span, "here").boxed()
            );
        };
        self.count(size, &span)?;
        self.place(node, 0, size)
    }

    /// Puts a node where it belongs: into the open list or map, or at the root.
    fn place(&mut self, node: Node, anchor: usize, size: usize) -> Result<(), Box<Problem>> {
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), size));
        }
        match self.open.last_mut().map(|open| &mut open.parts) {
            None => self.root = Some(node),
            Some(Parts::List(items)) => items.push(node),
            Some(Parts::Map(map, key)) => match key.take() {
                Some((key, key_span)) => map.add(key, key_span, node, self.problems),
                None => *key = Some(self::key(self.text, node)?),
            },
        }
        Ok(())
    }

    fn scalar(&self, text: &str, style: ScalarStyle, span: Span) -> Node {
        if style != ScalarStyle::Plain {
            let span = self.quoted_span(style, span);
            return Node::new(span, Tree::Text(text.to_owned()));
        }
        let tree = plain(text).unwrap_or_else(|| {
            let message = format!("the number `{text}` is not finite or too large");
            self.problems.add(Problem::new(message, span.clone(), "not usable"));
            Tree::Null
        });
        Node::new(span, tree)
    }

    /// The parser takes what follows a closing quote into the span.
    fn quoted_span(&self, style: ScalarStyle, span: Span) -> Span {
        let quote = match style {
            ScalarStyle::SingleQuoted => '\'',
            ScalarStyle::DoubleQuoted => '"',
            ScalarStyle::Plain | ScalarStyle::Literal | ScalarStyle::Folded => return span,
        };
        let text = self.text.get(span.clone()).unwrap_or_default();
        let before_comment = text.split_once(" #").map_or(text, |(before, _)| before);
        let closes = before_comment.trim_end().ends_with(quote);
        let end = if closes { before_comment.trim_end().len() } else { text.trim_end().len() };
        span.start..span.start + end
    }

    fn count(&mut self, nodes: usize, span: &Span) -> Result<(), Box<Problem>> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes <= NODES_MAX {
            return Ok(());
        }
        let message = format!(
            "the file has more than {NODES_MAX} values, those that aliases repeat included"
        );
        Err(Problem::new(message, span.clone(), "one too many").boxed())
    }

    fn refused(&self, error: &ScanError) -> Problem {
        let at = self.places.byte(error.marker().index());
        let message = format!("the file is no YAML: {}", error.info());
        let problem = Problem::new(message, at..at, "here");
        let tab = |line: &str| line.trim_start_matches(' ').starts_with('\t');
        if error.info().contains("recursion limit") {
            let message = format!("the nesting is deeper than {DEPTH_MAX}");
            Problem::new(message, at..at, "too deep")
        } else if error.info().contains("anchor") || error.info().contains("alias") {
            problem.help("text that begins with `*` or `&` must stand in quotes: \"*.example.com\"")
        } else if self.text.get(..at).unwrap_or_default().lines().any(tab) {
            problem.help("YAML is indented by spaces, never by tabs")
        } else {
            problem
        }
    }
}

fn key(file: &str, node: Node) -> Result<(String, Span), Box<Problem>> {
    match node.tree {
        Tree::Text(text) => Ok((text, node.span)),
        Tree::List(_) | Tree::Map(_) => {
            Err(Problem::new("a key must be text", node.head_span(), "this is a key").boxed())
        }
        // `80: x` names the key `80`, whatever type the text would have elsewhere.
        Tree::Null | Tree::Bool(_) | Tree::Number(_) => {
            let text = file.get(node.span.clone()).unwrap_or_default();
            Ok((text.to_owned(), node.span))
        }
    }
}

fn refuse_tag(tagged: bool, span: &Span) -> Result<(), Box<Problem>> {
    if !tagged {
        return Ok(());
    }
    let problem = Problem::new("tags mean nothing here", span.clone(), "this has a tag");
    Err(problem.help("remove the `!…` before it; quotes make text of a value").boxed())
}

/// The value of a plain scalar; `None` for a number that cannot be kept.
fn plain(text: &str) -> Option<Tree> {
    Some(match text {
        "" | "~" | "null" | "Null" | "NULL" => Tree::Null,
        "true" | "True" | "TRUE" => Tree::Bool(true),
        "false" | "False" | "FALSE" => Tree::Bool(false),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "-.inf" | ".nan" | ".NaN" | ".NAN" => return None,
        _ => match number(text) {
            Some(number) => Tree::Number(number?),
            None => Tree::Text(text.to_owned()),
        },
    })
}

/// The number that a text is, if it is one; within, `None` for one that is too large.
fn number(text: &str) -> Option<Option<Number>> {
    if let Some(digits) = text.strip_prefix("0x") {
        let hex = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        return hex.then(|| u64::from_str_radix(digits, 16).ok().map(Number::from));
    }
    if let Some(digits) = text.strip_prefix("0o") {
        let octal = !digits.is_empty() && digits.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
        return octal.then(|| u64::from_str_radix(digits, 8).ok().map(Number::from));
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let begins = unsigned.strip_prefix('.').unwrap_or(unsigned);
    let known = |byte: u8| byte.is_ascii_digit() || b".eE+-".contains(&byte);
    if !begins.starts_with(|first: char| first.is_ascii_digit()) || !unsigned.bytes().all(known) {
        return None;
    }
    let plain = text.strip_prefix('+').unwrap_or(text);
    if let Ok(number) = plain.parse::<u64>() {
        return Some(Some(number.into()));
    }
    if let Ok(number) = plain.parse::<i64>() {
        return Some(Some(number.into()));
    }
    plain.parse::<f64>().ok().map(Number::from_f64)
}

/// From the parser's places, which count characters, to bytes.
struct Places {
    /// The byte of each character; empty where every character is one byte.
    bytes: Vec<usize>,
    length: usize,
}

impl Places {
    fn new(text: &str) -> Self {
        let bytes = if text.is_ascii() {
            Vec::new()
        } else {
            text.char_indices().map(|(byte, _)| byte).collect()
        };
        Self { bytes, length: text.len() }
    }

    fn byte(&self, character: usize) -> usize {
        if self.bytes.is_empty() {
            return character.min(self.length);
        }
        self.bytes.get(character).copied().unwrap_or(self.length)
    }

    fn span(&self, place: saphyr_parser::Span) -> Span {
        let start = self.byte(place.start.index());
        start..self.byte(place.end.index()).max(start)
    }
}
