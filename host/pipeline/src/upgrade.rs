//! After 101: both sides become a tunnel of bytes.

use std::{rc::Rc, time::Duration};

use host_extension::{Interrupt, Side, Stage, Stream};
use host_net::{TunnelHow, tunnel};
use host_types::{Headers, ReplyReason};
use host_upstream::Lease;
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{CONNECTION, UPGRADE},
};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use crate::{
    direction::Direction, end::StreamEnd, forward, reply::ReplyBody, source::Filtered, stop,
    stream::Exchange, worker::Worker,
};

/// Answers 101, once the filters have seen its head, and starts the tunnel. The stream lives
/// as long as the tunnel does; its bytes are nobody's to filter.
///
/// # Errors
/// The upstream changes the protocol although nobody asked for it, or a filter ends the stream.
pub(crate) async fn switch(
    exchange: &mut Exchange,
    mut response: host_upstream::Response,
) -> Result<Response<ReplyBody>, Interrupt> {
    let Some((token, downstream)) = exchange.upgrade.take() else {
        let text = "the upstream changed the protocol unasked\n";
        return Err(stop::because(ReplyReason::UpstreamFailed, text));
    };
    let upstream = hyper::upgrade::on(&mut response.message);
    let lease = response.lease;
    let (parts, _no_body) = response.message.into_parts();
    let accepted = parts.headers.get(UPGRADE).cloned().unwrap_or(token);
    let mut headers = head_behind_filters(exchange, parts).await?;
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, accepted);
    exchange.stream.facts.borrow_mut().status = Some(StatusCode::SWITCHING_PROTOCOLS.as_u16());
    tokio::task::spawn_local(run_tunnel(Tunnel {
        end: exchange.end.take(),
        stream: Rc::clone(&exchange.stream),
        worker: Rc::clone(&exchange.listener.worker),
        idle: exchange.listener.plan.limits.idle_timeout,
        downstream,
        upstream,
        _lease: lease,
    }));
    let mut answer = Response::new(ReplyBody::none());
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *answer.headers_mut() = headers;
    Ok(answer)
}

/// Shows the head of the 101 to the filters; its status stands whatever they write.
async fn head_behind_filters(
    exchange: &Exchange,
    mut parts: http::response::Parts,
) -> Result<HeaderMap, Interrupt> {
    forward::remove_hop_by_hop(&mut parts.headers);
    let message = &exchange.stream.response;
    message.headers.replace(Some(Headers::response(parts.status, parts.headers)));
    message.stage.set(Stage::Open);
    let direction = Direction::new(&exchange.chain, &exchange.stream, Side::Response, 0);
    Filtered::new(direction, None).pass_head().await?;
    message.stage.set(Stage::Sent);
    let section = message.headers.borrow();
    let mut map = section.as_ref().map(|head| head.map().clone()).unwrap_or_default();
    forward::remove_hop_by_hop(&mut map);
    Ok(map)
}

/// A tunnel with all that lives as long as it does.
struct Tunnel {
    end: StreamEnd,
    stream: Rc<Stream>,
    worker: Rc<Worker>,
    idle: Duration,
    downstream: OnUpgrade,
    upstream: OnUpgrade,
    /// The upstream's connection.
    _lease: Lease,
}

async fn run_tunnel(mut it: Tunnel) {
    let both = async {
        let sides = futures_util::future::try_join(&mut it.downstream, &mut it.upstream).await;
        let (downstream, upstream) = sides.ok()?;
        let (mut downstream, mut upstream) = (TokioIo::new(downstream), TokioIo::new(upstream));
        Some(tunnel(&mut downstream, &mut upstream, it.idle).await)
    };
    let moved = tokio::select! {
        moved = both => moved,
        () = it.worker.abort.wait() => {
            it.stream.end_because(ReplyReason::Drain);
            return;
        }
    };
    let Some(moved) = moved else { return };
    it.end.tunnelled(moved.a_to_b, moved.b_to_a);
    match moved.how {
        TunnelHow::Closed => {}
        TunnelHow::Idle => it.stream.end_because(ReplyReason::Timeout),
        TunnelHow::FailedA(_) => it.stream.end_because(ReplyReason::ClientGone),
        TunnelHow::FailedB(_) | _ => it.stream.end_because(ReplyReason::UpstreamFailed),
    }
}
