//! Access-json: logs every request as one line of JSON when it is over.
//!
//! It stands in the path only to be told of the end: heads and bodies pass by unseen. All that
//! the line says is read from the host's properties. Start reading at [`Record`].
#![forbid(unsafe_code)]

use mortise_sdk::{Host, LogLevel, Phases, Plugin, Refusal, Stream, StreamFilter};
use serde::Deserialize;
use serde_json::{Map, Value};

mortise_sdk::plugin!(AccessJson);

/// The names in the line, and the properties behind them.
const TEXTS: [(&str, &[&str]); 6] = [
    ("method", &["request", "method"]),
    ("path", &["request", "path"]),
    ("host", &["request", "host"]),
    ("protocol", &["request", "protocol"]),
    ("source", &["source", "address"]),
    ("upstream", &["upstream", "address"]),
];
const NUMBERS: [(&str, &[&str]); 3] = [
    ("status", &["response", "code"]),
    ("request_bytes", &["request", "size"]),
    ("response_bytes", &["response", "size"]),
];
/// In nanoseconds.
const DURATION: &[&str] = &["request", "duration"];

/// The plugin's configuration: there is nothing to say.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// What one instance of the plugin keeps: nothing.
#[derive(Debug)]
pub struct AccessJson;

impl Plugin for AccessJson {
    type Config = Nothing;

    const PHASES: Phases = Phases::LOG;

    fn start(_nothing: Nothing, _host: &Host<'_>) -> Result<Self, Refusal> {
        Ok(Self)
    }

    fn stream_filter(&mut self, _host: &Host<'_>) -> Option<Box<dyn StreamFilter>> {
        Some(Box::new(Record))
    }
}

/// One request, told of when it is over.
struct Record;

impl StreamFilter for Record {
    fn on_complete(&mut self, stream: &Stream<'_>) {
        stream.host().log(LogLevel::Info, format!("access-json: {}", line(stream)));
    }
}

fn line(stream: &Stream<'_>) -> Value {
    let mut line = Map::new();
    for (name, path) in TEXTS {
        let text = stream.property(path);
        let text = text.map(|text| String::from_utf8_lossy(text.as_bytes()).into_owned());
        line.insert(name.to_owned(), text.into());
    }
    let number = |path| stream.property(path).and_then(|number| number.as_number());
    for (name, path) in NUMBERS {
        line.insert(name.to_owned(), number(path).into());
    }
    let micros = number(DURATION).map(|nanos| nanos / 1000);
    line.insert("duration_us".to_owned(), micros.into());
    line.into()
}

#[cfg(test)]
mod tests;
