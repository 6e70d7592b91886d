//! Http-auth: asks another server whether a request may pass, and waits for its answer.
//!
//! The question is a `GET` with the fields of the request that the configuration names. The
//! request passes where the answer is 200 and tells who it is; then the upstream learns who.
//! Nothing of a body is read: it waits in the proxy. Start reading at [`Visitor`].

use std::{rc::Rc, time::Duration};

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
    /// The cluster of the server that is asked.
    cluster: String,
    /// The `:authority` of the question.
    #[serde(default = "default_authority")]
    authority: String,
    /// The path of the question.
    path: String,
    /// The request's fields that the question carries.
    #[serde(default = "default_forward")]
    forward: Vec<String>,
    /// The field of the answer that says who it is; the upstream gets it.
    #[serde(default = "default_user")]
    user: String,
    /// How long to wait for the answer.
    #[serde(default = "default_timeout_ms")]
    timeout_ms: u64,
    /// What happens to a request where there is no answer.
    #[serde(default)]
    on_failure: OnFailure,
}

/// What happens where nobody can say whether a request may pass.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
enum OnFailure {
    /// It is refused.
    #[default]
    Deny,
    /// It passes, as nobody.
    Allow,
}

fn default_authority() -> String {
    "auth".to_owned()
}

fn default_forward() -> Vec<String> {
    vec!["authorization".to_owned()]
}

fn default_user() -> String {
    "x-auth-user".to_owned()
}

fn default_timeout_ms() -> u64 {
    500
}

impl Rule {
    /// Reads the configuration, or says why it cannot serve.
    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let rule: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if !rule.path.starts_with('/') {
            return Err(format!("`path` does not start with `/`: {:?}", rule.path));
        }
        if rule.timeout_ms == 0 {
            return Err("`timeout_ms` is 0".to_owned());
        }
        Ok(rule)
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
                log::error!("http-auth: bad configuration: {why}");
                false
            }
        }
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Visitor { rule: self.rule.clone()? }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// One request, which waits until somebody says who it is.
struct Visitor {
    rule: Rc<Rule>,
}

impl Visitor {
    /// Asks; false where the question could not even be sent.
    fn ask(&self) -> bool {
        let rule = &self.rule;
        let carried: Vec<(&str, Vec<u8>)> = rule
            .forward
            .iter()
            .filter_map(|name| Some((name.as_str(), self.get_http_request_header_bytes(name)?)))
            .collect();
        // The call's fields are text; what is no text cannot be a credential either.
        let carried = carried
            .iter()
            .filter_map(|(name, value)| Some((*name, std::str::from_utf8(value).ok()?)));
        let head = [(":method", "GET"), (":path", &rule.path), (":authority", &rule.authority)];
        let head = head.into_iter().chain(carried).collect();
        let wait = Duration::from_millis(rule.timeout_ms);
        match self.dispatch_http_call(&rule.cluster, head, None, vec![], wait) {
            Ok(_call) => true,
            Err(status) => {
                log::error!("http-auth: cannot ask `{}`: {status:?}", rule.cluster);
                false
            }
        }
    }

    /// Nobody answered: true where the request passes all the same.
    fn unanswered(&self) -> bool {
        if self.rule.on_failure == OnFailure::Allow {
            return true;
        }
        self.refuse("nobody can say who you are\n");
        false
    }

    fn refuse(&self, why: &str) {
        let headers = vec![("content-type", "text/plain; charset=utf-8")];
        self.send_http_response(403, headers, Some(why.as_bytes()));
    }
}

impl Context for Visitor {
    fn on_http_call_response(&mut self, _call: u32, headers: usize, _body: usize, _trail: usize) {
        let status = self.get_http_call_response_header_bytes(":status").unwrap_or_default();
        // Hosts tell of a call that failed by no fields at all, or by a status of their own.
        if headers == 0 || status.starts_with(b"5") {
            if self.unanswered() {
                self.resume_http_request();
            }
            return;
        }
        let user = self.get_http_call_response_header_bytes(&self.rule.user);
        match user.filter(|user| status == b"200" && !user.is_empty()) {
            Some(user) => {
                self.set_http_request_header_bytes(&self.rule.user, Some(&user));
                self.resume_http_request();
            }
            None => self.refuse("not for you\n"),
        }
    }
}

impl HttpContext for Visitor {
    fn on_http_request_headers(&mut self, _count: usize, _end: bool) -> Action {
        // Nobody says himself who he is.
        self.set_http_request_header(&self.rule.user, None);
        if self.ask() || !self.unanswered() { Action::Pause } else { Action::Continue }
    }
}
