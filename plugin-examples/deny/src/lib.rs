//! Deny: answers requests whose path starts with a configured prefix, in the upstream's place.
//!
//! A prefix covers whole path segments: `/admin` means `/admin`, `/admin/` and
//! `/admin/users`, not `/administrator`. Paths are compared as they arrive. Start reading at
//! [`Gate`].

use std::rc::Rc;

use proxy_wasm::{
    traits::{Context, HttpContext, RootContext},
    types::{Action, ContextType, LogLevel},
};
use serde::Deserialize;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root { rule: None }));
}}

/// The plugin's configuration.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    /// The denied path prefixes.
    paths: Vec<String>,
    /// The answer's status.
    #[serde(default = "default_status")]
    status: u16,
    /// The answer's body.
    #[serde(default)]
    body: String,
}

fn default_status() -> u16 {
    403
}

impl Rule {
    /// Reads the configuration, or says why it cannot serve.
    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let rule: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if rule.paths.is_empty() {
            return Err("`paths` is empty".to_owned());
        }
        if let Some(path) = rule.paths.iter().find(|path| !path.starts_with('/')) {
            return Err(format!("a path in `paths` does not start with `/`: {path:?}"));
        }
        if !(200..=599).contains(&rule.status) {
            return Err(format!("`status` is not between 200 and 599: {}", rule.status));
        }
        Ok(rule)
    }

    fn denies(&self, target: &[u8]) -> bool {
        let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
        self.paths.iter().any(|prefix| {
            let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
            path.strip_prefix(prefix.as_bytes())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
        })
    }
}

/// What one instance of the plugin keeps: its configuration.
struct Root {
    rule: Option<Rc<Rule>>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        let bytes = self.get_plugin_configuration().unwrap_or_default();
        match Rule::parse(&bytes) {
            Ok(rule) => {
                self.rule = Some(Rc::new(rule));
                true
            }
            Err(why) => {
                log::error!("deny: bad configuration: {why}");
                false
            }
        }
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Gate { rule: self.rule.clone()? }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// One request.
struct Gate {
    rule: Rc<Rule>,
}

impl Context for Gate {}

impl HttpContext for Gate {
    fn on_http_request_headers(&mut self, _count: usize, _end: bool) -> Action {
        let path = self.get_http_request_header_bytes(":path").unwrap_or_default();
        if !self.rule.denies(&path) {
            return Action::Continue;
        }
        let headers = vec![("content-type", "text/plain; charset=utf-8")];
        let body = self.rule.body.as_bytes();
        self.send_http_response(u32::from(self.rule.status), headers, Some(body));
        Action::Pause
    }
}
