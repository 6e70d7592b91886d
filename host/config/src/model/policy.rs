//! What plugins may do, and how much of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the plugins that name this policy may do. A plugin may do what its manifest asks for and
/// its policy grants; a plugin without a package asks for everything.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PolicyConfig {
    /// Its name; unique, and not that of a preset.
    #[schemars(length(min = 1, max = 128))]
    pub(crate) name: String,
    /// What is granted to begin with. Default: `none` where there are `grants`, which then say
    /// everything, else `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) preset: Option<PresetWord>,
    /// What is granted beside the preset: `WORD` or `WORD:PATTERN`, as in `http_call:auth`;
    /// `mortise policy catalogue` prints the words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub(crate) grants: Option<Vec<String>>,
    /// What is taken away again, whatever grants it; written as `grants` are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub(crate) denials: Vec<String>,
    /// What happens to a call that is not allowed.
    #[serde(default)]
    pub(crate) mode: ModeWord,
    /// Restrictions that need not be enforced where the backend or the kernel cannot. A plugin
    /// whose policy states any other that cannot be enforced is not loaded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub(crate) allow_unenforced: Vec<RestrictionWord>,
    /// Limits of each instance of a plugin.
    #[serde(default)]
    pub(crate) limits: PluginLimitsConfig,
}

/// Grants that have a name.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PresetWord {
    /// Nothing: what `grants` name is all.
    None,
    /// See messages, bytes and properties; log and count.
    ReadOnly,
    /// As `read_only`, and change ordinary fields and bodies, answer requests, close connections,
    /// and keep shared data and queues of its own.
    Default,
    /// As `default`, and call clusters.
    Network,
    /// Everything, also where requests go, framing fields, and what other plugins share.
    Trusted,
}

/// What happens to a call that is not allowed.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ModeWord {
    /// It is refused, counted and logged.
    #[default]
    Enforce,
    /// It is carried out, counted and logged, to learn what a plugin needs.
    Permissive,
}

/// A restriction that not every backend and kernel can enforce.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RestrictionWord {
    /// Memory of an instance.
    Memory,
    /// Processor time of a second.
    Cpu,
    /// Processor time of one callback, and of start-up and configuration.
    CpuPerCall,
    /// Elements of a table.
    Table,
    /// Which files it reads.
    Files,
    /// That it reaches nothing but through the proxy.
    Network,
    /// How many processes and threads it makes.
    Processes,
    /// That it does not read a clock.
    Clock,
    /// That it does not draw random numbers.
    Random,
    /// That it sees no variables but those that it is given.
    Environment,
}

/// Limits of one plugin instance. A plugin without a policy has the defaults.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PluginLimitsConfig {
    /// Memory, in MiB: linear memory of a module. Of a child process, where it is written, the
    /// lesser of it and the sandbox's `memory_mib`.
    #[schemars(range(min = 1, max = 4096))]
    pub(crate) memory_mib: u32,
    /// Elements of one table.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(crate) table_elements_max: u32,
    /// Processor time of one callback, in milliseconds; modules alone can be held to it.
    #[schemars(range(min = 1, max = 60_000))]
    pub(crate) cpu_ms_per_call: u32,
    /// Processor time of a second, in milliseconds; past it the plugin's streams fail until the
    /// second is over. Default: no such limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 64_000))]
    pub(crate) cpu_ms_per_second: Option<u32>,
    /// Processor time of start-up and configuration, in milliseconds; modules alone can be held
    /// to it.
    #[schemars(range(min = 1, max = 600_000))]
    pub(crate) cpu_ms_start: u32,
    /// Streams that one instance may have open at a time.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(crate) contexts_max: u32,
    /// HTTP and gRPC calls under way at a time; past it a call is refused.
    #[schemars(range(max = 1_000_000))]
    pub(crate) calls_max: u32,
    /// Bytes of one such call: head, body and trailers; past it the call is refused.
    #[schemars(range(min = 1, max = 1_073_741_824))]
    pub(crate) call_bytes_max: u32,
    /// The longest wait for an answer to such a call, in milliseconds; longer ones are cut to it.
    #[schemars(range(min = 1, max = 3_600_000))]
    pub(crate) call_timeout_ms_max: u32,
    /// The shortest period of its timer, in milliseconds; shorter ones become this.
    #[schemars(range(min = 1, max = 3_600_000))]
    pub(crate) tick_ms_min: u32,
    /// Metrics that it may define.
    #[schemars(range(max = 100_000))]
    pub(crate) metrics_max: u32,
    /// Shared data in its own namespace, keys and values, in KiB; past it old ones are let go.
    #[schemars(range(max = 1_048_576))]
    pub(crate) shared_data_kib: u32,
    /// Body, or bytes of one direction of a connection, that it may hold, in KiB, where that is
    /// less than the listener's limit. Default: the listener's limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 1_048_576))]
    pub(crate) held_body_kib: Option<u32>,
    /// Log lines that one instance may write a second; the rest are counted and dropped.
    #[schemars(range(max = 1_000_000))]
    pub(crate) log_lines_per_second_max: u32,
    /// Bytes of one log line; the rest of the line is cut off.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub(crate) log_line_bytes_max: u32,
}

impl Default for PluginLimitsConfig {
    fn default() -> Self {
        Self {
            memory_mib: 64,
            table_elements_max: 20_000,
            cpu_ms_per_call: 10,
            cpu_ms_per_second: None,
            cpu_ms_start: 1000,
            contexts_max: 65_536,
            calls_max: 1024,
            call_bytes_max: 1_048_576,
            call_timeout_ms_max: 60_000,
            tick_ms_min: 10,
            metrics_max: 1000,
            shared_data_kib: 16_384,
            held_body_kib: None,
            log_lines_per_second_max: 1000,
            log_line_bytes_max: 8192,
        }
    }
}
