//! Calls of plugins to clusters: HTTP requests and gRPC streams.

use std::{any::Any, fmt, rc::Rc, time::Duration};

use bytes::Bytes;
use host_types::Headers;

use super::CallResult;

/// Something that goes on for as long as this is held: a call that waits for its answer, a
/// timer, a place at a queue. Dropping it ends it, without a last word.
#[must_use]
pub struct Subscription(#[expect(dead_code, reason = "held for its drop")] Option<Box<dyn Any>>);

impl Subscription {
    /// Ends with `held`.
    pub fn new(held: impl Any) -> Self {
        Self(Some(Box::new(held)))
    }

    /// Of something that never comes to anything.
    pub fn nothing() -> Self {
        Self(None)
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").finish_non_exhaustive()
    }
}

/// Fields with their values, pseudo-header fields included.
pub type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// One HTTP request to a cluster.
#[derive(Clone, Debug)]
pub struct HttpCall {
    /// The name of the cluster.
    pub cluster: Box<str>,
    /// The head; `:method`, `:path` and `:authority` must be there.
    pub headers: Pairs,
    /// The body.
    pub body: Bytes,
    /// The trailers.
    pub trailers: Pairs,
    /// The longest wait for the whole answer; `None` leaves it to the host's own limit.
    pub timeout: Option<Duration>,
}

/// The answer to an [`HttpCall`].
#[derive(Debug)]
pub struct HttpAnswer {
    /// Its head.
    pub headers: Headers,
    /// Its body, whole.
    pub body: Bytes,
    /// Its trailers, where it has some.
    pub trailers: Option<Headers>,
}

/// Why a call to a cluster came to nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OutboundError {
    /// No endpoint, or no connection to it.
    #[error("no connection to the upstream")]
    Unreachable,
    /// It took too long.
    #[error("timed out")]
    TimedOut,
    /// The upstream broke off.
    #[error("the upstream broke off")]
    Reset,
    /// The answer is larger than the host keeps.
    #[error("the answer is too large")]
    TooLarge,
}

/// Takes the answer to an HTTP call; called once, from the worker's loop, never from within the
/// call that asked.
pub type OnHttpAnswer = Box<dyn FnOnce(Result<HttpAnswer, OutboundError>)>;

/// A gRPC method of a cluster that speaks HTTP/2.
#[derive(Clone, Debug)]
pub struct GrpcMethod {
    /// The name of the cluster.
    pub cluster: Box<str>,
    /// The full name of the service.
    pub service: Box<str>,
    /// The method.
    pub method: Box<str>,
    /// Initial metadata. Values of names that end in `-bin` are raw bytes here.
    pub metadata: Pairs,
    /// The longest wait for the end of the call; `None` for a stream that may stay open.
    pub timeout: Option<Duration>,
}

/// What comes of a gRPC stream, in this order; the last is always `Closed`, once.
#[derive(Debug)]
pub enum GrpcEvent {
    /// The initial metadata.
    InitialMetadata(Headers),
    /// One message, without its frame.
    Message(Bytes),
    /// The trailing metadata.
    TrailingMetadata(Headers),
    /// The end.
    Closed {
        /// The status code of gRPC (0 is good).
        status: u32,
        /// What `grpc-message` says, decoded.
        message: Box<str>,
    },
}

/// Takes what comes of a gRPC stream; called from the worker's loop.
pub type OnGrpcEvent = Rc<dyn Fn(GrpcEvent)>;

/// An open gRPC stream. Dropping it cancels it.
pub trait GrpcStream {
    /// Sends a message; `end` says that it is the last one.
    ///
    /// # Errors
    /// `BadArgument` after the last one, `LimitReached` where too much waits already.
    fn send(&self, message: &[u8], end: bool) -> CallResult<()>;

    /// Says that no more messages come, where that was not said yet.
    fn close(&self);
}
