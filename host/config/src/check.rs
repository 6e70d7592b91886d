//! The tree against the schema: every violation at once, in our own words.
//!
//! Knows the part of JSON Schema that the model's schema uses (a test holds the two together).
//! What is refused is taken out of the tree, and something stands in for what must be there, so
//! that the rest can be checked further; the map around it is marked as damaged. Start reading at [`Checker::check`].

use serde_json::{Map, Value};

use crate::{
    problem::{Path, Problem, Problems},
    suggest,
    tree::{Entry, Node, Span, Tree},
};

/// Checks nodes against schemas that may refer to definitions.
#[derive(Debug)]
pub(crate) struct Checker<'a> {
    pub(crate) schema: &'a Value,
    pub(crate) problems: &'a Problems,
}

/// A schema without indirection.
type Schema<'a> = &'a Map<String, Value>;

impl<'a> Checker<'a> {
    /// Checks a whole file; false where nothing of it can be used.
    pub(crate) fn check_root(&self, root: &mut Node) -> bool {
        self.check(root, self.schema, &Path::default(), "the file")
    }

    /// Checks a node that `name` names for people; false where it cannot be used.
    fn check(&self, node: &mut Node, schema: &'a Value, path: &Path, name: &str) -> bool {
        // A schema that is `true` takes anything.
        let Some(schema) = self.resolve(schema) else { return true };
        if let Some(branches) = branches(schema) {
            return self.check_branches(node, branches, path, name);
        }
        if !accepts_type(schema, node) {
            let expected = expected_types(schema);
            let message = format!("{name} must be {expected}, not {}", node.kind());
            self.add(node, path, message, &format!("expected {expected}"));
            return false;
        }
        if schema.contains_key("enum") || schema.contains_key("const") {
            return self.check_words(node, &words(schema), path, name);
        }
        match &mut node.tree {
            Tree::Map(_) => {
                self.check_map(node, schema, path, name);
                true
            }
            Tree::List(_) => self.check_list(node, schema, path, name),
            Tree::Number(_) | Tree::Text(_) => self.check_range(node, schema, path, name),
            Tree::Null | Tree::Bool(_) => true,
        }
    }

    /// Follows a reference; a reference with neighbours (a description) says the same.
    fn resolve(&self, schema: &'a Value) -> Option<Schema<'a>> {
        let mut schema = schema.as_object()?;
        while let Some(pointer) = schema.get("$ref").and_then(Value::as_str) {
            schema = self.schema.pointer(pointer.strip_prefix('#')?)?.as_object()?;
        }
        Some(schema)
    }

    /// One of several shapes: the one that has the node's type is the one that was meant.
    fn check_branches(
        &self,
        node: &mut Node,
        branches: &'a [Value],
        path: &Path,
        name: &str,
    ) -> bool {
        let mut resolved = Vec::new();
        self.flatten(branches, &mut resolved);
        let fitting: Vec<_> =
            resolved.iter().copied().filter(|branch| accepts_type(branch, node)).collect();
        let Some(first) = fitting.first() else {
            let expected: Vec<_> = resolved.iter().map(|branch| expected_types(branch)).collect();
            let expected = either(expected);
            let message = format!("{name} must be {expected}, not {}", node.kind());
            self.add(node, path, message, &format!("expected {expected}"));
            return false;
        };
        let words: Vec<_> = fitting.iter().flat_map(|branch| words(branch)).collect();
        if !words.is_empty() {
            return self.check_words(node, &words, path, name);
        }
        match &mut node.tree {
            Tree::Map(_) => {
                self.check_map(node, first, path, name);
                true
            }
            Tree::List(_) => self.check_list(node, first, path, name),
            Tree::Number(_) | Tree::Text(_) => self.check_range(node, first, path, name),
            Tree::Null | Tree::Bool(_) => true,
        }
    }

    /// Shapes within shapes become one list.
    fn flatten(&self, branches: &'a [Value], into: &mut Vec<Schema<'a>>) {
        for branch in branches.iter().filter_map(|branch| self.resolve(branch)) {
            match self::branches(branch) {
                Some(inner) => self.flatten(inner, into),
                None => into.push(branch),
            }
        }
    }

    fn check_map(&self, node: &mut Node, schema: Schema<'a>, path: &Path, name: &str) {
        let place = node.head_span();
        let Tree::Map(entries) = &mut node.tree else { return };
        let properties = schema.get("properties").and_then(Value::as_object);
        let others = schema.get("additionalProperties");
        let before = entries.len();
        let mut written = Vec::new();
        entries.retain_mut(|entry| {
            written.push(entry.key.clone());
            let known = properties.and_then(|known| known.get(&entry.key));
            let Some(schema) = known.or(others) else { return true };
            if *schema == Value::Bool(false) {
                self.unknown_key(entry, properties, path, name);
                return false;
            }
            let name = format!("`{}`", entry.key);
            self.check(&mut entry.value, schema, &path.key(&entry.key), &name)
        });
        node.damaged |= entries.len() < before;
        let required = schema.get("required").and_then(Value::as_array);
        for key in required.into_iter().flatten().filter_map(Value::as_str) {
            let property = properties.and_then(|known| known.get(key));
            let (None, Some(property)) = (node.entry(key), property) else { continue };
            // A misspelt key was told already, with the right one as advice.
            let misspelt = || {
                let known = |word: &str| properties.is_some_and(|known| known.contains_key(word));
                let mut unknown = written.iter().filter(|word| !known(word.as_str()));
                unknown.any(|word| suggest::nearest(word, std::iter::once(key)).is_some())
            };
            if !written.iter().any(|word| word == key) && !misspelt() {
                let message = format!("{name} has no `{key}`");
                let label = format!("`{key}` must be given here");
                self.problems.add(Problem::new(message, place.clone(), label).at(path));
            }
            let value = self.stand_in(property, &place, 0);
            if let Tree::Map(entries) = &mut node.tree {
                entries.push(Entry { key: key.to_owned(), key_span: place.clone(), value });
            }
        }
    }

    /// A value of a schema's type in the place of one that is missing, so that everything
    /// beside it can be checked on. The file is not used.
    fn stand_in(&self, schema: &'a Value, place: &Span, depth: usize) -> Node {
        let schema = self.resolve(schema);
        let branch = schema.and_then(branches).and_then(<[Value]>::first);
        if let (Some(branch), true) = (branch, depth < STAND_IN_DEPTH_MAX) {
            return self.stand_in(branch, place, depth + 1);
        }
        let word = schema.and_then(|schema| words(schema).first().copied());
        let kind = schema.and_then(|schema| types(schema).next());
        let number = schema.and_then(|schema| schema.get("minimum")?.as_u64()).unwrap_or_default();
        let tree = match (word, kind) {
            (Some(Value::String(word)), _) => Tree::Text(word.clone()),
            (_, Some("string")) => Tree::Text(String::new()),
            (_, Some("integer" | "number")) => Tree::Number(number.into()),
            (_, Some("boolean")) => Tree::Bool(false),
            (_, Some("array")) => Tree::List(Vec::new()),
            (_, Some("object")) => Tree::Map(Vec::new()),
            _ => Tree::Null,
        };
        Node { damaged: true, missing: true, ..Node::new(place.clone(), tree) }
    }

    fn unknown_key(
        &self,
        entry: &Entry,
        known: Option<&Map<String, Value>>,
        path: &Path,
        name: &str,
    ) {
        let message = format!("unknown key `{}`", entry.key);
        let label = format!("{name} has no such key");
        let known = known.into_iter().flat_map(Map::keys).map(String::as_str);
        let problem = Problem::new(message, entry.key_span.clone(), label);
        let problem = problem.at(&path.key(&entry.key));
        self.problems.add(problem.suggest(&entry.key, known, "the keys are"));
    }

    fn check_list(&self, node: &mut Node, schema: Schema<'a>, path: &Path, name: &str) -> bool {
        let count = node.items().len();
        let limits = (limit(schema, "minItems"), limit(schema, "maxItems"));
        if !self.check_count(node, (count, limits), path, name) {
            return false;
        }
        let Some(item_schema) = schema.get("items") else { return true };
        let Tree::List(items) = &mut node.tree else { return true };
        let item_name = format!("an entry of {name}");
        let before = items.len();
        let mut place = 0;
        items.retain_mut(|item| {
            let path = path.item(place);
            place += 1;
            self.check(item, item_schema, &path, &item_name)
        });
        node.damaged |= items.len() < before;
        true
    }

    fn check_words(&self, node: &Node, words: &[&Value], path: &Path, name: &str) -> bool {
        let value = node.to_value();
        if words.contains(&&value) {
            return true;
        }
        let shown: Vec<String> = words.iter().map(|word| word_text(word)).collect();
        let found = word_text(&value);
        let label = format!("not a value of {name}");
        let problem = Problem::new(format!("{name} cannot be `{found}`"), node.head_span(), label);
        let shown = shown.iter().map(String::as_str);
        self.problems.add(problem.at(path).suggest(&found, shown, "the choices are"));
        false
    }

    fn check_range(&self, node: &Node, schema: Schema<'a>, path: &Path, name: &str) -> bool {
        if let Tree::Text(text) = &node.tree {
            let count = text.chars().count();
            let limits = (limit(schema, "minLength"), limit(schema, "maxLength"));
            return self.check_count(node, (count, limits), path, name);
        }
        let Tree::Number(number) = &node.tree else { return true };
        let value = number.as_f64().unwrap_or(f64::NAN);
        let limit = |key: &str| schema.get(key).filter(|limit| limit.is_number());
        let (minimum, maximum) = (limit("minimum"), limit("maximum"));
        let below = minimum.and_then(Value::as_f64).is_some_and(|limit| value < limit);
        let above = maximum.and_then(Value::as_f64).is_some_and(|limit| value > limit);
        if !below && !above {
            return true;
        }
        let range = match (minimum, maximum) {
            (Some(minimum), Some(maximum)) => format!("between {minimum} and {maximum}"),
            (Some(minimum), None) => format!("at least {minimum}"),
            (None, Some(maximum)) => format!("at most {maximum}"),
            (None, None) => return true,
        };
        let label = if below { "too small" } else { "too large" };
        self.add(node, path, format!("{name} must be {range}, not {number}"), label);
        false
    }

    fn check_count(
        &self,
        node: &Node,
        (count, limits): (usize, (Option<u64>, Option<u64>)),
        path: &Path,
        name: &str,
    ) -> bool {
        let unit = if matches!(node.tree, Tree::List(_)) { "entries" } else { "characters" };
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        let (message, label) = match limits {
            (Some(_), _) if count == 0 => (format!("{name} is empty"), "at least one is needed"),
            (_, Some(most)) if count > most => {
                (format!("{name} has {count} {unit}; at most {most} are allowed"), "too long")
            }
            _ => return true,
        };
        self.add(node, path, message, label);
        false
    }

    fn add(&self, node: &Node, path: &Path, message: String, label: &str) {
        self.problems.add(Problem::new(message, node.head_span(), label).at(path));
    }
}

fn limit(schema: Schema<'_>, key: &str) -> Option<u64> {
    schema.get(key).and_then(Value::as_u64)
}

fn branches(schema: Schema<'_>) -> Option<&[Value]> {
    let branches = schema.get("anyOf").or_else(|| schema.get("oneOf"))?;
    branches.as_array().map(Vec::as_slice)
}

/// The words that a schema allows; none where it is not about words.
fn words(schema: Schema<'_>) -> Vec<&Value> {
    let listed = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
    listed.chain(schema.get("const")).collect()
}

fn word_text(word: &Value) -> String {
    word.as_str().map_or_else(|| word.to_string(), str::to_owned)
}

fn types(schema: Schema<'_>) -> impl Iterator<Item = &str> {
    let found = schema.get("type");
    let one = found.and_then(Value::as_str);
    let several = found.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    one.into_iter().chain(several)
}

fn accepts_type(schema: Schema<'_>, node: &Node) -> bool {
    let mut types = types(schema).peekable();
    if types.peek().is_none() {
        return true;
    }
    types.any(|name| match (&node.tree, name) {
        (Tree::Null, "null")
        | (Tree::Bool(_), "boolean")
        | (Tree::Number(_), "number")
        | (Tree::Text(_), "string")
        | (Tree::List(_), "array")
        | (Tree::Map(_), "object") => true,
        (Tree::Number(number), "integer") => number.is_i64() || number.is_u64(),
        _ => false,
    })
}

fn expected_types(schema: Schema<'_>) -> String {
    let named = types(schema).filter_map(|name| match name {
        "boolean" => Some("true or false"),
        "number" => Some("a number"),
        "integer" => Some("a whole number"),
        "string" => Some("text"),
        "array" => Some("a list"),
        "object" => Some("a map"),
        // That nothing may stand there is no advice to who wrote something else.
        _ => None,
    });
    either(named.map(str::to_owned).collect())
}

fn either(mut words: Vec<String>) -> String {
    words.retain(|word| !word.is_empty());
    words.dedup();
    words.join(" or ")
}

/// Deepest shape within a shape; those of the model are flat.
const STAND_IN_DEPTH_MAX: usize = 8;

#[cfg(test)]
mod tests;
