//! HTTP calls of plugins to clusters: one request, one whole answer.

use std::{future::poll_fn, pin::Pin, rc::Rc};

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use host_extension::{CallResult, HttpAnswer, HttpCall, OnHttpAnswer, OutboundError, Subscription};
use host_types::Headers;
use host_upstream::{Body, Cluster, UpstreamProtocol};
use http::{
    HeaderMap, HeaderValue, Method, Request,
    header::{CONTENT_LENGTH, TRAILER},
};
use http_body::{Body as _, Frame};
use hyper::body::Incoming;

use super::outbound::{
    CALL_TIME_MAX, Ending, Outbound, Share, Task, answer_head, byte_size, cluster, fields,
    request_head, send,
};
use crate::{forward::drop_forbidden_trailers, worker::Worker};

/// The largest body of an answer that is kept for a plugin.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// Sends the call from a task of its own, which also gives the answer.
pub(super) fn start(
    worker: &Rc<Worker>,
    outbound: &Outbound,
    call: &HttpCall,
    on_answer: OnHttpAnswer,
) -> CallResult<Subscription> {
    let cluster = cluster(worker, &call.cluster)?;
    let fields = byte_size(&call.headers).saturating_add(byte_size(&call.trailers));
    let permit = outbound.call(fields.saturating_add(call.body.len()))?;
    let held = outbound.bytes();
    let time = call.timeout.unwrap_or(CALL_TIME_MAX).min(CALL_TIME_MAX);
    let request = request(call, cluster.plan().protocol)?;
    let worker = Rc::clone(worker);
    let ending = Ending::new(&cluster);
    Ok(Subscription::new(Task::start(async move {
        let answer = tokio::time::timeout(time, exchange(&worker, &cluster, request, held)).await;
        let answer = answer.unwrap_or(Err(OutboundError::TimedOut));
        ending.with(answer.as_ref().err().copied());
        drop(permit); // the answer may be a reason to call again
        on_answer(answer);
    })))
}

fn request(call: &HttpCall, protocol: UpstreamProtocol) -> CallResult<Request<Body>> {
    let mut request = request_head(&call.headers)?;
    let mut trailers = fields(&call.trailers)?;
    drop_forbidden_trailers(&mut trailers);
    if trailers.is_empty() {
        let means_body = matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH);
        if call.body.is_empty() && means_body && protocol == UpstreamProtocol::Http1 {
            request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        return Ok(request.map(|()| Body::full(call.body.clone())));
    }
    if protocol == UpstreamProtocol::Http1 {
        // Only what is announced may follow.
        for name in trailers.keys() {
            request.headers_mut().append(TRAILER, HeaderValue::from(name.clone()));
        }
    }
    let frames = [Frame::data(call.body.clone()), Frame::trailers(trailers)];
    Ok(request.map(|()| Body::stream(stream::iter(frames.map(Ok)))))
}

async fn exchange(
    worker: &Worker,
    cluster: &Cluster,
    request: Request<Body>,
    held: Share,
) -> Result<HttpAnswer, OutboundError> {
    let response = send(worker, cluster, request).await?;
    let (parts, body) = response.message.into_parts();
    let (body, trailers) = tokio::select! {
        collected = collect(body, held) => collected?,
        () = worker.abort.wait() => return Err(OutboundError::Reset),
    };
    drop(response.lease);
    Ok(HttpAnswer { headers: answer_head(parts.status, parts.headers), body, trailers })
}

/// The whole body, up to the limit and as far as there is room, and what follows it.
async fn collect(
    mut body: Incoming,
    mut held: Share,
) -> Result<(Bytes, Option<Headers>), OutboundError> {
    let announced = body.size_hint().lower();
    if usize::try_from(announced).map_or(true, |bytes| bytes > ANSWER_BYTES_MAX) {
        return Err(OutboundError::TooLarge);
    }
    let mut whole = BytesMut::new();
    let mut trailers: Option<HeaderMap> = None;
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let frame = frame.map_err(|_broken| OutboundError::Reset)?;
        match frame.into_data() {
            Ok(data) if whole.len() + data.len() > ANSWER_BYTES_MAX => {
                return Err(OutboundError::TooLarge);
            }
            Ok(data) => {
                let room = held.resize(whole.len() + data.len());
                room.map_err(|_full| OutboundError::TooLarge)?;
                whole.extend_from_slice(&data);
            }
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    Ok((whole.freeze(), trailers.map(Headers::trailers)))
}

#[cfg(test)]
mod tests;
