//! Access-json: logs every request as one line of JSON when it is over.
//!
//! It stands in the path only to be told of the end: heads and bodies pass by unseen. All that
//! the line says is read from the host's properties. Start reading at [`Record`].

use proxy_wasm::{
    traits::{Context, HttpContext, RootContext},
    types::{ContextType, LogLevel},
};
use serde_json::{Map, Value};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root));
}}

/// What one instance of the plugin keeps: nothing.
struct Root;

impl Context for Root {}

impl RootContext for Root {
    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Record))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

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

/// One request, told of when it is over.
struct Record;

impl Record {
    fn line(&self) -> Value {
        let mut line = Map::new();
        for (name, path) in TEXTS {
            let text = self.get_property(path.to_vec());
            let text = text.map(|text| String::from_utf8_lossy(&text).into_owned());
            line.insert(name.to_owned(), text.into());
        }
        for (name, path) in NUMBERS {
            line.insert(name.to_owned(), self.number(path).into());
        }
        let micros = self.number(DURATION).map(|nanos| nanos / 1000);
        line.insert("duration_us".to_owned(), micros.into());
        line.into()
    }

    /// Numbers are eight bytes, the lowest first.
    fn number(&self, path: &[&str]) -> Option<i64> {
        let bytes = self.get_property(path.to_vec())?;
        Some(i64::from_le_bytes(bytes.as_slice().try_into().ok()?))
    }
}

impl Context for Record {}

impl HttpContext for Record {
    fn on_log(&mut self) {
        log::info!("access-json: {}", self.line());
    }
}
