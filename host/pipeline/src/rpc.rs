//! RPC on a downstream connection: the frames of one codec.
//!
//! ```text
//! client -> bytes -> codec -> a request: a stream, with a task of its own
//!                             a heartbeat: answered here
//! client <- bytes <- outbox <- replies, in the order in which they come
//! ```
//!
//! One task owns the connection: it reads ([`Reader`]), writes ([`Outbox`]) and knows when it is
//! over. What happens to a request is in `call.rs`, which reads as `run_stream` of HTTP does, over
//! the same filters and the same router. Nothing here knows a protocol, and nothing opens
//! sockets. Start reading at [`serve_rpc`].

mod call;
mod head;
mod outbox;
mod reader;
mod reply;

use std::{
    cell::{Cell, RefCell},
    pin::pin,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use host_extension::{
    Codec, CodecProfile, CodecStep, ConnectionFacts, FaultKind, Interrupt, PluginFault, Signal,
};
use host_telemetry::ProtocolMetrics;
use host_types::{PluginName, ReplyReason};
use host_upstream::{RpcProtocol, RpcSession};
use http::uri::Scheme;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::JoinSet,
    time::timeout,
};

use self::{outbox::Outbox, reader::Reader, reply::ReadBack};
use crate::{
    alarm::Alarm,
    connection::{Began, Carried},
    listener::{CodecEntry, Listener, ListenerState},
};

/// One connection, as its requests see it.
pub(crate) struct RpcConnection {
    listener: Rc<Listener>,
    facts: Rc<ConnectionFacts>,
    carried: Carried,
    began: Began,
    /// Reads all of its frames, and writes those that were changed.
    codec: Rc<dyn Codec>,
    entry: CodecEntry,
    /// Reads the proxy's own replies for filters, where any looks at them.
    read_back: ReadBack,
    profile: CodecProfile,
    /// Its upstream connections, where the protocol has one for each client.
    session: RpcSession,
    outbox: Outbox,
    /// Bytes of its requests and responses that are under way.
    held: Cell<usize>,
    counts: Arc<ProtocolMetrics>,
    /// What its requests say for a scheme.
    scheme: Scheme,
    /// Longest wait for a codec or for a client that takes nothing.
    stall: Duration,
    /// Raised when nothing more is read: it ends behind the replies that are under way.
    last_orders: Signal,
    closed: Alarm,
    closed_because: RefCell<Option<ReplyReason>>,
}

impl RpcConnection {
    /// A connection whose frames are those of `codec`, made by `entry`.
    pub(crate) fn new(
        (listener, facts): (Rc<Listener>, Rc<ConnectionFacts>),
        carried: Carried,
        began: Began,
        entry: CodecEntry,
        codec: Rc<dyn Codec>,
    ) -> Self {
        let state = listener.state();
        if let Some(metrics) = &entry.metrics {
            metrics.streams_total.increment();
        }
        Self {
            codec,
            read_back: ReadBack::default(),
            profile: entry.factory.codec_profile(),
            session: RpcSession::default(),
            outbox: Outbox::default(),
            held: Cell::default(),
            counts: state.metrics.protocol(&entry.name),
            scheme: head::scheme_of(&entry.name),
            stall: state.plan.limits.stall_timeout,
            last_orders: Signal::default(),
            closed: Alarm::default(),
            closed_because: RefCell::default(),
            listener,
            facts,
            carried,
            began,
            entry,
        }
    }

    /// The protocol for a stream: as the newest plan has it, where it still has.
    fn protocol(&self, state: &ListenerState) -> RpcProtocol {
        let newest = state.codecs.iter().find(|entry| entry.name == self.entry.name);
        newest.unwrap_or(&self.entry).protocol(state.plan.limits.frame_bytes_max)
    }

    /// Waits for a codec's answer, but not for ever.
    ///
    /// # Errors
    /// The codec failed; the connection is closed.
    async fn answer<T>(&self, step: CodecStep<T>) -> Result<T, Interrupt> {
        let answer = match step {
            CodecStep::Ready(answer) => answer,
            CodecStep::Later(answer) => timeout(self.stall, answer).await.unwrap_or_else(|_late| {
                Err(PluginFault::new(FaultKind::TimedOut, "its codec did not answer in time"))
            }),
        };
        answer.map_err(|fault| {
            let reason = self.entry.failed(&fault);
            self.close(reason.clone());
            Interrupt::Reset(reason)
        })
    }

    /// Counts the bytes of a request that begins, or of its response.
    fn hold(self: &Rc<Self>, bytes: usize) -> Held {
        self.held.set(self.held.get().saturating_add(bytes));
        Held { connection: Rc::clone(self), bytes }
    }

    /// True where a request of so many bytes may begin: what is alone always may.
    fn has_room_for(&self, bytes: usize) -> bool {
        let (held, most) = (self.held.get(), self.listener.state().plan.limits.rpc_bytes_max);
        held == 0 || held.saturating_add(bytes) <= most
    }

    /// Ends it at once, and all that is under way on it; the first reason said stands.
    fn close(&self, reason: ReplyReason) {
        self.closed_because.borrow_mut().get_or_insert(reason);
        self.closed.raise();
    }

    fn is_closed(&self) -> bool {
        self.closed.is_raised()
    }

    async fn until_closed(&self) -> ReplyReason {
        self.closed.wait().await;
        self.closed_because.borrow().clone().unwrap_or(ReplyReason::ClientGone)
    }

    /// Counts and logs what is none of the protocol's frames; nothing more is read.
    fn refuse(&self, details: &str) {
        self.counts.malformed_total.increment();
        self.listener.state().refused_bytes(&self.facts, self.began, None, details);
        self.last_orders.raise();
    }
}

/// Bytes of a connection that are under way; they have gone where this is dropped.
struct Held {
    connection: Rc<RpcConnection>,
    bytes: usize,
}

impl Drop for Held {
    fn drop(&mut self) {
        let held = &self.connection.held;
        held.set(held.get().saturating_sub(self.bytes));
    }
}

impl CodecEntry {
    /// The protocol as pools of upstreams want it.
    fn protocol(&self, frame_bytes_max: usize) -> RpcProtocol {
        RpcProtocol {
            name: self.name.clone(),
            factory: Rc::clone(&self.factory),
            profile: self.factory.codec_profile(),
            frame_bytes_max,
        }
    }

    /// A codec of it failed: its instance is dealt with. Says why what was under way ends.
    pub(crate) fn failed(&self, fault: &PluginFault) -> ReplyReason {
        self.factory.on_fault(fault);
        if self.metrics.is_none() {
            tracing::error!(protocol = %self.name, %fault, "a codec of the proxy failed");
            return ReplyReason::Internal;
        }
        tracing::debug!(plugin = %self.name, %fault, "a codec failed: its connection is closed");
        ReplyReason::PluginFailed(PluginName::from(self.name.as_str()))
    }
}

/// Serves the frames of one connection until it ends.
pub(crate) async fn serve_rpc<T>(connection: RpcConnection, io: T)
where
    T: AsyncRead + AsyncWrite,
{
    let connection = Rc::new(connection);
    let worker = Rc::clone(&connection.listener.state().worker);
    let mut calls = JoinSet::new();
    let reason = {
        let (read, write) = tokio::io::split(io);
        let served = pin!(serve_frames(&connection, &mut calls, read, write));
        tokio::select! {
            biased;
            () = worker.abort.wait() => ReplyReason::Drain,
            reason = connection.until_closed() => reason,
            reason = served => reason,
        }
    };
    tracing::debug!(peer = %connection.facts.peer, reason = reason.label(), "an RPC connection ended");
    connection.close(reason);
    // They have heard of it; what is sent and not answered goes on, as far as it may.
    while let Some(ended) = calls.join_next().await {
        reader::note_panic(ended);
    }
}

/// Reads and writes until it is over, and takes care that the client gets what was written.
async fn serve_frames(
    connection: &Rc<RpcConnection>,
    calls: &mut JoinSet<()>,
    mut read: impl AsyncRead + Unpin,
    write: impl AsyncWrite,
) -> ReplyReason {
    let mut written = pin!(connection.outbox.write_to(write, connection.stall));
    let ended = tokio::select! {
        biased;
        reason = written.as_mut() => Err(reason),
        ended = Reader::new(connection, calls, &mut read).run() => ended,
    };
    if let Err(reason) = ended {
        return reason;
    }
    connection.outbox.finish();
    let reason = written.await;
    if reason == ReplyReason::Upstream {
        reader::linger(&mut read).await;
    }
    reason
}

#[cfg(test)]
mod tests;
