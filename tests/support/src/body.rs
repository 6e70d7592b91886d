//! Bodies: whole, endless-looking, fed through a channel, with trailers.

use std::{
    collections::VecDeque,
    convert::Infallible,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body_util::{BodyExt, Empty, Full, combinators::UnsyncBoxBody};
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

/// Whatever went wrong with a peer.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of every message that the tests send.
pub type TestBody = UnsyncBoxBody<Bytes, io::Error>;

const PATTERN_CHUNK: usize = 64 * 1024;

/// No body.
#[must_use]
pub fn empty() -> TestBody {
    Empty::new().map_err(never).boxed_unsync()
}

/// A body with a known length.
pub fn full(bytes: impl Into<Bytes>) -> TestBody {
    Full::new(bytes.into()).map_err(never).boxed_unsync()
}

/// A body of these frames; its length is not announced.
pub fn frames(list: impl IntoIterator<Item = Frame<Bytes>>) -> TestBody {
    FrameList(list.into_iter().collect()).boxed_unsync()
}

/// A body of `length` bytes that is made while it is sent, so that it costs no memory.
#[must_use]
pub fn pattern(length: u64) -> TestBody {
    let chunk: Vec<u8> = (0..PATTERN_CHUNK).map(|at| at.to_le_bytes()[0] ^ 0x5a).collect();
    Pattern { chunk: chunk.into(), left: length }.boxed_unsync()
}

/// A body that the test feeds frame by frame.
#[must_use]
pub fn channel() -> (BodySender, TestBody) {
    let (sender, receiver) = mpsc::channel(1);
    (BodySender(sender), Fed(receiver).boxed_unsync())
}

/// Reads a body to its end and forgets it: how many bytes there were, and the trailers.
///
/// # Errors
/// The body broke off.
pub async fn drain<B>(mut body: B) -> Result<(u64, Option<HeaderMap>), B::Error>
where
    B: Body<Data = Bytes> + Unpin,
{
    let (mut length, mut trailers) = (0, None);
    while let Some(frame) = body.frame().await {
        let frame = frame?;
        if let Some(data) = frame.data_ref() {
            length += u64::try_from(data.len()).unwrap_or(u64::MAX);
        } else {
            trailers = frame.into_trailers().ok();
        }
    }
    Ok((length, trailers))
}

/// The feeding end of [`channel`]. Dropping it ends the body well.
#[derive(Debug)]
pub struct BodySender(mpsc::Sender<Result<Frame<Bytes>, io::Error>>);

impl BodySender {
    /// Sends bytes; `false` where nobody reads any more.
    pub async fn data(&self, bytes: impl Into<Bytes>) -> bool {
        self.0.send(Ok(Frame::data(bytes.into()))).await.is_ok()
    }

    /// Sends trailers.
    pub async fn trailers(&self, trailers: HeaderMap) -> bool {
        self.0.send(Ok(Frame::trailers(trailers))).await.is_ok()
    }

    /// Breaks the body off.
    pub async fn abort(self) {
        // Nobody listening is as good as having told them.
        let _told = self.0.send(Err(io::Error::other("broken off by the test"))).await;
    }

    /// Waits until nobody reads the body any more.
    pub async fn closed(&self) {
        self.0.closed().await;
    }
}

fn never(never: Infallible) -> io::Error {
    match never {}
}

struct FrameList(VecDeque<Frame<Bytes>>);

impl Body for FrameList {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }
}

struct Pattern {
    chunk: Bytes,
    left: u64,
}

impl Body for Pattern {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let take = usize::try_from(self.left).unwrap_or(usize::MAX).min(self.chunk.len());
        self.left = self.left.saturating_sub(u64::try_from(take).unwrap_or(u64::MAX));
        Poll::Ready(Some(Ok(Frame::data(self.chunk.slice(..take)))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

struct Fed(mpsc::Receiver<Result<Frame<Bytes>, io::Error>>);

impl Body for Fed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.0.poll_recv(context)
    }
}
