//! What waits to be written to a client: whole frames, in order, bounded in bytes.
//!
//! Anybody may put a frame in; who can wait does so until there is room. The connection's task
//! writes, as many frames at once as are there.

use std::{
    cell::RefCell,
    collections::VecDeque,
    io::{self, IoSlice},
    pin::{Pin, pin},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::{Buf as _, Bytes};
use host_extension::Signal;
use host_types::ReplyReason;
use tokio::{
    io::{AsyncWrite, AsyncWriteExt as _},
    time::timeout,
};

/// Bytes that wait, past which replies wait outside and nothing more is read.
pub(super) const BYTES_MAX: usize = 1024 * 1024;
/// Frames of one write.
const FRAMES_PER_WRITE: usize = 32;

/// Frames for one client.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    queue: RefCell<Queue>,
    /// Raised while there is room for whoever waits.
    room: Signal,
}

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<Bytes>,
    bytes: usize,
    writer: Option<Waker>,
    finished: bool,
}

impl Outbox {
    /// True where a reply need not wait.
    pub(super) fn has_room(&self) -> bool {
        self.queue.borrow().bytes < BYTES_MAX
    }

    /// Waits until there is room.
    pub(super) async fn until_room(&self) {
        while !self.has_room() {
            self.room.reset();
            self.room.wait().await;
        }
    }

    /// Puts a frame in, whether there is room or not.
    pub(super) fn push(&self, frame: Bytes) {
        if frame.is_empty() {
            return;
        }
        let mut queue = self.queue.borrow_mut();
        queue.bytes += frame.len();
        queue.frames.push_back(frame);
        let writer = queue.writer.take();
        drop(queue);
        writer.into_iter().for_each(Waker::wake);
    }

    /// Nothing more will be put in: the connection ends behind what is there.
    pub(super) fn finish(&self) {
        let mut queue = self.queue.borrow_mut();
        queue.finished = true;
        let writer = queue.writer.take();
        drop(queue);
        writer.into_iter().for_each(Waker::wake);
    }

    /// Writes what is put in until all of it is written and [`Outbox::finish`] was called, or the
    /// client is gone, or takes nothing for as long as `stall`. Says why it ended.
    pub(super) async fn write_to(&self, write: impl AsyncWrite, stall: Duration) -> ReplyReason {
        let mut write = pin!(write);
        while std::future::poll_fn(|context| self.poll_more(context)).await {
            let written = std::future::poll_fn(|context| self.poll_write(write.as_mut(), context));
            match timeout(stall, written).await {
                Ok(Ok(())) => {}
                Ok(Err(_gone)) => return ReplyReason::ClientGone,
                Err(_stalled) => return ReplyReason::Timeout,
            }
        }
        // Whether it hears of the end or not, there is none but this.
        drop(timeout(stall, write.shutdown()).await);
        ReplyReason::Upstream
    }

    /// Waits for something to write; false once nothing more comes.
    fn poll_more(&self, context: &Context<'_>) -> Poll<bool> {
        let mut queue = self.queue.borrow_mut();
        if !queue.frames.is_empty() {
            return Poll::Ready(true);
        }
        if queue.finished {
            return Poll::Ready(false);
        }
        queue.writer = Some(context.waker().clone());
        Poll::Pending
    }

    /// Writes what one write takes.
    fn poll_write(
        &self,
        write: Pin<&mut impl AsyncWrite>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let mut queue = self.queue.borrow_mut();
        let mut slices = [IoSlice::new(&[]); FRAMES_PER_WRITE];
        let waiting = slices.iter_mut().zip(&queue.frames);
        let count = waiting.map(|(slice, frame)| *slice = IoSlice::new(frame)).count();
        let slices = slices.get(..count).unwrap_or_default();
        let mut written = ready!(write.poll_write_vectored(context, slices))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        queue.bytes = queue.bytes.saturating_sub(written);
        while let Some(frame) = queue.frames.front_mut() {
            if written < frame.len() {
                frame.advance(written);
                break;
            }
            written -= frame.len();
            queue.frames.pop_front();
        }
        let has_room = queue.bytes < BYTES_MAX;
        drop(queue);
        if has_room {
            self.room.raise();
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests;
