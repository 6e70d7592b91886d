//! A library in Rust for the tests: it breaks each request off, or panics where it is told to.

use mortise_sdk::{Action, Host, Phases, Plugin, Refusal, Stream, StreamFilter};

struct Breaker(Option<String>);

impl Plugin for Breaker {
    type Config = Option<String>;
    const PHASES: Phases = Phases::REQUEST_HEADERS;

    fn parse(config: &[u8]) -> Result<Self::Config, Refusal> {
        Ok((!config.is_empty()).then(|| String::from_utf8_lossy(config).into_owned()))
    }

    fn start(deed: Option<String>, _host: &Host<'_>) -> Result<Self, Refusal> {
        Ok(Self(deed))
    }

    fn stream_filter(&mut self, _host: &Host<'_>) -> Option<Box<dyn StreamFilter>> {
        Some(Box::new(Self(self.0.clone())))
    }
}

impl StreamFilter for Breaker {
    fn on_request_headers(&mut self, _stream: &Stream<'_>, _end: bool) -> Action {
        assert!(self.0.is_none(), "as it was told");
        Action::Reset
    }
}

mortise_sdk::plugin!(Breaker);
