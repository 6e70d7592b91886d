//! Messages that wait to be sent.

use std::{
    cell::RefCell,
    collections::VecDeque,
    fmt,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, stream};
use host_extension::{CallError, CallResult};
use host_upstream::BodyError;
use http_body::Frame;

use super::frames::prefix;
use crate::calls::outbound::Share;

/// Bytes of messages, with their frames, that may wait; no larger message can be sent, either.
pub(super) const QUEUED_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Messages that may wait.
const QUEUED_MESSAGES_MAX: usize = 4096;

/// What a plugin sends and the connection did not take yet.
pub(super) struct SendQueue {
    queued: RefCell<Queued>,
    /// Each message has a share like this one until the connection has written it.
    room: Share,
}

#[derive(Default)]
struct Queued {
    messages: VecDeque<Bytes>,
    bytes: usize,
    state: State,
    waker: Option<Waker>,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum State {
    #[default]
    Open,
    /// The plugin sends no more.
    Ended,
    /// The plugin let the stream go: it must not look whole.
    GivenUp,
    /// The connection takes no more.
    Gone,
}

/// A message with its frame, and its share of the bytes that may be held.
struct Framed {
    bytes: BytesMut,
    _share: Share,
}

impl AsRef<[u8]> for Framed {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl SendQueue {
    /// A queue whose messages count among what `room` is a share of.
    pub(super) fn new(room: Share) -> Rc<Self> {
        Rc::new(Self { queued: RefCell::default(), room })
    }

    /// Adds a message with its frame.
    pub(super) fn push(&self, message: &[u8], end: bool) -> CallResult<()> {
        let mut queued = self.queued.borrow_mut();
        if queued.state != State::Open {
            return Err(CallError::BadArgument);
        }
        let prefix = prefix(message.len()).ok_or(CallError::LimitReached)?;
        let bytes = queued.bytes.saturating_add(prefix.len()).saturating_add(message.len());
        if bytes > QUEUED_BYTES_MAX || queued.messages.len() >= QUEUED_MESSAGES_MAX {
            return Err(CallError::LimitReached);
        }
        let share = self.room.more(prefix.len() + message.len())?;
        let mut framed = BytesMut::with_capacity(prefix.len() + message.len());
        framed.extend_from_slice(&prefix);
        framed.extend_from_slice(message);
        queued.messages.push_back(Bytes::from_owner(Framed { bytes: framed, _share: share }));
        queued.bytes = bytes;
        if end {
            queued.state = State::Ended;
        }
        queued.wake();
        Ok(())
    }

    /// No more messages come.
    pub(super) fn end(&self) {
        self.leave(State::Ended);
    }

    /// Nobody wants the stream any more.
    pub(super) fn give_up(&self) {
        let mut queued = self.queued.borrow_mut();
        if queued.state != State::Gone {
            queued.state = State::GivenUp;
            queued.wake();
        }
    }

    fn leave(&self, state: State) {
        let mut queued = self.queued.borrow_mut();
        if queued.state == State::Open {
            queued.state = state;
            queued.wake();
        }
    }

    /// The messages as the body of a request.
    pub(super) fn frames(
        queue: &Rc<Self>,
    ) -> impl Stream<Item = Result<Frame<Bytes>, BodyError>> + 'static {
        let taken = Taken(Rc::clone(queue));
        stream::poll_fn(move |context| taken.0.poll_next(context))
    }

    fn poll_next(&self, context: &Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut queued = self.queued.borrow_mut();
        if queued.state == State::GivenUp {
            queued.clear();
            return Poll::Ready(Some(Err(BodyError::Stopped("the call was cancelled"))));
        }
        if let Some(message) = queued.messages.pop_front() {
            queued.bytes = queued.bytes.saturating_sub(message.len());
            return Poll::Ready(Some(Ok(Frame::data(message))));
        }
        if queued.state == State::Open {
            queued.waker = Some(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(None)
    }
}

impl Queued {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn clear(&mut self) {
        self.messages.clear();
        self.bytes = 0;
    }
}

/// The connection's side of the queue.
struct Taken(Rc<SendQueue>);

impl Drop for Taken {
    fn drop(&mut self) {
        let mut queued = self.0.queued.borrow_mut();
        queued.state = State::Gone;
        queued.clear();
    }
}

impl fmt::Debug for SendQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let queued = self.queued.borrow();
        f.debug_struct("SendQueue")
            .field("bytes", &queued.bytes)
            .field("state", &queued.state)
            .finish_non_exhaustive()
    }
}
