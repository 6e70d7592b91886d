//! Greet: adds one header, named by its configuration, to every request and its response.
//!
//! It never touches bodies and never waits. Start reading at [`Greeter`].
#![forbid(unsafe_code)]

use std::rc::Rc;

use mortise_sdk::{Action, Host, Message, Phases, Plugin, Refusal, Stream, StreamFilter};
use serde::Deserialize;

mortise_sdk::plugin!(Greet);

/// The plugin's configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Greeting {
    /// The header's name, in lower case.
    header: String,
    /// The header's value.
    value: String,
}

impl Greeting {
    /// Says why it cannot serve, where it cannot.
    fn check(&self) -> Result<(), String> {
        if self.header.is_empty() || !self.header.bytes().all(is_name_byte) {
            return Err(format!("`header` is not a lower-case header name: {:?}", self.header));
        }
        if !self.value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return Err(format!(
                "`value` has a character that no header carries: {:?}",
                self.value
            ));
        }
        Ok(())
    }

    fn say(&self, message: Message<'_>) -> Action {
        // A host that does not let us greet is no reason to fail a request.
        message.set_header(&self.header, &self.value).ok();
        Action::Continue
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte)
}

/// What one instance of the plugin keeps: its configuration.
#[derive(Debug)]
pub struct Greet(Rc<Greeting>);

impl Plugin for Greet {
    type Config = Greeting;

    const PHASES: Phases = Phases::REQUEST_HEADERS.and(Phases::RESPONSE_HEADERS);

    fn start(greeting: Greeting, _host: &Host<'_>) -> Result<Self, Refusal> {
        greeting.check().map_err(Refusal::config)?;
        Ok(Self(Rc::new(greeting)))
    }

    fn stream_filter(&mut self, _host: &Host<'_>) -> Option<Box<dyn StreamFilter>> {
        Some(Box::new(Greeter(Rc::clone(&self.0))))
    }
}

/// One request with its response.
struct Greeter(Rc<Greeting>);

impl StreamFilter for Greeter {
    fn on_request_headers(&mut self, stream: &Stream<'_>, _end: bool) -> Action {
        self.0.say(stream.request())
    }

    fn on_response_headers(&mut self, stream: &Stream<'_>, _end: bool) -> Action {
        self.0.say(stream.response())
    }
}

#[cfg(test)]
mod tests;
