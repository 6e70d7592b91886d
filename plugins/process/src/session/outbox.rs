//! What is to be sent to a child and was not taken by its connection yet.
//!
//! The connection takes all that waits as one message whenever it has room, so that events which
//! come together travel together. What waits is bounded by bytes; who asks for an answer is
//! refused past it, and a child that still reads nothing loses its session.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use abi_process::v1;
use parking_lot::Mutex;
use prost::Message;
use tokio_stream::Stream;

use super::limits::{BATCH_BYTES, CALLS_MAX, EVENT_BYTES_MAX, OUTBOX_BYTES_MAX};

/// The events that wait.
#[derive(Default)]
pub(crate) struct Outbox(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    events: VecDeque<Waits>,
    /// The weight of all of them.
    bytes: usize,
    /// Results of calls among the events.
    results: usize,
    is_closed: bool,
    taker: Option<Waker>,
}

/// An event that waits.
struct Waits {
    event: v1::Event,
    /// Its bytes on the way.
    size: usize,
    /// Its bytes while it waits.
    weight: usize,
}

/// Bytes that any event takes while it waits, however short it is on the way.
const EVENT_WEIGHT_MIN: usize = 256;
/// As [`EVENT_WEIGHT_MIN`], for each field or property beside its bytes.
const FIELD_WEIGHT: usize = 64;

/// The bytes that an event takes while it waits.
fn weight(kind: &v1::event::Kind, size: usize) -> usize {
    use v1::event::Kind;
    let fields = match kind {
        Kind::Headers(it) => it.fields.len(),
        Kind::Trailers(it) => it.fields.len(),
        Kind::CallResult(it) => it.fields.len(),
        Kind::HttpAnswer(it) => it.fields.len() + it.trailers.len(),
        Kind::Open(it) => it.properties.len(),
        Kind::Complete(it) => {
            [&it.request_headers, &it.response_headers, &it.response_trailers, &it.request_trailers]
                .iter()
                .map(|fields| fields.len())
                .sum()
        }
        Kind::Encode(it) => it.fields.len(),
        Kind::Reject(it) => it.fields.len(),
        Kind::Detect(_)
        | Kind::Decode(_)
        | Kind::Heartbeat(_)
        | Kind::HeartbeatReply(_)
        | Kind::GoAway(_)
        | Kind::Hello(_)
        | Kind::Configure(_)
        | Kind::Release(_)
        | Kind::Body(_)
        | Kind::NewConnection(_)
        | Kind::Data(_)
        | Kind::Close(_)
        | Kind::Tick(_)
        | Kind::QueueReady(_)
        | Kind::Ping(_)
        | Kind::Drain(_) => 0,
    };
    size.max(EVENT_WEIGHT_MIN).saturating_add(fields * FIELD_WEIGHT)
}

/// Why an event was not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Refused {
    /// It is larger than any message may be.
    #[error("{0} bytes are more than one message may carry")]
    TooLarge(usize),
    /// Too much waits already.
    #[error("it does not read what it is sent")]
    Full,
}

impl Outbox {
    /// Adds an event that asks for an answer.
    pub(crate) fn ask(&self, kind: v1::event::Kind) -> Result<(), Refused> {
        self.push(kind, OUTBOX_BYTES_MAX)
    }

    /// Adds an event that must not be lost while the session lives: there is some room for such
    /// ones when no more can be asked.
    pub(crate) fn tell(&self, kind: v1::event::Kind) -> Result<(), Refused> {
        self.push(kind, OUTBOX_BYTES_MAX + OUTBOX_BYTES_MAX / 4)
    }

    fn push(&self, kind: v1::event::Kind, bytes_max: usize) -> Result<(), Refused> {
        let is_result = matches!(kind, v1::event::Kind::CallResult(_));
        let event = v1::Event { kind: Some(kind) };
        let size = event.encoded_len();
        if size > EVENT_BYTES_MAX {
            return Err(Refused::TooLarge(size));
        }
        let weight = event.kind.as_ref().map_or(size, |kind| weight(kind, size));
        let mut waiting = self.0.lock();
        let waiting = &mut *waiting;
        let has_many_results = is_result && waiting.results >= CALLS_MAX;
        if waiting.bytes.saturating_add(weight) > bytes_max || has_many_results {
            return Err(Refused::Full);
        }
        waiting.bytes += weight;
        waiting.results += usize::from(is_result);
        waiting.events.push_back(Waits { event, size, weight });
        if let Some(taker) = waiting.taker.take() {
            taker.wake();
        }
        Ok(())
    }

    /// No more comes: the session ends once all is taken.
    pub(crate) fn close(&self) {
        let mut waiting = self.0.lock();
        waiting.is_closed = true;
        if let Some(taker) = waiting.taker.take() {
            taker.wake();
        }
    }
}

/// The outbox as the connection reads it.
#[derive(Debug)]
pub(super) struct Outgoing(pub(super) Arc<Outbox>);

impl Stream for Outgoing {
    type Item = v1::ToPlugin;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<v1::ToPlugin>> {
        let mut waiting = self.0.0.lock();
        if waiting.events.is_empty() {
            if waiting.is_closed {
                return Poll::Ready(None);
            }
            waiting.taker = Some(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Some(v1::ToPlugin { events: waiting.take() }))
    }
}

impl Waiting {
    /// One message full of events; at least one.
    fn take(&mut self) -> Vec<v1::Event> {
        let mut events = Vec::with_capacity(self.events.len());
        let mut bytes = 0;
        while let Some(Waits { event, size, weight }) = self.events.pop_front() {
            if bytes > 0 && bytes + size > BATCH_BYTES {
                self.events.push_front(Waits { event, size, weight });
                break;
            }
            bytes += size;
            self.bytes -= weight;
            self.results -= usize::from(matches!(event.kind, Some(v1::event::Kind::CallResult(_))));
            events.push(event);
        }
        events
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = self.0.lock();
        f.debug_struct("Outbox")
            .field("events", &waiting.events.len())
            .field("bytes", &waiting.bytes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
