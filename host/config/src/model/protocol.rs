//! What a listener speaks: words, and codecs with their configuration.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a listener speaks: one protocol, or several that are told apart by the first bytes.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum ProtocolConfig {
    /// `http`, `auto`, `tcp`, or the name of a codec.
    Word(
        #[schemars(extend("examples" = ["http", "auto", "tcp", "bolt", "dubbo", "dubbothrift", "tars"]))]
         String,
    ),
    // In front of the map, since a list of words could be read as the values of one.
    /// Codecs in the order in which they are asked whether a connection is theirs; behind them
    /// `http`, and `tcp` for bytes that are nothing of all this.
    List(#[schemars(length(min = 1, max = 16))] Vec<CodecEntryConfig>),
    /// A codec with its configuration.
    Codec(CodecConfig),
}

/// One of several protocols.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum CodecEntryConfig {
    /// The name of a codec, `http` or `tcp`.
    Word(String),
    /// A codec with its configuration.
    Codec(CodecConfig),
}

/// A codec with its configuration.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CodecConfig {
    /// The codec: `bolt`, `dubbo`, `dubbothrift`, `tars`, or an entry of `plugins`.
    pub(crate) name: String,
    /// What it is configured with; of a plugin, text as it stands, anything else as JSON. `bolt`
    /// takes `{ go_away: true }`, to send the command 100 to clients (default: false).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) config: Option<Value>,
    /// Which of the plugins that the file of the plugin holds is meant. Default: the only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub(crate) root_id: Option<String>,
}

impl Default for ProtocolConfig {
    fn default() -> Self {
        Self::Word("http".to_owned())
    }
}

impl ProtocolConfig {
    /// The names of all protocols.
    pub(crate) fn names(&self) -> Vec<&str> {
        match self {
            Self::Word(word) => vec![word],
            Self::Codec(codec) => vec![&codec.name],
            Self::List(entries) => entries.iter().map(CodecEntryConfig::name).collect(),
        }
    }
}

impl CodecEntryConfig {
    /// The name of the protocol.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Word(word) => word,
            Self::Codec(codec) => &codec.name,
        }
    }
}
