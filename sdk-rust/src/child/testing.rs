//! A host for tests: it speaks the protocol over a Unix socket to the whole of a child but its
//! process. And plugins whose callbacks are written in the tests.

use std::{
    collections::VecDeque,
    net::{Ipv4Addr, TcpListener},
    os::unix::net::UnixListener,
    sync::Arc,
};

use abi_process::{
    bootstrap::TOKEN_KEY,
    v1::{
        Act, Answer, Body, Call, CallResult, CodecAnswer, Complete, Configure, Configured, Event,
        Field, Go, Headers, Hello, Limits, Open, Point, Reply, Side, Status, ToHost, ToPlugin,
        event, plugin_client::PluginClient, reply,
    },
};
use tempfile::TempDir;
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Streaming, transport::Endpoint};

use super::{
    bootstrap::{Listener, Start},
    panics, server,
};
use crate::{
    Action, CallFailure, CallId, Codec, CodecProfile, Connection, Flow, FlowAction, Host,
    HttpAnswer, LogLevel, NetworkFilter, Peer, QueueId, Refusal, Stream, StreamFilter,
    backend::{Declaration, Instance},
};

/// Which start of the child all tests speak of.
pub(super) const GENERATION: u32 = 3;

/// What a plugin of a test does. What is not said goes on and does nothing.
#[derive(Clone, Copy)]
pub(super) struct Script {
    pub(super) start: fn(&Host<'_>) -> Result<(), Refusal>,
    pub(super) makes: fn() -> bool,
    pub(super) headers: fn(&Stream<'_>, bool) -> Action,
    pub(super) body: fn(&Stream<'_>, bool) -> Action,
    pub(super) trailers: fn(&Stream<'_>) -> Action,
    pub(super) stream_answer: fn(&Stream<'_>, CallId, Result<HttpAnswer, CallFailure>),
    pub(super) complete: fn(&Stream<'_>),
    pub(super) connect: fn(&Connection<'_>) -> FlowAction,
    pub(super) data: fn(&Connection<'_>, Flow, bool) -> FlowAction,
    pub(super) close: fn(&Connection<'_>, Flow, Peer),
    pub(super) codec: fn() -> Option<Box<dyn Codec>>,
    /// Called as a filter is dropped, and the plugin.
    pub(super) drops: fn(),
    pub(super) tick: fn(&Host<'_>),
    pub(super) queue: fn(&Host<'_>, QueueId),
    pub(super) answer: fn(&Host<'_>, CallId, Result<HttpAnswer, CallFailure>),
}

impl Script {
    pub(super) const NOTHING: Self = Self {
        start: |_| Ok(()),
        makes: || true,
        headers: |_, _| Action::Continue,
        body: |_, _| Action::Continue,
        trailers: |_| Action::Continue,
        stream_answer: |_, _, _| {},
        complete: |_| {},
        connect: |_| FlowAction::Continue,
        data: |_, _, _| FlowAction::Continue,
        close: |_, _, _| {},
        codec: || None,
        drops: || {},
        tick: |_| {},
        queue: |_, _| {},
        answer: |_, _, _| {},
    };
}

/// Starts the script that the configuration names.
pub(super) fn start(
    scripts: &[(&str, Script)],
    config: &[u8],
    host: &Host<'_>,
) -> Result<Box<dyn Instance>, Refusal> {
    let found = scripts.iter().find(|(name, _script)| name.as_bytes() == config);
    let (_name, script) = found.ok_or_else(|| Refusal::new("no such script"))?;
    (script.start)(host)?;
    Ok(Box::new(Scripted(*script)))
}

struct Scripted(Script);

impl Drop for Scripted {
    fn drop(&mut self) {
        (self.0.drops)();
    }
}

impl Instance for Scripted {
    fn stream_filter(&mut self, _host: &Host<'_>) -> Option<Box<dyn StreamFilter>> {
        (self.0.makes)().then(|| Box::new(Self(self.0)) as Box<dyn StreamFilter>)
    }

    fn network_filter(&mut self, _host: &Host<'_>) -> Option<Box<dyn NetworkFilter>> {
        (self.0.makes)().then(|| Box::new(Self(self.0)) as Box<dyn NetworkFilter>)
    }

    fn codec(&mut self, _host: &Host<'_>) -> Option<Box<dyn Codec>> {
        (self.0.codec)()
    }

    fn codec_profile(&self) -> CodecProfile {
        CodecProfile { heartbeats: true, default_timeout_ms: 7, ..CodecProfile::DEFAULT }
    }

    fn on_tick(&mut self, host: &Host<'_>) {
        (self.0.tick)(host);
    }

    fn on_queue_ready(&mut self, host: &Host<'_>, queue: QueueId) {
        (self.0.queue)(host, queue);
    }

    fn on_http_answer(
        &mut self,
        host: &Host<'_>,
        call: CallId,
        answer: Result<HttpAnswer, CallFailure>,
    ) {
        (self.0.answer)(host, call, answer);
    }
}

impl StreamFilter for Scripted {
    fn on_request_headers(&mut self, stream: &Stream<'_>, end: bool) -> Action {
        (self.0.headers)(stream, end)
    }

    fn on_request_body(&mut self, stream: &Stream<'_>, end: bool) -> Action {
        (self.0.body)(stream, end)
    }

    fn on_request_trailers(&mut self, stream: &Stream<'_>) -> Action {
        (self.0.trailers)(stream)
    }

    fn on_response_headers(&mut self, stream: &Stream<'_>, end: bool) -> Action {
        (self.0.headers)(stream, end)
    }

    fn on_response_body(&mut self, stream: &Stream<'_>, end: bool) -> Action {
        (self.0.body)(stream, end)
    }

    fn on_response_trailers(&mut self, stream: &Stream<'_>) -> Action {
        (self.0.trailers)(stream)
    }

    fn on_http_answer(
        &mut self,
        stream: &Stream<'_>,
        call: CallId,
        answer: Result<HttpAnswer, CallFailure>,
    ) {
        (self.0.stream_answer)(stream, call, answer);
    }

    fn on_complete(&mut self, stream: &Stream<'_>) {
        (self.0.complete)(stream);
    }
}

impl NetworkFilter for Scripted {
    fn on_new_connection(&mut self, connection: &Connection<'_>) -> FlowAction {
        (self.0.connect)(connection)
    }

    fn on_data(&mut self, connection: &Connection<'_>, flow: Flow, end: bool) -> FlowAction {
        (self.0.data)(connection, flow, end)
    }

    fn on_close(&mut self, connection: &Connection<'_>, flow: Flow, by: Peer) {
        (self.0.close)(connection, flow, by);
    }
}

/// Tells the test what a callback saw.
pub(super) fn say(host: &Host<'_>, seen: impl std::fmt::Debug) {
    host.log(LogLevel::Info, format!("{seen:?}"));
}

/// A child without its process.
pub(super) struct FakeChild {
    pub(super) address: String,
    serving: JoinHandle<()>,
    _directory: Option<TempDir>,
}

impl FakeChild {
    pub(super) fn new(declaration: &'static Declaration, token: Option<&str>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let listener = Listener::Unix(UnixListener::bind(&path).unwrap(), None);
        let address = format!("unix:{}", path.display());
        Self::on(declaration, listener, address, token, Some(directory))
    }

    /// The same over TCP.
    pub(super) fn tcp(declaration: &'static Declaration, token: Option<&str>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        Self::on(declaration, Listener::Tcp(listener), address, token, None)
    }

    fn on(
        declaration: &'static Declaration,
        listener: Listener,
        address: String,
        token: Option<&str>,
        directory: Option<TempDir>,
    ) -> Self {
        panics::install();
        let token = token.map(Arc::from);
        let start = Start { listener, token, is_guarded: false, announce: None };
        let serving = tokio::spawn(async move {
            server::serve(declaration, start).await.unwrap();
        });
        Self { address, serving, _directory: directory }
    }

    /// Opens a session, without a word.
    pub(super) async fn connect(&self, token: Option<&str>) -> Result<FakeHost, tonic::Status> {
        let channel = Endpoint::from_shared(self.address.clone()).unwrap().connect().await.unwrap();
        let (to_child, events) = mpsc::channel(4096);
        let mut request = Request::new(ReceiverStream::new(events));
        if let Some(token) = token {
            request.metadata_mut().insert(TOKEN_KEY, token.parse().unwrap());
        }
        let mut client = PluginClient::new(channel);
        let from_child = client.session(request).await?.into_inner();
        Ok(FakeHost { to_child, from_child, replies: VecDeque::new(), logs: Vec::new() })
    }

    /// Opens a session and says hello.
    pub(super) async fn greet(&self) -> FakeHost {
        let mut host = self.connect(None).await.unwrap();
        host.send([hello(Limits::default())]).await;
        let Some(reply::Kind::Hello(back)) = host.next().await else { panic!("no hello") };
        assert_eq!((back.version, back.generation), (1, GENERATION));
        host
    }
}

impl Drop for FakeChild {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// The proxy's end of a session.
pub(super) struct FakeHost {
    to_child: mpsc::Sender<ToPlugin>,
    from_child: Streaming<ToHost>,
    replies: VecDeque<Reply>,
    /// The lines that came while something else was waited for.
    pub(super) logs: Vec<String>,
}

impl FakeHost {
    /// Sends events in one message.
    pub(super) async fn send(&self, kinds: impl IntoIterator<Item = event::Kind>) {
        let events = kinds.into_iter().map(|kind| Event { kind: Some(kind) }).collect();
        self.to_child.send(ToPlugin { events }).await.unwrap();
    }

    /// The next reply; `None` where the session ended as it should.
    pub(super) async fn next(&mut self) -> Option<reply::Kind> {
        self.try_next().await.unwrap()
    }

    /// The next reply, or how the session ended.
    pub(super) async fn try_next(&mut self) -> Result<Option<reply::Kind>, tonic::Status> {
        loop {
            if let Some(reply) = self.replies.pop_front() {
                return Ok(reply.kind);
            }
            match self.from_child.message().await? {
                Some(message) => self.replies.extend(message.replies),
                None => return Ok(None),
            }
        }
    }

    /// The next reply that is no line of a log.
    async fn next_quiet(&mut self) -> reply::Kind {
        loop {
            let reply = self.next().await.expect("the session goes on");
            let reply::Kind::Log(log) = reply else { return reply };
            self.logs.push(log.line);
        }
    }

    pub(super) async fn configured(&mut self) -> Configured {
        let reply = self.next_quiet().await;
        let reply::Kind::Configured(configured) = reply else { panic!("{reply:?}") };
        configured
    }

    pub(super) async fn answer(&mut self) -> Answer {
        let reply = self.next_quiet().await;
        let reply::Kind::Answer(answer) = reply else { panic!("{reply:?}") };
        assert_eq!(answer.generation, GENERATION);
        answer
    }

    pub(super) async fn act(&mut self) -> Act {
        let reply = self.next_quiet().await;
        let reply::Kind::Act(act) = reply else { panic!("{reply:?}") };
        assert_eq!(act.generation, GENERATION);
        act
    }

    pub(super) async fn call(&mut self) -> Call {
        let reply = self.next_quiet().await;
        let reply::Kind::Call(call) = reply else { panic!("{reply:?}") };
        assert_eq!(call.generation, GENERATION);
        call
    }

    pub(super) async fn failed(&mut self) -> (u64, String) {
        let reply = self.next_quiet().await;
        let reply::Kind::Failed(failed) = reply else { panic!("{reply:?}") };
        assert_eq!(failed.generation, GENERATION);
        (failed.instance, failed.error)
    }

    /// The next answer of a codec.
    pub(super) async fn codec(&mut self) -> CodecAnswer {
        let reply = self.next_quiet().await;
        let reply::Kind::Codec(answer) = reply else { panic!("{reply:?}") };
        assert_eq!(answer.generation, GENERATION);
        answer
    }

    /// The next line of the log.
    pub(super) async fn log(&mut self) -> String {
        if !self.logs.is_empty() {
            return self.logs.remove(0);
        }
        let reply = self.next().await;
        let Some(reply::Kind::Log(log)) = reply else { panic!("{reply:?}") };
        log.line
    }

    /// Answers a call.
    pub(super) async fn result(&self, call: &Call, status: Status, result: CallResult) {
        let result = CallResult { id: call.id, status: status.into(), ..result };
        self.send([event::Kind::CallResult(result)]).await;
    }

    /// Starts a script as instance 1.
    pub(super) async fn start(&mut self, point: Point, script: &str) {
        self.send([configure(1, point, script)]).await;
        let configured = self.configured().await;
        assert_eq!(configured.error, "");
    }

    /// Starts a script, and opens stream 10 of it.
    pub(super) async fn open_stream(&mut self, script: &str) {
        self.start(Point::StreamFilter, script).await;
        self.send([open(1, 10)]).await;
    }

    /// Starts a script, and opens connection 10 of it.
    pub(super) async fn open_connection(&mut self, script: &str) {
        self.start(Point::NetworkFilter, script).await;
        self.send([open(1, 10)]).await;
    }

    /// Sends an event, and waits for its answer.
    pub(super) async fn exchange(&mut self, kind: event::Kind) -> Answer {
        self.send([kind]).await;
        self.answer().await
    }

    /// Nothing more is sent to the child.
    pub(super) fn hang_up(self) -> Streaming<ToHost> {
        self.from_child
    }
}

pub(super) fn hello(limits: Limits) -> event::Kind {
    event::Kind::Hello(Hello {
        versions: vec![1, 2],
        features: vec!["something".to_owned()],
        generation: GENERATION,
        worker: 0,
        plugin: "probe".to_owned(),
        limits: Some(limits),
    })
}

pub(super) fn configure(instance: u64, point: Point, script: &str) -> event::Kind {
    let config = script.to_owned().into_bytes().into();
    let root_id = String::new();
    event::Kind::Configure(Configure { instance, point: point.into(), root_id, config })
}

pub(super) fn open(instance: u64, context: u64) -> event::Kind {
    event::Kind::Open(Open { instance, context, ..Open::default() })
}

/// The head of a request of stream 10.
pub(super) fn request(exchange: u64, fields: &[(&'static str, &'static str)]) -> event::Kind {
    headers(Side::Request, exchange, fields)
}

/// The head of stream 10.
pub(super) fn headers(
    side: Side,
    exchange: u64,
    fields: &[(&'static str, &'static str)],
) -> event::Kind {
    let side = side.into();
    let fields = sent(fields);
    event::Kind::Headers(Headers { context: 10, exchange, side, fields, end: false })
}

/// A part of the request's body of stream 10.
pub(super) fn body(exchange: u64, held: u64, bytes: &'static str, end: bool) -> event::Kind {
    let side = Side::Request.into();
    let bytes = bytes.into();
    event::Kind::Body(Body { context: 10, exchange, side, bytes, held, end })
}

/// The end of stream 10.
pub(super) fn complete(exchange: u64) -> event::Kind {
    event::Kind::Complete(Complete { context: 10, exchange, ..Complete::default() })
}

pub(super) fn sent(fields: &[(&'static str, &'static str)]) -> Vec<Field> {
    let fields = fields.iter();
    fields.map(|(name, value)| Field { name: (*name).into(), value: (*value).into() }).collect()
}

/// How a stream goes on after an answer.
#[track_caller]
pub(super) fn go(answer: &Answer) -> Go {
    answer.verdict.as_ref().expect("an answer has a verdict").go()
}
