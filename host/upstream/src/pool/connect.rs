//! Making connections: the settings of HTTP/1 and HTTP/2 towards upstreams.
//!
//! Limits on what an upstream may send are the same as those for clients: an upstream can
//! be hostile, too. Windows are fixed, so that a slow client makes its upstream wait
//! instead of filling our memory.

use std::{
    cell::Cell,
    future::{Future, poll_fn},
    net::SocketAddr,
    pin::Pin,
    rc::Rc,
    time::Duration,
};

use host_types::Limits;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::Instant};

use super::{Checkout, Pool, Slot, StreamLease, multiplexed, multiplexed::Connecting};
use crate::{Body, UpstreamError};

/// The most that one HTTP/1 connection reads ahead or keeps unsent.
const BUFFER_MAX: usize = 64 * 1024;

/// What may be under way to us unread: of one stream, and of all of a connection.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// Spawns the tasks of a connection on this worker.
#[derive(Clone, Copy, Debug)]
struct OnThisWorker;

impl<F> hyper::rt::Executor<F> for OnThisWorker
where
    F: Future + 'static,
    F::Output: 'static,
{
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

/// Runs when a connection's task ends, however that happens.
struct Ended {
    slot: Rc<Slot>,
    address: SocketAddr,
    id: u64,
}

impl Drop for Ended {
    fn drop(&mut self) {
        let pool = self.slot.pool();
        let parked = pool.idle.borrow_mut().remove(self.address, self.id);
        drop(parked);
        pool.multiplexed.borrow_mut().remove(self.address, self.id);
    }
}

/// A TCP connection in `slot`.
pub(crate) async fn tcp(slot: &Slot, address: SocketAddr) -> Result<TcpStream, UpstreamError> {
    let stream = open(slot.pool(), address).await?;
    slot.opened(stream.local_addr().ok());
    // Requests that wait for a shared connection waited for this slot's outcome, too.
    slot.pool().serve();
    Ok(stream)
}

/// An HTTP/1 connection in `slot`.
pub(crate) async fn single(slot: Slot, address: SocketAddr) -> Result<Checkout, UpstreamError> {
    let pool = Rc::clone(slot.pool());
    let stream = open(&pool, address).await?;
    let local = stream.local_addr().ok();
    let limits = Limits::default();
    // `max_headers` stays at hyper's default, which is ours: naming it costs an allocation
    // for each response.
    let (sender, connection) = http1::Builder::new()
        .max_header_size(limits.header_bytes_max)
        .max_buf_size(BUFFER_MAX)
        .handshake::<_, Body>(TokioIo::new(stream))
        .await
        .map_err(|source| failed(&pool, address, source))?;
    slot.opened(local);
    let slot = Rc::new(slot);
    let id = pool.number();
    let ended = Ended { slot: Rc::clone(&slot), address, id };
    let task = tokio::task::spawn_local(async move {
        let ended = ended;
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%address, %error, "upstream connection failed");
        }
        drop(ended);
    });
    Ok(Checkout::new(id, address, sender, task.abort_handle(), slot))
}

/// An HTTP/2 connection in `slot`, and its first stream.
pub(crate) async fn shared(slot: Slot, address: SocketAddr) -> Result<StreamLease, UpstreamError> {
    let pool = Rc::clone(slot.pool());
    let connecting = Connecting::new(&pool, address);
    let started = Instant::now();
    let stream = open(&pool, address).await?;
    let local = stream.local_addr().ok();
    let left = pool.plan.connect_timeout.saturating_sub(started.elapsed());
    let (sender, connection) = handshake(&pool, stream, address, left).await?;
    slot.opened(local);
    let slot = Rc::new(slot);
    let id = pool.number();
    let streams_max = Rc::new(Cell::new(connection.current_max_send_streams()));
    let ended = Ended { slot: Rc::clone(&slot), address, id };
    let allowed = Rc::clone(&streams_max);
    tokio::task::spawn_local(async move {
        let ended = ended;
        let mut connection = connection;
        let result = poll_fn(|cx| {
            let polled = Pin::new(&mut connection).poll(cx);
            if polled.is_pending() {
                allowed.set(connection.current_max_send_streams());
            }
            polled
        })
        .await;
        if let Err(error) = result {
            tracing::debug!(%address, %error, "upstream connection failed");
        }
        drop(ended);
    });
    let lease = multiplexed::add(id, address, sender, streams_max, &slot);
    drop(connecting);
    // Those who waited for this connection share it.
    pool.serve();
    Ok(lease)
}

type Http2Connection = http2::Connection<TokioIo<TcpStream>, Body, OnThisWorker>;

async fn handshake(
    pool: &Pool,
    stream: TcpStream,
    address: SocketAddr,
    timeout: Duration,
) -> Result<(http2::SendRequest<Body>, Http2Connection), UpstreamError> {
    let limits = Limits::default();
    let streams_max = usize::try_from(pool.plan.pool.streams_per_connection_max);
    let mut builder = http2::Builder::new(OnThisWorker);
    builder
        .adaptive_window(false)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(BUFFER_MAX)
        .max_header_list_size(u32::try_from(limits.header_bytes_max).unwrap_or(u32::MAX))
        .initial_max_send_streams(streams_max.unwrap_or(usize::MAX));
    let shaking = builder.handshake::<_, Body>(TokioIo::new(stream));
    match tokio::time::timeout(timeout, shaking).await {
        Ok(done) => done.map_err(|source| failed(pool, address, source)),
        Err(_elapsed) => {
            pool.metrics.connect_failures_total.increment();
            let (cluster, endpoint) = (pool.plan.name.clone(), Box::new(address));
            Err(UpstreamError::ConnectTimedOut { cluster, endpoint })
        }
    }
}

/// A TCP connection, without a slot. The choice of endpoints learns what came of it.
pub(crate) async fn open(pool: &Pool, address: SocketAddr) -> Result<TcpStream, UpstreamError> {
    match host_net::connect(address, pool.plan.connect_timeout).await {
        Ok(stream) => {
            pool.health.borrow_mut().connected(address);
            Ok(stream)
        }
        Err(error) => {
            pool.metrics.connect_failures_total.increment();
            if pool.keeps(address) {
                pool.health.borrow_mut().refused(address, Instant::now());
            }
            Err(UpstreamError::connect(pool.plan.name.clone(), error))
        }
    }
}

fn failed(pool: &Pool, address: SocketAddr, source: hyper::Error) -> UpstreamError {
    pool.metrics.connect_failures_total.increment();
    UpstreamError::handshake(pool.plan.name.clone(), address, source)
}
