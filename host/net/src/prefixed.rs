//! A stream whose first bytes were read already.
//!
//! Whoever must see the first bytes to tell the protocol reads them with
//! [`PrefixedIo::fill`] and hands the whole on: the next reader sees them again.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

/// A stream with bytes in front of what its socket still holds.
#[derive(Debug)]
pub struct PrefixedIo<T> {
    prefix: BytesMut,
    inner: T,
}

impl<T> PrefixedIo<T> {
    /// A stream of which nothing was read yet. Costs no allocation.
    pub fn new(inner: T) -> Self {
        Self { prefix: BytesMut::new(), inner }
    }

    /// A stream that yields `prefix` first.
    pub fn with_prefix(prefix: BytesMut, inner: T) -> Self {
        Self { prefix, inner }
    }

    /// The bytes that were read ahead and not consumed yet.
    #[must_use]
    pub fn prefix(&self) -> &[u8] {
        &self.prefix
    }

    /// The bytes that were read ahead, and the stream below.
    #[must_use]
    pub fn into_parts(self) -> (BytesMut, T) {
        (self.prefix, self.inner)
    }
}

impl<T: AsyncRead + Unpin> PrefixedIo<T> {
    /// Reads once more from the stream below, so that the prefix has at most `max` bytes.
    /// Returns how many came: 0 at the end of the stream or when the prefix is full. It may
    /// be dropped at any time without losing bytes.
    ///
    /// # Errors
    /// The stream below failed.
    pub async fn fill(&mut self, max: usize) -> io::Result<usize> {
        let room = max.saturating_sub(self.prefix.len());
        if room == 0 {
            return Ok(0);
        }
        self.prefix.reserve(room);
        let mut limited = (&mut self.inner).take(u64::try_from(room).unwrap_or(u64::MAX));
        limited.read_buf(&mut self.prefix).await
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for PrefixedIo<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.prefix.is_empty() {
            return Pin::new(&mut self.inner).poll_read(cx, buf);
        }
        let count = self.prefix.len().min(buf.remaining());
        buf.put_slice(&self.prefix.split_to(count));
        if !self.prefix.has_remaining() {
            // The memory is given back: connections live long, prefixes do not.
            self.prefix = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for PrefixedIo<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[cfg(test)]
mod tests;
