//! What a stream holds while it uses a connection.

use std::{net::SocketAddr, rc::Rc, sync::Arc};

use host_telemetry::ClusterMetrics;

use super::{Checkout, Slot, StreamLease};
use crate::balance::Active;

/// A request in flight: counted at its endpoint and in the metrics.
#[derive(Debug)]
pub(crate) struct RequestGuard {
    active: Active,
    metrics: Arc<ClusterMetrics>,
}

impl RequestGuard {
    pub(crate) fn new(active: &Active, metrics: &Arc<ClusterMetrics>) -> Self {
        active.set(active.get().saturating_add(1));
        metrics.requests_active.increment();
        Self { active: Rc::clone(active), metrics: Arc::clone(metrics) }
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        self.active.set(self.active.get().saturating_sub(1));
        self.metrics.requests_active.decrement();
    }
}

/// A response's hold on its connection.
///
/// Keep it until the response's body ended, was given up, or (after an upgrade) the tunnel
/// ended; then drop it. An HTTP/1 connection goes back to its pool by that, if both bodies
/// were passed on whole; otherwise it is closed. One whose exchange is still under way then
/// has the pool's idle timeout to finish, so a lease that is dropped with a long body
/// unread cuts that body off.
#[derive(Debug)]
pub struct Lease {
    connection: LeaseKind,
    _request: RequestGuard,
}

#[derive(Debug)]
pub(crate) enum LeaseKind {
    Single(Checkout),
    Stream(StreamLease),
}

impl LeaseKind {
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Single(checkout) => checkout.address(),
            Self::Stream(stream) => Some(stream.address()),
        }
    }

    /// True where earlier requests used the connection.
    pub(crate) fn is_reused(&self) -> bool {
        match self {
            Self::Single(checkout) => checkout.is_reused(),
            Self::Stream(stream) => stream.is_reused(),
        }
    }
}

impl Lease {
    pub(crate) fn new(connection: LeaseKind, request: RequestGuard) -> Self {
        Self { connection, _request: request }
    }

    /// Our own address on the connection.
    #[must_use]
    pub fn local_address(&self) -> Option<SocketAddr> {
        match &self.connection {
            LeaseKind::Single(checkout) => checkout.slot().local_address(),
            LeaseKind::Stream(stream) => stream.slot().local_address(),
        }
    }
}

/// A TCP connection's place in its pool. Keep it as long as the connection.
#[derive(Debug)]
pub struct TcpLease {
    _slot: Slot,
    _request: RequestGuard,
}

impl TcpLease {
    pub(crate) fn new(slot: Slot, request: RequestGuard) -> Self {
        Self { _slot: slot, _request: request }
    }
}
