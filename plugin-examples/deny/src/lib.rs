//! Deny: answers requests whose path starts with a configured prefix, in the upstream's place.
//!
//! A prefix covers whole path segments: `/admin` means `/admin`, `/admin/` and
//! `/admin/users`, not `/administrator`. Paths are compared as they arrive. Start reading at
//! [`Gate`].
#![forbid(unsafe_code)]

use std::rc::Rc;

use mortise_sdk::{Action, Host, Phases, Plugin, Refusal, Response, Stream, StreamFilter};
use serde::Deserialize;

mortise_sdk::plugin!(Deny);

/// The plugin's configuration.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
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
    /// Says why it cannot serve, where it cannot.
    fn check(&self) -> Result<(), String> {
        if self.paths.is_empty() {
            return Err("`paths` is empty".to_owned());
        }
        if let Some(path) = self.paths.iter().find(|path| !path.starts_with('/')) {
            return Err(format!("a path in `paths` does not start with `/`: {path:?}"));
        }
        if !(200..=599).contains(&self.status) {
            return Err(format!("`status` is not between 200 and 599: {}", self.status));
        }
        Ok(())
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
#[derive(Debug)]
pub struct Deny(Rc<Rule>);

impl Plugin for Deny {
    type Config = Rule;

    const PHASES: Phases = Phases::REQUEST_HEADERS;

    fn start(rule: Rule, _host: &Host<'_>) -> Result<Self, Refusal> {
        rule.check().map_err(Refusal::config)?;
        Ok(Self(Rc::new(rule)))
    }

    fn stream_filter(&mut self, _host: &Host<'_>) -> Option<Box<dyn StreamFilter>> {
        Some(Box::new(Gate(Rc::clone(&self.0))))
    }
}

/// One request.
struct Gate(Rc<Rule>);

impl StreamFilter for Gate {
    fn on_request_headers(&mut self, stream: &Stream<'_>, _end: bool) -> Action {
        match stream.request().try_header(":path") {
            Ok(Some(path)) if !self.0.denies(&path) => Action::Continue,
            Ok(Some(_denied)) => Response::text(self.0.status, self.0.body.as_str()).into(),
            // What is not to be seen is not let in.
            Ok(None) | Err(_) => Response::new(500).into(),
        }
    }
}

#[cfg(test)]
mod tests;
