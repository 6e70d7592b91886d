//! Services: plugins that stand beside all traffic.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A plugin that runs for itself: it ticks, calls clusters and reads queues, and sees no
/// traffic. One that fails is started again.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServiceConfig {
    /// The plugin: an entry of `plugins`.
    pub(crate) plugin: String,
    /// What the plugin is configured with: text as it stands, anything else as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) config: Option<Value>,
    /// Which of the plugins that the file of the plugin holds is meant. Default: the only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub(crate) root_id: Option<String>,
    /// Where it runs.
    #[serde(default)]
    pub(crate) run_on: RunOnWord,
}

/// Where a service runs.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RunOnWord {
    /// Once in the whole proxy.
    #[default]
    OneWorker,
    /// Once on each worker.
    EveryWorker,
}
