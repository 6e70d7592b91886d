//! One request with its response, as filters and host calls see it.

use std::{
    cell::{Cell, OnceCell, RefCell},
    future::poll_fn,
    net::SocketAddr,
    task::{Context, Poll},
    time::SystemTime,
};

use host_types::{
    ClusterName, ConnectionId, Headers, Limits, ListenerName, ProtocolName, ReplyReason,
    RequestHead, StreamId,
};

use crate::{BodyBuffer, Connection, LocalReply, Signal};

/// What is known of a downstream connection. Shared by its streams.
#[derive(Debug)]
pub struct ConnectionFacts {
    /// Its id.
    pub id: ConnectionId,
    /// The listener that accepted it.
    pub listener: ListenerName,
    /// The client's address.
    pub peer: SocketAddr,
    /// Our address that the client connected to.
    pub local: SocketAddr,
    /// The protocol spoken.
    pub protocol: Protocol,
}

/// The protocol of a connection.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Protocol {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
    /// HTTP/2
    Http2,
    /// Bytes only.
    Tcp,
    /// That of a codec.
    Rpc(ProtocolName),
}

impl Protocol {
    /// As the `via` field and `request.protocol` write it.
    #[must_use]
    pub fn label(&self) -> &str {
        match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
            Self::Tcp => "TCP",
            Self::Rpc(name) => name.as_str(),
        }
    }
}

/// A direction of a stream.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Side {
    /// From the client to the upstream.
    Request,
    /// From the upstream to the client.
    Response,
}

/// How far a message has come.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum Stage {
    /// Nothing of it is here yet.
    #[default]
    Expected,
    /// Its head is here and may be changed.
    Open,
    /// Its head was passed on; it may be readable still, but not changed.
    Sent,
}

/// One direction's message. Its parts are borrowed for the length of one host call only.
#[derive(Debug, Default)]
pub struct Message {
    /// The head, while it is open, and after that where a filter asked to keep it.
    pub headers: RefCell<Option<Headers>>,
    /// The bytes that the filter on duty sees.
    pub body: RefCell<BodyBuffer>,
    /// The trailers, once they came.
    pub trailers: RefCell<Option<Headers>>,
    /// How far the head has come.
    pub stage: Cell<Stage>,
    /// Body bytes that passed so far, before filters.
    pub body_bytes: Cell<u64>,
    /// True while a filter has the body's bytes in hand and may rewrite them.
    pub body_on_duty: Cell<bool>,
    /// How many bytes the filter that has them in hand may make of them, where that is less than
    /// [`Stream::held_bytes_max`].
    pub duty_bytes_max: Cell<Option<usize>>,
    /// True while a filter is shown the end of the message, when trailers can be added.
    pub end_on_duty: Cell<bool>,
}

/// What becomes known while a stream lives.
#[derive(Clone, Debug, Default)]
pub struct StreamFacts {
    /// The id that `x-request-id` carries.
    pub request_id: Option<Box<str>>,
    /// The virtual host that matched.
    pub virtual_host: Option<Box<str>>,
    /// The route that matched.
    pub route: Option<Box<str>>,
    /// The cluster that the route names.
    pub cluster: Option<ClusterName>,
    /// The endpoint that was chosen.
    pub upstream: Option<SocketAddr>,
    /// Our own address on the connection to it.
    pub upstream_local: Option<SocketAddr>,
    /// The request line that went upstream, where filters may still ask for it and the whole
    /// head was not kept.
    pub request_line: Option<Box<RequestHead>>,
    /// Why the reply is what it is; the first one said stands.
    pub reason: Option<ReplyReason>,
    /// More words on the reason.
    pub details: Option<Box<str>>,
    /// The status that the client was sent.
    pub status: Option<u16>,
    /// Attributes that plugins set, by path (segments joined by NUL).
    pub attributes: Vec<Attribute>,
}

/// A path and its value.
pub type Attribute = (Box<[u8]>, Box<[u8]>);

/// Something that ends a stream: the answer of a hook, or an event from beside its hooks.
#[derive(Debug)]
pub enum Interrupt {
    /// Answer the client, where the response's head was not sent yet; else break off.
    Reply(ReplyReason, Box<LocalReply>),
    /// Break off.
    Reset(ReplyReason),
}

/// One request with its response.
///
/// While one hook of a stream waits, other tasks of the worker may read the stream, change it
/// and interrupt it; so everything is behind cells, and nobody may keep a borrow over a call.
#[derive(Debug)]
pub struct Stream {
    /// Its id.
    pub id: StreamId,
    /// The connection that carries it.
    pub connection: std::rc::Rc<ConnectionFacts>,
    /// That connection as its network filters see it, where the listener has some; what they
    /// set there can be read here.
    pub carrier: OnceCell<std::rc::Rc<Connection>>,
    /// When its head was complete.
    pub started: SystemTime,
    /// The request.
    pub request: Message,
    /// The response.
    pub response: Message,
    /// What is known of it so far.
    pub facts: RefCell<StreamFacts>,
    /// How many bytes of one body a filter may hold, or make of what it has in hand.
    pub held_bytes_max: Cell<usize>,
    interrupt: RefCell<Option<Interrupt>>,
    interrupted: Signal,
}

impl Stream {
    /// A stream whose request head has just come.
    #[must_use]
    pub fn new(
        id: StreamId,
        connection: std::rc::Rc<ConnectionFacts>,
        started: SystemTime,
        request: Headers,
    ) -> Self {
        let message = Message::default();
        message.stage.set(Stage::Open);
        message.headers.replace(Some(request));
        Self {
            id,
            connection,
            carrier: OnceCell::new(),
            started,
            request: message,
            response: Message::default(),
            facts: RefCell::default(),
            held_bytes_max: Cell::new(Limits::default().held_body_bytes_max),
            interrupt: RefCell::default(),
            interrupted: Signal::default(),
        }
    }

    /// The message of a direction.
    #[must_use]
    pub fn message(&self, side: Side) -> &Message {
        match side {
            Side::Request => &self.request,
            Side::Response => &self.response,
        }
    }

    /// Ends the stream from outside its hooks. While one interrupt waits to be taken, later
    /// ones change nothing.
    pub fn interrupt(&self, interrupt: Interrupt) {
        let mut slot = self.interrupt.borrow_mut();
        if slot.is_none() {
            *slot = Some(interrupt);
            drop(slot);
            self.interrupted.raise();
        }
    }

    /// Waits for an interrupt and takes it. Who comes after the one that took it waits for
    /// the next, which may never come, since the stream is ending already.
    pub async fn interrupted(&self) -> Interrupt {
        poll_fn(|context| self.poll_interrupted(context)).await
    }

    /// Polls for an interrupt and takes it.
    pub fn poll_interrupted(&self, context: &Context<'_>) -> Poll<Interrupt> {
        if self.interrupted.poll_raised(context).is_pending() {
            return Poll::Pending;
        }
        self.take_interrupt().map_or(Poll::Pending, Poll::Ready)
    }

    /// Takes the interrupt, if there is one.
    #[must_use]
    pub fn take_interrupt(&self) -> Option<Interrupt> {
        self.interrupted.reset();
        self.interrupt.borrow_mut().take()
    }

    /// Notes why the stream ends, whatever was noted before: for what happens after a reply
    /// has begun.
    pub fn end_because(&self, reason: ReplyReason) {
        self.facts.borrow_mut().reason = Some(reason);
    }

    /// Notes why the stream ends; the first reason said stands.
    pub fn note_reason(&self, reason: ReplyReason) {
        self.facts.borrow_mut().reason.get_or_insert(reason);
    }
}

#[cfg(test)]
mod tests;
