//! What the tests of this crate share: scripted filters, and streams for them.

pub(crate) mod frames;
pub(crate) mod http2;
mod network;
pub(crate) mod weather;
mod world;

pub(crate) use network::{NetworkFake, connection, in_hand};
pub(crate) use world::{
    Setup, Speaks, World, answering, ask, field, line, local, read_head, silent, upstream,
};

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use host_extension::{
    Bounds, CallError, CallResult, Capability, ConnectionFacts, FilterFactory, Interrupt, OnError,
    Phases, PluginFault, Protocol, Side, Step, Stream, StreamFilter, Verdict,
};
use host_telemetry::{Clock, Metrics, PluginMetrics};
use host_types::{ConnectionId, Headers, ReplyReason, RequestHead, StreamId};
use host_upstream::Clusters;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, uri::Scheme};

use crate::{
    WorkerCalls,
    chain::{Chain, ChainEntry, Hook},
    worker::Worker,
};

/// Longest wait for a filter that answers later.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(5);

/// What a factory says of its plugin.
#[derive(Clone, Debug, Default)]
pub(crate) struct Terms {
    pub(crate) is_security: bool,
    pub(crate) forbids: Vec<Capability>,
    pub(crate) bounds: Bounds,
}

impl Terms {
    pub(crate) fn security() -> Self {
        Self { is_security: true, ..Self::default() }
    }

    pub(crate) fn forbidding(what: Capability) -> Self {
        Self { forbids: vec![what], ..Self::default() }
    }

    pub(crate) fn holding(bytes_max: usize) -> Self {
        let bounds = Bounds { held_bytes_max: Some(bytes_max), ..Bounds::default() };
        Self { bounds, ..Self::default() }
    }

    fn may(&self, what: Capability) -> CallResult<()> {
        if self.forbids.contains(&what) { Err(CallError::Denied) } else { Ok(()) }
    }
}

/// What filters saw, in order: `a>head`, `b<body(bytes).` with a dot at the end of a message.
pub(crate) type Log = Rc<RefCell<Vec<String>>>;

type Answer = dyn Fn(Side, Hook, &Rc<Stream>) -> Step;
type AtEnd = dyn Fn(&Rc<Stream>);

/// A filter that does as it is told and writes down what it sees.
#[derive(Clone)]
pub(crate) struct Fake {
    name: &'static str,
    phases: Phases,
    on_error: OnError,
    log: Log,
    refuses: Option<PluginFault>,
    terms: Terms,
    answer: Rc<Answer>,
    at_end: Rc<AtEnd>,
    pub(crate) faults: Rc<Cell<u32>>,
    pub(crate) metrics: Arc<PluginMetrics>,
}

impl Fake {
    /// A filter that wants everything and lets everything pass.
    pub(crate) fn new(log: &Log, name: &'static str) -> Self {
        Self {
            name,
            phases: Phases::ALL,
            on_error: OnError::Closed,
            log: Rc::clone(log),
            refuses: None,
            terms: Terms::default(),
            answer: Rc::new(|_, _, _| Step::CONTINUE),
            at_end: Rc::new(|_| {}),
            faults: Rc::default(),
            metrics: Metrics::new().worker(0).plugin(&name.into(), "fake"),
        }
    }

    pub(crate) fn phases(mut self, phases: Phases) -> Self {
        self.phases = phases;
        self
    }

    pub(crate) fn on_error(mut self, on_error: OnError) -> Self {
        self.on_error = on_error;
        self
    }

    /// No filter of it can be made.
    pub(crate) fn refusing(mut self, fault: PluginFault) -> Self {
        self.refuses = Some(fault);
        self
    }

    pub(crate) fn terms(mut self, terms: Terms) -> Self {
        self.terms = terms;
        self
    }

    pub(crate) fn answering(
        mut self,
        answer: impl Fn(Side, Hook, &Rc<Stream>) -> Step + 'static,
    ) -> Self {
        self.answer = Rc::new(answer);
        self
    }

    /// What it does when the stream is over.
    pub(crate) fn at_end(mut self, look: impl Fn(&Rc<Stream>) + 'static) -> Self {
        self.at_end = Rc::new(look);
        self
    }

    pub(crate) fn entry(&self) -> ChainEntry {
        ChainEntry {
            plugin: self.name.into(),
            on_error: self.on_error,
            factory: Rc::new(FakeFactory(self.clone())),
            metrics: Arc::clone(&self.metrics),
        }
    }
}

struct FakeFactory(Fake);

struct FakeFilter(Fake);

impl std::fmt::Debug for FakeFactory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.name)
    }
}

impl std::fmt::Debug for FakeFilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.name)
    }
}

impl FilterFactory for FakeFactory {
    fn phases(&self) -> Phases {
        self.0.phases
    }

    fn stream_filter(&self, _stream: &Rc<Stream>) -> Result<Box<dyn StreamFilter>, PluginFault> {
        match &self.0.refuses {
            Some(fault) => Err(fault.clone()),
            None => Ok(Box::new(FakeFilter(self.0.clone()))),
        }
    }

    fn is_security(&self) -> bool {
        self.0.terms.is_security
    }

    fn bounds(&self) -> Bounds {
        self.0.terms.bounds.clone()
    }

    fn may(&self, what: Capability) -> CallResult<()> {
        self.0.terms.may(what)
    }

    fn on_fault(&self, _fault: &PluginFault) {
        self.0.faults.set(self.0.faults.get() + 1);
    }
}

impl FakeFilter {
    fn called(&self, side: Side, hook: Hook, stream: &Rc<Stream>) -> Step {
        let direction = if side == Side::Request { '>' } else { '<' };
        let dot = |end| if end { "." } else { "" };
        let what = match hook {
            Hook::Headers { end } => format!("head{}", dot(end)),
            Hook::Body { end } => {
                let body = stream.message(side).body.borrow();
                format!("body({}){}", String::from_utf8_lossy(body.as_slice()), dot(end))
            }
            Hook::Trailers => "trailers".to_owned(),
        };
        self.0.log.borrow_mut().push(format!("{}{direction}{what}", self.0.name));
        (self.0.answer)(side, hook, stream)
    }
}

impl StreamFilter for FakeFilter {
    fn on_request_headers(&mut self, stream: &Rc<Stream>, end: bool) -> Step {
        self.called(Side::Request, Hook::Headers { end }, stream)
    }

    fn on_request_body(&mut self, stream: &Rc<Stream>, end: bool) -> Step {
        self.called(Side::Request, Hook::Body { end }, stream)
    }

    fn on_request_trailers(&mut self, stream: &Rc<Stream>) -> Step {
        self.called(Side::Request, Hook::Trailers, stream)
    }

    fn on_response_headers(&mut self, stream: &Rc<Stream>, end: bool) -> Step {
        self.called(Side::Response, Hook::Headers { end }, stream)
    }

    fn on_response_body(&mut self, stream: &Rc<Stream>, end: bool) -> Step {
        self.called(Side::Response, Hook::Body { end }, stream)
    }

    fn on_response_trailers(&mut self, stream: &Rc<Stream>) -> Step {
        self.called(Side::Response, Hook::Trailers, stream)
    }

    fn on_complete(&mut self, stream: &Rc<Stream>) -> Result<(), PluginFault> {
        (self.0.at_end)(stream);
        self.0.log.borrow_mut().push(format!("{} done", self.0.name));
        Ok(())
    }
}

/// An answer that comes at the next turn of the event loop.
pub(crate) fn later(verdict: Verdict) -> Step {
    Step::Later(Box::pin(async {
        tokio::task::yield_now().await;
        verdict
    }))
}

/// An answer that never comes.
pub(crate) fn never() -> Step {
    Step::Later(Box::pin(std::future::pending()))
}

/// The head of `GET http://app.test/path?query`.
pub(crate) fn request_head() -> Headers {
    let head = RequestHead {
        method: Method::GET,
        scheme: Scheme::HTTP,
        authority: Some("app.test".parse().expect("an authority")),
        path: "/path?query".parse().expect("a path"),
    };
    Headers::request(head, HeaderMap::new())
}

/// The host calls of a worker that has nothing.
pub(crate) fn calls() -> WorkerCalls {
    let clusters = Clusters::new(Metrics::new().worker(0));
    WorkerCalls::new(Rc::new(Worker::new(0, clusters, None, Clock::new())))
}

/// A stream whose request has come and whose response's head is there, too.
pub(crate) fn stream() -> Rc<Stream> {
    let connection = ConnectionFacts {
        id: ConnectionId::new(1, 7),
        listener: "main".into(),
        peer: "192.0.2.1:1234".parse().expect("an address"),
        local: "192.0.2.2:80".parse().expect("an address"),
        protocol: Protocol::Http11,
    };
    let id = StreamId::new(1, 8);
    let started = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
    let stream = Stream::new(id, Rc::new(connection), started, request_head());
    stream.response.headers.replace(Some(Headers::response(StatusCode::OK, HeaderMap::new())));
    Rc::new(stream)
}

pub(crate) fn chain(fakes: &[Fake]) -> Rc<Chain> {
    let entries: Vec<ChainEntry> = fakes.iter().map(Fake::entry).collect();
    Rc::new(Chain::new(&entries, Clock::new(), WAIT_MAX))
}

pub(crate) fn fields(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let pair = |(name, value): &(&'static str, &'static str)| {
        (HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    pairs.iter().map(pair).collect()
}

pub(crate) fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

/// The reason of an interrupt, with the status of its reply.
pub(crate) fn told(interrupt: &Interrupt) -> (ReplyReason, Option<u16>) {
    match interrupt {
        Interrupt::Reply(reason, reply) => (reason.clone(), Some(reply.status.as_u16())),
        Interrupt::Reset(reason) => (reason.clone(), None),
    }
}
