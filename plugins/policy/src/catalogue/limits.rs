//! The limits, with their defaults.

use std::{fmt::Write, time::Duration};

use host_types::PluginLimits;

use super::Written;

const KIB: usize = 1024;

/// One limit: the word in the configuration, the default, what it is, and what happens past it.
pub(super) type Limit = (&'static str, String, &'static str, &'static str);

pub(super) fn write_limits(text: &mut String) -> Written {
    text.write_str(
        "\n## Limits\n\nUnder `limits` of a policy; the guard, the backend or the host keeps \
         them.\n\n| limit | default | of | past it |\n|---|---|---|---|\n",
    )?;
    for (word, default, of, past) in limits(&PluginLimits::default()) {
        writeln!(text, "| `{word}` | {default} | {of} | {past} |")?;
    }
    Ok(())
}

pub(super) fn limits(limits: &PluginLimits) -> Vec<Limit> {
    [of_instances(limits), of_calls(limits), of_what_is_kept(limits)].concat()
}

fn of_instances(limits: &PluginLimits) -> Vec<Limit> {
    let memory = limits.memory_bytes_max / KIB / KIB;
    let tables = limits.table_elements_max;
    vec![
        (
            "memory_mib",
            memory.to_string(),
            "memory of an instance; of a child, where it is written, the lesser of it and \
             `process.sandbox.memory_mib`",
            "it grows no further",
        ),
        ("table_elements_max", tables.to_string(), "one table of a module", "it grows no further"),
        (
            "cpu_ms_per_call",
            millis(limits.call_budget),
            "processor time of one callback",
            "it is interrupted: a fault",
        ),
        (
            "cpu_ms_per_second",
            or_none(limits.cpu_per_second.map(millis)),
            "processor time of a second",
            "its streams fail until the second is over",
        ),
        (
            "cpu_ms_start",
            millis(limits.start_budget),
            "processor time of start-up and configuration",
            "it does not start",
        ),
        (
            "contexts_max",
            limits.contexts_max.to_string(),
            "open streams of an instance",
            "a stream fails",
        ),
    ]
}

fn of_calls(limits: &PluginLimits) -> Vec<Limit> {
    vec![
        (
            "calls_max",
            limits.calls_max.to_string(),
            "HTTP and gRPC calls under way",
            "a call is refused",
        ),
        (
            "call_bytes_max",
            limits.call_bytes_max.to_string(),
            "one such call, or one message of a gRPC stream",
            "it is refused",
        ),
        (
            "call_timeout_ms_max",
            millis(limits.call_timeout_max),
            "wait for an answer; a gRPC stream without a timeout has none",
            "it is cut to this",
        ),
        (
            "tick_ms_min",
            millis(limits.tick_period_min),
            "period of the timer, at least",
            "a shorter one becomes this",
        ),
    ]
}

fn of_what_is_kept(limits: &PluginLimits) -> Vec<Limit> {
    let held = limits.held_body_bytes_max.map(|bytes| (bytes / KIB).to_string());
    vec![
        (
            "metrics_max",
            limits.metrics_max.to_string(),
            "metrics by name, over all uses and workers, for as long as the proxy runs",
            "it cannot define another",
        ),
        (
            "shared_data_kib",
            (limits.shared_data_bytes_max / KIB).to_string(),
            "shared data of its namespace",
            "old keys are let go",
        ),
        (
            "held_body_kib",
            or_none(held),
            "body that it holds; the listener's limit where that is less",
            "the stream is answered 413 or 502",
        ),
        (
            "log_lines_per_second_max",
            limits.log_lines_per_second_max.to_string(),
            "lines of the log in a second",
            "lines are dropped and counted",
        ),
        ("log_line_bytes_max", limits.log_line_bytes_max.to_string(), "one line", "it is cut off"),
    ]
}

fn millis(time: Duration) -> String {
    time.as_millis().to_string()
}

fn or_none(written: Option<String>) -> String {
    written.unwrap_or_else(|| "none".to_owned())
}
