//! How the connection of an RPC protocol ends.

use std::io;

use host_extension::PluginFault;

/// Why a connection ended under its requests.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectionEnd {
    /// The upstream closed it.
    #[error("the upstream closed the connection")]
    Closed,
    /// It broke.
    #[error("the connection broke: {0}")]
    Io(io::ErrorKind),
    /// No sign of life came after so many heartbeats.
    #[error("no sign of life after {misses} heartbeats")]
    Unresponsive {
        /// Heartbeats in a row.
        misses: u32,
    },
    /// The upstream took nothing of what was to be written.
    #[error("the upstream took nothing for too long")]
    Stalled,
    /// The bytes that came are none of the protocol.
    #[error("the bytes that came are none of the protocol: {0}")]
    Lost(Box<str>),
    /// A frame is longer than frames may be.
    #[error("a frame has more than {bytes_max} bytes")]
    FrameTooLarge {
        /// The limit.
        bytes_max: usize,
    },
    /// A response came that was nobody's turn to get.
    #[error("a response came that nobody had asked for")]
    OutOfTurn,
    /// The only request of a ping-pong connection was given up.
    #[error("the request under way was given up")]
    GivenUp,
    /// The codec failed.
    #[error("the codec failed")]
    CodecFailed(#[source] Box<PluginFault>),
    /// We closed it: it was idle, its endpoint is gone, its client left, or the upstream wants no
    /// more requests on it.
    #[error("the connection was given up")]
    Replaced,
}
