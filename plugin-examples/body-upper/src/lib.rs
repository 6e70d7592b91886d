//! Body-upper: rewrites request and response bodies to ASCII upper case as they stream.
//!
//! Every chunk is rewritten where it stands and passed on at once: the plugin never holds a
//! body, so its memory does not grow with it. Start reading at [`Upper`].
#![forbid(unsafe_code)]

use mortise_sdk::{Action, Host, Message, Phases, Plugin, Refusal, Stream, StreamFilter};
use serde::Deserialize;

mortise_sdk::plugin!(BodyUpper);

/// The plugin's configuration: there is nothing to say.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// What one instance of the plugin keeps: nothing.
#[derive(Debug)]
pub struct BodyUpper;

impl Plugin for BodyUpper {
    type Config = Nothing;

    const PHASES: Phases = Phases::REQUEST_BODY.and(Phases::RESPONSE_BODY);

    fn start(_nothing: Nothing, _host: &Host<'_>) -> Result<Self, Refusal> {
        Ok(Self)
    }

    fn stream_filter(&mut self, _host: &Host<'_>) -> Option<Box<dyn StreamFilter>> {
        Some(Box::new(Upper))
    }
}

/// One request with its response.
struct Upper;

impl StreamFilter for Upper {
    fn on_request_body(&mut self, stream: &Stream<'_>, _end: bool) -> Action {
        rewrite(stream.request())
    }

    fn on_response_body(&mut self, stream: &Stream<'_>, _end: bool) -> Action {
        rewrite(stream.response())
    }
}

fn rewrite(message: Message<'_>) -> Action {
    if let Some(chunk) = message.body().ok().and_then(upper) {
        // A host that does not let us rewrite a body passes it on as it is.
        message.set_body(chunk).ok();
    }
    Action::Continue
}

/// The chunk in upper case, or nothing where it already is.
fn upper(mut chunk: Vec<u8>) -> Option<Vec<u8>> {
    if !chunk.iter().any(u8::is_ascii_lowercase) {
        return None;
    }
    chunk.make_ascii_uppercase();
    Some(chunk)
}

#[cfg(test)]
mod tests;
