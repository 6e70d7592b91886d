//! Clusters: endpoints that serve the same thing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One cluster.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClusterConfig {
    /// Its name; unique.
    #[schemars(length(min = 1, max = 128))]
    pub(crate) name: String,
    /// Its endpoints: either all `IP:PORT`, or all `host:port`, which are resolved by DNS.
    #[schemars(length(min = 1, max = 10_000))]
    pub(crate) endpoints: Vec<EndpointConfig>,
    /// How an endpoint is chosen.
    #[serde(default)]
    pub(crate) balance: BalanceWord,
    /// The protocol that requests of HTTP go on in. Frames of a codec go on in their own.
    #[serde(default)]
    pub(crate) protocol: UpstreamProtocolWord,
    /// Longest wait for a TCP connection, in milliseconds.
    #[serde(default = "default_connect_timeout_ms")]
    #[schemars(range(min = 1, max = 600_000))]
    pub(crate) connect_timeout_ms: u32,
    /// Limits of the connections that each worker keeps to the cluster.
    #[serde(default)]
    pub(crate) pool: PoolConfig,
    /// How the connections are used that frames of codecs go on.
    #[serde(default)]
    pub(crate) rpc: RpcPoolConfig,
}

/// One endpoint.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum EndpointConfig {
    /// `IP:PORT` or `host:port`.
    Address(String),
    /// An address with a weight.
    Weighted(WeightedEndpoint),
}

/// An address with a weight.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WeightedEndpoint {
    /// `IP:PORT` or `host:port`.
    pub(crate) address: String,
    /// Its share beside the others. A name that DNS resolves can have no other than 1.
    #[serde(default = "default_weight")]
    #[schemars(range(min = 1, max = 65_535))]
    pub(crate) weight: u32,
}

/// How an endpoint is chosen.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BalanceWord {
    /// Each in turn, by weight.
    #[default]
    RoundRobin,
    /// The less busy of two picked at random, by weight.
    LeastRequest,
}

/// The protocol that requests of HTTP go on in.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UpstreamProtocolWord {
    /// HTTP/1.1
    #[default]
    Http1,
    /// HTTP/2 with prior knowledge.
    Http2,
}

/// Limits of the connections that each worker keeps to one cluster.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PoolConfig {
    /// Open connections; past it a request waits.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(crate) connections_max: u32,
    /// Requests that may wait for a connection; past it they are answered with 503.
    #[schemars(range(max = 1_000_000))]
    pub(crate) pending_max: u32,
    /// Longest wait for a connection, in milliseconds.
    #[schemars(range(min = 1, max = 600_000))]
    pub(crate) pending_timeout_ms: u32,
    /// Idle connections that are kept.
    #[schemars(range(max = 1_000_000))]
    pub(crate) idle_max: u32,
    /// How long an idle connection is kept, in milliseconds.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub(crate) idle_timeout_ms: u32,
    /// Concurrent streams of one HTTP/2 connection.
    #[schemars(range(min = 1, max = 65_535))]
    pub(crate) streams_per_connection_max: u32,
}

/// How the connections are used that frames of codecs go on, on each worker. All of `pool` but
/// `streams_per_connection_max` holds for them, too.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RpcPoolConfig {
    /// Connections to each endpoint that requests share, of protocols that tell the requests of a
    /// connection apart.
    #[schemars(range(min = 1, max = 1024))]
    pub(crate) connections_per_endpoint_max: u32,
    /// Requests under way on one connection; past it a request takes another one, or waits.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(crate) requests_per_connection_max: u32,
    /// A heartbeat is sent on a connection on which nothing came for so long, in milliseconds,
    /// where the protocol has them. 0 sends none.
    #[schemars(range(max = 3_600_000))]
    pub(crate) heartbeat_interval_ms: u32,
    /// How long after a heartbeat something must have come, in milliseconds; else it is missed.
    #[schemars(range(min = 1, max = 600_000))]
    pub(crate) heartbeat_timeout_ms: u32,
    /// Heartbeats missed in a row; then the connection is closed.
    #[schemars(range(min = 1, max = 100))]
    pub(crate) heartbeat_misses_max: u32,
}

impl Default for RpcPoolConfig {
    fn default() -> Self {
        Self {
            connections_per_endpoint_max: 1,
            requests_per_connection_max: 4096,
            heartbeat_interval_ms: 15_000,
            heartbeat_timeout_ms: 3000,
            heartbeat_misses_max: 3,
        }
    }
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            connections_max: 1024,
            pending_max: 1024,
            pending_timeout_ms: 5000,
            idle_max: 256,
            idle_timeout_ms: 50_000,
            streams_per_connection_max: 100,
        }
    }
}

fn default_connect_timeout_ms() -> u32 {
    1000
}

fn default_weight() -> u32 {
    1
}
