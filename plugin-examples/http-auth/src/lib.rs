//! Http-auth: asks another server whether a request may pass, and waits for its answer.
//!
//! The question is a `GET` with the fields of the request that the configuration names. The
//! request passes where the answer is 200 and tells who it is; then the upstream learns who.
//! Nothing of a body is read: it waits in the proxy. Start reading at [`Visitor`].
#![forbid(unsafe_code)]

use std::{rc::Rc, time::Duration};

use mortise_sdk::{
    Action, CallFailure, CallId, Host, HostError, HttpAnswer, HttpRequest, LogLevel, Phases,
    Plugin, Refusal, Response, Stream, StreamFilter,
};
use serde::Deserialize;

mortise_sdk::plugin!(HttpAuth);

/// The plugin's configuration.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
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
    /// Says why it cannot serve, where it cannot.
    fn check(&self) -> Result<(), String> {
        if !self.path.starts_with('/') {
            return Err(format!("`path` does not start with `/`: {:?}", self.path));
        }
        if self.timeout_ms == 0 {
            return Err("`timeout_ms` is 0".to_owned());
        }
        Ok(())
    }
}

/// What one instance of the plugin keeps: its configuration.
#[derive(Debug)]
pub struct HttpAuth(Rc<Rule>);

impl Plugin for HttpAuth {
    type Config = Rule;

    const PHASES: Phases = Phases::REQUEST_HEADERS;

    fn start(rule: Rule, _host: &Host<'_>) -> Result<Self, Refusal> {
        rule.check().map_err(Refusal::config)?;
        Ok(Self(Rc::new(rule)))
    }

    fn stream_filter(&mut self, _host: &Host<'_>) -> Option<Box<dyn StreamFilter>> {
        Some(Box::new(Visitor(Rc::clone(&self.0))))
    }
}

/// One request, which waits until somebody says who it is.
struct Visitor(Rc<Rule>);

impl Visitor {
    /// What is asked.
    ///
    /// # Errors
    /// The request cannot be seen.
    fn question(&self, stream: &Stream<'_>) -> Result<HttpRequest, HostError> {
        let rule = &self.0;
        let mut question = HttpRequest::get(&rule.cluster, &rule.authority, &rule.path)
            .timeout(Duration::from_millis(rule.timeout_ms));
        for name in &rule.forward {
            let value = stream.request().try_header(name)?;
            // What is no text cannot be a credential either.
            if let Some(value) = value.filter(|value| std::str::from_utf8(value).is_ok()) {
                question = question.header(name, value);
            }
        }
        Ok(question)
    }

    /// What an answer means for the request.
    fn verdict(&self, answer: Result<HttpAnswer, CallFailure>) -> Verdict {
        // Hosts tell of a call that failed as such, or by a status of their own.
        let Some(answer) = answer.ok().filter(|answer| answer.status() < 500) else {
            return self.unanswered();
        };
        let user = answer.headers.get(&self.0.user).filter(|user| !user.is_empty());
        match user.filter(|_| answer.status() == 200) {
            Some(user) => Verdict::Known(user.to_vec()),
            None => Verdict::Refused("not for you\n"),
        }
    }

    /// What it means that nobody answered.
    fn unanswered(&self) -> Verdict {
        match self.0.on_failure {
            OnFailure::Allow => Verdict::Nobody,
            OnFailure::Deny => Verdict::Refused("nobody can say who you are\n"),
        }
    }
}

/// What becomes of a request.
enum Verdict {
    /// It passes, and the upstream learns who it is.
    Known(Vec<u8>),
    /// It passes, as nobody.
    Nobody,
    /// It does not; the client is told why.
    Refused(&'static str),
}

impl StreamFilter for Visitor {
    fn on_request_headers(&mut self, stream: &Stream<'_>, _end: bool) -> Action {
        // Nobody says himself who he is.
        if stream.request().remove_header(&self.0.user).is_err() {
            return Response::new(500).into();
        }
        let asked = self.question(stream).and_then(|question| stream.http_call(&question));
        match asked {
            Ok(_call) => Action::Pause,
            Err(error) => {
                let line = format!("http-auth: cannot ask `{}`: {error}", self.0.cluster);
                stream.host().log(LogLevel::Error, line);
                match self.unanswered() {
                    Verdict::Refused(why) => Response::text(403, why).into(),
                    Verdict::Known(_) | Verdict::Nobody => Action::Continue,
                }
            }
        }
    }

    fn on_http_answer(
        &mut self,
        stream: &Stream<'_>,
        _call: CallId,
        answer: Result<HttpAnswer, CallFailure>,
    ) {
        let refusal = match self.verdict(answer) {
            Verdict::Nobody => None,
            // An upstream that is not told who it is must not see the request.
            Verdict::Known(user) => match stream.request().set_header(&self.0.user, user) {
                Ok(()) => None,
                Err(_refused) => Some(Response::new(500)),
            },
            Verdict::Refused(why) => Some(Response::text(403, why)),
        };
        match refusal {
            None => stream.resume_request(),
            Some(response) if stream.respond(&response).is_ok() => {}
            Some(_response) => stream.reset(),
        }
    }
}

#[cfg(test)]
mod tests;
