//! What plugins may use.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the plugins that name this policy may use.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PolicyConfig {
    /// Its name; unique.
    #[schemars(length(min = 1, max = 128))]
    pub(crate) name: String,
    /// Not offered by this version, which grants every host call that it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) grants: Option<Vec<String>>,
    /// Limits of each instance of a plugin.
    #[serde(default)]
    pub(crate) limits: PluginLimitsConfig,
}

/// Limits of one plugin instance. A plugin without a policy has the defaults.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PluginLimitsConfig {
    /// Linear memory, in MiB.
    #[schemars(range(min = 1, max = 4096))]
    pub(crate) memory_mib: u32,
    /// Elements of one table.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(crate) table_elements_max: u32,
    /// Processor time of one callback, in milliseconds.
    #[schemars(range(min = 1, max = 60_000))]
    pub(crate) cpu_ms_per_call: u32,
    /// Processor time of start-up and configuration, in milliseconds.
    #[schemars(range(min = 1, max = 600_000))]
    pub(crate) cpu_ms_start: u32,
    /// Streams that one instance may have open at a time.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(crate) contexts_max: u32,
    /// Log lines that one instance may write a second; the rest are counted and dropped.
    #[schemars(range(max = 1_000_000))]
    pub(crate) log_lines_per_second_max: u32,
}

impl Default for PluginLimitsConfig {
    fn default() -> Self {
        Self {
            memory_mib: 64,
            table_elements_max: 20_000,
            cpu_ms_per_call: 10,
            cpu_ms_start: 1000,
            contexts_max: 65_536,
            log_lines_per_second_max: 1000,
        }
    }
}
