//! Children that run on a thread of their own and follow a script.

use std::{
    convert::Infallible,
    path::Path,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use abi_process::v1::{
    self, event,
    plugin_server::{Plugin, PluginServer},
    reply,
};
use bytes::Bytes;
use http_body_util::{BodyExt, StreamBody};
use parking_lot::Mutex;
use tokio::{
    net::UnixListener,
    runtime::{Builder, Runtime},
    sync::{Notify, mpsc, mpsc::WeakUnboundedSender, watch},
};
use tokio_stream::{
    Stream, StreamExt,
    wrappers::{ReceiverStream, UnboundedReceiverStream, UnixListenerStream},
};
use tonic::{Request, Response, Status, Streaming, body::Body, transport::Server};
use tower_service::Service;

/// What a child replies to an event; `None` leaves it to a child that lets everything pass.
pub(crate) type Script = Arc<dyn Fn(&event::Kind) -> Option<Vec<reply::Kind>> + Send + Sync>;

/// A script.
pub(crate) fn script(
    replies: impl Fn(&event::Kind) -> Option<Vec<reply::Kind>> + Send + Sync + 'static,
) -> Script {
    Arc::new(replies)
}

/// The script of a child that lets everything pass.
pub(crate) fn pass() -> Script {
    script(|_event| None)
}

/// A child.
pub(crate) struct FakeChild {
    inner: Arc<Inner>,
    runtime: Option<Runtime>,
    frozen: watch::Sender<bool>,
}

type Outgoing = mpsc::UnboundedSender<Result<v1::ToHost, Status>>;

struct Inner {
    generation: u32,
    script: Script,
    seen: Mutex<Vec<event::Kind>>,
    heard: Notify,
    talk: Mutex<Option<Outgoing>>,
    frozen: watch::Receiver<bool>,
}

impl FakeChild {
    pub(super) fn new(generation: u32, path: &Path, script: Script) -> Self {
        let (freeze, frozen) = watch::channel(false);
        let inner = Arc::new(Inner {
            generation,
            script,
            seen: Mutex::default(),
            heard: Notify::new(),
            talk: Mutex::default(),
            frozen,
        });
        let service = PluginServer::new(Face(Arc::clone(&inner)));
        let service = service.max_decoding_message_size(usize::MAX);
        let serve = |incoming| Server::builder().add_service(service).serve_with_incoming(incoming);
        let runtime = serve_on(path, serve);
        Self { inner, runtime: Some(runtime), frozen: freeze }
    }

    /// Forgets what came so far.
    pub(crate) fn forget(&self) {
        self.inner.seen.lock().clear();
    }

    /// The events that came.
    pub(crate) fn seen(&self) -> Vec<event::Kind> {
        self.inner.seen.lock().clone()
    }

    /// Waits until an event has come.
    pub(crate) async fn until(&self, has_come: impl Fn(&event::Kind) -> bool) {
        self.until_all(|seen| seen.iter().any(&has_come)).await;
    }

    /// Waits until all events that came are such ones.
    pub(crate) async fn until_all(&self, are: impl Fn(&[event::Kind]) -> bool) {
        loop {
            let heard = self.inner.heard.notified();
            if are(&self.inner.seen.lock()) {
                return;
            }
            heard.await;
        }
    }

    /// Says something of its own.
    pub(crate) fn say(&self, kinds: impl IntoIterator<Item = reply::Kind>) {
        let talk = self.inner.talk.lock();
        let message = to_host(kinds.into_iter().collect());
        let _gone = talk.as_ref().expect("a session").send(Ok(message));
    }

    /// Ends its session.
    pub(crate) fn end_session(&self) {
        self.inner.talk.lock().take();
    }

    /// Stops reading and answering, or goes on.
    pub(crate) fn freeze(&self, frozen: bool) {
        self.frozen.send_replace(frozen);
    }

    /// Dies at once.
    pub(crate) fn crash(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for FakeChild {
    fn drop(&mut self) {
        self.crash();
    }
}

/// An answer that goes on, to an event that wants one.
pub(crate) fn answer(event: &event::Kind) -> Option<v1::Answer> {
    use event::Kind;
    let (context, exchange) = match event {
        Kind::Headers(it) => (it.context, it.exchange),
        Kind::Body(it) => (it.context, it.exchange),
        Kind::Trailers(it) => (it.context, it.exchange),
        Kind::NewConnection(it) => (it.context, it.exchange),
        Kind::Data(it) => (it.context, it.exchange),
        Kind::Complete(it) if it.exchange > 0 => (it.context, it.exchange),
        _ => return None,
    };
    Some(v1::Answer { generation: 1, context, exchange, ..v1::Answer::default() })
}

impl Inner {
    fn replies(&self, event: &event::Kind) -> Vec<reply::Kind> {
        use event::Kind;
        if let Some(replies) = (self.script)(event) {
            return replies;
        }
        match event {
            Kind::Hello(hello) => vec![reply::Kind::Hello(v1::HelloBack {
                version: 1,
                generation: hello.generation,
                ..v1::HelloBack::default()
            })],
            Kind::Configure(it) => vec![reply::Kind::Configured(v1::Configured {
                instance: it.instance,
                phases: 0x3FF & !(1 << 6) | 1 << 10,
                ..v1::Configured::default()
            })],
            Kind::Ping(ping) => vec![reply::Kind::Pong(v1::Pong { number: ping.number })],
            other => answer(other)
                .map(|answer| v1::Answer { generation: self.generation, ..answer })
                .map(reply::Kind::Answer)
                .into_iter()
                .collect(),
        }
    }

    async fn serve(
        self: Arc<Self>,
        mut events: Streaming<v1::ToPlugin>,
        talk: WeakUnboundedSender<Result<v1::ToHost, Status>>,
    ) {
        let mut frozen = self.frozen.clone();
        while let Ok(Some(message)) = events.message().await {
            let _thawed = frozen.wait_for(|frozen| !frozen).await;
            let mut replies = Vec::new();
            for kind in message.events.into_iter().filter_map(|event| event.kind) {
                replies.extend(self.replies(&kind));
                self.seen.lock().push(kind);
            }
            self.heard.notify_waiters();
            let Some(talk) = talk.upgrade() else { return };
            if !replies.is_empty() && talk.send(Ok(to_host(replies))).is_err() {
                return;
            }
        }
        // Another session may have begun.
        let mut newest = self.talk.lock();
        let own = talk.upgrade();
        if newest.as_ref().zip(own.as_ref()).is_some_and(|(newest, own)| newest.same_channel(own)) {
            newest.take();
        }
    }
}

fn to_host(kinds: Vec<reply::Kind>) -> v1::ToHost {
    let reply = |kind| v1::Reply { kind: Some(kind) };
    v1::ToHost { replies: kinds.into_iter().map(reply).collect() }
}

struct Face(Arc<Inner>);

type Replies = Pin<Box<dyn Stream<Item = Result<v1::ToHost, Status>> + Send>>;

#[tonic::async_trait]
impl Plugin for Face {
    type SessionStream = Replies;

    async fn session(
        &self,
        request: Request<Streaming<v1::ToPlugin>>,
    ) -> Result<Response<Replies>, Status> {
        let (talk, replies) = mpsc::unbounded_channel();
        tokio::spawn(Arc::clone(&self.0).serve(request.into_inner(), talk.downgrade()));
        self.0.talk.lock().replace(talk);
        Ok(Response::new(Box::pin(UnboundedReceiverStream::new(replies))))
    }
}

/// Serves on a thread of its own.
fn serve_on<F>(path: &Path, serve: impl FnOnce(UnixListenerStream) -> F) -> Runtime
where
    F: Future<Output = Result<(), tonic::transport::Error>> + Send + 'static,
{
    let mut builder = Builder::new_multi_thread();
    let runtime = builder.worker_threads(1).enable_all().build().expect("a runtime");
    let entered = runtime.enter();
    let listener = UnixListener::bind(path).expect("a free path");
    runtime.spawn(serve(UnixListenerStream::new(listener)));
    drop(entered);
    runtime
}

/// A child that sends these bytes as its answer to a session, whatever it is told, and then
/// nothing more.
pub(crate) fn raw_child(path: &Path, pieces: Vec<Bytes>, ends: bool) -> impl Sized + use<> {
    let service = Raw { pieces: Arc::new(pieces), ends };
    let serve = |incoming| Server::builder().add_service(service).serve_with_incoming(incoming);
    Running(Some(serve_on(path, serve)))
}

/// Ends without waiting.
struct Running(Option<Runtime>);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

#[derive(Clone)]
struct Raw {
    pieces: Arc<Vec<Bytes>>,
    ends: bool,
}

/// What keeps the streams of children open that send nothing more.
static KEPT: OnceLock<Mutex<Vec<mpsc::Sender<Bytes>>>> = OnceLock::new();

impl tonic::server::NamedService for Raw {
    const NAME: &'static str = "mortise.plugin.v1.Plugin";
}

impl Service<http::Request<Body>> for Raw {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        // The request is read for ever, so that its sender is never held up.
        tokio::spawn(async move {
            let mut body = request.into_body();
            while let Some(Ok(_frame)) = body.frame().await {}
        });
        let (sender, receiver) = mpsc::channel(self.pieces.len().max(1));
        for piece in self.pieces.iter() {
            sender.try_send(piece.clone()).expect("room for all");
        }
        if !self.ends {
            KEPT.get_or_init(Mutex::default).lock().push(sender);
        }
        let frames = ReceiverStream::new(receiver)
            .map(|piece| Ok::<_, Status>(http_body::Frame::data(piece)));
        let response = http::Response::builder()
            .header("content-type", "application/grpc")
            .body(Body::new(StreamBody::new(frames)));
        std::future::ready(Ok(response.expect("a response")))
    }
}
