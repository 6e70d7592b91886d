//! After 101: both sides become a tunnel of bytes.

use std::rc::Rc;

use host_extension::{Interrupt, Stage};
use host_net::tunnel;
use host_types::ReplyReason;
use http::{
    HeaderValue, Response, StatusCode,
    header::{CONNECTION, UPGRADE},
};
use hyper_util::rt::TokioIo;

use crate::{forward, reply::ReplyBody, stop, stream::Exchange};

/// Answers 101 and starts the tunnel. The stream lives as long as the tunnel does.
///
/// # Errors
/// The upstream changes the protocol although nobody asked for it.
pub(crate) fn switch(
    exchange: &mut Exchange,
    mut response: host_upstream::Response,
) -> Result<Response<ReplyBody>, Interrupt> {
    let Some((token, downstream)) = exchange.upgrade.take() else {
        let text = "the upstream changed the protocol unasked\n";
        return Err(stop::because(ReplyReason::UpstreamFailed, text));
    };
    let upstream = hyper::upgrade::on(&mut response.message);
    let lease = response.lease;
    let (mut parts, _no_body) = response.message.into_parts();
    let accepted = parts.headers.get(UPGRADE).cloned().unwrap_or(token);
    forward::remove_hop_by_hop(&mut parts.headers);
    parts.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    parts.headers.insert(UPGRADE, accepted);
    exchange.stream.response.stage.set(Stage::Sent);
    exchange.stream.facts.borrow_mut().status = Some(StatusCode::SWITCHING_PROTOCOLS.as_u16());

    let mut end = exchange.end.take();
    let idle = exchange.listener.plan.limits.idle_timeout;
    let worker = Rc::clone(&exchange.listener.worker);
    tokio::task::spawn_local(async move {
        let both = async {
            let sides = futures_util::future::try_join(downstream, upstream).await;
            if let Ok((downstream, upstream)) = sides {
                let (mut downstream, mut upstream) =
                    (TokioIo::new(downstream), TokioIo::new(upstream));
                let moved = tunnel(&mut downstream, &mut upstream, idle).await;
                end.tunnelled(moved.a_to_b, moved.b_to_a);
            }
        };
        tokio::select! {
            () = both => {}
            () = worker.abort.wait() => {}
        }
        drop(lease);
    });

    let mut answer = Response::new(ReplyBody::none());
    *answer.status_mut() = parts.status;
    *answer.headers_mut() = parts.headers;
    Ok(answer)
}
