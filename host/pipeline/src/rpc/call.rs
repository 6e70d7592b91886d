//! One request of a connection, from its frame to its reply.
//!
//! [`run_call`] reads as `run_stream` does for HTTP: filters of the listener, router, filters of
//! the route, upstream, filters reversed, reply. A frame is here whole, so filters see its body
//! in one piece, and what nobody changed goes on as it came but for its id.

use std::{pin::pin, rc::Rc, time::Duration};

use bytes::Bytes;
use host_extension::{Codec, Interrupt, LocalReply, Rewrite, Side};
use host_router::Retry;
use host_types::{Frame, FrameKind, Headers, PluginName, ReplyReason};
use host_upstream::{RpcError, RpcResponse, RpcTried, UpstreamError};
use http::StatusCode;
use tokio::time::{Instant, sleep, sleep_until};

use super::{RpcConnection, head, reply};
use crate::{
    forward,
    reply::frame_through_filters,
    route::{Target, route, upstream_failed},
    source::{Filtered, Source},
    stop,
    stream::{self, Exchange, begin_request, take_sent_head},
    worker::Worker,
};

/// How long a request waits for its answer where nobody says.
const TIMEOUT: Duration = Duration::from_secs(15);

/// One request.
pub(super) struct Call {
    pub(super) connection: Rc<RpcConnection>,
    /// Without its fields while filters have them.
    pub(super) frame: Frame,
    body_changed: bool,
    /// When it came.
    came: Instant,
}

/// Serves a request. A reply is for a client: where that is gone, it is given up; but what is not
/// answered is sent all the same.
pub(super) async fn serve_call(connection: Rc<RpcConnection>, frame: Frame, came: Instant) {
    let (exchange, call) = open(&connection, frame, came);
    let stream = Rc::clone(&exchange.stream);
    let worker = Rc::clone(&exchange.listener.worker);
    let given_up = given_up(&connection, &worker, call.is_one_way());
    // Its stream ends where it is dropped, behind the note on why.
    let mut serving = pin!(run_call(exchange, call));
    let reason = tokio::select! {
        biased;
        reason = given_up => reason,
        () = serving.as_mut() => return,
    };
    stream.note_reason(reason);
}

/// Waits until nobody wants it to go on.
async fn given_up(connection: &RpcConnection, worker: &Worker, is_one_way: bool) -> ReplyReason {
    if !is_one_way {
        return connection.until_closed().await;
    }
    worker.abort.wait().await;
    ReplyReason::Drain
}

/// The stream of a request.
fn open(connection: &Rc<RpcConnection>, mut frame: Frame, came: Instant) -> (Exchange, Call) {
    // The newest plan serves each new stream; running ones keep theirs.
    let state = connection.listener.state();
    let headers = head::request_head(&mut frame, &connection.scheme);
    let request_id = forward::known_request_id(&headers);
    let (carried, facts) = (&connection.carried, Rc::clone(&connection.facts));
    let mut exchange = stream::open(&state, carried, facts, Rc::clone(&carried.abort), headers);
    exchange.stream.facts.borrow_mut().request_id = request_id;
    let connection = Rc::clone(connection);
    let call = Call { connection, frame, body_changed: false, came };
    if call.is_one_way() {
        exchange.end.note_one_way();
    }
    (exchange, call)
}

/// Takes a request through filters, router and upstream, and its response back.
async fn run_call(mut exchange: Exchange, mut call: Call) {
    match forward_and_respond(&mut exchange, &mut call).await {
        Ok(()) => {}
        Err(Interrupt::Reply(reason, reply)) => {
            reply::local(exchange, &call, reason, *reply).await;
        }
        Err(Interrupt::Reset(reason)) => reply::broken_off(exchange, &call, reason).await,
    }
}

async fn forward_and_respond(exchange: &mut Exchange, call: &mut Call) -> Result<(), Interrupt> {
    if let Some(why) = &call.frame.malformed {
        call.connection.counts.malformed_total.increment();
        return Err(malformed(why));
    }
    let body = Source::whole(call.frame.body.clone(), &exchange.stream, Side::Request);
    let mut request = begin_request(exchange, body);
    request.pass_head().await?;
    let target = route(exchange, &mut request).await?;
    request.pass_whole().await?;
    take_request(exchange, call, request);
    match send(exchange, call, &target).await? {
        Some(response) => respond(exchange, call, response).await?,
        None => exchange.end.whole_sent(StatusCode::OK, 0),
    }
    exchange.stream.note_reason(ReplyReason::Upstream);
    Ok(())
}

fn malformed(why: &str) -> Interrupt {
    let text = format!("the request is malformed: {why}\n");
    let mut reply = LocalReply::text(StatusCode::BAD_REQUEST, text);
    reply.details = why.into();
    Interrupt::Reply(ReplyReason::Malformed, Box::new(reply))
}

/// Puts the request together again, as the filters left it.
fn take_request(exchange: &Exchange, call: &mut Call, side: Filtered) {
    let frame = &mut call.frame;
    exchange.stream.request.body_bytes.set(frame.body.len() as u64);
    if let Some(body) = side.into_whole().filter(|body| *body != frame.body) {
        frame.body = body;
        call.body_changed = true;
    }
    if let Some(fields) = take_sent_head(exchange).and_then(|mut head| head.take_list()) {
        frame.fields = fields;
    }
}

/// Sends the request and waits for the response, for as long as the caller does and nothing
/// interrupts. `None` where there is none to wait for.
async fn send(
    exchange: &Exchange,
    call: &Call,
    target: &Target,
) -> Result<Option<RpcResponse>, Interrupt> {
    let started = exchange.listener.worker.clock.tick();
    let deadline = call.came + call.timeout(target);
    if Instant::now() >= deadline {
        let text = "the request waited too long before it could be sent\n";
        return Err(stop::because(ReplyReason::Timeout, text));
    }
    let sent = {
        let sending = pin!(attempts(exchange, call, target));
        tokio::select! {
            biased;
            interrupt = exchange.stream.interrupted() => Err(interrupt),
            sent = sending => sent,
            () = sleep_until(deadline) => {
                Err(stop::because(ReplyReason::Timeout, "the upstream did not answer in time\n"))
            }
        }
    };
    if sent.as_ref().is_ok_and(Option::is_some) {
        exchange.end.upstream_answered(exchange.listener.worker.clock.since(started));
    }
    sent
}

/// Sends the request, and again as the route and the cluster allow.
async fn attempts(
    exchange: &Exchange,
    call: &Call,
    target: &Target,
) -> Result<Option<RpcResponse>, Interrupt> {
    let (cluster, retry) = (&target.cluster, &target.retry);
    let mut tried = RpcTried::default();
    let mut repeats = 0;
    // Held while what was sent once is sent again.
    let mut repeat = None;
    loop {
        let answer = attempt(exchange, call, target, &mut tried).await?;
        drop(repeat.take());
        let again = if repeats < retry.max { again(&answer, retry, call) } else { Again::Never };
        if again == Again::Later {
            repeat = cluster.repeat();
        }
        if again != Again::AtOnce && repeat.is_none() {
            return answer.map_err(|failed| upstream_failed(exchange, &failed.error));
        }
        drop(answer);
        cluster.metrics().retries_total.increment();
        if let Some(repeat) = &repeat {
            sleep(repeat.wait(repeats)).await;
        }
        repeats += 1;
    }
}

/// Whether a request is sent once more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Again {
    /// Another try finds no endpoint and no room either, or may do twice what was done.
    Never,
    /// Nothing of it was sent, and there may be other endpoints.
    AtOnce,
    /// It was sent, and the route wants it sent again.
    Later,
}

fn again(answer: &Attempted, retry: &Retry, call: &Call) -> Again {
    match answer {
        Ok(Some(response)) if retry.on_statuses.contains(&response.frame.status.http) => {
            Again::Later
        }
        Err(failed) if !is_endpoints(&failed.error) => Again::Never,
        Err(failed) if failed.unsent => Again::AtOnce,
        Err(_) if retry.on_reset && !call.is_one_way() => Again::Later,
        Ok(_) | Err(_) => Again::Never,
    }
}

/// True where another endpoint may do better.
fn is_endpoints(error: &UpstreamError) -> bool {
    let is_malformed = matches!(error, UpstreamError::MalformedResponse { .. });
    error.reason() == ReplyReason::UpstreamFailed && !is_malformed
}

/// What came of one attempt; `None` where there is no answer to wait for.
type Attempted = Result<Option<RpcResponse>, RpcError>;

/// Sends the request once, to another endpoint than the one that was tried.
async fn attempt(
    exchange: &Exchange,
    call: &Call,
    target: &Target,
    tried: &mut RpcTried,
) -> Result<Attempted, Interrupt> {
    let wants_new = tried.last().is_some();
    let protocol = call.connection.protocol(&exchange.listener);
    let session = &call.connection.session;
    let upstream = target.cluster.rpc(&protocol, session, wants_new, tried).await;
    exchange.stream.facts.borrow_mut().upstream = tried.last();
    let upstream = match upstream {
        Ok(upstream) => upstream,
        Err(error) => return Ok(Err(error.into())),
    };
    exchange.stream.facts.borrow_mut().upstream_local = upstream.local_address();
    let bytes = call.bytes_with(exchange, upstream.id().unwrap_or(call.frame.id)).await?;
    Ok(if call.is_one_way() {
        upstream.notify(bytes).await.map(|()| None)
    } else {
        upstream.call(bytes, call.frame.id).await.map(Some)
    })
}

/// Takes the response through the filters and writes it to the client.
async fn respond(
    exchange: &mut Exchange,
    call: &Call,
    response: RpcResponse,
) -> Result<(), Interrupt> {
    let mut frame = response.frame;
    let _held = call.connection.hold(frame.raw.len());
    let status = StatusCode::from_u16(frame.status.http).unwrap_or(StatusCode::OK);
    let body_changed = pass_response(exchange, status, &mut frame).await?;
    let body_bytes = frame.body.len() as u64;
    let bytes = call.connection.rewritten(&*response.codec, frame, call.frame.id, body_changed);
    let bytes = bytes.await?.ok_or_else(|| unwritable(exchange, call, StatusCode::BAD_GATEWAY))?;
    reply::write(exchange, call, bytes, (status, body_bytes)).await;
    Ok(())
}

/// Takes a response through the filters; true where they changed its body.
pub(super) async fn pass_response(
    exchange: &Exchange,
    status: StatusCode,
    frame: &mut Frame,
) -> Result<bool, Interrupt> {
    let headers = Headers::rpc_response(status, std::mem::take(&mut frame.fields));
    let source = Source::whole(frame.body.clone(), &exchange.stream, Side::Response);
    exchange.stream.response.body_bytes.set(0);
    let (head, body) = frame_through_filters(exchange, headers, source).await?;
    exchange.stream.response.body_bytes.set(frame.body.len() as u64);
    if let Some(fields) = head.and_then(|mut head| head.take_list()) {
        frame.fields = fields;
    }
    let changed = body.filter(|body| *body != frame.body);
    Ok(changed.map(|body| frame.body = body).is_some())
}

/// What filters wrote cannot stand in the protocol; where none was there, its codec fails. Which of
/// several it was nobody knows: the last one is named, and the log has all of them.
pub(super) fn unwritable(exchange: &Exchange, call: &Call, status: StatusCode) -> Interrupt {
    let text = "what a plugin wrote cannot be said in this protocol\n";
    let filters: Vec<PluginName> =
        exchange.chain.times().into_iter().map(|(plugin, _time)| plugin).collect();
    let codec = &call.connection.entry;
    let reason = match filters.last() {
        Some(last) => ReplyReason::PluginFailed(last.clone()),
        None if codec.metrics.is_some() => {
            ReplyReason::PluginFailed(PluginName::from(codec.name.as_str()))
        }
        None => ReplyReason::Internal,
    };
    stop::with_status(reason, status, text)
}

impl Call {
    /// True where nobody waits for a reply.
    pub(super) fn is_one_way(&self) -> bool {
        self.frame.kind == FrameKind::OneWay
    }

    /// The caller's patience, or the route's where that is shorter.
    fn timeout(&self, target: &Target) -> Duration {
        let most = self.connection.listener.state().plan.limits.frame_timeout_max;
        let said = match (self.frame.timeout.map(|said| said.min(most)), target.frame_timeout) {
            (Some(of_frame), Some(of_route)) => Some(of_frame.min(of_route)),
            (of_frame, of_route) => of_frame.or(of_route),
        };
        said.or(self.connection.profile.default_timeout).unwrap_or(TIMEOUT)
    }

    /// The request as it goes upstream under this id. It may have to be written once more.
    async fn bytes_with(&self, exchange: &Exchange, id: u64) -> Result<Bytes, Interrupt> {
        let (frame, connection) = (&self.frame, &self.connection);
        if let Some(bytes) = unchanged(frame, id, self.body_changed) {
            return Ok(bytes);
        }
        let rewrite = Rewrite { frame, id, body_changed: self.body_changed };
        let bytes = connection.answer(connection.codec.encode(rewrite)).await?;
        bytes.ok_or_else(|| unwritable(exchange, self, StatusCode::BAD_REQUEST))
    }
}

impl RpcConnection {
    /// A frame that `codec` read, as it goes to the client under this id; `None` where what was
    /// changed cannot be written.
    pub(super) async fn rewritten(
        &self,
        codec: &dyn Codec,
        mut frame: Frame,
        id: u64,
        body_changed: bool,
    ) -> Result<Option<Bytes>, Interrupt> {
        if !body_changed
            && !frame.fields.is_changed()
            && let Some(place) = frame.id_place.filter(|place| place.takes(id, frame.raw.len()))
        {
            // Nobody else holds the bytes behind this, and the id is written in place.
            let raw = std::mem::take(&mut frame.raw);
            drop(frame);
            return Ok(Frame::patched(raw, place, id));
        }
        if let Some(bytes) = unchanged(&frame, id, body_changed) {
            return Ok(Some(bytes));
        }
        self.answer(codec.encode(Rewrite { frame: &frame, id, body_changed })).await
    }
}

/// The bytes of a frame that nobody changed, with this id; `None` where a codec must write them.
fn unchanged(frame: &Frame, id: u64, body_changed: bool) -> Option<Bytes> {
    if body_changed || frame.fields.is_changed() {
        return None;
    }
    if id == frame.id {
        return Some(frame.raw.clone());
    }
    Frame::patched(frame.raw.clone(), frame.id_place?, id)
}
