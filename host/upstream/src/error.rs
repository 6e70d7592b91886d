//! What can go wrong between a request that is ready and its response's head.

use std::{io, net::SocketAddr, sync::Arc};

use host_extension::PluginFault;
use host_types::{ClusterName, ReplyReason};

use crate::{BodyError, ConnectionEnd};

/// Why a cluster gave no response. Nothing was answered to the client yet.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpstreamError {
    /// The cluster has no address: none is configured, or no name resolved yet.
    #[error("cluster `{cluster}` has no endpoint")]
    NoEndpoint {
        /// The cluster.
        cluster: ClusterName,
    },
    /// The endpoint refused the connection or cannot be reached. Nothing was sent.
    #[error("cluster `{cluster}`: an endpoint cannot be connected")]
    ConnectFailed {
        /// The cluster.
        cluster: ClusterName,
        /// Which endpoint, and what was said.
        #[source]
        source: Box<host_net::ConnectError>,
    },
    /// The endpoint did not accept the connection in time. Nothing was sent.
    #[error("cluster `{cluster}`: {endpoint} did not accept a connection in time")]
    ConnectTimedOut {
        /// The cluster.
        cluster: ClusterName,
        /// Which endpoint.
        endpoint: Box<SocketAddr>,
    },
    /// The request waited for a connection that others share, and it could not be made. Nothing
    /// was sent.
    #[error("cluster `{cluster}`: the connection that was waited for could not be made")]
    NotConnected {
        /// The cluster.
        cluster: ClusterName,
    },
    /// All connections are in use and too many requests wait already. Nothing was sent.
    #[error("cluster `{cluster}`: all connections are in use and its waiting line is full")]
    PoolFull {
        /// The cluster.
        cluster: ClusterName,
    },
    /// No connection became free in time. Nothing was sent.
    #[error("cluster `{cluster}`: no connection became free in time")]
    PendingTimedOut {
        /// The cluster.
        cluster: ClusterName,
    },
    /// The connection broke off after bytes of the request may have been sent.
    #[error("cluster `{cluster}`: the connection broke off before the response")]
    Reset {
        /// The cluster.
        cluster: ClusterName,
        /// What was seen.
        #[source]
        source: hyper::Error,
    },
    /// The endpoint's answer is no valid response.
    #[error("cluster `{cluster}`: the response is malformed")]
    Protocol {
        /// The cluster.
        cluster: ClusterName,
        /// What is wrong with it.
        #[source]
        source: hyper::Error,
    },
    /// The request's own body failed while it was sent.
    #[error("cluster `{cluster}`: the request's body failed")]
    RequestBody {
        /// The cluster.
        cluster: ClusterName,
        /// What the body said.
        #[source]
        source: hyper::Error,
    },
    /// The connection of an RPC protocol ended before the answer.
    #[error("cluster `{cluster}`: the connection ended before the response")]
    ConnectionEnded {
        /// The cluster.
        cluster: ClusterName,
        /// Bytes of the request may have reached the endpoint.
        sent: bool,
        /// How it ended.
        #[source]
        source: Arc<ConnectionEnd>,
    },
    /// The frame that answers is not sound inside.
    #[error("cluster `{cluster}`: the response is malformed: {what}")]
    MalformedResponse {
        /// The cluster.
        cluster: ClusterName,
        /// What is wrong with it.
        what: Box<str>,
    },
    /// Too much waits to be written on the connection. Nothing was sent.
    #[error("cluster `{cluster}`: too much waits to be written on a connection")]
    QueueFull {
        /// The cluster.
        cluster: ClusterName,
    },
    /// No codec could be made for a connection. Nothing was sent.
    #[error("cluster `{cluster}`: there is no codec for a connection")]
    CodecFailed {
        /// The cluster.
        cluster: ClusterName,
        /// What the plugin said.
        #[source]
        source: Box<PluginFault>,
    },
    /// The request cannot be written in the cluster's protocol.
    #[error("cluster `{cluster}`: the request cannot be written: {what}")]
    Unsendable {
        /// The cluster.
        cluster: ClusterName,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The proxy's own fault. Nothing was sent.
    #[error("cluster `{cluster}`: this is a fault of the proxy: {what}")]
    Internal {
        /// The cluster.
        cluster: ClusterName,
        /// What happened although it cannot.
        what: &'static str,
    },
}

impl UpstreamError {
    /// The reason that the stream ends with.
    #[must_use]
    pub fn reason(&self) -> ReplyReason {
        match self {
            Self::NoEndpoint { .. } => ReplyReason::NoEndpoint,
            Self::PoolFull { .. } | Self::PendingTimedOut { .. } | Self::QueueFull { .. } => {
                ReplyReason::Overload
            }
            Self::ConnectFailed { .. }
            | Self::ConnectTimedOut { .. }
            | Self::NotConnected { .. }
            | Self::Reset { .. }
            | Self::Protocol { .. }
            | Self::ConnectionEnded { .. }
            | Self::MalformedResponse { .. }
            | Self::CodecFailed { .. } => ReplyReason::UpstreamFailed,
            Self::RequestBody { .. } => ReplyReason::ClientGone,
            Self::Unsendable { .. } => ReplyReason::Malformed,
            Self::Internal { .. } => ReplyReason::Internal,
        }
    }

    /// True where no byte of the request can have reached an endpoint.
    #[must_use]
    pub fn nothing_sent(&self) -> bool {
        match self {
            Self::Reset { .. }
            | Self::Protocol { .. }
            | Self::RequestBody { .. }
            | Self::MalformedResponse { .. } => false,
            Self::ConnectionEnded { sent, .. } => !sent,
            Self::NoEndpoint { .. }
            | Self::ConnectFailed { .. }
            | Self::ConnectTimedOut { .. }
            | Self::NotConnected { .. }
            | Self::PoolFull { .. }
            | Self::PendingTimedOut { .. }
            | Self::QueueFull { .. }
            | Self::CodecFailed { .. }
            | Self::Unsendable { .. }
            | Self::Internal { .. } => true,
        }
    }

    pub(crate) fn connect(cluster: ClusterName, source: host_net::ConnectError) -> Self {
        match source {
            host_net::ConnectError::TimedOut { address, .. } => {
                Self::ConnectTimedOut { cluster, endpoint: Box::new(address) }
            }
            source @ host_net::ConnectError::Failed { .. } => {
                Self::ConnectFailed { cluster, source: Box::new(source) }
            }
        }
    }

    /// A connection that was accepted and then failed its first steps.
    pub(crate) fn handshake(
        cluster: ClusterName,
        address: SocketAddr,
        source: hyper::Error,
    ) -> Self {
        let source = io::Error::other(source);
        Self::connect(cluster, host_net::ConnectError::Failed { address, source })
    }

    pub(crate) fn exchange(cluster: ClusterName, source: hyper::Error) -> Self {
        if caused_by_request_body(&source) {
            Self::RequestBody { cluster, source }
        } else if source.is_parse() {
            Self::Protocol { cluster, source }
        } else {
            Self::Reset { cluster, source }
        }
    }
}

fn caused_by_request_body(error: &hyper::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        if inner.is::<BodyError>() {
            return true;
        }
        cause = inner.source();
    }
    false
}
