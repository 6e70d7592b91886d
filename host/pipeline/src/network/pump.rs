//! Moves bytes between the client's socket and the pipe, through the filters.
//!
//! Each direction moves one chunk at a time and waits until it was taken. The client is not
//! read before what the listener speaks asks for bytes: of a tunnel, that is when its upstream
//! is connected.

use std::{cell::Cell, pin::pin, rc::Rc, time::Duration};

use bytes::BytesMut;
use futures_util::future::{join, try_join};
use host_extension::{Flow, Peer};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    time::{sleep, timeout},
};

use super::{
    chain::NetworkChain,
    passage::Passage,
    pipe::{Service, ServiceWatch},
};
use crate::worker::Worker;

/// Bytes that are read at a time.
const CHUNK_BYTES: usize = 16 * 1024;
/// How long a client that is closed may take to read what it was sent and to end its side;
/// data that it sends meanwhile would else reset the connection under its eyes.
const LINGER: Duration = Duration::from_secs(1);

/// What moves a connection's bytes.
pub(super) struct Pump<'a> {
    pub(super) chain: &'a NetworkChain,
    pub(super) worker: &'a Rc<Worker>,
    /// How long a client may take nothing of the last bytes.
    pub(super) stall: Duration,
}

/// What was moved.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moved {
    /// Bytes that the client took.
    pub(super) sent: u64,
    /// The client ended or broke the connection.
    pub(super) client_closed: bool,
    /// What the listener speaks ended its side by itself.
    pub(super) service_ended: bool,
}

/// Why moving ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Cut {
    /// The client's socket failed.
    Client,
    /// A filter closed the connection.
    Filter,
    /// The worker ends, or the client did not take the last bytes.
    Given,
}

/// Why one direction ended before its end.
enum Broken {
    Reader,
    Writer,
    Filter,
}

impl Pump<'_> {
    /// Moves bytes until both sides have ended, or one is gone, or a filter closes the
    /// connection.
    pub(super) async fn run<C>(&self, client: C, service: Service) -> Moved
    where
        C: AsyncRead + AsyncWrite + Unpin,
    {
        let Service { pipe, watch, failure } = service;
        let (mut client_reads, mut client_writes) = tokio::io::split(client);
        let (mut service_reads, mut service_writes) = tokio::io::split(pipe);
        let mut down = Passage::new(self.chain, Flow::Downstream);
        let mut up = Passage::new(self.chain, Flow::Upstream);
        let sent = up.written();
        let cut = {
            let down =
                self.downstream(&mut down, &mut client_reads, &mut service_writes, watch.clone());
            let up = self.upstream(&mut up, &mut service_reads, &mut client_writes, &watch);
            let moving = pin!(try_join(down, up));
            tokio::select! {
                biased;
                () = self.worker.abort.wait() => Err(Cut::Given),
                () = self.chain.connection().until_closed() => Err(Cut::Filter),
                moved = moving => moved.map(|_both| ()),
                () = self.patience(watch.clone(), &sent) => Err(Cut::Given),
            }
        };
        if cut.is_err() {
            failure.raise();
        }
        if cut == Err(Cut::Filter) {
            // Each side is let go with its last half, whatever the other one still does. Who
            // does not take it any more has closed already.
            let service = async {
                let _gone = timeout(LINGER, down.write_out(&mut service_writes)).await;
                drop((service_reads, service_writes));
            };
            let client = async {
                let _gone = up.write_out(&mut client_writes).await;
                linger(&mut client_reads, &mut client_writes).await;
                drop((client_reads, client_writes));
            };
            let client = async {
                tokio::select! {
                    () = client => {}
                    () = self.until_stalled(&sent) => {}
                }
            };
            tokio::select! {
                () = self.worker.abort.wait() => {}
                _both = join(service, client) => {}
            }
        }
        Moved {
            sent: sent.get(),
            client_closed: down.has_ended() || cut == Err(Cut::Client),
            service_ended: watch.ended(),
        }
    }

    /// The client's bytes, for as long as there is somebody to take them.
    async fn downstream<R, W>(
        &self,
        passage: &mut Passage<'_>,
        client: &mut R,
        service: &mut W,
        mut watch: ServiceWatch,
    ) -> Result<(), Cut>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        watch.until_wanted().await;
        let carried = tokio::select! {
            biased;
            () = watch.until_gone() => return Ok(()),
            carried = carry(passage, client, service) => carried,
        };
        match carried {
            // The service is gone; what it wrote still goes to the client.
            Ok(()) | Err(Broken::Writer) => Ok(()),
            Err(Broken::Reader) => Err(Cut::Client),
            Err(Broken::Filter) => Err(Cut::Filter),
        }
    }

    /// The bytes for the client.
    async fn upstream<R, W>(
        &self,
        passage: &mut Passage<'_>,
        service: &mut R,
        client: &mut W,
        watch: &ServiceWatch,
    ) -> Result<(), Cut>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        match carry(passage, service, client).await {
            Ok(()) | Err(Broken::Reader) => {}
            Err(Broken::Writer) => return Err(Cut::Client),
            Err(Broken::Filter) => return Err(Cut::Filter),
        }
        let tunnel = self.chain.connection().upstream_address.get().is_some();
        if tunnel && watch.ended() {
            self.chain.close_half(Flow::Upstream, Peer::Remote);
        }
        Ok(())
    }

    /// Ends when the service is gone and the client takes nothing of the rest any more.
    async fn patience(&self, mut watch: ServiceWatch, sent: &Cell<u64>) {
        watch.until_gone().await;
        self.until_stalled(sent).await;
    }

    /// Ends when the client took nothing for so long.
    async fn until_stalled(&self, sent: &Cell<u64>) {
        let mut before = None;
        while before != Some(sent.get()) {
            before = Some(sent.get());
            sleep(self.stall).await;
        }
    }
}

/// Moves one direction to its end, and ends the writer.
async fn carry<R, W>(
    passage: &mut Passage<'_>,
    reader: &mut R,
    writer: &mut W,
) -> Result<(), Broken>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut buffer = BytesMut::new();
    while !passage.has_ended() {
        buffer.reserve(CHUNK_BYTES);
        tokio::select! {
            biased;
            place = passage.resumed() => {
                let place = place.map_err(|_closed| Broken::Filter)?;
                passage.release(place).await.map_err(|_closed| Broken::Filter)?;
            }
            read = reader.read_buf(&mut buffer) => {
                let end = read.map_err(|_failed| Broken::Reader)? == 0;
                // All of it: bytes that share their room with the buffer would be copied again.
                let bytes = std::mem::take(&mut buffer).freeze();
                passage.data(bytes, end).await.map_err(|_closed| Broken::Filter)?;
            }
        }
        passage.write_out(writer).await.map_err(|_failed| Broken::Writer)?;
    }
    writer.shutdown().await.map_err(|_failed| Broken::Writer)
}

/// Lets the client read what it was sent.
async fn linger<R, W>(client: &mut R, writes: &mut W)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let rest = async {
        writes.shutdown().await?;
        let mut nothing = [0; 512];
        while client.read(&mut nothing).await? > 0 {}
        std::io::Result::Ok(())
    };
    // Whoever takes longer does not want it.
    let _late = timeout(LINGER, rest).await;
}

#[cfg(test)]
mod tests;
