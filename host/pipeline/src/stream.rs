//! A request's way from its head to its reply. **Read first for a request.**
//!
//! [`run_stream`] reads as the table of rooms does: filters of the listener, router, filters
//! of the route, upstream, filters reversed, reply. What ends the way early is an
//! [`Interrupt`], and becomes a local reply or a reset.
//!
//! That is HTTP's way. The frames of a codec go the same one, in `run_call` of `rpc/call.rs`: the
//! filters, the router, the reply's filters and the end of a stream are the same.

use std::{rc::Rc, time::SystemTime};

use host_extension::{ConnectionFacts, Interrupt, Phases, Side, Signal, Stage, Stream};
use host_types::{Headers, ReplyReason};
use host_upstream::{Body, UpstreamProtocol};
use http::{
    HeaderValue, Method, Request, Response, StatusCode, Uri, Version,
    header::{CONNECTION, CONTENT_LENGTH, UPGRADE},
    uri,
};
use hyper::upgrade::OnUpgrade;

use crate::{
    chain::Chain,
    connection::Carried,
    direction::Direction,
    end::StreamEnd,
    forward,
    listener::ListenerState,
    reply::{self, ReplyBody, StreamReset},
    route::{Target, route, upstream_failed},
    source::{Filtered, Source},
    stop, upgrade,
    watch::Watch,
    worker::Worker,
};

/// One stream on its way, of HTTP or of a codec.
pub(crate) struct Exchange {
    pub(crate) listener: Rc<ListenerState>,
    pub(crate) stream: Rc<Stream>,
    pub(crate) chain: Rc<Chain>,
    /// The client asked over HTTP in gRPC, and understands no other reply.
    pub(crate) is_grpc: bool,
    /// Ends the stream when it is dropped, wherever that happens.
    pub(crate) end: StreamEnd,
    /// The protocol that a client of HTTP asks to change to, with its side of the connection.
    pub(crate) upgrade: Option<(HeaderValue, OnUpgrade)>,
}

/// The stream of a request, with the listener's filters, none of them called yet. `abort` ends
/// what carries the response, where nobody reads it.
pub(crate) fn open(
    listener: &Rc<ListenerState>,
    carried: &Carried,
    connection: Rc<ConnectionFacts>,
    abort: Rc<Signal>,
    headers: Headers,
) -> Exchange {
    let worker = &listener.worker;
    let limits = &listener.plan.limits;
    let stream = Stream::new(worker.next_stream(), connection, SystemTime::now(), headers);
    let stream = Rc::new(stream);
    stream.held_bytes_max.set(limits.held_body_bytes_max);
    if let Some(carrier) = &carried.carrier {
        stream.carrier.get_or_init(|| Rc::clone(carrier));
    }
    let stall = limits.stall_timeout;
    let chain = Rc::new(Chain::new(&listener.chain, worker.clock.clone(), stall));
    let watch = Watch::new(&stream, worker, abort, Worker::sweeps_in(stall));
    let end = StreamEnd::new(listener, &stream, &chain, watch, carried);
    let listener = Rc::clone(listener);
    Exchange { listener, stream, chain, is_grpc: false, end, upgrade: None }
}

/// Takes a request through filters, router and upstream, and its response back.
///
/// # Errors
/// The stream is broken off without a reply.
pub(crate) async fn run_stream(
    mut exchange: Exchange,
    body: Body,
) -> Result<Response<ReplyBody>, StreamReset> {
    match forward_and_respond(&mut exchange, body).await {
        Ok(response) => Ok(response),
        Err(Interrupt::Reply(reason, reply)) => reply::local(exchange, reason, *reply).await,
        Err(Interrupt::Reset(reason)) => {
            exchange.stream.end_because(reason);
            Err(StreamReset)
        }
    }
}

async fn forward_and_respond(
    exchange: &mut Exchange,
    body: Body,
) -> Result<Response<ReplyBody>, Interrupt> {
    let mut request = request_side(exchange, body);
    request.pass_head().await?;
    let target = route(exchange, &mut request).await?;
    let head = take_request_head(exchange, &target);
    let request = upstream_request(exchange, request, head, &target);
    let response = send(exchange, &target, request).await?;
    let response = if response.message.status() == StatusCode::SWITCHING_PROTOCOLS {
        upgrade::switch(exchange, response).await?
    } else {
        respond(exchange, response).await?
    };
    // Only now: until its head is on its way out, the stream may still end for another reason.
    exchange.stream.note_reason(ReplyReason::Upstream);
    Ok(response)
}

fn request_side(exchange: &Exchange, body: Body) -> Filtered {
    let source = Source::new(body, &exchange.stream, exchange.end.watch(), Side::Request);
    begin_request(exchange, source)
}

/// The request's direction, with its body.
pub(crate) fn begin_request(exchange: &Exchange, source: Source) -> Filtered {
    let limit = exchange.listener.plan.limits.held_body_bytes_max;
    let direction = Direction::new(&exchange.chain, &exchange.stream, Side::Request, limit);
    Filtered::new(direction, Some(source))
}

/// The phases in which the request's head may have gone upstream.
fn behind_head() -> Phases {
    let response = Phases::RESPONSE_HEADERS | Phases::RESPONSE_BODY | Phases::RESPONSE_TRAILERS;
    Phases::REQUEST_BODY | Phases::REQUEST_TRAILERS | response
}

/// Makes the head ready for the upstream and takes it out of the stream.
fn take_request_head(exchange: &Exchange, target: &Target) -> Headers {
    let mut section = exchange.stream.request.headers.borrow_mut();
    if let Some(headers) = section.as_mut() {
        forward::remove_hop_by_hop(headers.map_mut());
        let forwarding = exchange.listener.forwarding();
        forward::add_forwarding(headers, &exchange.stream.connection, forwarding);
        if target.cluster.plan().protocol == UpstreamProtocol::Http1 {
            forward::join_cookies(headers.map_mut());
        }
    }
    drop(section);
    take_sent_head(exchange).unwrap_or_else(|| Headers::trailers(http::HeaderMap::new()))
}

/// Takes out of the stream the head of a request that goes upstream now; leaves a copy where a
/// filter asked for one, and the request line where one may ask for that.
pub(crate) fn take_sent_head(exchange: &Exchange) -> Option<Headers> {
    let message = &exchange.stream.request;
    message.stage.set(Stage::Sent);
    let mut section = message.headers.borrow_mut();
    let kept = exchange.chain.wants(Phases::LOG);
    let head = if kept { section.clone() } else { section.take() };
    if !kept && exchange.chain.wants(behind_head()) {
        let line = head.as_ref().and_then(Headers::as_request).cloned().map(Box::new);
        exchange.stream.facts.borrow_mut().request_line = line;
    }
    head
}

/// Puts head and body together as the upstream's protocol wants them.
fn upstream_request(
    exchange: &Exchange,
    side: Filtered,
    mut headers: Headers,
    target: &Target,
) -> Request<Body> {
    let mut map = headers.take_map();
    let body = if side.is_empty() && side.length() == Some(0) {
        map.remove(CONTENT_LENGTH);
        keep_empty_length(&headers, &mut map);
        Body::Empty
    } else {
        side.announce_length(&mut map);
        if side.can_pass_by() {
            side.into_source().map_or(Body::Empty, Source::into_body)
        } else {
            Body::Stream(side.into_frames())
        }
    };
    let mut request = Request::new(body);
    if let Some(head) = headers.as_request() {
        *request.method_mut() = head.method.clone();
        let authority = head.authority.as_ref().filter(|_| !target.host_of_endpoint);
        *request.uri_mut() = upstream_uri(head, authority);
    }
    if let Some((token, _)) = &exchange.upgrade {
        map.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        map.insert(UPGRADE, token.clone());
    }
    *request.headers_mut() = map;
    request
}

/// A method that means a body says that it has none; others say nothing.
fn keep_empty_length(headers: &Headers, map: &mut http::HeaderMap) {
    let method = headers.as_request().map(|head| &head.method);
    if matches!(method, Some(&Method::POST | &Method::PUT | &Method::PATCH)) {
        map.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
}

/// With scheme and authority where the request names one: the pool writes them as the
/// cluster's protocol has them, and puts the endpoint's address in the place of none.
fn upstream_uri(head: &host_types::RequestHead, authority: Option<&uri::Authority>) -> Uri {
    let mut parts = uri::Parts::default();
    parts.path_and_query = Some(head.path.clone());
    if let Some(authority) = authority {
        parts.scheme = Some(head.scheme.clone());
        parts.authority = Some(authority.clone());
    }
    Uri::from_parts(parts).unwrap_or_else(|_| Uri::from_static("/"))
}

/// Sends the request and waits for the response's head, for as long as the route allows and
/// nothing interrupts.
async fn send(
    exchange: &Exchange,
    target: &Target,
    request: Request<Body>,
) -> Result<host_upstream::Response, Interrupt> {
    let mut chosen = None;
    let started = exchange.listener.worker.clock.tick();
    let sent = async {
        // In its place at once: a time-out around it would move it there.
        let sending = std::pin::pin!(target.cluster.send(request, &mut chosen));
        let watch = exchange.end.watch();
        let late = async {
            match target.timeout {
                Some(timeout) => {
                    // An upload takes as long as it makes progress.
                    watch.until_request_ended().await;
                    tokio::time::sleep(timeout).await;
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            sent = sending => Some(sent),
            () = late => None,
        }
    };
    let sent = tokio::select! {
        biased;
        interrupt = exchange.stream.interrupted() => Err(interrupt),
        sent = sent => Ok(sent),
    };
    exchange.stream.facts.borrow_mut().upstream = chosen;
    match sent? {
        Some(Ok(response)) => {
            exchange.stream.facts.borrow_mut().upstream_local = response.lease.local_address();
            exchange.end.upstream_answered(exchange.listener.worker.clock.since(started));
            Ok(response)
        }
        // The body's own end says better whose fault it is.
        Some(Err(error)) => Err(exchange
            .stream
            .take_interrupt()
            .unwrap_or_else(|| upstream_failed(exchange, &error))),
        None => {
            let text = "the upstream did not answer in time\n";
            Err(stop::because(ReplyReason::Timeout, text))
        }
    }
}

/// Takes the response through the filters and hands it to the client's side.
async fn respond(
    exchange: &mut Exchange,
    response: host_upstream::Response,
) -> Result<Response<ReplyBody>, Interrupt> {
    let (mut parts, body) = response.message.into_parts();
    forward::remove_hop_by_hop(&mut parts.headers);
    if let Some(via) = &exchange.listener.forwarding().via {
        forward::add_via(&mut parts.headers, &upstream_protocol(parts.version), via);
    }
    let stream = &exchange.stream;
    let source = Source::leased(body, response.lease, stream, exchange.end.watch());
    reply::through_filters(exchange, Headers::response(parts.status, parts.headers), source).await
}

fn upstream_protocol(version: Version) -> host_extension::Protocol {
    match version {
        Version::HTTP_2 => host_extension::Protocol::Http2,
        Version::HTTP_10 => host_extension::Protocol::Http10,
        _ => host_extension::Protocol::Http11,
    }
}

#[cfg(test)]
mod tests;
