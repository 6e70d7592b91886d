//! The endpoints that one request went to, or was to go to.

use std::net::SocketAddr;

/// The endpoints that one request was tried on, so that it goes elsewhere the next time. Kept by
/// the caller from attempt to attempt.
#[derive(Clone, Debug, Default)]
pub struct RpcTried {
    /// The last one at the end.
    addresses: Vec<SocketAddr>,
}

impl RpcTried {
    /// The last one; none before the first attempt chose one.
    #[must_use]
    pub fn last(&self) -> Option<SocketAddr> {
        self.addresses.last().copied()
    }

    pub(super) fn all(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// It goes there now. There are no more of them than endpoints.
    pub(super) fn push(&mut self, address: SocketAddr) {
        self.addresses.retain(|other| *other != address);
        self.addresses.push(address);
    }

    /// It goes there, in place of the last one.
    pub(super) fn replace(&mut self, address: SocketAddr) {
        self.addresses.pop();
        self.push(address);
    }
}
