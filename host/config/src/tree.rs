//! What a file says, with the place of every word: the one form that YAML, JSON and TOML
//! become before anything is checked.
//!
//! The readers refuse duplicate keys, deep nesting and files that grow when their aliases are
//! followed. Start reading at [`read`].

mod json;
mod toml;
mod yaml;

use std::ops::Range;

use serde_json::{Map, Number, Value};

use crate::{Format, problem::Problems};

/// Bytes of the file from where to where.
pub(crate) type Span = Range<usize>;

/// A value with its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) tree: Tree,
    /// Something in it was refused already, so what is missing may not be missed.
    pub(crate) damaged: bool,
    /// It stands in for what must be there and is not, or was refused: whatever is wrong with
    /// it was told already.
    pub(crate) missing: bool,
}

/// A value.
#[derive(Clone, Debug)]
pub(crate) enum Tree {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Span,
    pub(crate) value: Node,
}

/// Deepest nesting.
pub(crate) const DEPTH_MAX: usize = 64;
/// Most values of one file, those that aliases repeat included.
pub(crate) const NODES_MAX: usize = 250_000;

/// Reads a file; what is wrong with its form is told to `problems`. `None` where nothing
/// further can be said of it.
pub(crate) fn read(text: &str, format: Format, problems: &Problems) -> Option<Node> {
    match format {
        Format::Yaml => yaml::read(text, problems),
        Format::Json => json::read(text, problems),
        Format::Toml => toml::read(text, problems),
    }
}

impl Node {
    pub(crate) fn new(span: Span, tree: Tree) -> Self {
        Self { span, tree, damaged: false, missing: false }
    }

    /// The entry of a key, if this is a map that has it.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        let Tree::Map(entries) = &self.tree else { return None };
        entries.iter().find(|entry| entry.key == key)
    }

    /// The items, if this is a list.
    pub(crate) fn items(&self) -> &[Self] {
        if let Tree::List(items) = &self.tree { items } else { &[] }
    }

    /// The text, if this is one.
    pub(crate) fn text(&self) -> Option<&str> {
        if let Tree::Text(text) = &self.tree { Some(text) } else { None }
    }

    /// The place to point at: a map or list may go over pages, so its beginning stands for it.
    pub(crate) fn head_span(&self) -> Span {
        match &self.tree {
            Tree::Map(entries) => {
                entries.first().map_or_else(|| self.span.clone(), |entry| entry.key_span.clone())
            }
            Tree::List(items) => items.first().map_or_else(|| self.span.clone(), Self::head_span),
            Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::Text(_) => self.span.clone(),
        }
    }

    /// What it is, in a sentence that says what was found.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.tree {
            Tree::Null => "nothing",
            Tree::Bool(_) => "true or false",
            Tree::Number(number) if number.as_f64().is_some_and(|value| value.abs() > 1e18) => {
                "a number so large"
            }
            Tree::Number(number) if number.is_f64() => "a fraction",
            Tree::Number(_) => "a number",
            Tree::Text(_) => "text",
            Tree::List(_) => "a list",
            Tree::Map(_) => "a map",
        }
    }

    /// The value without places.
    pub(crate) fn to_value(&self) -> Value {
        match &self.tree {
            Tree::Null => Value::Null,
            Tree::Bool(value) => Value::Bool(*value),
            Tree::Number(value) => Value::Number(value.clone()),
            Tree::Text(value) => Value::String(value.clone()),
            Tree::List(items) => Value::Array(items.iter().map(Self::to_value).collect()),
            Tree::Map(entries) => {
                let pairs = entries.iter().map(|entry| (entry.key.clone(), entry.value.to_value()));
                Value::Object(pairs.collect::<Map<_, _>>())
            }
        }
    }
}

/// A map that is being read.
#[derive(Debug, Default)]
struct MapBuilder {
    entries: Vec<Entry>,
    places: std::collections::HashMap<String, Span>,
    damaged: bool,
}

impl MapBuilder {
    /// Adds an entry; a key that is there already is told to `problems` and left out.
    fn add(&mut self, key: String, key_span: Span, value: Node, problems: &Problems) {
        if let Some(first) = self.places.get(&key) {
            let message = format!("the key `{key}` stands here twice");
            problems.twice(message, key_span, "again here", first.clone());
            self.damaged = true;
            return;
        }
        self.places.insert(key.clone(), key_span.clone());
        self.entries.push(Entry { key, key_span, value });
    }

    fn build(self, span: Span) -> Node {
        Node { damaged: self.damaged, ..Node::new(span, Tree::Map(self.entries)) }
    }
}

#[cfg(test)]
mod tests;
