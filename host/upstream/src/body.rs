//! The body of every message that passes.
//!
//! The three plain variants are the ways of nearly all messages and cost no allocation;
//! `Stream` carries what filters made. No variant buffers: a chunk is asked for when the
//! other side can take it.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::Stream;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;

/// Frames that somebody produces.
pub type BodyStream = Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, BodyError>>>>;

/// A message's body.
#[derive(Default)]
pub enum Body {
    /// None.
    #[default]
    Empty,
    /// One chunk.
    Full(Bytes),
    /// What the other side sends, as it comes.
    Incoming(Incoming),
    /// What filters made of it.
    Stream(BodyStream),
}

/// A body that broke off.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// The connection that it came from broke off, or broke the protocol.
    #[error("the body broke off")]
    Broken(#[source] hyper::Error),
    /// We ended it: a limit, a timeout, a drain.
    #[error("the body was stopped: {0}")]
    Stopped(&'static str),
}

impl Body {
    /// A body of one chunk; none where it is empty.
    #[must_use]
    pub fn full(bytes: Bytes) -> Self {
        if bytes.is_empty() { Self::Empty } else { Self::Full(bytes) }
    }

    /// A body of frames.
    pub fn stream(frames: impl Stream<Item = Result<Frame<Bytes>, BodyError>> + 'static) -> Self {
        Self::Stream(Box::pin(frames))
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Self::Empty;
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Self::Incoming(incoming) => Pin::new(incoming)
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(BodyError::Broken))),
            Self::Stream(frames) => frames.as_mut().poll_next(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(bytes) => bytes.is_empty(),
            Self::Incoming(incoming) => incoming.is_end_stream(),
            // Only asking tells: a stream's end is not known before.
            Self::Stream(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(bytes) => {
                SizeHint::with_exact(u64::try_from(bytes.len()).unwrap_or(u64::MAX))
            }
            Self::Incoming(incoming) => incoming.size_hint(),
            Self::Stream(_) => SizeHint::default(),
        }
    }
}

impl From<Incoming> for Body {
    fn from(incoming: Incoming) -> Self {
        Self::Incoming(incoming)
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::full(bytes)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Full(bytes) => write!(f, "Full({} bytes)", bytes.len()),
            Self::Incoming(_) => f.write_str("Incoming"),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

#[cfg(test)]
mod tests;
