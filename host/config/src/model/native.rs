//! Native libraries: where they run, and which may be loaded at all.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a plugin's library is loaded.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct NativePluginConfig {
    /// Where it runs.
    pub(crate) run_in: RunInWord,
}

/// Where a library runs.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RunInWord {
    /// In the proxy: as fast as it gets, and trusted with everything.
    #[default]
    Proxy,
    /// In a confined child process.
    Runner,
}

/// Native libraries.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct NativeConfig {
    /// Which libraries may be loaded. Default: none, since a library in the proxy can do
    /// whatever the proxy can.
    #[schemars(length(max = 1000))]
    pub(crate) allow: Vec<NativeAllowConfig>,
}

/// One library, or all of a directory.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct NativeAllowConfig {
    /// The SHA-256 of a library, 64 hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 64, max = 64))]
    pub(crate) sha256: Option<String>,
    /// A directory that only the operator can write, relative to the directory of this
    /// configuration: every library below it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub(crate) directory: Option<String>,
}
