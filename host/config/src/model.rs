//! The model of the file: one type per room of the configuration, with its documentation,
//! units, ranges and defaults. The schema for editors is derived from it.
//!
//! Types only; what they mean together is checked in `plan`.

mod admin;
mod cluster;
mod listener;
mod log;
mod native;
mod plugin;
mod policy;
mod process;
mod protocol;
mod route;
mod service;
mod wasm;

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(crate) use self::{
    admin::AdminConfig,
    cluster::{
        BalanceWord, ClusterConfig, EndpointConfig, PoolConfig, RpcPoolConfig, UpstreamProtocolWord,
    },
    listener::{
        AcceptBalanceWord, FilterConfig, ForwardingConfig, LimitsConfig, ListenerConfig,
        OnErrorWord,
    },
    log::{AccessLogConfig, AccessLogWord, LogConfig, LogFormatWord},
    native::{NativeAllowConfig, NativeConfig, NativePluginConfig, RunInWord},
    plugin::{BackendWord, IsolationWord, PhaseWord, PluginConfig, VmConfig},
    policy::{ModeWord, PluginLimitsConfig, PolicyConfig, PresetWord, RestrictionWord},
    process::{
        GoPluginConfig, ProcessConfig, RestartConfig, SandboxConfig, SandboxSettingsConfig,
        SandboxWord, TransportWord,
    },
    protocol::{CodecConfig, CodecEntryConfig, ProtocolConfig},
    route::{
        HeaderMatchConfig, HostRewriteConfig, MatchConfig, QueryMatchConfig, RedirectConfig,
        RespondConfig, RetryConfig, RetryReasonConfig, RewriteConfig, RouteConfig, SchemeWord,
        VirtualHostConfig, WeightedClusterConfig,
    },
    service::{RunOnWord, ServiceConfig},
    wasm::WasmConfig,
};

/// The configuration of Mortise.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Mortise configuration")]
pub(crate) struct Config {
    /// Where connections are accepted, and what happens to them.
    #[schemars(length(min = 1))]
    pub(crate) listeners: Vec<ListenerConfig>,
    /// Where requests and connections go.
    #[serde(default)]
    pub(crate) clusters: Vec<ClusterConfig>,
    /// The plugins that filters name.
    #[serde(default)]
    pub(crate) plugins: Vec<PluginConfig>,
    /// Plugins that run beside all traffic.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub(crate) services: Vec<ServiceConfig>,
    /// What plugins may do. A plugin that names none has the preset `default`.
    #[serde(default)]
    pub(crate) policies: Vec<PolicyConfig>,
    /// The Wasm engine.
    #[serde(default)]
    pub(crate) wasm: WasmConfig,
    /// Native libraries.
    #[serde(default)]
    pub(crate) native: NativeConfig,
    /// Worker threads. Default: one for each processor, at most 256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 256))]
    pub(crate) workers: Option<u16>,
    /// How long open streams may go on when the proxy stops, in milliseconds.
    #[serde(default = "default_drain_timeout_ms")]
    #[schemars(range(max = 3_600_000))]
    pub(crate) drain_timeout_ms: u32,
    /// The server for operators. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) admin: Option<AdminConfig>,
    /// What the proxy says of itself, on standard error.
    #[serde(default)]
    pub(crate) log: LogConfig,
    /// Where a line for each request goes: `stdout`, `off`, or a file.
    #[serde(default)]
    pub(crate) access_log: AccessLogConfig,
}

/// The JSON Schema of the file, for editors.
#[must_use]
pub fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12();
    SchemaGenerator::new(settings).into_root_schema_for::<Config>().into()
}

fn default_drain_timeout_ms() -> u32 {
    30_000
}

#[cfg(test)]
mod tests;
