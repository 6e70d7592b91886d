//! What the proxy says of itself and of each request.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the proxy says of itself.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogConfig {
    /// How much: `error`, `warn`, `info`, `debug`, `trace` or `off`; for single parts with
    /// commas, as in `info,host_upstream=debug`.
    #[serde(default = "default_level")]
    #[schemars(length(min = 1, max = 1024))]
    pub(crate) level: String,
    /// How a line is written.
    #[serde(default)]
    pub(crate) format: LogFormatWord,
}

/// How a line is written.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LogFormatWord {
    /// For people.
    #[default]
    Text,
    /// A JSON object.
    Json,
}

/// Where a line for each request goes.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum AccessLogConfig {
    /// Nowhere, or to standard output.
    Word(AccessLogWord),
    /// To a file.
    File(AccessLogFile),
}

/// Nowhere, or to standard output.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AccessLogWord {
    /// Nowhere.
    Off,
    /// To standard output.
    #[default]
    Stdout,
}

/// To a file.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccessLogFile {
    /// The file, relative to the directory of this configuration. Lines are appended.
    #[schemars(length(min = 1, max = 4096))]
    pub(crate) file: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { level: default_level(), format: LogFormatWord::default() }
    }
}

impl Default for AccessLogConfig {
    fn default() -> Self {
        Self::Word(AccessLogWord::default())
    }
}

fn default_level() -> String {
    String::from("info")
}
