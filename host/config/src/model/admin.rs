//! The admin server.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The server for operators: health, metrics, what is in force.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdminConfig {
    /// A Unix socket (`unix:/run/mortise/admin.sock`) or a loopback address
    /// (`127.0.0.1:9901`): whoever reaches it needs no password.
    pub(crate) address: String,
}
