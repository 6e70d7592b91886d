//! Plugins that are compiled into the tests, written with the SDK.

use mortise_sdk::{
    Action, CallFailure, CallId, Connection, ConnectionId, Flow, FlowAction, Host, HttpAnswer,
    HttpRequest, LogLevel, NetworkFilter, Peer, Phases, Plugin, QueueId, Refusal, Response, Side,
    Stream, StreamFilter, StreamId,
    backend::{Declaration, Registration, Section},
    native::entry_of,
};

use super::{builtin_of, codecs::TOY};
use crate::{Builtin, lifecycles::KEEPER};

pub(crate) fn builtins() -> Vec<Builtin> {
    vec![
        builtin_of("script", entry_of!(script)),
        builtin_of("several", entry_of!(several)),
        builtin_of("absent", entry_of!(absent)),
        builtin_of("toy", entry_of!(toy)),
        builtin_of("none", no_table),
        builtin_of("keeper", entry_of!(keeper)),
    ]
}

extern "C" fn no_table(_host: *const abi_native::table::Host) -> *const abi_native::table::Plugin {
    std::ptr::null()
}

const SCRIPT: Declaration =
    Declaration { name: "script", version: "1.2.3", plugins: &[Registration::of::<Script>("")] };
const SEVERAL: Declaration = Declaration {
    name: "several",
    version: "1.0.0",
    plugins: &[Registration::of::<Script>("one"), Registration::of::<Absent>("two")],
};
const ABSENT: Declaration =
    Declaration { name: "absent", version: "1.0.0", plugins: &[Registration::of::<Absent>("")] };

const fn script() -> &'static Declaration {
    &SCRIPT
}

const fn several() -> &'static Declaration {
    &SEVERAL
}

const fn absent() -> &'static Declaration {
    &ABSENT
}

const fn toy() -> &'static Declaration {
    &TOY
}

const fn keeper() -> &'static Declaration {
    &KEEPER
}

/// A plugin that serves nothing.
struct Absent;

impl Plugin for Absent {
    type Config = ();
    const PHASES: Phases = Phases::REQUEST_HEADERS;

    fn start((): (), _host: &Host<'_>) -> Result<Self, Refusal> {
        Ok(Self)
    }
}

/// A plugin that does what its configuration says: words of the form `callback:deed`.
#[derive(Clone)]
pub(crate) struct Script(Vec<(String, String)>);

impl Script {
    fn deed(&self, callback: &str) -> &str {
        let found = self.0.iter().find(|(known, _deed)| known == callback);
        found.map_or("", |(_callback, deed)| deed)
    }

    /// What may be done anywhere.
    fn beside(&self, callback: &str, host: &Host<'_>) {
        match self.deed(callback) {
            "panic" => panic!("at {callback}"),
            "log" => host.log(LogLevel::Info, callback),
            "ask" => {
                let asked = host.http_call(&HttpRequest::get("app", "a", "/p"));
                host.log(LogLevel::Info, format!("{:?}", asked.map(|_id| ())));
            }
            "call" => {
                let request = HttpRequest::get("app", "a", "/p").header("x", "y");
                assert_eq!(host.http_call(&request).map(|id| id.0 > 0), Ok(true));
            }
            deed => {
                if let Some(id) = deed.strip_prefix("resume-") {
                    let id = id.parse().expect("a number");
                    host.stream(StreamId(id)).resume_request();
                    host.connection(ConnectionId(id)).resume(Flow::Downstream);
                } else if let Some(id) = deed.strip_prefix("respond-") {
                    let stream = host.stream(StreamId(id.parse().expect("a number")));
                    host.log(LogLevel::Info, format!("{:?}", stream.respond(&Response::new(418))));
                } else if let Some(id) = deed.strip_prefix("reset-") {
                    host.stream(StreamId(id.parse().expect("a number"))).reset();
                }
            }
        }
    }

    fn head(&self, callback: &str, stream: &Stream<'_>) -> Action {
        self.beside(callback, &stream.host());
        match self.deed(callback) {
            "pause" => Action::Pause,
            "pause-resumed" => {
                stream.resume_request();
                stream.resume_response();
                Action::Pause
            }
            "respond" => {
                let response = Response::text(403, "no").header("x-why", "so").header(":bad", "x");
                Action::Respond(response.details("words"))
            }
            "answer-99" => Action::Respond(Response::new(99)),
            "reset" => Action::Reset,
            "greet" => {
                let path = stream.request().header_str(":path").unwrap_or_default();
                assert_eq!(stream.request().header("absent"), None);
                stream.request().set_header("x-greeting", path).expect("an open head");
                Action::Continue
            }
            "body" => {
                let body = stream.request().body().expect("a body").to_ascii_uppercase();
                stream.request().set_body(body).expect("a body");
                stream.request().splice_body(0, 0, "> ").expect("a body");
                Action::Continue
            }
            "id" => {
                stream.host().log(LogLevel::Info, stream.id().to_string());
                Action::Continue
            }
            "read" => {
                let (host, id) = (stream.host(), stream.id().0);
                let field = |of| host.backend().field(id, of, "x-none");
                let sections = [Section::RequestHeaders, Section::RequestTrailers].map(field);
                let body = host.backend().body(id, Side::Request);
                host.log(LogLevel::Info, format!("{sections:?} {body:?}"));
                Action::Continue
            }
            "call-context" => {
                let request = HttpRequest::get("app", "a", "/p");
                stream.http_call(&request).expect("a call");
                let nowhere = HttpRequest::get("nowhere", "a", "/p");
                let refused = stream.http_call(&nowhere).map(|id| id.0);
                stream.host().log(LogLevel::Info, format!("{refused:?}"));
                Action::Pause
            }
            _ => Action::Continue,
        }
    }

    fn flow(&self, callback: &str, connection: &Connection<'_>) -> FlowAction {
        self.beside(callback, &connection.host());
        match self.deed(callback) {
            "pause" => FlowAction::Pause,
            "read" => {
                let data = connection.data(Flow::Downstream);
                connection.host().log(LogLevel::Info, format!("{data:?}"));
                FlowAction::Continue
            }
            "close" => FlowAction::Close,
            "body" => {
                let data = connection.data(Flow::Downstream).expect("data").to_ascii_uppercase();
                connection.set_data(Flow::Downstream, data).expect("data");
                FlowAction::Continue
            }
            _ => FlowAction::Continue,
        }
    }
}

/// A filter that panics as it is dropped.
struct Bomb;

impl StreamFilter for Bomb {}

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("at the drop");
    }
}

impl Plugin for Script {
    type Config = String;

    fn parse(config: &[u8]) -> Result<String, Refusal> {
        String::from_utf8(config.to_vec()).map_err(Refusal::config)
    }

    fn start(config: String, host: &Host<'_>) -> Result<Self, Refusal> {
        let words = config.split_whitespace().filter_map(|word| word.split_once(':'));
        let script = Self(words.map(|(at, deed)| (at.to_owned(), deed.to_owned())).collect());
        script.beside("start", host);
        match script.deed("start") {
            "refuse" => return Err(Refusal::new("I do not\nwant to")),
            "everything" => everything(host),
            _ => {}
        }
        Ok(script)
    }

    fn stream_filter(&mut self, host: &Host<'_>) -> Option<Box<dyn StreamFilter>> {
        self.beside("stream_filter", host);
        if self.deed("stream_drop") == "panic" {
            return Some(Box::new(Bomb));
        }
        Some(Box::new(self.clone()))
    }

    fn network_filter(&mut self, host: &Host<'_>) -> Option<Box<dyn NetworkFilter>> {
        self.beside("network_filter", host);
        Some(Box::new(self.clone()))
    }

    fn on_tick(&mut self, host: &Host<'_>) {
        self.beside("tick", host);
    }

    fn on_queue_ready(&mut self, host: &Host<'_>, queue: QueueId) {
        self.beside("queue", host);
        let item = mortise_sdk::Queue(queue).pop(host);
        host.log(LogLevel::Info, format!("{item:?}"));
    }

    fn on_http_answer(
        &mut self,
        host: &Host<'_>,
        _call: CallId,
        answer: Result<HttpAnswer, CallFailure>,
    ) {
        self.beside("answer", host);
        host.log(LogLevel::Info, told(answer));
    }
}

fn told(answer: Result<HttpAnswer, CallFailure>) -> String {
    let answer = answer.map(|it| {
        let body = String::from_utf8_lossy(&it.body).into_owned();
        (it.status(), body, it.trailers.len())
    });
    format!("{answer:?}")
}

/// Calls that need no stream.
fn everything(host: &Host<'_>) {
    let number = host.property(&["number"]).and_then(|it| it.as_number());
    let name = host.property(&["plugin_name"]).map(|it| it.as_str().map(str::to_owned));
    host.log(LogLevel::Warn, format!("{number:?} {name:?} {:?}", host.property(&["nothing"])));
    host.set_tick_period(Some(std::time::Duration::from_micros(1500))).expect("a timer");
    assert_eq!(host.shared_data("key"), Ok(None));
    host.set_shared_data("key", "value", None).expect("room");
    let value = host.shared_data("key").expect("there").expect("a value");
    assert_eq!((value.bytes.as_slice(), value.version), (b"value".as_slice(), 1));
    let conflict = host.set_shared_data("key", "other", Some(7));
    let queue = host.register_queue("items").expect("a queue");
    queue.push(host, "item").expect("room");
    assert_eq!(host.queue("elsewhere", "items"), Ok(queue));
    let unknown = host.queue("elsewhere", "nothing");
    let counter = host.counter("count").expect("a metric");
    counter.add(host, 2);
    let gauge = host.gauge("level").expect("a metric");
    gauge.set(host, 5);
    gauge.add(host, -1);
    let now = host.now().duration_since(std::time::UNIX_EPOCH).expect("later");
    let line = format!(
        "{conflict:?} {unknown:?} {:?} {:?} {now:?}",
        counter.value(host),
        gauge.value(host)
    );
    host.log(LogLevel::Critical, line);
}

impl StreamFilter for Script {
    fn on_request_headers(&mut self, stream: &Stream<'_>, _end: bool) -> Action {
        self.head("request_headers", stream)
    }

    fn on_request_body(&mut self, stream: &Stream<'_>, _end: bool) -> Action {
        self.head("request_body", stream)
    }

    fn on_request_trailers(&mut self, stream: &Stream<'_>) -> Action {
        self.head("request_trailers", stream)
    }

    fn on_response_headers(&mut self, stream: &Stream<'_>, _end: bool) -> Action {
        self.head("response_headers", stream)
    }

    fn on_response_body(&mut self, stream: &Stream<'_>, _end: bool) -> Action {
        self.head("response_body", stream)
    }

    fn on_response_trailers(&mut self, stream: &Stream<'_>) -> Action {
        self.head("response_trailers", stream)
    }

    fn on_http_answer(
        &mut self,
        stream: &Stream<'_>,
        _call: CallId,
        answer: Result<HttpAnswer, CallFailure>,
    ) {
        self.beside("stream_answer", &stream.host());
        stream.host().log(LogLevel::Info, told(answer));
        stream.resume_request();
    }

    fn on_complete(&mut self, stream: &Stream<'_>) {
        self.beside("complete", &stream.host());
    }
}

impl NetworkFilter for Script {
    fn on_new_connection(&mut self, connection: &Connection<'_>) -> FlowAction {
        self.flow("new_connection", connection)
    }

    fn on_data(&mut self, connection: &Connection<'_>, flow: Flow, _end: bool) -> FlowAction {
        match flow {
            Flow::Downstream => self.flow("downstream", connection),
            Flow::Upstream => self.flow("upstream", connection),
        }
    }

    fn on_close(&mut self, connection: &Connection<'_>, flow: Flow, by: Peer) {
        self.beside("close", &connection.host());
        if self.deed("close") == "tell" {
            connection.host().log(LogLevel::Info, format!("{flow:?} {by:?}"));
        }
    }

    fn on_complete(&mut self, connection: &Connection<'_>) {
        self.beside("connection_complete", &connection.host());
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        assert!(self.deed("drop") != "panic", "at drop");
    }
}
