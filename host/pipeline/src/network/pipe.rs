//! The pipe that stands in the place of a client's socket.
//!
//! hyper wants a socket that is `Send`, and filters live on one thread; so what the listener
//! speaks holds one end of a bounded pipe in memory, and the pump holds the other.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex},
    sync::watch,
};

/// Bytes that wait in the pipe, in each direction.
const PIPE_BYTES_MAX: usize = 16 * 1024;

/// What the pump knows of the service behind the pipe.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ServiceState {
    /// It has asked for bytes.
    wants: bool,
    /// It has ended its side by itself, before it went away.
    ended: bool,
}

/// The client as whatever the listener speaks sees it.
#[derive(Debug)]
pub(crate) struct FilteredIo {
    pipe: DuplexStream,
    state: watch::Sender<ServiceState>,
    asked: bool,
    failed: Arc<AtomicBool>,
}

/// The pump's end.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) pipe: DuplexStream,
    pub(super) watch: ServiceWatch,
    pub(super) failure: Failure,
}

/// Tells what becomes of the service.
#[derive(Clone, Debug)]
pub(super) struct ServiceWatch(watch::Receiver<ServiceState>);

/// Breaks the pipe: the service reads an error behind the last bytes, not an end.
#[derive(Debug)]
pub(super) struct Failure(Arc<AtomicBool>);

/// Both ends of a pipe.
pub(super) fn pair() -> (FilteredIo, Service) {
    let (near, far) = duplex(PIPE_BYTES_MAX);
    let (state, watch) = watch::channel(ServiceState::default());
    let failed = Arc::<AtomicBool>::default();
    let failure = Failure(Arc::clone(&failed));
    let io = FilteredIo { pipe: near, state, asked: false, failed };
    (io, Service { pipe: far, watch: ServiceWatch(watch), failure })
}

impl ServiceWatch {
    /// Waits until the service asks for bytes, or is gone.
    pub(super) async fn until_wanted(&mut self) {
        // An error says that it is gone.
        let _gone = self.0.wait_for(|state| state.wants).await.is_err();
    }

    /// Waits until the service is gone.
    pub(super) async fn until_gone(&mut self) {
        while self.0.changed().await.is_ok() {}
    }

    /// True where the service ended its side by itself.
    pub(super) fn ended(&self) -> bool {
        self.0.borrow().ended
    }
}

impl Failure {
    /// To be called before the pump's end is dropped.
    pub(super) fn raise(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl AsyncRead for FilteredIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.asked {
            self.asked = true;
            self.state.send_modify(|state| state.wants = true);
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.pipe).poll_read(context, buffer))?;
        let ended = buffer.filled().len() == before && buffer.remaining() > 0;
        if ended && self.failed.load(Ordering::Relaxed) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for FilteredIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.pipe).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.state.send_modify(|state| state.ended = true);
        Pin::new(&mut self.pipe).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.pipe).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.pipe.is_write_vectored()
    }
}
