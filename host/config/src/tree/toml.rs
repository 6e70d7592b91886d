//! TOML 1, read by `toml_edit`, which refuses duplicate keys and deep nesting itself.

use serde_json::Number;
use toml_edit::{Document, Item, Key, TableLike, Value};

use super::{MapBuilder, Node, Span, Tree};
use crate::problem::{Problem, Problems};

/// Reads a TOML file.
pub(super) fn read(text: &str, problems: &Problems) -> Option<Node> {
    match Document::parse(text) {
        Ok(document) => Some(table(document.as_table(), 0..0, problems)),
        Err(error) => {
            let span = error.span().unwrap_or_default();
            let message = error.message().lines().collect::<Vec<_>>().join(", ");
            problems.add(Problem::new(format!("the file is no TOML: {message}"), span, "here"));
            None
        }
    }
}

fn table(table: &dyn TableLike, span: Span, problems: &Problems) -> Node {
    let mut map = MapBuilder::default();
    for (name, item) in table.iter() {
        let key_span = table.key(name).and_then(Key::span);
        let key_span = key_span.or_else(|| item.span()).unwrap_or_else(|| span.clone());
        let node = node(item, &key_span, problems);
        map.add(name.to_owned(), key_span, node, problems);
    }
    map.build(span)
}

/// `near` is the place of what has none of its own, such as a table that only a longer
/// header names.
fn node(item: &Item, near: &Span, problems: &Problems) -> Node {
    let span = item.span().unwrap_or_else(|| near.clone());
    match item {
        Item::None => Node::new(span, Tree::Null),
        Item::Value(found) => value(found, near, problems),
        Item::Table(found) => table(found, span, problems),
        Item::ArrayOfTables(tables) => {
            let items = tables
                .iter()
                .map(|item| table(item, item.span().unwrap_or_else(|| near.clone()), problems));
            Node::new(span, Tree::List(items.collect()))
        }
    }
}

fn value(found: &Value, near: &Span, problems: &Problems) -> Node {
    let span = found.span().unwrap_or_else(|| near.clone());
    let tree = match found {
        Value::String(text) => Tree::Text(text.value().clone()),
        Value::Integer(number) => Tree::Number((*number.value()).into()),
        Value::Float(number) => match Number::from_f64(*number.value()) {
            Some(number) => Tree::Number(number),
            None => {
                problems.add(Problem::new("the number is not finite", span.clone(), "not finite"));
                Tree::Null
            }
        },
        Value::Boolean(truth) => Tree::Bool(*truth.value()),
        Value::Datetime(time) => Tree::Text(time.value().to_string()),
        Value::Array(items) => {
            Tree::List(items.iter().map(|item| value(item, &span, problems)).collect())
        }
        Value::InlineTable(found) => return table(found, span, problems),
    };
    Node::new(span, tree)
}
