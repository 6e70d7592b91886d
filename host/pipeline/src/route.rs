//! Where a stream goes: the router is asked, and its answer becomes a cluster or a reply.
//!
//! It is the same for all protocols. What is rewritten of a head is HTTP's alone: an RPC stream
//! goes on with the frame that came.

use std::{rc::Rc, time::Duration};

use host_extension::{Interrupt, LocalReply};
use host_router::{HostRewrite, Retry, RewriteError, RouteId, RouteMatch, RouteTarget};
use host_types::{ClusterName, Headers, ReplyReason};
use host_upstream::{Cluster, UpstreamError};
use http::{StatusCode, uri};

use crate::{source::Filtered, stop, stream::Exchange};

/// Where the request goes, taken out of the route so that nothing borrows the router.
pub(crate) struct Target {
    pub(crate) cluster: Rc<Cluster>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) host_of_endpoint: bool,
    /// How long a frame waits for its answer, where the route says.
    pub(crate) frame_timeout: Option<Duration>,
    /// When a frame is sent again.
    pub(crate) retry: Retry,
}

/// Asks the router, lets the filters of the route see the head, and applies the route's
/// rewrites. A route that answers itself ends the way here.
pub(crate) async fn route(
    exchange: &Exchange,
    request: &mut Filtered,
) -> Result<Target, Interrupt> {
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
    let Onward { timeout, frame_timeout, retry, .. } = forward;
    Ok(Target { cluster, timeout, host_of_endpoint, frame_timeout, retry })
}

/// What a route asks for that forwards, taken out of the router.
struct Onward {
    cluster: ClusterName,
    path: Option<uri::PathAndQuery>,
    host: HostRewrite,
    timeout: Option<Duration>,
    frame_timeout: Option<Duration>,
    retry: Retry,
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
                frame_timeout: forward.frame_timeout,
                retry: forward.retry.clone(),
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
            let mut reply = LocalReply::text(respond.status, respond.body.clone());
            reply.headers.extend(respond.headers.clone());
            Interrupt::Reply(ReplyReason::Route, Box::new(reply))
        }
        RouteTarget::Redirect(redirect) => {
            let Some(head) = headers.as_request() else { return internal() };
            match found.location(head) {
                Ok(Some(location)) => {
                    let mut reply = LocalReply::text(redirect.status, "");
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

fn bad_rewrite(error: &RewriteError) -> Interrupt {
    tracing::debug!(%error, "the route's rewrite gives no path");
    stop::because(ReplyReason::Malformed, "this route cannot rewrite the path of this request\n")
}

pub(crate) fn internal() -> Interrupt {
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

fn find_cluster(exchange: &Exchange, name: &ClusterName) -> Result<Rc<Cluster>, Interrupt> {
    exchange.listener.worker.clusters.get(name).ok_or_else(|| {
        stop::because(ReplyReason::NoEndpoint, "the cluster of this route does not exist\n")
    })
}

/// The reply for a request that no upstream answered.
pub(crate) fn upstream_failed(exchange: &Exchange, error: &UpstreamError) -> Interrupt {
    tracing::debug!(listener = %exchange.listener.plan.name, %error, "the upstream failed");
    let reason = error.reason();
    let text = if reason == ReplyReason::NoEndpoint {
        "the cluster has no endpoint\n"
    } else if reason == ReplyReason::Overload {
        "too many requests wait for this cluster\n"
    } else if reason == ReplyReason::Malformed {
        "the request cannot be written in the upstream's protocol\n"
    } else if let UpstreamError::MalformedResponse { .. } = error {
        let text = "the upstream's response is malformed\n";
        return stop::with_status(reason, StatusCode::BAD_GATEWAY, text);
    } else if error.nothing_sent() {
        "no connection to the upstream\n"
    } else {
        "the upstream broke off before it answered\n"
    };
    stop::because(reason, text)
}
