//! The socket as hyper sees it: read bytes pass the framing scanner, and a peer that keeps us
//! waiting is given up.
//!
//! Which clock runs depends on where the connection is: between requests the idle clock (and
//! none while a stream is open), in a head the header clock, which a byte now and then does
//! not wind back. Bodies are watched per stream, in `watch.rs`.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use host_types::Limits;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use super::framing::{Fault, FramingScanner, Position, Refusal};

/// What no parser takes for a part of a head, so that hyper answers 400 and closes. It ends the
/// head, too: hyper does not parse one that came in pieces before it sees its end.
const POISON: &[u8] = b"\0\r\n\r\n";

pub(super) struct GuardedIo<T> {
    inner: T,
    scanner: Option<FramingScanner>,
    open_streams: Arc<AtomicUsize>,
    refusal: Arc<OnceLock<Refusal>>,
    poisoned: Option<Poison>,
    header_timeout: Duration,
    idle_timeout: Duration,
    clock: Option<Pin<Box<Sleep>>>,
    /// What the clock runs for: the position, and how many heads came before it.
    running: Option<(Position, u64)>,
}

/// Where the fault was that ended all reading.
#[derive(Clone, Copy)]
enum Poison {
    /// The poison that was not given out yet.
    Head(&'static [u8]),
    Body(Refusal),
}

impl<T> GuardedIo<T> {
    /// A guarded socket; without a scanner it carries HTTP/2, which frames for itself.
    pub(super) fn new(
        inner: T,
        scanner: Option<FramingScanner>,
        limits: &Limits,
        open_streams: Arc<AtomicUsize>,
    ) -> Self {
        Self {
            inner,
            scanner,
            open_streams,
            refusal: Arc::default(),
            poisoned: None,
            header_timeout: limits.header_timeout,
            idle_timeout: limits.idle_timeout,
            clock: None,
            running: None,
        }
    }

    /// Why the connection was refused, if it was; faults of a body are its stream's.
    pub(super) fn refusal(&self) -> Arc<OnceLock<Refusal>> {
        Arc::clone(&self.refusal)
    }

    fn position(&self) -> (Position, u64) {
        let here = |scanner: &FramingScanner| (scanner.position(), scanner.heads());
        self.scanner.as_ref().map_or((Position::Between, 0), here)
    }

    /// Looks at what was just read. On a fault the rest of it is taken back.
    fn scan(&mut self, buffer: &mut ReadBuf<'_>, before: usize) -> io::Result<()> {
        let Some(scanner) = &mut self.scanner else { return Ok(()) };
        let fresh = buffer.filled().get(before..).unwrap_or_default();
        let Err(Fault { refusal, offset, in_head }) = scanner.scan(fresh) else { return Ok(()) };
        if in_head {
            self.refusal.get_or_init(|| refusal);
            self.poisoned = Some(Poison::Head(POISON));
        } else {
            self.poisoned = Some(Poison::Body(refusal));
        }
        // What stands before the fault is good, and may be a whole head.
        buffer.set_filled(before + offset);
        if in_head {
            self.give_poison(buffer);
        }
        if in_head || offset > 0 { Ok(()) } else { Err(malformed(refusal)) }
    }

    /// Gives out what is left of the poison, as far as there is room; nothing comes behind it.
    fn give_poison(&mut self, buffer: &mut ReadBuf<'_>) {
        if let Some(Poison::Head(left)) = &mut self.poisoned {
            let (now, later) = left.split_at(left.len().min(buffer.remaining()));
            buffer.put_slice(now);
            *left = later;
        }
    }

    /// Ready with an error once the clock of this position has run out.
    fn poll_clock(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let position = self.position();
        let timeout = match position.0 {
            Position::Between if self.open_streams.load(Ordering::Relaxed) > 0 => None,
            Position::Between => Some(self.idle_timeout),
            Position::Head => Some(self.header_timeout),
            Position::Body => None,
        };
        let Some(timeout) = timeout else {
            self.running = None;
            return Poll::Pending;
        };
        let restart = self.running != Some(position);
        self.running = Some(position);
        let clock = self.clock.get_or_insert_with(|| Box::pin(sleep_until(Instant::now())));
        if restart {
            clock.as_mut().reset(Instant::now() + timeout);
        }
        clock.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

fn malformed(refusal: Refusal) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, refusal)
}

impl<T: AsyncRead + Unpin> AsyncRead for GuardedIo<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Nothing behind a fault is ever read.
        match self.poisoned {
            Some(Poison::Head(_)) => {
                self.give_poison(buffer);
                return Poll::Ready(Ok(()));
            }
            Some(Poison::Body(refusal)) => return Poll::Ready(Err(malformed(refusal))),
            None => {}
        }
        let before = buffer.filled().len();
        match Pin::new(&mut self.inner).poll_read(context, buffer) {
            Poll::Pending => self.poll_clock(context),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) => {
                let scanned = self.scan(buffer, before);
                // Bytes that bring the connection no further (of the same head, empty lines,
                // the pings of HTTP/2) do not wind a clock back.
                if self.running != Some(self.position()) {
                    self.running = None;
                }
                Poll::Ready(scanned)
            }
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for GuardedIo<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[cfg(test)]
mod tests;
