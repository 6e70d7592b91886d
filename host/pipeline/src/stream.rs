//! A request's way from its head to its reply. **Read first for a request.**
//!
//! [`run_stream`] reads as the table of rooms does: filters of the listener, router, filters
//! of the route, upstream, filters reversed, reply. What ends the way early is an
//! [`Interrupt`], and becomes a local reply or a reset.

use std::rc::Rc;

use host_extension::{Interrupt, Phases, Side, Stage, Stream};
use host_router::{HostRewrite, RouteId, RouteMatch, RouteTarget};
use host_types::{ClusterName, Headers, ReplyReason};
use host_upstream::{Body, Cluster, UpstreamError, UpstreamProtocol};
use http::{
    HeaderValue, Method, Request, Response, StatusCode, Uri, Version,
    header::{CONNECTION, CONTENT_LENGTH, UPGRADE},
    uri,
};
use hyper::upgrade::OnUpgrade;

use crate::{
    chain::Chain,
    direction::Direction,
    end::StreamEnd,
    forward,
    listener::ListenerState,
    reply::{self, ReplyBody, StreamReset},
    source::{Filtered, Source},
    stop, upgrade,
};

/// One stream on its way.
pub(crate) struct Exchange {
    pub(crate) listener: Rc<ListenerState>,
    pub(crate) stream: Rc<Stream>,
    pub(crate) chain: Rc<Chain>,
    /// The client asked in gRPC, and understands no other reply.
    pub(crate) is_grpc: bool,
    /// Ends the stream when it is dropped, wherever that happens.
    pub(crate) end: StreamEnd,
    /// The protocol that the client asks to change to, with its side of the connection.
    pub(crate) upgrade: Option<(HeaderValue, OnUpgrade)>,
}

/// Where the request goes, taken out of the route so that nothing borrows the router.
struct Target {
    cluster: Rc<Cluster>,
    timeout: Option<std::time::Duration>,
    host_of_endpoint: bool,
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

/// The request's direction, with its body.
fn request_side(exchange: &Exchange, body: Body) -> Filtered {
    let limit = exchange.listener.plan.limits.held_body_bytes_max;
    let direction = Direction::new(&exchange.chain, &exchange.stream, Side::Request, limit);
    let source = Source::new(body, &exchange.stream, exchange.end.watch(), Side::Request);
    Filtered::new(direction, Some(source))
}

/// Asks the router, lets the filters of the route see the head, and applies the route's
/// rewrites. A route that answers itself ends the way here.
async fn route(exchange: &Exchange, request: &mut Filtered) -> Result<Target, Interrupt> {
    let (route_id, decision) = ask_router(exchange)?;
    if let Some(entries) = exchange.listener.route_chains.get(route_id.0)
        && !entries.is_empty()
    {
        let added_at = exchange.chain.len();
        exchange.chain.extend(entries);
        request.pass_added(added_at).await?;
    }
    // Only behind its filters a route answers itself, too.
    let forward = decision?;
    rewrite(exchange, forward.path, &forward.host);
    let cluster = find_cluster(exchange, &forward.cluster)?;
    let host_of_endpoint = forward.host == HostRewrite::Endpoint;
    Ok(Target { cluster, timeout: forward.timeout, host_of_endpoint })
}

/// What a route asks for that forwards, taken out of the router.
struct Onward {
    cluster: ClusterName,
    path: Option<uri::PathAndQuery>,
    host: HostRewrite,
    timeout: Option<std::time::Duration>,
}

/// The route of the request, and what comes of it: a way to a cluster, or a reply.
fn ask_router(exchange: &Exchange) -> Result<(RouteId, Result<Onward, Interrupt>), Interrupt> {
    let streams = exchange.listener.streams()?;
    let section = exchange.stream.request.headers.borrow();
    let headers = section.as_ref().ok_or_else(internal)?;
    let found = streams.router.route(headers, fastrand::u64(..)).map_err(|none| {
        tracing::debug!(listener = %exchange.listener.plan.name, %none, "no route");
        stop::because(ReplyReason::NoRoute, "no route matches this request\n")
    })?;
    note_route(exchange, &found);
    let decision = match found.target {
        RouteTarget::Forward(cluster, forward) => {
            let head = headers.as_request().ok_or_else(internal)?;
            found.rewritten_path(head).map_err(|error| bad_rewrite(&error)).map(|path| Onward {
                cluster: cluster.clone(),
                path,
                host: forward.host_rewrite.clone(),
                timeout: forward.timeout,
            })
        }
        RouteTarget::Redirect(_) | RouteTarget::Respond(_) => Err(route_reply(headers, &found)),
    };
    Ok((found.id, decision))
}

fn note_route(exchange: &Exchange, found: &RouteMatch<'_>) {
    let mut facts = exchange.stream.facts.borrow_mut();
    facts.virtual_host = Some(found.virtual_host.into());
    facts.route = found.route.name.clone();
    if let RouteTarget::Forward(cluster, _) = found.target {
        facts.cluster = Some(cluster.clone());
    }
}

/// The reply of a route that needs no upstream.
fn route_reply(headers: &Headers, found: &RouteMatch<'_>) -> Interrupt {
    match found.target {
        RouteTarget::Respond(respond) => {
            let mut reply = host_extension::LocalReply::text(respond.status, respond.body.clone());
            reply.headers.extend(respond.headers.clone());
            Interrupt::Reply(ReplyReason::Route, Box::new(reply))
        }
        RouteTarget::Redirect(redirect) => {
            let Some(head) = headers.as_request() else { return internal() };
            match found.location(head) {
                Ok(Some(location)) => {
                    let mut reply = host_extension::LocalReply::text(redirect.status, "");
                    reply.headers.insert(http::header::LOCATION, location);
                    Interrupt::Reply(ReplyReason::Route, Box::new(reply))
                }
                Ok(None) => internal(),
                Err(error) => bad_rewrite(&error),
            }
        }
        RouteTarget::Forward(..) => internal(),
    }
}

fn bad_rewrite(error: &host_router::RewriteError) -> Interrupt {
    tracing::debug!(%error, "the route's rewrite gives no path");
    stop::because(ReplyReason::Malformed, "this route cannot rewrite the path of this request\n")
}

fn internal() -> Interrupt {
    debug_assert!(false, "a stream lost its head or its plan on the way");
    stop::because(ReplyReason::Internal, "internal error\n")
}

fn rewrite(exchange: &Exchange, path: Option<uri::PathAndQuery>, host: &HostRewrite) {
    let mut section = exchange.stream.request.headers.borrow_mut();
    let Some(head) = section.as_mut().and_then(Headers::as_request_mut) else { return };
    if let Some(path) = path {
        head.path = path;
    }
    if let HostRewrite::Fixed(authority) = host {
        head.authority = Some(authority.clone());
    }
}

/// The phases in which the request's head may have gone upstream.
fn behind_head() -> Phases {
    let response = Phases::RESPONSE_HEADERS | Phases::RESPONSE_BODY | Phases::RESPONSE_TRAILERS;
    Phases::REQUEST_BODY | Phases::REQUEST_TRAILERS | response
}

fn find_cluster(exchange: &Exchange, name: &ClusterName) -> Result<Rc<Cluster>, Interrupt> {
    exchange.listener.worker.clusters.get(name).ok_or_else(|| {
        stop::because(ReplyReason::NoEndpoint, "the cluster of this route does not exist\n")
    })
}

/// Takes the head out of the stream; leaves a copy where a filter asked for one, and the request
/// line where one may ask for that.
fn take_request_head(exchange: &Exchange, target: &Target) -> Headers {
    let message = &exchange.stream.request;
    let mut section = message.headers.borrow_mut();
    if let Some(headers) = section.as_mut() {
        forward::remove_hop_by_hop(headers.map_mut());
        let forwarding = exchange.listener.forwarding();
        forward::add_forwarding(headers, &exchange.stream.connection, forwarding);
        if target.cluster.plan().protocol == UpstreamProtocol::Http1 {
            forward::join_cookies(headers.map_mut());
        }
    }
    message.stage.set(Stage::Sent);
    let kept = exchange.chain.wants(Phases::LOG);
    let head = if kept { section.clone() } else { section.take() };
    if !kept && exchange.chain.wants(behind_head()) {
        let line = head.as_ref().and_then(Headers::as_request).cloned().map(Box::new);
        exchange.stream.facts.borrow_mut().request_line = line;
    }
    head.unwrap_or_else(|| Headers::trailers(http::HeaderMap::new()))
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

fn upstream_failed(exchange: &Exchange, error: &UpstreamError) -> Interrupt {
    tracing::debug!(listener = %exchange.listener.plan.name, %error, "the upstream failed");
    let reason = error.reason();
    let text = if reason == ReplyReason::NoEndpoint {
        "the cluster has no endpoint\n"
    } else if reason == ReplyReason::Overload {
        "too many requests wait for this cluster\n"
    } else if reason == ReplyReason::Malformed {
        "the request cannot be written in the upstream's protocol\n"
    } else if error.nothing_sent() {
        "no connection to the upstream\n"
    } else {
        "the upstream broke off before it answered\n"
    };
    stop::because(reason, text)
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
