//! Plugins: where they come from and how they run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One plugin.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PluginConfig {
    /// Its name; unique.
    #[schemars(length(min = 1, max = 128))]
    pub(crate) name: String,
    /// How it runs.
    pub(crate) backend: BackendWord,
    /// The file of the plugin, relative to the directory of this configuration.
    #[schemars(length(min = 1, max = 4096))]
    pub(crate) source: String,
    /// What it may use: an entry of `policies`. Default: no policy, the default limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) policy: Option<String>,
    /// What it is shown of a stream. Default: all that it has hooks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub(crate) phases: Option<Vec<PhaseWord>>,
}

/// How a plugin runs.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BackendWord {
    /// In a Proxy-Wasm sandbox.
    Wasm,
    /// In a process of its own; not offered by this version.
    Process,
    /// As a native library; not offered by this version.
    Native,
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
}
