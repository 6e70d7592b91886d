//! The way out: replies that the proxy makes itself, and what is written to the client.

use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use host_extension::{Codec, Interrupt, LocalReply, Phases, Rejection};
use host_types::{FieldList, Frame, FrameKind, ReplyReason};
use http::{
    HeaderMap, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};

use super::call::{Call, pass_response, unwritable};
use crate::{forward, listener::CodecEntry, reply::note_local, stream::Exchange};

/// Longest text for the caller that is taken from a plugin's body.
const MESSAGE_BYTES_MAX: usize = 256;

/// Replies in the upstream's place. The filters that saw the request see the reply; where one
/// of them fails on it or would reply itself, its own answer goes out unseen.
pub(super) async fn local(
    mut exchange: Exchange,
    call: &Call,
    reason: ReplyReason,
    reply: LocalReply,
) {
    note_local(&exchange.stream, reason.clone(), &reply);
    let words = Words::new(&reason, reply);
    if call.is_one_way() {
        // Nobody waits for it, so only logs and metrics tell that it went nowhere.
        return exchange.end.whole_sent(words.status, 0);
    }
    exchange.chain.begin_reply();
    let answered = match answer(&mut exchange, call, &words).await {
        Err(Interrupt::Reply(reason, reply)) => {
            note_local(&exchange.stream, reason.clone(), &reply);
            let words = Words::new(&reason, *reply);
            answer_unseen(&mut exchange, call, &words).await
        }
        answered => answered,
    };
    if let Err(Interrupt::Reset(reason)) = answered {
        broken_off(exchange, call, reason).await;
    }
}

/// Ends a request without a reply, as far as that can be: a protocol has no word for it that ends
/// one request alone, and a caller that hears nothing waits.
pub(super) async fn broken_off(mut exchange: Exchange, call: &Call, reason: ReplyReason) {
    exchange.stream.end_because(reason.clone());
    if call.is_one_way() {
        return exchange.end.whole_sent(StatusCode::SERVICE_UNAVAILABLE, 0);
    }
    if reason == ReplyReason::ClientGone || call.connection.is_closed() {
        return;
    }
    let reply = LocalReply::text(StatusCode::SERVICE_UNAVAILABLE, "the request was broken off\n");
    let words = Words::new(&ReplyReason::Internal, reply);
    // Where that fails, too, the connection is closed by now.
    drop(answer_unseen(&mut exchange, call, &words).await);
}

/// What a reply of ours says, as codecs are told.
struct Words {
    status: StatusCode,
    message: String,
    fields: FieldList,
    body: Bytes,
}

impl Words {
    /// A text of ours is a message; what a plugin or a route gives is the payload.
    fn new(reason: &ReplyReason, reply: LocalReply) -> Self {
        let LocalReply { mut status, headers, body, .. } = reply;
        if status.is_informational() {
            status = StatusCode::INTERNAL_SERVER_ERROR; // a plugin's mistake
        }
        let line = beginning(&body).lines().next().unwrap_or_default().trim();
        let known = status.canonical_reason().unwrap_or_default();
        let message = if line.is_empty() { known } else { line }.to_owned();
        if matches!(reason, ReplyReason::Plugin(_) | ReplyReason::Route) {
            Self { status, message, fields: fields_of(headers), body }
        } else {
            Self { status, message, fields: FieldList::default(), body: Bytes::new() }
        }
    }
}

/// The beginning of a text, cut at a character; nothing of what is no text.
fn beginning(body: &[u8]) -> &str {
    let first = body.get(..MESSAGE_BYTES_MAX).unwrap_or(body);
    let whole = match str::from_utf8(first) {
        // A character was cut.
        Err(error) if error.error_len().is_none() && first.len() < body.len() => {
            first.get(..error.valid_up_to()).unwrap_or_default()
        }
        Ok(_) | Err(_) => first,
    };
    str::from_utf8(whole).unwrap_or_default()
}

/// The fields of a reply that say something in any protocol.
fn fields_of(mut map: HeaderMap) -> FieldList {
    forward::trim_values(&mut map);
    forward::remove_hop_by_hop(&mut map);
    map.remove(CONTENT_LENGTH);
    // What every text of ours has for browsers.
    if map.get(CONTENT_TYPE).is_some_and(|value| value == "text/plain; charset=utf-8") {
        map.remove(CONTENT_TYPE);
    }
    let mut fields = FieldList::default();
    for (name, value) in &map {
        fields.push(name.as_ref(), value.as_bytes());
    }
    fields
}

/// The codec that reads a connection's own replies, made when it is first needed: the one that
/// reads the connection may be in the middle of a frame.
#[derive(Debug, Default)]
pub(super) struct ReadBack(tokio::sync::Mutex<Option<Rc<dyn Codec>>>);

/// Shows the reply to the filters that want to see one, and writes it.
async fn answer(exchange: &mut Exchange, call: &Call, words: &Words) -> Result<(), Interrupt> {
    let Some(bytes) = reject(call, words).await? else { return Ok(()) };
    let looks = Phases::RESPONSE_HEADERS | Phases::RESPONSE_BODY | Phases::LOG;
    let shown = if exchange.chain.wants(looks) { read_back(call, &bytes).await? } else { None };
    let Some((codec, mut frame)) = shown else {
        write(exchange, call, bytes, (words.status, words.body.len() as u64)).await;
        return Ok(());
    };
    let body_changed = pass_response(exchange, words.status, &mut frame).await?;
    let body_bytes = frame.body.len() as u64;
    let connection = &call.connection;
    let bytes = connection.rewritten(&*codec, frame, call.frame.id, body_changed).await?;
    let bytes = bytes.ok_or_else(|| unwritable(exchange, call, StatusCode::BAD_GATEWAY))?;
    write(exchange, call, bytes, (words.status, body_bytes)).await;
    Ok(())
}

async fn answer_unseen(
    exchange: &mut Exchange,
    call: &Call,
    words: &Words,
) -> Result<(), Interrupt> {
    if let Some(bytes) = reject(call, words).await? {
        write(exchange, call, bytes, (words.status, words.body.len() as u64)).await;
    }
    Ok(())
}

/// The frame that says it; where the protocol has no words for it, the connection ends as soon as
/// its other requests are answered.
async fn reject(call: &Call, words: &Words) -> Result<Option<Bytes>, Interrupt> {
    let connection = &call.connection;
    let rejection = Rejection {
        request: &call.frame,
        status: words.status.as_u16(),
        message: &words.message,
        fields: &words.fields,
        body: &words.body,
    };
    let bytes = connection.answer(connection.codec.reject(rejection)).await?;
    if bytes.is_none() {
        connection.last_orders.raise();
    }
    Ok(bytes)
}

/// A reply of ours as filters see one. Nothing where there is no codec to read it, or where that
/// does not read what it writes: the reply goes out unseen then.
async fn read_back(
    call: &Call,
    bytes: &Bytes,
) -> Result<Option<(Rc<dyn Codec>, Frame)>, Interrupt> {
    let connection = &call.connection;
    // One at a time: what is behind a frame may come later.
    let mut slot = connection.read_back.0.lock().await;
    let Some(codec) = slot.take().or_else(|| new_codec(&connection.entry)) else {
        return Ok(None);
    };
    let decoded = connection.answer(codec.decode(BytesMut::from(&bytes[..]))).await?;
    let is_at_border = decoded.rest.is_empty() && decoded.lost.is_none();
    let mut frames = decoded.frames.into_iter();
    let only = frames.next().filter(|frame| frame.kind == FrameKind::Response);
    let only = only.filter(|_| is_at_border && frames.next().is_none());
    if only.is_some() {
        *slot = Some(Rc::clone(&codec));
    }
    Ok(only.map(|frame| (codec, frame)))
}

/// A codec for the replies of one connection. A plugin that cannot make one has noted why; its
/// connections with codecs of their own live on.
fn new_codec(entry: &CodecEntry) -> Option<Rc<dyn Codec>> {
    let made = entry.factory.codec();
    let noted = made.inspect_err(|fault| {
        tracing::debug!(codec = %entry.name, %fault, "a reply goes out without its filters");
    });
    noted.ok()
}

/// Writes a reply to the client as soon as there is room for it, and ends the stream with it.
pub(super) async fn write(
    exchange: &mut Exchange,
    call: &Call,
    bytes: Bytes,
    (status, body_bytes): (StatusCode, u64),
) {
    let connection = &call.connection;
    connection.outbox.until_room().await;
    connection.outbox.push(bytes);
    connection.counts.frame(FrameKind::Response);
    exchange.end.whole_sent(status, body_bytes);
}

#[cfg(test)]
mod tests;
