//! What waits to be written on one connection: whole frames, in order, bounded in bytes and in
//! number.
//!
//! A frame stays here until its last byte was written, so that it can be said of each whether
//! any byte of it can have reached the peer, and so that one that nobody wants any more is not
//! sent. It does no I/O of its own. Start reading at [`Queue::push`] and [`Queue::poll_write`].

use std::{
    cell::RefCell,
    collections::VecDeque,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use tokio::{
    io::AsyncWrite,
    sync::{Notify, oneshot},
};

/// Bytes that may wait; past it requests wait outside. A single frame may be larger.
pub(super) const QUEUE_BYTES_MAX: usize = 1024 * 1024;
/// Frames that may wait, whatever their size.
const QUEUE_FRAMES_MAX: usize = 16 * 1024;
/// Frames of the proxy's own that may wait, beside all others: past it the peer asks for more than
/// it takes.
const CONTROL_FRAMES_MAX: usize = 1024;
/// Frames of one write.
const WRITE_FRAMES_MAX: usize = 64;

/// Frames that are to be written.
#[derive(Debug, Default)]
pub(super) struct Queue {
    inner: RefCell<Inner>,
    /// Tells those who wait outside that there is room, or that there never will be.
    room: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    frames: VecDeque<Waiting>,
    /// The number of the first of `frames`.
    first: u64,
    /// Bytes of the first that are written.
    offset: usize,
    /// Bytes of all.
    bytes: usize,
    /// Frames of the proxy's own.
    controls: usize,
    writer: Option<Waker>,
    /// Nothing is taken any more.
    closed: bool,
}

#[derive(Debug)]
struct Waiting {
    /// Empty where it was taken back.
    bytes: Bytes,
    /// Told when the last byte is written.
    written: Option<oneshot::Sender<()>>,
    /// It is the proxy's own.
    is_control: bool,
}

/// The number of a frame in its queue.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Ticket(u64);

impl Queue {
    /// Takes a frame. `None` where too much waits already, or the connection ended.
    pub(super) fn push(
        &self,
        bytes: Bytes,
        written: Option<oneshot::Sender<()>>,
    ) -> Option<Ticket> {
        let mut inner = self.inner.borrow_mut();
        (inner.has_room() && !inner.closed).then(|| inner.push(bytes, written, false))
    }

    /// Waits until a frame would be taken, or nothing is taken any more.
    pub(super) async fn until_room(&self) {
        while self.is_full() {
            self.room.notified().await;
        }
    }

    fn is_full(&self) -> bool {
        let inner = self.inner.borrow();
        !inner.has_room() && !inner.closed
    }

    /// Takes a frame of the proxy's own. False where the peer takes nothing.
    pub(super) fn push_control(&self, bytes: Bytes) -> bool {
        let mut inner = self.inner.borrow_mut();
        let room = inner.controls < CONTROL_FRAMES_MAX;
        if room && !inner.closed {
            inner.controls += 1;
            inner.push(bytes, None, true);
        }
        room
    }

    /// True where no byte of the frame was handed to the socket.
    pub(super) fn is_unsent(&self, ticket: Ticket) -> bool {
        self.inner.borrow().is_unsent(ticket)
    }

    /// Takes a frame back. False where a byte of it was sent already.
    pub(super) fn take_back(&self, ticket: Ticket) -> bool {
        let mut inner = self.inner.borrow_mut();
        if !inner.is_unsent(ticket) {
            return false;
        }
        let at = ticket.0.checked_sub(inner.first).and_then(|at| usize::try_from(at).ok());
        let taken = at.and_then(|at| inner.frames.get_mut(at)).map(|frame| {
            frame.written = None;
            std::mem::take(&mut frame.bytes).len()
        });
        inner.bytes = inner.bytes.saturating_sub(taken.unwrap_or_default());
        // Those at the end leave at once, so that a queue that stands does not fill with them.
        while inner.frames.back().is_some_and(|frame| frame.bytes.is_empty()) {
            inner.frames.pop_back();
        }
        self.tell_room(&inner);
        true
    }

    /// Drops all that waits and takes nothing any more. It can still be asked what was sent.
    pub(super) fn close(&self) {
        let mut inner = self.inner.borrow_mut();
        inner.closed = true;
        inner.bytes = 0;
        let frames = std::mem::take(&mut inner.frames);
        drop(inner);
        self.room.notify_waiters();
        // Only here, with no borrow held: who waits for them may look at the queue.
        drop(frames);
    }

    /// Ready once something is there to be written.
    pub(super) fn poll_filled(&self, context: &Context<'_>) -> Poll<()> {
        let mut inner = self.inner.borrow_mut();
        inner.skip_taken_back();
        if inner.frames.is_empty() {
            inner.writer = Some(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    /// Writes some of what waits: many frames at a time. Ready when some bytes are written.
    pub(super) fn poll_write(
        &self,
        writer: Pin<&mut impl AsyncWrite>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let mut inner = self.inner.borrow_mut();
        inner.skip_taken_back();
        if inner.frames.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let mut slices = [IoSlice::new(&[]); WRITE_FRAMES_MAX];
        let offset = inner.offset;
        let mut count = 0;
        for (slice, frame) in slices.iter_mut().zip(&inner.frames) {
            let skipped = if count == 0 { offset } else { 0 };
            *slice = IoSlice::new(frame.bytes.get(skipped..).unwrap_or_default());
            count += 1;
        }
        let slices = slices.get(..count).unwrap_or_default();
        let written = ready!(writer.poll_write_vectored(context, slices))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        inner.advance(written);
        self.tell_room(&inner);
        Poll::Ready(Ok(()))
    }

    /// Wakes those who wait outside, all of them: the first that come fill what room there is.
    fn tell_room(&self, inner: &Inner) {
        if inner.has_room() {
            self.room.notify_waiters();
        }
    }

    /// How many bytes wait.
    #[cfg(test)]
    pub(super) fn waits(&self) -> usize {
        self.inner.borrow().bytes
    }
}

impl Inner {
    fn has_room(&self) -> bool {
        self.bytes < QUEUE_BYTES_MAX && self.frames.len() < QUEUE_FRAMES_MAX
    }

    fn push(
        &mut self,
        bytes: Bytes,
        written: Option<oneshot::Sender<()>>,
        is_control: bool,
    ) -> Ticket {
        let ticket = Ticket(self.first + u64::try_from(self.frames.len()).unwrap_or(u64::MAX));
        self.bytes += bytes.len();
        self.frames.push_back(Waiting { bytes, written, is_control });
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
        ticket
    }

    fn is_unsent(&self, ticket: Ticket) -> bool {
        ticket.0 > self.first || (ticket.0 == self.first && self.offset == 0)
    }

    /// Forgets the first frames that were taken back.
    fn skip_taken_back(&mut self) {
        while self.frames.front().is_some_and(|frame| frame.bytes.is_empty()) {
            self.pop();
        }
    }

    fn advance(&mut self, mut written: usize) {
        while let Some(frame) = self.frames.front() {
            let left = frame.bytes.len() - self.offset;
            if written < left {
                self.offset += written;
                return;
            }
            written -= left;
            self.pop();
        }
    }

    fn pop(&mut self) {
        let Some(frame) = self.frames.pop_front() else { return };
        self.bytes = self.bytes.saturating_sub(frame.bytes.len());
        self.controls = self.controls.saturating_sub(usize::from(frame.is_control));
        self.first += 1;
        self.offset = 0;
        if let Some(written) = frame.written {
            // Whoever does not wait any more need not know.
            _ = written.send(());
        }
    }
}

#[cfg(test)]
mod tests;
