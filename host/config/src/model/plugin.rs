//! Plugins: where they come from and how they run.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{native::NativePluginConfig, process::ProcessConfig};

/// One plugin.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PluginConfig {
    /// Its name; unique.
    #[schemars(length(min = 1, max = 128))]
    pub(crate) name: String,
    /// How it runs.
    pub(crate) backend: BackendWord,
    /// The file of the plugin, or the directory of its package (one with a `plugin.toml`),
    /// relative to the directory of this configuration; the name of a plugin that is compiled in.
    #[schemars(length(min = 1, max = 4096))]
    pub(crate) source: String,
    /// What it may do: an entry of `policies`, or a preset (`none`, `read_only`, `default`,
    /// `network`, `trusted`). Default: the preset `default`, with the default limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) policy: Option<String>,
    /// Traffic must never go on without it, since it decides who may pass: it has no use with
    /// `on_error: open`.
    #[serde(default)]
    pub(crate) security: bool,
    /// What it is shown of a stream. Default: all that it has hooks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub(crate) phases: Option<Vec<PhaseWord>>,
    /// How its virtual machines are made and shared; for `backend: wasm`, but for `id`, under which
    /// plugins of all backends share data and queues. What is said for a backend that is not
    /// chosen waits until it is.
    #[serde(default)]
    pub(crate) vm: VmConfig,
    /// How its child process is started, watched and confined; for `backend: process`, and for
    /// libraries that run in a runner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) process: Option<ProcessConfig>,
    /// How its library is loaded; for `backend: native`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) native: Option<NativePluginConfig>,
}

/// How a plugin's virtual machines are made and shared.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct VmConfig {
    /// Uses with the same id share one machine on each worker, where their plugins have the same
    /// code, machine configuration, limits and environment; shared data and queues are kept
    /// under it. Default: a machine for each use, and shared data under the plugin's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub(crate) id: Option<String>,
    /// What the machine is configured with: text as it stands, anything else as JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) config: Option<Value>,
    /// Environment variables that the plugin sees.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) environment: BTreeMap<String, String>,
    /// Names of variables of the proxy's own environment that the plugin sees too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub(crate) host_environment: Vec<String>,
    /// How many streams one machine serves.
    pub(crate) isolation: IsolationWord,
}

/// How many streams one machine serves.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum IsolationWord {
    /// All streams of a worker.
    #[default]
    Shared,
    /// One: a fault reaches no other stream, at the price of a start for each.
    PerStream,
}

/// How a plugin runs.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BackendWord {
    /// In a Proxy-Wasm sandbox.
    Wasm,
    /// In a process of its own.
    Process,
    /// As a native library.
    Native,
    /// Compiled into this proxy.
    Builtin,
}

/// A part of a stream.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PhaseWord {
    /// The request's head.
    RequestHeaders,
    /// The request's body.
    RequestBody,
    /// The request's trailers.
    RequestTrailers,
    /// The response's head.
    ResponseHeaders,
    /// The response's body.
    ResponseBody,
    /// The response's trailers.
    ResponseTrailers,
    /// The end of the stream. Until then the plugin can read both heads, also after they were
    /// sent; without it only while they are open.
    Log,
    /// The beginning of a connection.
    NewConnection,
    /// Bytes that the client sends.
    DownstreamData,
    /// Bytes that the client is sent.
    UpstreamData,
    /// The end of either side of a connection.
    Close,
}
