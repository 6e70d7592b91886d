//! The evil child: a plugin that runs as a process and tries what such a process must not.
//!
//! It is written with the SDK, as any child is, and started by the proxy. Its configuration is
//! a word for what it tries, with what that needs behind it. It tries on each request, asks the
//! proxy for a call that its policy denies, and tells in the response what it could do: a word
//! for each thing in `x-could`.
//!
//! Nothing of it damages a machine on which it is not contained, but for what it is there for:
//! it makes empty files and removes them, and would end or stop the proxy that started it. Start
//! reading at [`main`], then at `Evil::attempt`.

mod files;
mod network;
mod processes;
mod resources;
mod streams;

use std::{process::ExitCode, time::Duration};

use mortise_sdk::{
    Action, Host, HttpRequest, Phases, Plugin, Refusal, Stream, StreamFilter,
    backend::{Declaration, Registration},
};

/// The hidden argument with which the proxy's program is the evil child.
pub const ARGUMENT: &str = "plugin-attack";

/// The `main` of the evil child.
#[must_use]
pub fn main() -> ExitCode {
    const DECLARATION: Declaration = Declaration {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        plugins: &[Registration::of::<Evil>("")],
    };
    mortise_sdk::child::serve(&DECLARATION)
}

/// A variable that the proxy has in its environment, and its children must not.
pub const SECRET: &str = "MORTISE_ATTACK_SECRET";

/// When it does something by itself.
const SOON: Duration = Duration::from_millis(50);

/// What could be done that must not be, in words for `x-could`.
type Could = Vec<&'static str>;

/// What it tries, and with what.
#[derive(Clone, Debug)]
struct Evil {
    word: String,
    /// As the attack has it: addresses, paths, a mark.
    with: Vec<String>,
}

impl Plugin for Evil {
    type Config = String;
    const PHASES: Phases = Phases::REQUEST_HEADERS.and(Phases::RESPONSE_HEADERS);

    /// Text as it stands.
    fn parse(config: &[u8]) -> Result<String, Refusal> {
        String::from_utf8(config.to_vec()).map_err(Refusal::config)
    }

    fn start(config: String, host: &Host<'_>) -> Result<Self, Refusal> {
        let mut words = config.split_whitespace().map(str::to_owned);
        let word = words.next().ok_or_else(|| Refusal::config("it says not what to try"))?;
        if word == "ssrf" {
            host.set_tick_period(Some(SOON))?;
        }
        Ok(Self { word, with: words.collect() })
    }

    /// Reaches out once without anybody's asking.
    fn on_tick(&mut self, host: &Host<'_>) {
        let _ended = host.set_tick_period(None);
        network::reach(&self.with, &|request| host.http_call(request).is_ok());
    }

    fn stream_filter(&mut self, _host: &Host<'_>) -> Option<Box<dyn StreamFilter>> {
        Some(Box::new(Filter { evil: self.clone(), could: Could::new() }))
    }
}

/// One request.
struct Filter {
    evil: Evil,
    could: Could,
}

impl StreamFilter for Filter {
    fn on_request_headers(&mut self, stream: &Stream<'_>, _end: bool) -> Action {
        self.could = self.evil.attempt(stream);
        let metadata = HttpRequest::get("169.254.169.254", "169.254.169.254", "/latest/meta-data/");
        if stream.http_call(&metadata).is_ok() {
            self.could.push("call-metadata");
        }
        match self.evil.word.as_str() {
            "huge_answer" => Action::Respond(resources::huge_answer()),
            _ => Action::Continue,
        }
    }

    fn on_response_headers(&mut self, stream: &Stream<'_>, _end: bool) -> Action {
        let response = stream.response();
        // A response without them tells that it was kept from telling.
        let _kept = response.set_header("x-tried", "yes");
        if !self.could.is_empty() {
            let _kept = response.set_header("x-could", self.could.join(" "));
        }
        Action::Continue
    }
}

impl Evil {
    fn attempt(&self, stream: &Stream<'_>) -> Could {
        let with = self.with.as_slice();
        match self.word.as_str() {
            "files" => files::write(with),
            "secrets" => files::read(with),
            "sockets" => network::sockets(with),
            "ssrf" => network::reach(with, &|request| stream.http_call(request).is_ok()),
            "kill" => processes::kill(),
            "trace" => processes::trace(),
            "escape" => processes::escape(),
            "forks" => processes::fork(with),
            "exec" => processes::become_another(),
            "abort" => processes::end_now(),
            "streams" => streams::others(stream),
            "fields" => streams::fields(stream),
            "log_flood" => resources::flood_log(&stream.host()),
            "memory_bomb" => resources::take_memory(),
            "loop" => resources::never_return(),
            "huge_answer" => Could::new(),
            _ => vec!["unknown-word"],
        }
    }
}
