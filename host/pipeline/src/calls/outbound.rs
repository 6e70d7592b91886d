//! What plugins have under way beside their streams: HTTP calls, gRPC streams, timers.
//!
//! Each is a task on the worker's loop which the plugin holds by a [`Task`]: nothing is ever
//! called back from within the call that asked, and what is let go is ended. How many there may
//! be at a time, and how much they may hold, is counted per worker in [`Outbound`]. The calls
//! themselves are in `http_call.rs`, `grpc.rs` and `timer.rs`.

use std::{
    cell::Cell,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use host_extension::{CallError, CallResult, OutboundError, Pairs};
use host_types::Headers;
use host_upstream::{Cluster, Response, UpstreamError};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Uri,
    header::{CONTENT_LENGTH, EXPECT, HOST, TRAILER},
    uri::{Authority, Parts, PathAndQuery, Scheme},
};
use tokio::task::JoinHandle;

use super::{HEADER_BYTES_MAX, HEADER_COUNT_MAX};
use crate::{forward, worker::Worker};

/// Calls and streams of all plugins of a worker that may be under way.
const CALLS_MAX: usize = 4096;
/// Timers of all plugins of a worker.
const TIMERS_MAX: usize = 4096;
/// Bytes that all calls of a worker may hold: requests, messages that wait to be sent, and
/// what came of answers that are not whole yet.
const CALL_BYTES_MAX: usize = 64 * 1024 * 1024;
/// The longest wait for the end of a call, whatever a plugin says.
pub(super) const CALL_TIME_MAX: Duration = Duration::from_secs(5 * 60);

/// How much the plugins of one worker have under way.
#[derive(Debug, Default)]
pub(super) struct Outbound {
    calls: Counter,
    timers: Counter,
    bytes: Counter,
    /// It was said that a cluster of gRPC must speak HTTP/2.
    told_of_http2: Cell<bool>,
}

/// Only one thread counts, but bytes on their way to a connection must be `Send`.
type Counter = Arc<AtomicUsize>;

impl Outbound {
    /// True the first time that a plugin calls gRPC on a cluster that cannot speak it: a plugin
    /// may try with every request, and the log is not its.
    pub(super) fn may_tell_of_http2(&self) -> bool {
        !self.told_of_http2.replace(true)
    }

    /// Room for a call whose request holds so many bytes.
    pub(super) fn call(&self, bytes: usize) -> CallResult<Permit> {
        let call = Share::of(&self.calls, CALLS_MAX).more(1)?;
        let bytes = self.bytes().more(bytes)?;
        Ok(Permit { _call: call, _bytes: Some(bytes) })
    }

    /// Room for a timer.
    pub(super) fn timer(&self) -> CallResult<Permit> {
        let call = Share::of(&self.timers, TIMERS_MAX).more(1)?;
        Ok(Permit { _call: call, _bytes: None })
    }

    /// A share of the bytes that calls may hold, with none in it yet.
    pub(super) fn bytes(&self) -> Share {
        Share::of(&self.bytes, CALL_BYTES_MAX)
    }
}

/// A place among what may be under way; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Permit {
    _call: Share,
    _bytes: Option<Share>,
}

/// A part of what may be had; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    of: Counter,
    max: usize,
    amount: usize,
}

impl Share {
    fn of(counter: &Counter, max: usize) -> Self {
        Self { of: Arc::clone(counter), max, amount: 0 }
    }

    /// Another share of the same, so large.
    pub(super) fn more(&self, amount: usize) -> CallResult<Self> {
        let mut share = Self::of(&self.of, self.max);
        share.resize(amount)?;
        Ok(share)
    }

    /// Makes it so large; where there is no room for that, it stays as it was.
    pub(super) fn resize(&mut self, amount: usize) -> CallResult<()> {
        let others = self.of.load(Ordering::Relaxed).saturating_sub(self.amount);
        let all = others.checked_add(amount).filter(|all| *all <= self.max);
        self.of.store(all.ok_or(CallError::LimitReached)?, Ordering::Relaxed);
        self.amount = amount;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.of.fetch_sub(self.amount, Ordering::Relaxed);
    }
}

/// A task that ends with whoever holds this.
#[derive(Debug)]
pub(super) struct Task(JoinHandle<()>);

impl Task {
    pub(super) fn start(task: impl Future<Output = ()> + 'static) -> Self {
        Self(tokio::task::spawn_local(task))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Counts how a call ends: as cancelled, unless somebody says otherwise.
#[derive(Debug)]
pub(super) struct Ending {
    cluster: Rc<Cluster>,
    outcome: &'static str,
}

impl Ending {
    pub(super) fn new(cluster: &Rc<Cluster>) -> Self {
        Self { cluster: Rc::clone(cluster), outcome: "cancelled" }
    }

    /// The call ended, well or with this error.
    pub(super) fn with(mut self, failed: Option<OutboundError>) {
        self.outcome = match failed {
            None => "answered",
            Some(OutboundError::Unreachable) => "unreachable",
            Some(OutboundError::TimedOut) => "timed_out",
            Some(OutboundError::TooLarge) => "too_large",
            Some(OutboundError::Reset | _) => "reset",
        };
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.cluster.metrics().plugin_call(self.outcome);
    }
}

/// The cluster of that name.
pub(super) fn cluster(worker: &Worker, name: &str) -> CallResult<Rc<Cluster>> {
    worker.clusters.get(&name.into()).ok_or(CallError::NotFound)
}

/// Sends a request, for as long as the worker works.
pub(super) async fn send(
    worker: &Worker,
    cluster: &Cluster,
    request: Request<host_upstream::Body>,
) -> Result<Response, OutboundError> {
    let mut chosen = None;
    let sent = tokio::select! {
        sent = cluster.send(request, &mut chosen) => sent,
        () = worker.abort.wait() => return Err(OutboundError::Reset),
    };
    sent.map_err(|error| {
        tracing::debug!(%error, "a plugin's call failed");
        let late = matches!(
            error,
            UpstreamError::PendingTimedOut { .. } | UpstreamError::ConnectTimedOut { .. }
        );
        match error.nothing_sent() {
            true if late => OutboundError::TimedOut,
            true => OutboundError::Unreachable,
            false => OutboundError::Reset,
        }
    })
}

/// A request's head of what a plugin said, without a body.
///
/// # Errors
/// `BadArgument` where it is no head that could be sent.
pub(super) fn request_head(pairs: &Pairs) -> CallResult<Request<()>> {
    check_size(pairs)?;
    let mut start = Start::default();
    let mut map = HeaderMap::with_capacity(pairs.len());
    for (name, value) in pairs {
        if name.first() == Some(&b':') || name.eq_ignore_ascii_case(HOST.as_str().as_bytes()) {
            start.set(name, value)?;
        } else {
            let (name, value) = field(name, value)?;
            map.append(name, value);
        }
    }
    make_ours(&mut map);
    let mut request = Request::new(());
    *request.method_mut() = start.method.ok_or(CallError::BadArgument)?;
    let mut parts = Parts::default();
    parts.scheme = Some(start.scheme.unwrap_or(Scheme::HTTP));
    parts.authority = Some(start.authority.ok_or(CallError::BadArgument)?);
    parts.path_and_query = Some(start.path.ok_or(CallError::BadArgument)?);
    *request.uri_mut() = Uri::from_parts(parts).map_err(|_invalid| CallError::BadArgument)?;
    *request.headers_mut() = map;
    Ok(request)
}

/// Fields without pseudo-header fields: metadata, or trailers.
///
/// # Errors
/// As [`request_head`].
pub(super) fn fields(pairs: &Pairs) -> CallResult<HeaderMap> {
    check_size(pairs)?;
    let mut map = HeaderMap::with_capacity(pairs.len());
    for (name, value) in pairs {
        let (name, value) = field(name, value)?;
        map.append(name, value);
    }
    Ok(map)
}

/// An answer's head as a plugin reads it.
pub(super) fn answer_head(status: http::StatusCode, mut map: HeaderMap) -> Headers {
    forward::remove_hop_by_hop(&mut map);
    Headers::response(status, map)
}

/// Framing belongs to the host, whatever a plugin wrote.
fn make_ours(map: &mut HeaderMap) {
    forward::remove_hop_by_hop(map);
    for name in [CONTENT_LENGTH, EXPECT, TRAILER] {
        map.remove(name);
    }
}

#[derive(Default)]
struct Start {
    method: Option<Method>,
    scheme: Option<Scheme>,
    authority: Option<Authority>,
    path: Option<PathAndQuery>,
}

impl Start {
    fn set(&mut self, name: &[u8], value: &[u8]) -> CallResult<()> {
        fn parsed<T, E>(value: Result<T, E>) -> CallResult<Option<T>> {
            value.map(Some).map_err(|_invalid| CallError::BadArgument)
        }
        match name {
            b":method" => {
                // Nobody here could hold a tunnel.
                let method = Method::from_bytes(value).ok().filter(|m| *m != Method::CONNECT);
                self.method = Some(method.ok_or(CallError::BadArgument)?);
            }
            b":scheme" => {
                let known = [Scheme::HTTP, Scheme::HTTPS];
                let scheme = known.into_iter().find(|known| known.as_str().as_bytes() == value);
                self.scheme = Some(scheme.ok_or(CallError::BadArgument)?);
            }
            b":path" if value.first() == Some(&b'/') || value == b"*" => {
                self.path = parsed(PathAndQuery::try_from(value))?;
            }
            b":authority" => self.authority = parsed(Authority::try_from(value))?,
            // The pseudo-header field is the better word for the same.
            _ if name.first() != Some(&b':') => {
                let host = parsed(Authority::try_from(value))?;
                self.authority = self.authority.take().or(host);
            }
            _ => return Err(CallError::BadArgument),
        }
        Ok(())
    }
}

fn check_size(pairs: &Pairs) -> CallResult<()> {
    let fits = pairs.len() <= HEADER_COUNT_MAX && byte_size(pairs) <= HEADER_BYTES_MAX;
    if fits { Ok(()) } else { Err(CallError::LimitReached) }
}

/// Bytes of names and values.
pub(super) fn byte_size(pairs: &Pairs) -> usize {
    pairs.iter().map(|(name, value)| name.len() + value.len()).sum()
}

fn field(name: &[u8], value: &[u8]) -> CallResult<(HeaderName, HeaderValue)> {
    let name = HeaderName::from_bytes(name).map_err(|_invalid| CallError::BadArgument)?;
    let value = HeaderValue::from_bytes(value).map_err(|_invalid| CallError::BadArgument)?;
    Ok((name, value))
}

#[cfg(test)]
mod tests;
