//! The Wasm engine of the process.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The Wasm engine.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WasmConfig {
    /// Where compiled modules are kept for the next start: `off`, or a directory that belongs to
    /// the proxy's user alone, relative to the directory of this configuration. Default:
    /// `mortise/wasm` in the user's cache directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub(crate) cache_dir: Option<String>,
}
