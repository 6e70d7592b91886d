//! HTTP on a downstream connection: hyper, with what hyper leaves open decided strictly.
//!
//! A request becomes a [`Stream`] here, or is refused because it is malformed. What happens
//! to it is in `stream.rs`; the checks on the bytes are in `framing`.

mod admission;
mod framing;
mod guarded_io;

use std::{
    pin::{Pin, pin},
    rc::Rc,
    sync::Arc,
};

use host_extension::{ConnectionFacts, LocalReply, Protocol, Signal};
use host_types::{Headers, ReplyReason};
use host_upstream::Body;
use http::{Request, Response, StatusCode, Version};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use self::{admission::admit, framing::FramingScanner, guarded_io::GuardedIo};
use crate::{
    connection::{Began, Carried},
    forward,
    listener::{Listener, ListenerState},
    reply::{self, ReplyBody, StreamReset},
    stream::{self, Exchange, run_stream},
};

/// Smallest buffer that hyper takes for a head.
const HYPER_BUFFER_BYTES_MIN: usize = 8192;

/// One HTTP connection, as its requests see it.
pub(crate) struct HttpConnection {
    pub(crate) listener: Rc<Listener>,
    pub(crate) facts: Rc<ConnectionFacts>,
    pub(crate) carried: Carried,
    /// When it was accepted.
    pub(crate) began: Began,
}

/// Serves HTTP/1 until the connection ends.
pub(crate) async fn serve_http1<T>(connection: HttpConnection, io: T)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let state = connection.listener.state();
    let limits = &state.plan.limits;
    let buffer = limits.header_bytes_max.max(HYPER_BUFFER_BYTES_MIN);
    let io = GuardedIo::new(
        io,
        Some(FramingScanner::new(buffer)),
        limits,
        Arc::clone(&connection.carried.open_streams),
    );
    let refusal = io.refusal();
    let connection = Rc::new(connection);
    let service = service_fn(|request| serve_request(Rc::clone(&connection), request));
    let serving = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_headers(limits.header_count_max.saturating_add(1))
        .max_buf_size(buffer)
        .serve_connection(TokioIo::new(io), service)
        .with_upgrades();
    let serving = pin!(serving);
    let result = drive(serving, &connection, |serving| serving.graceful_shutdown()).await;
    if let Some(Err(error)) = result {
        let refusal = refusal.get().copied();
        if error.is_parse() || refusal.is_some() {
            let details = refusal.map_or_else(|| error.to_string(), |refusal| refusal.to_string());
            // hyper has answered with this status before it closed.
            let status = if error.is_parse_too_large() { 431 } else { 400 };
            state.refused_bytes(&connection.facts, connection.began, Some(status), &details);
        }
        tracing::debug!(peer = %connection.facts.peer, %error, "an HTTP/1 connection ended");
    }
}

/// Serves HTTP/2 until the connection ends.
pub(crate) async fn serve_http2<T>(connection: HttpConnection, io: T)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let state = connection.listener.state();
    let limits = &state.plan.limits;
    let io = GuardedIo::new(io, None, limits, Arc::clone(&connection.carried.open_streams));
    let connection = Rc::new(connection);
    let service = service_fn(|request| serve_request(Rc::clone(&connection), request));
    let serving = hyper::server::conn::http2::Builder::new(LocalExecutor)
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams_per_connection_max)
        .max_header_list_size(u32::try_from(limits.header_bytes_max).unwrap_or(u32::MAX))
        .initial_stream_window_size(HTTP2_STREAM_WINDOW)
        .initial_connection_window_size(HTTP2_CONNECTION_WINDOW)
        .max_send_buf_size(HTTP2_SEND_BUFFER)
        .serve_connection(TokioIo::new(io), service);
    let serving = pin!(serving);
    let result = drive(serving, &connection, |serving| serving.graceful_shutdown()).await;
    if let Some(Err(error)) = result {
        tracing::debug!(peer = %connection.facts.peer, %error, "an HTTP/2 connection ended");
    }
}

/// Polls a connection to its end; `shut_down` lets its streams end and takes no more, once it
/// should drain. `None` where it was closed at once.
async fn drive<C: Future>(
    mut serving: Pin<&mut C>,
    connection: &HttpConnection,
    shut_down: fn(Pin<&mut C>),
) -> Option<C::Output> {
    let worker = Rc::clone(&connection.listener.state().worker);
    let closed = async {
        tokio::select! {
            () = connection.carried.abort.wait() => {}
            () = worker.abort.wait() => {}
        }
    };
    let mut closed = pin!(closed);
    tokio::select! {
        result = serving.as_mut() => return Some(result),
        () = closed.as_mut() => return None,
        () = connection.listener.until_drain() => shut_down(serving.as_mut()),
    }
    tokio::select! {
        result = serving => Some(result),
        () = closed => None,
    }
}

/// Bytes that one HTTP/2 stream may have under way.
const HTTP2_STREAM_WINDOW: u32 = 256 * 1024;
/// Bytes that all streams of an HTTP/2 connection may have under way.
const HTTP2_CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Bytes of a response that wait for the client's window.
const HTTP2_SEND_BUFFER: usize = 256 * 1024;

/// Runs hyper's tasks on the worker.
#[derive(Clone, Copy, Debug)]
struct LocalExecutor;

impl<F> hyper::rt::Executor<F> for LocalExecutor
where
    F: Future<Output = ()> + 'static,
{
    /// Each task can be ended alone: of an HTTP/2 connection, a task is a stream.
    fn execute(&self, task: F) {
        let abort = Rc::<Signal>::default();
        tokio::task::spawn_local(TASK_ABORT.scope(Rc::clone(&abort), async move {
            tokio::select! {
                () = abort.wait() => {}
                () = task => {}
            }
        }));
    }
}

tokio::task_local! {
    /// Ends the task that runs; dropping a stream's task resets the stream.
    static TASK_ABORT: Rc<Signal>;
}

/// Makes a stream of a request and runs it.
async fn serve_request(
    connection: Rc<HttpConnection>,
    mut request: Request<Incoming>,
) -> Result<Response<ReplyBody>, StreamReset> {
    // The newest plan serves each new stream; running ones keep theirs.
    let state = connection.listener.state();
    let upgrade = forward::upgrade_token(request.headers())
        .filter(|_| request.version() == Version::HTTP_11)
        .map(|token| (token, hyper::upgrade::on(&mut request)));
    let asked = request.headers().contains_key(http::header::UPGRADE);
    let (parts, body) = request.into_parts();
    let version = parts.version;
    match admit(parts, &state.plan.limits) {
        Ok(mut headers) => {
            // Before any filter: a client must not nominate what a filter is going to add.
            forward::remove_hop_by_hop(headers.map_mut());
            let mut exchange = open(&connection, &state, version, headers);
            exchange.upgrade = upgrade;
            if asked {
                // The bytes behind such a head were not looked at: none may become a request.
                exchange.end.close_connection();
            }
            Box::pin(run_stream(exchange, Body::Incoming(body))).await
        }
        Err(refused) => {
            let exchange = open(&connection, &state, version, refused.headers);
            exchange.end.close_connection();
            let reply = LocalReply { details: refused.why.into(), ..refused_reply(refused.status) };
            reply::local(exchange, ReplyReason::Malformed, reply).await
        }
    }
}

fn refused_reply(status: StatusCode) -> LocalReply {
    LocalReply::text(status, "the request is malformed or larger than allowed\n")
}

/// The stream of a request, with its filters, none of them called yet.
pub(crate) fn open(
    connection: &HttpConnection,
    state: &Rc<ListenerState>,
    version: Version,
    mut headers: Headers,
) -> Exchange {
    let facts = facts_for(&connection.facts, version);
    let request_id = forward::request_id(&mut headers);
    let is_grpc = reply::grpc::is_grpc(headers.map());
    let carried = &connection.carried;
    let abort = TASK_ABORT.try_with(Rc::clone).unwrap_or_else(|_| Rc::clone(&carried.abort));
    let mut exchange = stream::open(state, carried, facts, abort, headers);
    exchange.stream.facts.borrow_mut().request_id = Some(request_id);
    exchange.is_grpc = is_grpc;
    exchange
}

/// HTTP/1.0 and HTTP/1.1 share a connection, so the version is the stream's.
fn facts_for(facts: &Rc<ConnectionFacts>, version: Version) -> Rc<ConnectionFacts> {
    if version != Version::HTTP_10 {
        return Rc::clone(facts);
    }
    Rc::new(ConnectionFacts {
        id: facts.id,
        listener: facts.listener.clone(),
        peer: facts.peer,
        local: facts.local,
        protocol: Protocol::Http10,
    })
}
