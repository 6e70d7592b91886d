//! What of an answer is compared: all that a plugin can change, and nothing that each proxy may
//! say in its own way.

use anyhow::Result;
use serde_json::Value;

use super::scenario::Scenario;
use crate::http::Message;

/// The first line of what the tests' upstream answers.
const SAW: &str = "the upstream saw:";

/// What is seen of one answer, line by line.
pub(crate) fn answer(scenario: &Scenario, answer: Result<Message>) -> Vec<String> {
    let Ok(answer) = answer else { return vec!["no answer".to_owned()] };
    let mut seen = vec![format!("status {}", answer.target())];
    seen.extend(watched(scenario, &answer.headers).map(|line| format!("header {line}")));
    let text = answer.text();
    let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
    if !first.to_ascii_lowercase().ends_with(SAW) {
        seen.push(format!("body {text:?}"));
        return seen;
    }
    let (head, body) = rest.split_once("\n\n").unwrap_or((rest, ""));
    seen.push(format!("body {first:?} ... {body:?}"));
    let mut head = head.lines();
    seen.push(format!("upstream {}", head.next().unwrap_or_default()));
    let fields: Vec<(String, String)> = head.filter_map(field).collect();
    seen.extend(watched(scenario, &fields).map(|line| format!("upstream {line}")));
    seen
}

fn field(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(": ")?;
    Some((name.to_ascii_lowercase(), value.to_owned()))
}

fn watched<'a>(
    scenario: &'a Scenario,
    fields: &'a [(String, String)],
) -> impl Iterator<Item = String> + 'a {
    let watched = fields.iter().filter(|(name, _)| scenario.watch.contains(&name.as_str()));
    watched.map(|(name, value)| format!("{name}: {value}"))
}

/// The lines of a log that a plugin wrote, from `start` on, without what differs each time.
pub(crate) fn lines(log: &str, start: &str) -> Vec<String> {
    let lines = log.lines().filter_map(|line| Some(line.get(line.find(start)?..)?.trim_end()));
    // Our log names the plugin behind the line.
    let lines = lines.map(|line| line.rsplit_once(" plugin=").map_or(line, |(line, _)| line));
    lines.map(|line| normal(line, start)).collect()
}

fn normal(line: &str, start: &str) -> String {
    let text = line.strip_prefix(start).unwrap_or(line);
    let Some(object) = text.rfind('}').and_then(|end| text.get(..=end)) else {
        return counts(line);
    };
    let Ok(Value::Object(mut object)) = serde_json::from_str(object) else {
        return line.to_owned();
    };
    for name in ["source", "upstream", "host", "duration_us", "response_bytes"] {
        if let Some(value) = object.get_mut(name)
            && !value.is_null()
        {
            *value = "known".into();
        }
    }
    format!("{start}{}", Value::Object(object))
}

/// Requests carry the address of their proxy, so that numbers of bytes are not the same; and who
/// ends a connection first is a race.
fn counts(line: &str) -> String {
    let line = line.split("; ended by").next().unwrap_or_default();
    let words = line.split(' ').map(|word| match word.parse::<u64>() {
        Ok(0) | Err(_) => word,
        Ok(_) => "some",
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
