//! Child processes: how they are started, watched and confined.

use std::collections::BTreeMap;

use host_types::Account;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a plugin's child process is started, watched and confined.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ProcessConfig {
    /// Arguments after the program's name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub(crate) arguments: Vec<String>,
    /// Environment variables that it sees.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) environment: BTreeMap<String, String>,
    /// Names of variables of the proxy's own environment that it sees too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub(crate) host_environment: Vec<String>,
    /// Set for a program that was written for hashicorp/go-plugin. Default: it is started as
    /// the SDK expects it, with its listening socket as file descriptor 3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) go_plugin: Option<GoPluginConfig>,
    /// Over what the proxy reaches it.
    pub(crate) transport: TransportWord,
    /// The longest wait until it is ready, in milliseconds.
    #[schemars(range(min = 1, max = 600_000))]
    pub(crate) start_timeout_ms: u32,
    /// The longest wait for one answer, in milliseconds: of the clock, not of a processor.
    #[schemars(range(min = 1, max = 600_000))]
    pub(crate) call_timeout_ms: u32,
    /// It is killed when it answered nothing for so long, in milliseconds.
    #[schemars(range(min = 100, max = 3_600_000))]
    pub(crate) unresponsive_timeout_ms: u32,
    /// How long its open streams may go on when it is replaced, in milliseconds.
    #[schemars(range(max = 3_600_000))]
    pub(crate) drain_timeout_ms: u32,
    /// When it is started again.
    pub(crate) restart: RestartConfig,
    /// What the kernel keeps from it: `default`, `none`, or settings.
    pub(crate) sandbox: SandboxConfig,
}

/// How a program that was written for hashicorp/go-plugin is started.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GoPluginConfig {
    /// The name of its magic cookie.
    #[schemars(length(min = 1, max = 128))]
    pub(crate) cookie_key: String,
    /// The value of its magic cookie.
    #[schemars(length(min = 1, max = 1024))]
    pub(crate) cookie_value: String,
    /// Both sides make certificates and check them (AutoMTLS).
    #[serde(default)]
    pub(crate) mutual_tls: bool,
}

/// Over what the proxy reaches a child process.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TransportWord {
    /// A Unix socket in a directory of its own.
    #[default]
    Unix,
    /// TCP on loopback, with a token for each start.
    Tcp,
}

/// When a child process that ended is started again.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RestartConfig {
    /// How often it may end within `window_ms` before it is given up until the next load.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(crate) crashes_max: u32,
    /// See `crashes_max`; in milliseconds.
    #[schemars(range(min = 1000, max = 86_400_000))]
    pub(crate) window_ms: u32,
    /// The longest first wait, in milliseconds; it doubles with every start that did not last.
    #[schemars(range(min = 1, max = 600_000))]
    pub(crate) backoff_ms: u32,
    /// The longest wait of all, in milliseconds.
    #[schemars(range(min = 1, max = 3_600_000))]
    pub(crate) backoff_max_ms: u32,
}

/// What the kernel keeps from a child process.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum SandboxConfig {
    /// All that it can, or nothing.
    Word(SandboxWord),
    /// All that it can, with these settings.
    Settings(SandboxSettingsConfig),
}

/// All that it can, or nothing.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SandboxWord {
    /// All that it can.
    #[default]
    Default,
    /// Nothing: the program may do what the proxy may.
    None,
}

/// The settings of a sandbox.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SandboxSettingsConfig {
    /// Files and directories that it may read and run, beside its own directory and those of the
    /// system's programs and libraries, as far as its policy grants `files.read` for where they
    /// really are, and denies nothing in them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub(crate) read: Vec<String>,
    /// The user that it runs as, by name or number; the proxy must be root. Default: the proxy's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<AccountConfig>,
    /// The group that it runs as, by name or number. Default: that of `user`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) group: Option<AccountConfig>,
    /// Its memory, in MiB: of its data; of all that it has, where there are control groups. Less,
    /// where its policy writes less.
    #[schemars(range(min = 8, max = 1_048_576))]
    pub(crate) memory_mib: u32,
    /// Its processes and threads, where there are control groups; else those of its user.
    #[schemars(range(min = 1, max = 65_536))]
    pub(crate) processes_max: u32,
    /// Files that it has open.
    #[schemars(range(min = 16, max = 1_048_576))]
    pub(crate) files_max: u32,
}

/// A user or a group.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum AccountConfig {
    /// By its number.
    Number(u32),
    /// By its name in the machine's own lists, `/etc/passwd` or `/etc/group`.
    Name(String),
}

impl From<&AccountConfig> for Account {
    fn from(model: &AccountConfig) -> Self {
        match model {
            AccountConfig::Number(number) => Self::Number(*number),
            AccountConfig::Name(name) => Self::Name(name.as_str().into()),
        }
    }
}

impl Default for ProcessConfig {
    fn default() -> Self {
        Self {
            arguments: Vec::new(),
            environment: BTreeMap::new(),
            host_environment: Vec::new(),
            go_plugin: None,
            transport: TransportWord::default(),
            start_timeout_ms: 10_000,
            call_timeout_ms: 200,
            unresponsive_timeout_ms: 10_000,
            drain_timeout_ms: 5000,
            restart: RestartConfig::default(),
            sandbox: SandboxConfig::Word(SandboxWord::Default),
        }
    }
}

impl Default for RestartConfig {
    fn default() -> Self {
        Self { crashes_max: 5, window_ms: 300_000, backoff_ms: 100, backoff_max_ms: 30_000 }
    }
}

impl Default for SandboxSettingsConfig {
    fn default() -> Self {
        Self {
            read: Vec::new(),
            user: None,
            group: None,
            memory_mib: 512,
            processes_max: 512,
            files_max: 256,
        }
    }
}
