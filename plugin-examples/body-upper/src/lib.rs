//! Body-upper: rewrites request and response bodies to ASCII upper case as they stream.
//!
//! Every chunk is rewritten where it stands and passed on at once: the plugin never holds a
//! body, so its memory does not grow with it. Start reading at [`Upper`].

use proxy_wasm::{
    traits::{Context, HttpContext, RootContext},
    types::{Action, ContextType, LogLevel},
};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root));
}}

/// What one instance of the plugin keeps: nothing.
struct Root;

impl Context for Root {}

impl RootContext for Root {
    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Upper))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// One request with its response.
struct Upper;

impl Context for Upper {}

impl HttpContext for Upper {
    fn on_http_request_body(&mut self, size: usize, _end: bool) -> Action {
        if let Some(chunk) = self.get_http_request_body(0, size).and_then(upper) {
            self.set_http_request_body(0, size, &chunk);
        }
        Action::Continue
    }

    fn on_http_response_body(&mut self, size: usize, _end: bool) -> Action {
        if let Some(chunk) = self.get_http_response_body(0, size).and_then(upper) {
            self.set_http_response_body(0, size, &chunk);
        }
        Action::Continue
    }
}

/// The chunk in upper case, or nothing where it already is.
fn upper(mut chunk: Vec<u8>) -> Option<Vec<u8>> {
    if !chunk.iter().any(u8::is_ascii_lowercase) {
        return None;
    }
    chunk.make_ascii_uppercase();
    Some(chunk)
}
