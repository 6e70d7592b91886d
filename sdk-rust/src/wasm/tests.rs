//! The export over a host that answers as the test says.

mod calls;
mod codec;
mod dispatch;

use super::{imports as fake, module};
use crate::{
    Action, CallFailure, CallId, Connection, Flow, FlowAction, Host, HttpAnswer, NetworkFilter,
    Peer, Phases, Plugin, Refusal, Stream, StreamFilter,
    backend::{Declaration, Registration},
};

/// Both kinds of filters, which log what they are called for; the first letter of the
/// configuration says more.
struct Both;

impl Plugin for Both {
    type Config = String;

    fn parse(config: &[u8]) -> Result<String, Refusal> {
        Ok(String::from_utf8_lossy(config).into_owned())
    }

    fn start(config: String, host: &Host<'_>) -> Result<Self, Refusal> {
        if config.starts_with('!') {
            return Err(Refusal::config("it starts with `!`"));
        }
        log(host, &format!("start {config}"));
        Ok(Self)
    }

    fn stream_filter(&mut self, host: &Host<'_>) -> Option<Box<dyn StreamFilter>> {
        log(host, "make stream");
        Some(Box::new(Seen))
    }

    fn network_filter(&mut self, host: &Host<'_>) -> Option<Box<dyn NetworkFilter>> {
        log(host, "make connection");
        Some(Box::new(Seen))
    }

    fn on_tick(&mut self, host: &Host<'_>) {
        log(host, "tick");
    }

    fn on_http_answer(
        &mut self,
        host: &Host<'_>,
        call: CallId,
        answer: Result<HttpAnswer, CallFailure>,
    ) {
        log(host, &format!("answer {} {}", call.0, answer.is_ok()));
    }
}

/// As [`Both`], with the head of requests alone.
struct Heads;

impl Plugin for Heads {
    type Config = ();

    const PHASES: Phases = Phases::REQUEST_HEADERS;

    fn start((): (), _host: &Host<'_>) -> Result<Self, Refusal> {
        Ok(Self)
    }

    fn stream_filter(&mut self, host: &Host<'_>) -> Option<Box<dyn StreamFilter>> {
        log(host, "make stream");
        Some(Box::new(Seen))
    }
}

/// No filters at all.
struct None_;

impl Plugin for None_ {
    type Config = ();

    fn start((): (), _host: &Host<'_>) -> Result<Self, Refusal> {
        Ok(Self)
    }
}

struct Seen;

impl StreamFilter for Seen {
    fn on_request_headers(&mut self, stream: &Stream<'_>, end: bool) -> Action {
        log(&stream.host(), &format!("request {end}"));
        Action::Pause
    }

    fn on_response_headers(&mut self, _stream: &Stream<'_>, _end: bool) -> Action {
        Action::Reset
    }

    fn on_http_answer(
        &mut self,
        stream: &Stream<'_>,
        call: CallId,
        answer: Result<HttpAnswer, CallFailure>,
    ) {
        log(&stream.host(), &format!("stream answer {} {}", call.0, answer.is_ok()));
        stream.resume_request();
    }

    fn on_complete(&mut self, stream: &Stream<'_>) {
        log(&stream.host(), "complete");
    }
}

impl NetworkFilter for Seen {
    fn on_data(&mut self, connection: &Connection<'_>, flow: Flow, end: bool) -> FlowAction {
        log(&connection.host(), &format!("data {flow:?} {end}"));
        FlowAction::Close
    }

    fn on_close(&mut self, connection: &Connection<'_>, flow: Flow, by: Peer) {
        log(&connection.host(), &format!("close {flow:?} {by:?}"));
    }

    fn on_complete(&mut self, connection: &Connection<'_>) {
        log(&connection.host(), "complete");
    }
}

fn log(host: &Host<'_>, line: &str) {
    host.log(crate::LogLevel::Info, line);
}

static DECLARATION: Declaration = Declaration {
    name: "tried",
    version: "1.2.3",
    plugins: &[
        Registration::of::<Both>("both"),
        Registration::of::<Heads>("heads"),
        Registration::of::<None_>("none"),
        Registration::of::<codec::Reader>("reader"),
    ],
};

/// A module in whose host these roots run.
fn started(roots: &[(u32, &str)]) {
    module::declare(&DECLARATION);
    for (root, id) in roots {
        fake::answer("property", Ok(id.as_bytes().to_vec()));
        fake::serve(*root);
        module::create(*root, 0);
        assert!(module::configure(*root), "{:?}", fake::said());
    }
    fake::said();
}
