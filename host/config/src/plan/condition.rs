//! Which requests a route takes.

use host_router::{
    HeaderMatch, PathMatch, Pattern, QueryMatch, RouteCondition, RpcMatch, ValueTest,
};
use http::Method;

use super::{Scope, protocol::Streams};
use crate::{
    cursor::Cursor,
    model::{HeaderMatchConfig, MatchConfig, QueryMatchConfig},
};

pub(super) fn condition(
    model: &MatchConfig,
    streams: Streams,
    at: &Cursor<'_>,
    scope: &Scope<'_>,
) -> Option<RouteCondition> {
    let path = path(model, at, scope);
    let methods = at.key("methods");
    let methods = all(methods.zip(&model.methods).map(|(at, text)| method(text, &at)));
    let headers = at.key("headers");
    let header = |(at, model)| header(model, streams, &at, scope);
    let headers = all(headers.zip(&model.headers).map(header));
    let query = at.key("query");
    let query = all(query.zip(&model.query).map(|(at, model)| parameter(model, &at, scope)));
    Some(RouteCondition { path: path?, methods: methods?, headers: headers?, query: query? })
}

/// The one of several keys that is given.
pub(super) fn one_of<'k>(
    given: &[(&'k str, bool)],
    at: &Cursor<'_>,
    what: &str,
) -> Option<&'k str> {
    let keys: Vec<_> = given.iter().map(|(key, _)| format!("`{key}`")).collect();
    one_of_these(given, at, what, &keys.join(", "))
}

/// As [`one_of`], with other words for the keys.
fn one_of_these<'k>(
    given: &[(&'k str, bool)],
    at: &Cursor<'_>,
    what: &str,
    keys: &str,
) -> Option<&'k str> {
    let mut found = given.iter().filter(|(_, given)| *given).map(|(key, _)| *key);
    match (found.next(), found.next()) {
        (Some(key), None) => Some(key),
        (Some(first), Some(second)) => {
            let message = format!("{what} has `{second}` beside `{first}`");
            let help = format!("{what} has one of {keys}");
            at.name(second).refuse_with(message, "one of them is too much", &help)
        }
        (None, _) if at.is_whole() => {
            let message = format!("{what} needs one of {keys}");
            at.refuse(message, "none of them is given")
        }
        (None, _) => None,
    }
}

/// Compiles an expression of the file.
pub(super) fn pattern(text: &str, at: &Cursor<'_>, scope: &Scope<'_>) -> Option<Pattern> {
    scope.count_pattern(at)?;
    match Pattern::new(text) {
        Ok(pattern) => Some(pattern),
        Err(error) => at.refuse(error.to_string(), "not usable"),
    }
}

/// All of the values, or `None` where one is missing; every one is asked for.
fn all<T>(values: impl Iterator<Item = Option<T>>) -> Option<Vec<T>> {
    let values: Vec<Option<T>> = values.collect();
    values.into_iter().collect()
}

fn path(model: &MatchConfig, at: &Cursor<'_>, scope: &Scope<'_>) -> Option<PathMatch> {
    let given = [
        ("prefix", model.prefix.is_some()),
        ("path", model.path.is_some()),
        ("regex", model.regex.is_some()),
        ("service", model.service.is_some()),
        // Beside `service` it is no second word of this kind.
        ("rpc_method", model.rpc_method.is_some() && model.service.is_none()),
    ];
    let keys = "`prefix`, `path`, `regex`, `service` and/or `rpc_method`";
    let key = one_of_these(&given, at, "a match", keys)?;
    if model.service.is_some() || model.rpc_method.is_some() {
        let name = |name: &Option<String>| name.as_deref().map(Into::into);
        let (service, method) = (name(&model.service), name(&model.rpc_method));
        return Some(PathMatch::Rpc(RpcMatch { service, method }));
    }
    let at = at.key(key);
    if let Some(regex) = &model.regex {
        return pattern(regex, &at, scope).map(PathMatch::Regex);
    }
    let text = model.prefix.as_ref().or(model.path.as_ref())?;
    let star = key == "path" && text == "*";
    if !text.starts_with('/') && !star {
        return at.refuse(format!("`{text}` is no path: it must begin with `/`"), "no slash");
    }
    if text.contains(['?', '#']) {
        let help = "match the query with `query`";
        return at.refuse_with(format!("`{text}` can match no path"), "no path has this", help);
    }
    let text = text.as_str().into();
    Some(if key == "path" { PathMatch::Exact(text) } else { PathMatch::Prefix(text) })
}

fn method(text: &str, at: &Cursor<'_>) -> Option<Method> {
    const USUAL: [&str; 8] =
        ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT"];
    // Methods are told apart by case, so `get` would never match what is meant.
    let upper = text.to_ascii_uppercase();
    let meant = USUAL.contains(&upper.as_str()) && upper != text;
    match Method::from_bytes(text.as_bytes()) {
        Ok(method) if !meant => Some(method),
        Ok(_) | Err(_) => {
            let problem = at.problem(format!("`{text}` is no method"), "no method");
            at.add(problem.suggest(text, USUAL.into_iter(), "the usual ones are"));
            None
        }
    }
}

fn header(
    model: &HeaderMatchConfig,
    streams: Streams,
    at: &Cursor<'_>,
    scope: &Scope<'_>,
) -> Option<HeaderMatch> {
    let given = [
        ("exact", model.exact.is_some()),
        ("prefix", model.prefix.is_some()),
        ("suffix", model.suffix.is_some()),
        ("contains", model.contains.is_some()),
        ("regex", model.regex.is_some()),
        ("present", model.present.is_some()),
    ];
    let key = one_of(&given, at, "a header condition")?;
    let text = [&model.exact, &model.prefix, &model.suffix, &model.contains, &model.regex];
    let text = text.into_iter().flatten().next();
    let test = value_test(key, text, model.present, &at.key(key), scope)?;
    let made = match streams {
        Streams::Http => HeaderMatch::new(&model.name, test, model.invert),
        Streams::Frames | Streams::Both | Streams::Unknown => {
            HeaderMatch::of_frames(&model.name, test, model.invert)
        }
    };
    match made {
        Ok(header) => Some(header),
        Err(error) => at.key("name").refuse(error.to_string(), "no field name"),
    }
}

fn parameter(model: &QueryMatchConfig, at: &Cursor<'_>, scope: &Scope<'_>) -> Option<QueryMatch> {
    let given = [
        ("exact", model.exact.is_some()),
        ("regex", model.regex.is_some()),
        ("present", model.present.is_some()),
    ];
    let key = one_of(&given, at, "a query condition")?;
    let text = model.exact.as_ref().or(model.regex.as_ref());
    let test = value_test(key, text, model.present, &at.key(key), scope)?;
    Some(QueryMatch { name: model.name.as_str().into(), test })
}

fn value_test(
    key: &str,
    text: Option<&String>,
    present: Option<bool>,
    at: &Cursor<'_>,
    scope: &Scope<'_>,
) -> Option<ValueTest> {
    if let Some(present) = present {
        return Some(if present { ValueTest::Present } else { ValueTest::Absent });
    }
    let text = text?;
    let bytes = text.as_bytes().into();
    Some(match key {
        "exact" => ValueTest::Exact(bytes),
        "prefix" => ValueTest::Prefix(bytes),
        "suffix" => ValueTest::Suffix(bytes),
        "contains" => ValueTest::Contains(bytes),
        _ => ValueTest::Regex(pattern(text, at, scope)?),
    })
}
