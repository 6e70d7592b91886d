//! What level a line has.
//!
//! Three ways of saying it are understood: JSON as hclog writes it (`@level`, `@message`,
//! `@module` and more), a level in brackets before the text, and how Go, Rust and Python tell of
//! a panic, whose lines are errors.

use std::fmt::Write;

use host_extension::LogLevel;
use serde_json::{Map, Value};

/// Lines that are longer are not read as JSON.
const JSON_BYTES_MAX: usize = 64 * 1024;

/// Reads the lines of one stream.
#[derive(Debug, Default)]
pub(super) struct Parser(Panic);

/// Where in the story of a panic the lines are.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Panic {
    /// There is none.
    #[default]
    None,
    /// Go's: its process ends with it.
    Last,
    /// Python's: until a line that is not indented, which names the exception.
    Trace,
    /// Rust's: so many lines more, of which the next one is the message.
    Message(u8),
}

impl Parser {
    /// The level of a line and its text.
    pub(super) fn read(&mut self, line: &[u8]) -> (LogLevel, String) {
        if line.first() == Some(&b'{')
            && line.len() < JSON_BYTES_MAX
            && let Ok(Value::Object(object)) = serde_json::from_slice(line)
        {
            return json(object);
        }
        let text = String::from_utf8_lossy(line);
        if self.is_of_panic(&text) {
            return (LogLevel::Error, text.into_owned());
        }
        match bracketed(&text) {
            Some((level, rest)) => (level, rest.to_owned()),
            None => (LogLevel::Info, text.into_owned()),
        }
    }

    fn is_of_panic(&mut self, text: &str) -> bool {
        let begins = begins_panic(text);
        if begins != Panic::None {
            self.0 = begins;
            return true;
        }
        let before = self.0;
        self.0 = match before {
            Panic::Trace if !text.starts_with(char::is_whitespace) => Panic::None,
            Panic::Message(0 | 1) => Panic::None,
            Panic::Message(left) => Panic::Message(left - 1),
            Panic::None | Panic::Last | Panic::Trace => before,
        };
        before != Panic::None
    }
}

fn begins_panic(text: &str) -> Panic {
    if text.starts_with("panic: ") || text.starts_with("fatal error: ") {
        Panic::Last
    } else if text.starts_with("Traceback (most recent call last)")
        || text.starts_with("Fatal Python error")
    {
        Panic::Trace
    } else if text.starts_with("thread '") && text.contains("panicked at") {
        Panic::Message(2)
    } else {
        Panic::None
    }
}

/// `[LEVEL] text`
fn bracketed(text: &str) -> Option<(LogLevel, &str)> {
    let (word, rest) = text.trim_start().strip_prefix('[')?.split_once(']')?;
    let level = level(word)?;
    Some((level, rest.strip_prefix(':').unwrap_or(rest).trim_start()))
}

fn level(word: &str) -> Option<LogLevel> {
    let word = word.trim();
    let is = |name: &str| word.eq_ignore_ascii_case(name);
    Some(match word {
        _ if is("trace") => LogLevel::Trace,
        _ if is("debug") => LogLevel::Debug,
        _ if is("info") => LogLevel::Info,
        _ if is("warn") || is("warning") => LogLevel::Warn,
        _ if is("error") || is("err") => LogLevel::Error,
        _ if is("critical") || is("fatal") => LogLevel::Critical,
        _ => return None,
    })
}

fn json(mut object: Map<String, Value>) -> (LogLevel, String) {
    let mut take = |names: &[&str]| {
        let value = names.iter().find_map(|name| object.shift_remove(*name))?;
        Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    };
    let level = take(&["@level", "level"]).and_then(|word| level(&word));
    let message = take(&["@message", "message", "msg"]).unwrap_or_default();
    let module = take(&["@module"]);
    let _its_own_time = take(&["@timestamp", "timestamp", "time"]);
    let mut text = String::new();
    if let Some(module) = module {
        text.push_str(&module);
        text.push_str(": ");
    }
    text.push_str(&message);
    for (key, value) in object {
        let _infallible = match value.as_str() {
            Some(value) => write!(text, " {key}={value}"),
            None => write!(text, " {key}={value}"),
        };
    }
    (level.unwrap_or(LogLevel::Debug), text)
}

#[cfg(test)]
mod tests;
