//! Listeners: where connections are accepted, and the filters of their streams.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    protocol::ProtocolConfig,
    route::{RouteConfig, VirtualHostConfig},
};

/// One listener.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListenerConfig {
    /// Its name; unique. Default: its address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub(crate) name: Option<String>,
    /// Where it listens: `IP:PORT` or `[IPv6]:PORT`.
    pub(crate) address: String,
    /// What it speaks: `http` (HTTP/1.1 and HTTP/2), `tcp` (bytes to `cluster`), `auto` (`http`
    /// where the first bytes are HTTP, else `tcp`), the name of a codec (`bolt`, `dubbo`,
    /// `dubbothrift`, `tars`, or a plugin), or a list of such.
    #[serde(default)]
    pub(crate) protocol: ProtocolConfig,
    /// How accepted connections are spread over the workers.
    #[serde(default)]
    pub(crate) balance: AcceptBalanceWord,
    /// Its limits.
    #[serde(default)]
    pub(crate) limits: LimitsConfig,
    /// What the upstream is told of the client.
    #[serde(default)]
    pub(crate) forwarding: ForwardingConfig,
    /// The filters of every connection's bytes, in order; they see what the client sends before
    /// the listener's protocol does, and last what it is sent. A connection keeps those that it
    /// began with for as long as it is open.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub(crate) network_filters: Vec<FilterConfig>,
    /// The filters of every stream, in order; they run before a route is chosen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub(crate) stream_filters: Vec<FilterConfig>,
    /// The routes of every domain, the first that matches wins; in place of `virtual_hosts`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) routes: Vec<RouteConfig>,
    /// The routes of single domains; in place of `routes`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) virtual_hosts: Vec<VirtualHostConfig>,
    /// Where the bytes of `protocol: tcp` go, and with `auto` or a list those that are nothing
    /// else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cluster: Option<String>,
}

/// How accepted connections are spread over the workers.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AcceptBalanceWord {
    /// The kernel spreads them over a socket for each worker.
    #[default]
    Kernel,
    /// One socket; each connection goes to the worker with the fewest.
    Exact,
}

/// Limits of one listener. Counts are per worker unless they say otherwise.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LimitsConfig {
    /// Open connections of each worker; past it a new one is closed at once.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(crate) connections_max: u32,
    /// Concurrent streams of one connection; past it a stream of HTTP/2 is refused, and no more
    /// frames are read until one has ended.
    #[schemars(range(min = 1, max = 65_535))]
    pub(crate) streams_per_connection_max: u32,
    /// Header fields of one HTTP request; past it 431. Codecs have a limit of
    /// their own.
    #[schemars(range(min = 1, max = 1000))]
    pub(crate) header_count_max: u32,
    /// Bytes of one HTTP request's head; past it 431, or a reset stream with HTTP/2.
    #[schemars(range(min = 8192, max = 524_288))]
    pub(crate) header_bytes_max: u32,
    /// Bytes of a body that filters may hold; past it 413 for a request, 502 for a response
    /// (which is broken off where the filter let its head go). No plugin makes a body grow
    /// past it.
    #[schemars(range(max = 1_073_741_824))]
    pub(crate) held_body_bytes_max: u32,
    /// Bytes of one frame of a codec's protocol, fields and body; a longer request closes its
    /// connection, a longer response fails its request.
    #[schemars(range(min = 1024, max = 1_073_741_824))]
    pub(crate) frame_bytes_max: u32,
    /// Bytes of the requests of codecs that are under way on one client connection, and of their
    /// responses; past it no more frames are read until some have gone. At least
    /// `frame_bytes_max`. Default: 16777216, or `frame_bytes_max` where that is more.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1024, max = 4_294_967_295_u32))]
    pub(crate) rpc_bytes_max: Option<u32>,
    /// Longest timeout that a frame may ask for, in milliseconds; longer ones are cut to it. The
    /// `timeout_ms` of a route is not cut.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub(crate) frame_timeout_max_ms: u32,
    /// Longest wait for a whole HTTP/1 request head, and for the bytes that tell which codec a
    /// connection is for, in milliseconds.
    #[schemars(range(min = 1, max = 3_600_000))]
    pub(crate) header_timeout_ms: u32,
    /// Longest wait between the requests (or any frames) of a connection, in milliseconds; never
    /// ends one with a request under way. Also how long a
    /// tunnel (TCP, WebSocket) may be silent, and how long `protocol: auto` waits for a first
    /// byte before it takes the connection for one whose server speaks first.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub(crate) idle_timeout_ms: u32,
    /// Longest time that a stream with a body on its way may make no progress, in milliseconds;
    /// also the longest time that a plugin may hold a stream, or the end of one direction of a
    /// connection, and how long a client may take nothing of the last bytes of a connection
    /// behind network filters.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub(crate) stall_timeout_ms: u32,
}

/// What the upstream is told of the client, and the client of the proxy.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ForwardingConfig {
    /// Keep the `x-forwarded-for` and `x-forwarded-proto` that the client sent, and add to the
    /// former. Only behind a proxy that sets them: anybody can write them.
    pub(crate) trust_client: bool,
    /// Add a `via` field with this name to requests and responses. Default: none is added.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub(crate) via: Option<String>,
}

/// A plugin in a chain of filters.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FilterConfig {
    /// The plugin: an entry of `plugins`.
    pub(crate) plugin: String,
    /// What the plugin is configured with: text as it stands, anything else as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) config: Option<Value>,
    /// Which of the plugins that the file of the plugin holds is meant. Default: the only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub(crate) root_id: Option<String>,
    /// What happens to a stream when the plugin fails.
    #[serde(default)]
    pub(crate) on_error: OnErrorWord,
}

/// What happens to a stream when a plugin fails.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OnErrorWord {
    /// The client gets an error.
    #[default]
    Closed,
    /// The stream goes on without the plugin.
    Open,
    /// The client gets an error, and the plugin is started again.
    Reload,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            connections_max: 8192,
            streams_per_connection_max: 100,
            header_count_max: 100,
            header_bytes_max: 16_384,
            held_body_bytes_max: 1_048_576,
            frame_bytes_max: 8_388_608,
            rpc_bytes_max: None,
            frame_timeout_max_ms: 600_000,
            header_timeout_ms: 10_000,
            idle_timeout_ms: 60_000,
            stall_timeout_ms: 60_000,
        }
    }
}
