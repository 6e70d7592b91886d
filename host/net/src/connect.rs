//! Opening a TCP connection to an upstream.
//!
//! One address, one attempt, one deadline. Choosing addresses and trying others is the
//! caller's business.

use std::{io, net::SocketAddr, time::Duration};

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// When an idle connection is probed first, and then how often: a peer that vanished
/// without a word is noticed within two minutes.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(15);

/// A connection that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The system or the peer refused.
    #[error("cannot connect to {address}")]
    Failed {
        /// Where to.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// No answer in time.
    #[error("{address} did not accept a connection within {after:?}")]
    TimedOut {
        /// Where to.
        address: SocketAddr,
        /// How long we waited.
        after: Duration,
    },
}

/// Connects to `address`, waiting no longer than `timeout`. The socket sends small writes at
/// once (`TCP_NODELAY`) and probes a silent peer.
///
/// # Errors
/// The peer refused, cannot be reached or did not answer in time.
pub async fn connect(address: SocketAddr, timeout: Duration) -> Result<TcpStream, ConnectError> {
    let failed = |source| ConnectError::Failed { address, source };
    let stream = match tokio::time::timeout(timeout, TcpStream::connect(address)).await {
        Ok(connected) => connected.map_err(failed)?,
        Err(_elapsed) => return Err(ConnectError::TimedOut { address, after: timeout }),
    };
    stream.set_nodelay(true).map_err(failed)?;
    let probes = TcpKeepalive::new().with_time(KEEPALIVE_AFTER).with_interval(KEEPALIVE_EVERY);
    SockRef::from(&stream).set_tcp_keepalive(&probes).map_err(failed)?;
    Ok(stream)
}

/// Ends the connection with an error where the peer acknowledges nothing of what was sent for so
/// long (`TCP_USER_TIMEOUT`); the system itself would go on for a quarter of an hour. A peer that
/// is there and takes nothing counts, too: it is for connections whose writer has no more patience
/// than that.
///
/// # Errors
/// The system refused.
pub fn limit_unacknowledged(stream: &TcpStream, limit: Duration) -> io::Result<()> {
    SockRef::from(stream).set_tcp_user_timeout(Some(limit))
}

#[cfg(test)]
mod tests;
