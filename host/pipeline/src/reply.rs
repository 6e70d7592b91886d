//! The way out: a response, from the upstream or from us, through the filters to the client.

pub(crate) mod grpc;

use std::{
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use host_extension::{Interrupt, LocalReply, Phases, Side, Stage, Stream};
use host_types::{Headers, ReplyReason};
use host_upstream::{Body, BodyError, BodyStream};
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{CONNECTION, CONTENT_LENGTH},
};
use http_body::{Frame, SizeHint};

use crate::{
    chain::Chain,
    direction::Direction,
    end::StreamEnd,
    forward,
    source::{Filtered, Source},
    stream::Exchange,
};

/// The stream is broken off without a reply.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the stream was reset")]
pub(crate) struct StreamReset;

/// Takes a response through the filters that saw the request, and gives its head to the
/// client's side; the body follows as it comes.
///
/// # Errors
/// A filter ends the stream another way.
pub(crate) async fn through_filters(
    exchange: &mut Exchange,
    headers: Headers,
    source: Source,
) -> Result<Response<ReplyBody>, Interrupt> {
    let mut filtered = begin(exchange, headers, source);
    filtered.pass_head().await?;
    finish(exchange, filtered)
}

/// As [`through_filters`] for the response of a frame, which is here whole. Gives back its head,
/// and its body where filters looked at that.
///
/// # Errors
/// A filter ends the stream another way.
pub(crate) async fn frame_through_filters(
    exchange: &Exchange,
    headers: Headers,
    source: Source,
) -> Result<(Option<Headers>, Option<Bytes>), Interrupt> {
    let mut filtered = begin(exchange, headers, source);
    filtered.pass_whole().await?;
    match exchange.stream.take_interrupt() {
        Some(interrupt) => Err(interrupt),
        None => Ok((take_head(exchange), filtered.into_whole())),
    }
}

/// As [`through_filters`] for a reply of ours: its body is here, so that its length is known
/// also where filters look at it.
async fn whole_through_filters(
    exchange: &mut Exchange,
    headers: Headers,
    source: Source,
) -> Result<Response<ReplyBody>, Interrupt> {
    let mut filtered = begin(exchange, headers, source);
    filtered.pass_whole().await?;
    finish(exchange, filtered)
}

fn begin(exchange: &Exchange, headers: Headers, source: Source) -> Filtered {
    let message = &exchange.stream.response;
    message.headers.replace(Some(headers));
    message.stage.set(Stage::Open);
    // What filters held of another response before is gone with it.
    message.body_on_duty.set(false);
    message.trailers.take();
    let limit = exchange.listener.plan.limits.held_body_bytes_max;
    let direction = Direction::new(&exchange.chain, &exchange.stream, Side::Response, limit);
    Filtered::new(direction, Some(source))
}

fn finish(exchange: &mut Exchange, filtered: Filtered) -> Result<Response<ReplyBody>, Interrupt> {
    match exchange.stream.take_interrupt() {
        Some(interrupt) => Err(interrupt),
        None => Ok(finish_head(exchange, filtered)),
    }
}

/// Gives out the head; nothing can change it any more.
fn finish_head(exchange: &mut Exchange, filtered: Filtered) -> Response<ReplyBody> {
    let mut head =
        take_head(exchange).unwrap_or_else(|| Headers::response(StatusCode::OK, HeaderMap::new()));
    let status = head.status().unwrap_or(StatusCode::OK);
    let mut map = head.take_map();
    forward::remove_hop_by_hop(&mut map);
    let pass_by = filtered.can_pass_by();
    let bodyless = exchange.end.is_bodyless(status);
    if !bodyless {
        filtered.announce_length(&mut map);
    } else if status == StatusCode::NO_CONTENT || !pass_by || content_length(&map).is_none() {
        // It would be no length, or one that filters may change where there is a body.
        map.remove(CONTENT_LENGTH);
    }
    if exchange.upgrade.is_some() || exchange.end.closes_connection() {
        // What follows an upgrade that was refused was never looked at.
        map.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    exchange.stream.facts.borrow_mut().status = Some(status.as_u16());
    exchange.end.head_sent(if bodyless { Some(0) } else { content_length(&map) });
    let inner = if bodyless {
        Inner::Empty // a filter may have made it so: what the upstream sends goes nowhere
    } else if pass_by {
        filtered.into_source().map_or(Inner::Empty, Inner::Source)
    } else {
        Inner::Filtered(filtered.into_frames())
    };
    let mut response = Response::new(ReplyBody::new(inner, exchange.end.take()));
    *response.status_mut() = status;
    *response.headers_mut() = map;
    response
}

/// Takes the head out of the stream; leaves a copy where a filter asked for one.
fn take_head(exchange: &Exchange) -> Option<Headers> {
    let message = &exchange.stream.response;
    message.stage.set(Stage::Sent);
    let mut section = message.headers.borrow_mut();
    if exchange.chain.wants(Phases::LOG) { section.clone() } else { section.take() }
}

/// The length that is announced, where it is one length and nothing else.
fn content_length(map: &HeaderMap) -> Option<u64> {
    let mut values = map.get_all(CONTENT_LENGTH).iter();
    let only = values.next().filter(|_| values.next().is_none())?.to_str().ok()?;
    only.bytes().all(|byte| byte.is_ascii_digit()).then(|| only.parse().ok())?
}

/// Replies in the upstream's place. The filters that saw the request see the reply; where one
/// of them fails on it or would reply itself, its own answer goes out unseen.
pub(crate) async fn local(
    mut exchange: Exchange,
    reason: ReplyReason,
    reply: LocalReply,
) -> Result<Response<ReplyBody>, StreamReset> {
    note_local(&exchange.stream, reason, &reply);
    exchange.chain.begin_reply();
    let (headers, source) = local_parts(&exchange, reply);
    match whole_through_filters(&mut exchange, headers, source).await {
        Ok(response) => Ok(response),
        Err(Interrupt::Reply(reason, reply)) => {
            note_local(&exchange.stream, reason, &reply);
            let (headers, source) = local_parts(&exchange, *reply);
            exchange.stream.response.headers.replace(Some(headers));
            let none = Rc::new(Chain::empty(&exchange.listener.worker.clock));
            let direction = Direction::new(&none, &exchange.stream, Side::Response, 0);
            Ok(finish_head(&mut exchange, Filtered::new(direction, Some(source))))
        }
        Err(Interrupt::Reset(reason)) => {
            exchange.stream.end_because(reason);
            Err(StreamReset)
        }
    }
}

/// Notes a reply of ours, before it is made.
pub(crate) fn note_local(stream: &Stream, reason: ReplyReason, reply: &LocalReply) {
    let mut facts = stream.facts.borrow_mut();
    // Nothing was sent yet, so what the upstream said first does not count.
    facts.reason = Some(reason);
    if !reply.details.is_empty() {
        facts.details = Some(reply.details.clone());
    }
}

fn local_parts(exchange: &Exchange, mut reply: LocalReply) -> (Headers, Source) {
    if reply.status.is_informational() {
        // A plugin's mistake: a client would wait for another head, or change the protocol.
        reply.status = StatusCode::INTERNAL_SERVER_ERROR;
    }
    if exchange.is_grpc {
        grpc::answer_grpc(&mut reply);
    }
    let mut map = reply.headers;
    forward::trim_values(&mut map);
    forward::remove_hop_by_hop(&mut map);
    map.remove(CONTENT_LENGTH);
    if !exchange.end.is_bodyless(reply.status) {
        map.insert(CONTENT_LENGTH, HeaderValue::from(reply.body.len()));
    }
    let head_only = exchange.end.is_head_request() || reply.body.is_empty();
    let body = if head_only { Body::Empty } else { Body::Full(reply.body) };
    let source = Source::new(body, &exchange.stream, exchange.end.watch(), Side::Response);
    (Headers::response(reply.status, map), source)
}

/// The body of a reply. When it is dropped, at its end or before, the stream is over.
pub(crate) struct ReplyBody {
    inner: Inner,
    end: StreamEnd,
}

enum Inner {
    Empty,
    Source(Source),
    Filtered(BodyStream),
}

impl ReplyBody {
    fn new(inner: Inner, end: StreamEnd) -> Self {
        let mut body = Self { inner, end };
        if http_body::Body::is_end_stream(&body) {
            body.end.sent(None); // nobody asks for a piece of it
        }
        body
    }

    /// No body, and no stream behind it: the stream's end is elsewhere.
    pub(crate) fn none() -> Self {
        Self { inner: Inner::Empty, end: StreamEnd::default() }
    }
}

impl http_body::Body for ReplyBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = match &mut self.inner {
            Inner::Empty => return Poll::Ready(None),
            Inner::Source(source) => source.poll_frame(context),
            Inner::Filtered(frames) => frames.as_mut().poll_next(context),
        };
        let Poll::Ready(frame) = polled else { return Poll::Pending };
        self.end.sent(frame.as_ref());
        match &frame {
            // A body that went past the filters: who ended the stream was not noted yet.
            Some(Err(_)) if matches!(self.inner, Inner::Source(_)) => self.end.note_interrupt(),
            // Whoever sends knows that this was the last piece, and asks for no more.
            Some(Ok(_)) if self.is_end_stream() => self.end.sent(None),
            _ => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            Inner::Empty => true,
            Inner::Source(source) => source.is_end_stream(),
            Inner::Filtered(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Inner::Empty => SizeHint::with_exact(0),
            Inner::Source(source) => source.size_hint(),
            Inner::Filtered(_) => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests;
