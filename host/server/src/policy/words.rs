//! Capabilities and limits in words for people.

use std::time::Duration;

use host_types::PluginLimits;
use plugins_policy::{Capability, Restriction};

/// What a capability lets a plugin do, behind "may" and "may not".
pub(super) fn deed(capability: Capability) -> &'static str {
    match capability {
        Capability::HeadersRequestRead => "read request headers",
        Capability::HeadersRequestWrite => "change request headers",
        Capability::HeadersResponseRead => "read response headers",
        Capability::HeadersResponseWrite => "change response headers",
        Capability::BodyRequestRead => "read request bodies",
        Capability::BodyRequestWrite => "change request bodies",
        Capability::BodyResponseRead => "read response bodies",
        Capability::BodyResponseWrite => "change response bodies",
        Capability::Reply => "answer requests itself",
        Capability::Route => "change where requests go",
        Capability::Close => "break off streams and connections",
        Capability::PropertiesRead => "read properties",
        Capability::PropertiesWrite => "set properties",
        Capability::HttpCall => "call clusters over HTTP",
        Capability::GrpcCall => "call clusters over gRPC",
        Capability::SharedDataRead => "read shared data",
        Capability::SharedDataWrite => "set shared data",
        Capability::Queues => "use queues",
        Capability::Metrics => "count metrics",
        Capability::Log => "write to the log",
        Capability::Clock => "read the clocks",
        Capability::Random => "draw random numbers",
        Capability::Ticks => "be called by a timer",
        Capability::Environment => "see environment variables",
        Capability::Foreign => "call foreign functions",
        Capability::TcpDownstreamRead => "read what clients send",
        Capability::TcpDownstreamWrite => "change what clients send",
        Capability::TcpUpstreamRead => "read what clients are sent",
        Capability::TcpUpstreamWrite => "change what clients are sent",
        Capability::FilesRead => "read files",
        // One of a later catalogue has at least its word.
        other => other.word(),
    }
}

/// The restriction without which a plugin does this by itself, whatever is forbidden.
pub(super) fn kept_by(capability: Capability) -> Option<Restriction> {
    let kept = [
        (Capability::Clock, Restriction::Clock),
        (Capability::Random, Restriction::Random),
        (Capability::Environment, Restriction::Environment),
        (Capability::FilesRead, Restriction::Files),
    ];
    kept.into_iter().find(|(one, _by)| *one == capability).map(|(_one, by)| by)
}

/// The restriction that a limit is part of, where it is not one of calls: those hold everywhere.
pub(super) fn restriction(limit: &str) -> Option<Restriction> {
    match limit {
        "memory_mib" => Some(Restriction::Memory),
        "cpu_ms_per_call" | "cpu_ms_start" => Some(Restriction::CpuPerCall),
        "cpu_ms_per_second" => Some(Restriction::Cpu),
        "table_elements_max" => Some(Restriction::Table),
        _ => None,
    }
}

/// The limits by the keys of the configuration, each with its value in words.
pub(super) fn limits(limits: &PluginLimits) -> Vec<(&'static str, u128, String)> {
    let milliseconds = |time: Duration| (time.as_millis(), format!("{} ms", time.as_millis()));
    let count = |number: usize| (number as u128, number.to_string());
    let kib = |bytes: usize| ((bytes / 1024) as u128, format!("{} KiB", bytes / 1024));
    let mib = limits.memory_bytes_max / (1024 * 1024);
    let lines = u128::from(limits.log_lines_per_second_max);
    let mut known = vec![
        ("memory_mib", (mib as u128, format!("{mib} MiB"))),
        ("table_elements_max", count(limits.table_elements_max)),
        ("cpu_ms_per_call", milliseconds(limits.call_budget)),
        ("cpu_ms_start", milliseconds(limits.start_budget)),
        ("contexts_max", count(limits.contexts_max)),
        ("calls_max", count(limits.calls_max)),
        ("call_bytes_max", count(limits.call_bytes_max)),
        ("call_timeout_ms_max", milliseconds(limits.call_timeout_max)),
        ("tick_ms_min", milliseconds(limits.tick_period_min)),
        ("metrics_max", count(limits.metrics_max)),
        ("shared_data_kib", kib(limits.shared_data_bytes_max)),
        ("log_lines_per_second_max", (lines, lines.to_string())),
        ("log_line_bytes_max", count(limits.log_line_bytes_max)),
    ];
    known.extend(limits.cpu_per_second.map(|time| ("cpu_ms_per_second", milliseconds(time))));
    known.extend(limits.held_body_bytes_max.map(|bytes| ("held_body_kib", kib(bytes))));
    known.into_iter().map(|(key, (number, words))| (key, number, words)).collect()
}
