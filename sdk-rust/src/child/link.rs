//! One session as the plugins' thread has it: events come in, replies go out, and who asks the
//! host waits for the answer here.
//!
//! Replies go out in one message as soon as there is nothing else to do, when there are many, or
//! when the first of them has waited for a while; that of a slow callback goes out at once, since
//! the next one may be as slow. Nothing here knows what an event means, but for the two that a waiting thread
//! answers to: the result of its call, and a ping.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    time::Duration,
};

use abi_process::v1::{Call, CallResult, Event, Pong, Reply, ToHost, ToPlugin, call, event, reply};
use prost::Message;
use tokio::{sync::mpsc, time::Instant};
use tonic::Status;

use crate::{HostError, backend::Outcome};

/// What the plugins' thread hands to the sockets' thread.
pub(super) type Outgoing = Result<ToHost, Status>;

/// The plugins' end of a session.
#[derive(Debug)]
pub(super) struct Link {
    events: RefCell<mpsc::Receiver<ToPlugin>>,
    replies: mpsc::Sender<Outgoing>,
    /// Events that came and were not handled yet, in order.
    aside: RefCell<VecDeque<Event>>,
    pending: RefCell<Pending>,
    /// When the event was taken that is being handled.
    taken: Cell<Option<Instant>>,
    message_bytes_max: Cell<usize>,
    generation: Cell<u32>,
    last_call: Cell<u64>,
    over: Cell<bool>,
}

/// Replies that were not sent yet.
#[derive(Debug, Default)]
struct Pending {
    replies: Vec<Reply>,
    bytes: usize,
    since: Option<Instant>,
}

/// Replies of one message.
const BATCH_MAX: usize = 128;
/// Bytes of one message that holds more than one reply.
const BATCH_BYTES_MAX: usize = 64 * 1024;
/// The longest wait of a reply for others, and how long a callback takes that is slow.
const BATCH_WAIT: Duration = Duration::from_micros(100);
/// Events that may be set aside while a call waits: more than any proxy has under way.
const ASIDE_MAX: usize = 1 << 18;
/// What a message needs beside its replies, and a reply beside its content.
const FRAME_BYTES: usize = 64;
/// Where the proxy does not say how much it takes.
const MESSAGE_BYTES_DEFAULT: usize = 4 * 1024 * 1024;

impl Link {
    pub(super) fn new(events: mpsc::Receiver<ToPlugin>, replies: mpsc::Sender<Outgoing>) -> Self {
        Self {
            events: RefCell::new(events),
            replies,
            aside: RefCell::default(),
            pending: RefCell::default(),
            taken: Cell::default(),
            message_bytes_max: Cell::new(MESSAGE_BYTES_DEFAULT),
            generation: Cell::default(),
            last_call: Cell::default(),
            over: Cell::default(),
        }
    }

    /// Notes what the hello said; a limit of 0 says nothing.
    pub(super) fn greet(&self, generation: u32, message_bytes_max: u32) {
        self.generation.set(generation);
        let max = usize::try_from(message_bytes_max).unwrap_or(usize::MAX);
        self.message_bytes_max.set(if max == 0 { MESSAGE_BYTES_DEFAULT } else { max });
    }

    /// Which start of the plugin this is.
    pub(super) fn generation(&self) -> u32 {
        self.generation.get()
    }

    /// The next event; `None` once the session is over.
    pub(super) fn next(&self) -> Option<Event> {
        loop {
            if self.over.get() {
                return None;
            }
            let now = Instant::now();
            if self.has_waited(now) {
                self.flush();
            }
            if let Some(event) = self.aside.borrow_mut().pop_front() {
                self.taken.set(Some(now));
                return Some(event);
            }
            let ready = self.events.borrow_mut().try_recv();
            let message = match ready {
                Ok(message) => Some(message),
                Err(_none_yet) => {
                    self.flush();
                    self.taken.set(None);
                    self.events.borrow_mut().blocking_recv()
                }
            };
            match message {
                Some(message) => self.aside.borrow_mut().extend(message.events),
                None => self.over.set(true),
            }
        }
    }

    /// True where one reply of this size is more than the proxy takes.
    pub(super) fn is_too_large(&self, bytes: usize) -> bool {
        bytes.saturating_add(FRAME_BYTES) > self.message_bytes_max.get()
    }

    /// Sends a reply, behind those before it.
    pub(super) fn send(&self, kind: reply::Kind) {
        let reply = Reply { kind: Some(kind) };
        let bytes = reply.encoded_len() + FRAME_BYTES;
        let max = BATCH_BYTES_MAX.min(self.message_bytes_max.get());
        if self.pending.borrow().bytes + bytes > max {
            self.flush();
        }
        let mut pending = self.pending.borrow_mut();
        pending.since.get_or_insert_with(Instant::now);
        pending.bytes += bytes;
        pending.replies.push(reply);
        if pending.replies.len() >= BATCH_MAX {
            drop(pending);
            self.flush();
        }
    }

    /// Sends what waits to be sent.
    pub(super) fn flush(&self) {
        let Pending { replies, .. } = self.pending.take();
        if replies.is_empty() || self.over.get() {
            return;
        }
        if self.replies.blocking_send(Ok(ToHost { replies })).is_err() {
            self.over.set(true);
        }
    }

    /// Ends the session, and says why.
    pub(super) fn fail(&self, why: Status) {
        self.flush();
        if !self.over.replace(true) {
            // Where nobody listens any more it is over anyway.
            drop(self.replies.blocking_send(Err(why)));
        }
    }

    /// The number of the next call.
    pub(super) fn new_call(&self) -> u64 {
        let id = self.last_call.get() + 1;
        self.last_call.set(id);
        id
    }

    /// Asks the host, and waits for its answer. What comes meanwhile is set aside.
    pub(super) fn call(
        &self,
        (context, instance): (u64, u64),
        kind: call::Kind,
    ) -> Outcome<CallResult> {
        let id = self.new_call();
        self.send_call(id, (context, instance), kind, false)?;
        self.flush();
        loop {
            if self.over.get() {
                return Err(HostError::Unsupported);
            }
            let message = self.events.borrow_mut().blocking_recv();
            let Some(message) = message else {
                self.over.set(true);
                continue;
            };
            if let Some(result) = self.sort(message, id) {
                super::wire::outcome(result.status)?;
                return Ok(result);
            }
        }
    }

    /// Tells the host something that needs no answer.
    pub(super) fn tell(&self, of: (u64, u64), kind: call::Kind) -> Outcome<()> {
        let id = self.new_call();
        self.send_call(id, of, kind, true)
    }

    fn send_call(
        &self,
        id: u64,
        (context, instance): (u64, u64),
        kind: call::Kind,
        silent: bool,
    ) -> Outcome<()> {
        let generation = self.generation();
        let call = Call { generation, id, context, instance, kind: Some(kind), silent };
        if self.is_too_large(call.encoded_len()) {
            return Err(HostError::LimitReached);
        }
        self.send(reply::Kind::Call(call));
        Ok(())
    }

    /// Sets the events of a message aside, but for the result that is waited for and for pings:
    /// a thread that waits for the host does not hang.
    fn sort(&self, message: ToPlugin, id: u64) -> Option<CallResult> {
        let mut found = None;
        let mut pinged = false;
        for event in message.events {
            match event.kind {
                Some(event::Kind::CallResult(result)) if result.id == id => found = Some(result),
                Some(event::Kind::Ping(ping)) => {
                    self.send(reply::Kind::Pong(Pong { number: ping.number }));
                    pinged = true;
                }
                kind => self.aside.borrow_mut().push_back(Event { kind }),
            }
        }
        if pinged {
            self.flush();
        }
        if self.aside.borrow().len() > ASIDE_MAX {
            let text = "more events came during a call than a session can have under way";
            self.fail(Status::resource_exhausted(text));
        }
        found
    }

    /// True where a reply has waited for long, or comes from a slow callback.
    fn has_waited(&self, now: Instant) -> bool {
        let Some(since) = self.pending.borrow().since else { return false };
        let began = self.taken.get().unwrap_or(since).min(since);
        now.saturating_duration_since(began) >= BATCH_WAIT
    }
}

#[cfg(test)]
mod tests;
