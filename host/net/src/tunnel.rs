//! A tunnel: the bytes of two streams, each into the other.
//!
//! An end of one direction is passed on and the other direction goes on (half-close). A
//! reader that does not read stops the writer on the other side: nothing is read while the
//! last bytes are not written. An error of either side, or no byte in either direction for
//! the idle timeout, ends both.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

/// A buffer starts small, since most tunnels carry little, and doubles while reads fill it.
const BUFFER_MIN: usize = 8 * 1024;
const BUFFER_MAX: usize = 64 * 1024;

/// What went through a tunnel.
#[derive(Debug)]
pub struct TunnelEnd {
    /// Bytes from the first stream that the second one took.
    pub a_to_b: u64,
    /// Bytes from the second stream that the first one took.
    pub b_to_a: u64,
    /// How it ended.
    pub how: TunnelHow,
}

/// How a tunnel ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum TunnelHow {
    /// Both directions came to their end.
    Closed,
    /// Nothing moved for the idle timeout.
    Idle,
    /// Reading from or writing to the first stream failed.
    FailedA(io::Error),
    /// Reading from or writing to the second stream failed.
    FailedB(io::Error),
}

/// Which side of a copy failed.
enum CopyError {
    Reader(io::Error),
    Writer(io::Error),
}

/// One direction.
struct Direction {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    copied: u64,
    /// The reader has no more.
    ended: bool,
    /// The writer knows.
    shut: bool,
    /// Written bytes may still sit in the writer.
    unflushed: bool,
}

/// Joins `a` and `b` until both directions ended, one failed or nothing moved for
/// `idle_timeout`. The streams are left to the caller, who closes them by dropping them.
pub async fn tunnel<A, B>(a: &mut A, b: &mut B, idle_timeout: Duration) -> TunnelEnd
where
    A: AsyncRead + AsyncWrite + Unpin + ?Sized,
    B: AsyncRead + AsyncWrite + Unpin + ?Sized,
{
    let mut forth = Direction::new();
    let mut back = Direction::new();
    let mut quiet_since = Instant::now();
    let mut timer = std::pin::pin!(sleep_until(quiet_since + idle_timeout));
    let how = poll_fn(|cx| {
        let before = (forth.copied, back.copied, forth.ended, back.ended);
        let there = match forth.poll(cx, a, b) {
            Poll::Ready(Err(error)) => return Poll::Ready(error.into_how(true)),
            Poll::Ready(Ok(())) => true,
            Poll::Pending => false,
        };
        let here = match back.poll(cx, b, a) {
            Poll::Ready(Err(error)) => return Poll::Ready(error.into_how(false)),
            Poll::Ready(Ok(())) => true,
            Poll::Pending => false,
        };
        if there && here {
            return Poll::Ready(TunnelHow::Closed);
        }
        if before != (forth.copied, back.copied, forth.ended, back.ended) {
            quiet_since = Instant::now();
        }
        poll_quiet(cx, timer.as_mut(), quiet_since + idle_timeout).map(|()| TunnelHow::Idle)
    })
    .await;
    TunnelEnd { a_to_b: forth.copied, b_to_a: back.copied, how }
}

/// Ready once `deadline` has passed. The timer is moved only when it fires, not for each
/// chunk.
fn poll_quiet(cx: &mut Context<'_>, mut timer: Pin<&mut Sleep>, deadline: Instant) -> Poll<()> {
    loop {
        ready!(timer.as_mut().poll(cx));
        if timer.deadline() >= deadline {
            return Poll::Ready(());
        }
        timer.as_mut().reset(deadline);
    }
}

impl CopyError {
    fn into_how(self, reader_is_a: bool) -> TunnelHow {
        match (self, reader_is_a) {
            (Self::Reader(error), true) | (Self::Writer(error), false) => TunnelHow::FailedA(error),
            (Self::Reader(error), false) | (Self::Writer(error), true) => TunnelHow::FailedB(error),
        }
    }
}

impl Direction {
    fn new() -> Self {
        Self {
            buffer: vec![0; BUFFER_MIN].into_boxed_slice(),
            start: 0,
            end: 0,
            copied: 0,
            ended: false,
            shut: false,
            unflushed: false,
        }
    }

    /// Moves what can be moved. Ready when the end was passed on.
    fn poll<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut R,
        writer: &mut W,
    ) -> Poll<Result<(), CopyError>>
    where
        R: AsyncRead + Unpin + ?Sized,
        W: AsyncWrite + Unpin + ?Sized,
    {
        while !self.shut {
            if self.start < self.end {
                ready!(self.poll_write(cx, writer)).map_err(CopyError::Writer)?;
                continue;
            }
            if self.ended {
                // Shutting down flushes.
                ready!(Pin::new(&mut *writer).poll_shutdown(cx)).map_err(CopyError::Writer)?;
                self.shut = true;
                continue;
            }
            let Poll::Ready(read) = self.poll_read(cx, reader) else {
                ready!(self.poll_flush(cx, writer)).map_err(CopyError::Writer)?;
                return Poll::Pending;
            };
            read.map_err(CopyError::Reader)?;
        }
        Poll::Ready(Ok(()))
    }

    /// Pushes out what a buffering writer may still hold, when there is nothing to add.
    fn poll_flush<W>(&mut self, cx: &mut Context<'_>, writer: &mut W) -> Poll<io::Result<()>>
    where
        W: AsyncWrite + Unpin + ?Sized,
    {
        if self.unflushed {
            ready!(Pin::new(writer).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_read<R>(&mut self, cx: &mut Context<'_>, reader: &mut R) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin + ?Sized,
    {
        let mut buf = ReadBuf::new(&mut self.buffer);
        ready!(Pin::new(reader).poll_read(cx, &mut buf))?;
        let count = buf.filled().len();
        (self.start, self.end) = (0, count);
        self.ended = count == 0;
        Poll::Ready(Ok(()))
    }

    fn poll_write<W>(&mut self, cx: &mut Context<'_>, writer: &mut W) -> Poll<io::Result<()>>
    where
        W: AsyncWrite + Unpin + ?Sized,
    {
        let bytes = self.buffer.get(self.start..self.end).unwrap_or_default();
        let count = ready!(Pin::new(writer).poll_write(cx, bytes))?;
        if count == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        // A writer that claims more than it got is a bug of that writer; never run past.
        let count = count.min(bytes.len());
        self.start += count;
        self.copied = self.copied.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        self.unflushed = true;
        if self.start == self.end && self.end == self.buffer.len() && self.end < BUFFER_MAX {
            self.buffer = vec![0; self.buffer.len() * 2].into_boxed_slice();
            (self.start, self.end) = (0, 0);
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests;
