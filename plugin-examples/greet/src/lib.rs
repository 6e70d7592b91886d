//! Greet: adds one header, named by its configuration, to every request and its response.
//!
//! It never touches bodies and never waits. Start reading at [`Greeter`].

use proxy_wasm::{
    traits::{Context, HttpContext, RootContext},
    types::{Action, ContextType, LogLevel},
};
use serde::Deserialize;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root { greeting: None }));
}}

/// The plugin's configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Greeting {
    /// The header's name, in lower case.
    header: String,
    /// The header's value.
    value: String,
}

impl Greeting {
    /// Reads the configuration, or says why it cannot serve.
    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let greeting: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if greeting.header.is_empty() || !greeting.header.bytes().all(is_name_byte) {
            return Err(format!("`header` is not a lower-case header name: {:?}", greeting.header));
        }
        if !greeting.value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return Err(format!(
                "`value` has a character that no header carries: {:?}",
                greeting.value
            ));
        }
        Ok(greeting)
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte)
}

/// What one instance of the plugin keeps: its configuration.
struct Root {
    greeting: Option<Greeting>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        let bytes = self.get_plugin_configuration().unwrap_or_default();
        match Greeting::parse(&bytes) {
            Ok(greeting) => {
                self.greeting = Some(greeting);
                true
            }
            Err(why) => {
                log::error!("greet: bad configuration: {why}");
                false
            }
        }
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Greeter { greeting: self.greeting.clone()? }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// One request with its response.
struct Greeter {
    greeting: Greeting,
}

impl Context for Greeter {}

impl HttpContext for Greeter {
    fn on_http_request_headers(&mut self, _count: usize, _end: bool) -> Action {
        self.set_http_request_header(&self.greeting.header, Some(&self.greeting.value));
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _count: usize, _end: bool) -> Action {
        self.set_http_response_header(&self.greeting.header, Some(&self.greeting.value));
        Action::Continue
    }
}
