//! Requests of RPC protocols: a frame goes out on a connection that others share, and the frame
//! that answers it comes back.
//!
//! A connection is kept by endpoint and by who makes the codec, beside those for HTTP and under the same
//! limits. How many requests it carries at a time is the protocol's
//! [`PoolMode`](host_extension::PoolMode); with many, each gets an id of its own
//! ([`RpcExchange::id`]). Nothing here looks into a frame's fields or body.
//!
//! Start reading at [`Cluster::rpc`]; `rpc/task.rs` is the connection's own side.

mod connection;
mod end;
mod ids;
mod life;
pub(crate) mod lists;
mod queue;
mod seat;
mod session;
mod task;
mod tried;

use std::{net::SocketAddr, rc::Rc};

use bytes::Bytes;
use host_extension::{Codec, CodecProfile, FilterFactory, PoolMode};
use host_types::{Frame, ProtocolName};

pub use end::ConnectionEnd;
pub(crate) use lists::{Ask, Connecting, Key, Lists};
pub(crate) use seat::Seat;
pub use session::RpcSession;
pub use tried::RpcTried;

use crate::{
    Cluster, UpstreamError,
    pool::{RequestGuard, Turn, Want},
};

/// A protocol as the pool needs it.
#[derive(Clone, Debug)]
pub struct RpcProtocol {
    /// Its name, for the log.
    pub name: ProtocolName,
    /// Makes a codec for each connection, and is told of its faults. Connections are shared by
    /// those who have the same factory.
    pub factory: Rc<dyn FilterFactory>,
    /// What holds of all its connections.
    pub profile: CodecProfile,
    /// The longest frame that an upstream may send.
    pub frame_bytes_max: usize,
}

/// A place for one request on an upstream connection. Dropped, the request is given up: what is
/// not sent is not sent any more, and an answer that comes later is dropped and counted.
#[derive(Debug)]
pub struct RpcExchange {
    seat: Seat,
    request: RequestGuard,
}

/// The frame that answers a request.
#[derive(Debug)]
pub struct RpcResponse {
    /// The frame as it came, with the id that the request went out with.
    pub frame: Frame,
    /// The codec that read it.
    pub codec: Rc<dyn Codec>,
    /// Who sent it.
    pub endpoint: SocketAddr,
}

/// Why no answer came.
#[derive(Debug, thiserror::Error)]
#[error("no answer came")]
pub struct RpcError {
    /// What went wrong.
    #[source]
    pub error: UpstreamError,
    /// True where no byte of the request can have reached an endpoint.
    pub unsent: bool,
}

impl From<UpstreamError> for RpcError {
    fn from(error: UpstreamError) -> Self {
        Self { unsent: error.nothing_sent(), error }
    }
}

impl Cluster {
    /// Chooses an endpoint and takes a place on a connection of the protocol, or makes one.
    /// `session` is that of the client's connection. With `want_new`, a connection that others
    /// used before is taken only where no further one may be made. `tried` names the endpoint as
    /// soon as it is known, for the log of requests that fail; those that it names already are
    /// taken only where there is no other. Each call counts as a request in the cluster's metrics.
    ///
    /// The waits for a connection have limits of their own. Dropping the future leaves nothing
    /// behind.
    ///
    /// # Errors
    /// No endpoint, no connection, or no codec. Nothing was sent.
    pub async fn rpc(
        &self,
        protocol: &RpcProtocol,
        session: &RpcSession,
        want_new: bool,
        tried: &mut RpcTried,
    ) -> Result<RpcExchange, UpstreamError> {
        self.metrics().requests_total.increment();
        let (seat, request) = if protocol.profile.pool == PoolMode::Bound {
            let seat = session.seat(self, protocol, tried).await?;
            let request = self.request_guard(seat.address());
            (seat, request)
        } else {
            self.seat(protocol, want_new, tried).await?
        };
        if seat.is_reused() {
            self.metrics().reused_total.increment();
        }
        Ok(RpcExchange { seat, request })
    }

    async fn seat(
        &self,
        protocol: &RpcProtocol,
        wants_new: bool,
        tried: &mut RpcTried,
    ) -> Result<(Seat, RequestGuard), UpstreamError> {
        let picked = self.pick(tried.all()).await?;
        let address = picked.address;
        tried.push(address);
        // Counted from here, so that those who wait weigh in the choice of others.
        let first = RequestGuard::new(&picked.active, self.pool().metrics());
        let shares = protocol.profile.pool == PoolMode::Multiplexed;
        let key = Key::new(address, protocol);
        let want = Want::Rpc(Ask { key, shares, wants_new });
        let seat = match self.pool().acquire(address, &want).await? {
            Turn::Rpc(seat) => seat,
            Turn::Open(slot) => task::open(slot, address, protocol, None).await?,
            Turn::Single(_) | Turn::Stream(_) => return Err(self.unfit_turn()),
        };
        if seat.address() == address {
            return Ok((seat, first));
        }
        tried.replace(seat.address());
        let request = self.request_guard(seat.address());
        Ok((seat, request))
    }
}

impl RpcExchange {
    /// The id to write into the request. `None` where it keeps its own.
    #[must_use]
    pub fn id(&self) -> Option<u64> {
        self.seat.id()
    }

    /// Whom the request goes to.
    #[must_use]
    pub fn endpoint(&self) -> SocketAddr {
        self.seat.address()
    }

    /// Our own address on the connection.
    #[must_use]
    pub fn local_address(&self) -> Option<SocketAddr> {
        self.seat.connection.local
    }

    /// True where earlier requests used the connection.
    #[must_use]
    pub fn is_reused(&self) -> bool {
        self.seat.is_reused()
    }

    /// Sends the request and waits for its response. `own_id` is the request's own id: that of
    /// the response where [`RpcExchange::id`] gives none.
    ///
    /// Where much waits to be written already, the request waits for room, for at most as long as
    /// for a connection. The wait for the response has no limit: it is the caller's deadline.
    /// Dropping the future gives the request up.
    ///
    /// # Errors
    /// The connection took no more in time, ended, or the response is malformed.
    pub async fn call(self, bytes: Bytes, own_id: u64) -> Result<RpcResponse, RpcError> {
        let Self { seat, request } = self;
        let connection = Rc::clone(&seat.connection);
        seat.until_room().await?;
        let mut frame = seat.call(bytes, own_id)?.answer().await?;
        drop(request);
        if let Some(what) = frame.malformed.take() {
            let cluster = connection.cluster.clone();
            return Err(UpstreamError::MalformedResponse { cluster, what }.into());
        }
        let codec = Rc::clone(&connection.codec);
        Ok(RpcResponse { frame, codec, endpoint: connection.key.address() })
    }

    /// Sends a request that is not answered. Done when it is written.
    ///
    /// # Errors
    /// The connection took no more in time, or ended.
    pub async fn notify(self, bytes: Bytes) -> Result<(), RpcError> {
        let Self { seat, request } = self;
        seat.until_room().await?;
        seat.notify(bytes)?.written().await?;
        drop(request);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
