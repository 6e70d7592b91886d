//! What the configuration says of a cluster, checked and complete.

use std::{net::SocketAddr, time::Duration};

use host_types::ClusterName;

/// One cluster: endpoints that serve the same thing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClusterPlan {
    /// Its name; unique.
    pub name: ClusterName,
    /// Where its endpoints come from.
    pub endpoints: EndpointSource,
    /// How one of them is chosen.
    pub balance: Balance,
    /// The protocol that they speak.
    pub protocol: UpstreamProtocol,
    /// Longest wait for a TCP connection.
    pub connect_timeout: Duration,
    /// Limits of the pool that each worker keeps for the cluster.
    pub pool: PoolLimits,
    /// How connections of RPC protocols are kept.
    pub rpc: RpcPoolPlan,
}

/// Where endpoints come from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum EndpointSource {
    /// A fixed list.
    Static(Vec<Endpoint>),
    /// The addresses that names resolve to, refreshed when their time to live ends.
    Dns(Vec<DnsName>),
}

/// One address of a cluster.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Endpoint {
    /// The address.
    pub address: SocketAddr,
    /// Its share beside the others; at least 1.
    pub weight: u32,
}

/// A name to resolve.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct DnsName {
    /// The host name.
    pub host: String,
    /// The port of all its addresses.
    pub port: u16,
}

/// How an endpoint is chosen.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Balance {
    /// Each in turn, by weight.
    #[default]
    RoundRobin,
    /// The less busy of two picked at random, by weight.
    LeastRequest,
}

/// The protocol of a cluster's endpoints.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum UpstreamProtocol {
    /// HTTP/1.1
    #[default]
    Http1,
    /// HTTP/2 with prior knowledge.
    Http2,
}

/// Limits of one worker's pool for one cluster.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PoolLimits {
    /// Open connections; past it a request waits.
    pub connections_max: usize,
    /// Requests that may wait for a connection; past it 503.
    pub pending_max: usize,
    /// Longest wait for a connection.
    pub pending_timeout: Duration,
    /// Idle connections that are kept.
    pub idle_max: usize,
    /// How long an idle connection is kept.
    pub idle_timeout: Duration,
    /// Concurrent streams of one HTTP/2 connection.
    pub streams_per_connection_max: u32,
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self {
            connections_max: 1024,
            pending_max: 1024,
            pending_timeout: Duration::from_secs(5),
            idle_max: 256,
            idle_timeout: Duration::from_secs(50),
            streams_per_connection_max: 100,
        }
    }
}

/// How one worker's pool keeps connections of RPC protocols, beside [`PoolLimits`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RpcPoolPlan {
    /// Connections to one endpoint that requests share; past it a request waits for its turn on
    /// one of them. Of protocols with many requests on a connection only.
    pub connections_per_endpoint_max: usize,
    /// Requests under way on one connection; past it another connection is opened, or the
    /// request waits.
    pub requests_per_connection_max: usize,
    /// A heartbeat is sent where no frame came for so long; zero for none.
    pub heartbeat_interval: Duration,
    /// Longest wait for a sign of life after a heartbeat; past it the heartbeat is missed.
    pub heartbeat_timeout: Duration,
    /// Heartbeats missed in a row; at it the connection is closed.
    pub heartbeat_misses_max: u32,
}

impl Default for RpcPoolPlan {
    fn default() -> Self {
        Self {
            connections_per_endpoint_max: 1,
            requests_per_connection_max: 4096,
            heartbeat_interval: Duration::from_secs(15),
            heartbeat_timeout: Duration::from_secs(3),
            heartbeat_misses_max: 3,
        }
    }
}
