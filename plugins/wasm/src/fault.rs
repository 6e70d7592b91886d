//! From what wasmtime says to what a person reads: the story of a fault.

use std::fmt::Write;

use host_extension::{FaultKind, PluginFault};
use wasmtime::{Error, Trap, WasmBacktrace};

use crate::{limiter::Refusal, state::VmData};

/// Frames of a story; the innermost ones say enough.
const FRAMES_SHOWN_MAX: usize = 8;

/// The guest ended itself. There is nothing to go on with, so this unwinds it as a trap does.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("it called `proc_exit({0})`")]
pub(crate) struct GuestExit(pub(crate) u32);

/// The fault that an error of a callback is.
pub(crate) fn of_call(error: &Error, data: &VmData) -> PluginFault {
    let kind = kind(error, data);
    PluginFault::new(kind, story(error, data, kind))
}

/// The fault that an error of the start is: whatever happened, the plugin did not load.
pub(crate) fn of_start(error: &Error, data: &VmData) -> PluginFault {
    let story = story(error, data, kind(error, data));
    PluginFault::new(FaultKind::LoadFailed, story)
}

/// A fault that is told in our own words; `what` ends a sentence that begins with the plugin.
pub(crate) fn load_failed(plugin: impl std::fmt::Display, what: &str) -> PluginFault {
    PluginFault::new(FaultKind::LoadFailed, format!("plugin `{plugin}` {what}"))
}

fn kind(error: &Error, data: &VmData) -> FaultKind {
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => FaultKind::TimedOut,
        // An allocator that gets no memory aborts, and an abort is a plain trap.
        _ if matches!(data.limiter.refused(), Some(Refusal::Memory(_))) => FaultKind::OutOfMemory,
        _ => FaultKind::Trapped,
    }
}

fn story(error: &Error, data: &VmData, kind: FaultKind) -> String {
    let plugin = &data.plugin;
    let callback = data.duty().callback;
    let mut story = if kind == FaultKind::TimedOut {
        format!("plugin `{plugin}` ran past its budget in `{callback}`")
    } else if kind == FaultKind::OutOfMemory {
        format!("plugin `{plugin}` ran out of memory in `{callback}`")
    } else if error.is::<Trap>() || error.is::<GuestExit>() {
        format!("plugin `{plugin}` trapped in `{callback}`: {}", cause(error))
    } else {
        // Not the guest's doing: no free place in the pool, for one.
        format!("plugin `{plugin}` failed in `{callback}`: {}", cause(error))
    };
    let mut add = |part: std::fmt::Arguments<'_>| {
        story.write_fmt(part).expect("writing to a string does not fail");
    };
    match data.limiter.refused() {
        Some(Refusal::Memory(0)) => add(format_args!("; the machine gave it no more memory")),
        Some(Refusal::Memory(bytes)) => {
            add(format_args!("; it wanted {bytes} bytes of memory in all, past its limit"));
        }
        Some(Refusal::Table(elements)) => {
            add(format_args!("; it wanted a table of {elements} elements, past its limit"));
        }
        None => {}
    }
    if let Some(frames) = frames(error) {
        add(format_args!("; at {frames}"));
    }
    let last = data.last_calls;
    if let Some(call) = last.any {
        add(format_args!("; its last host call was {} = {}", call.name, call.status));
        if let Some(refused) = last.refused.filter(|_| call.status == 0) {
            let (name, status) = (refused.name, refused.status);
            add(format_args!(", the last refused one {name} = {status}"));
        }
    }
    story
}

/// The innermost cause, without the backtrace that the outer ones print.
fn cause(error: &Error) -> String {
    if let Some(trap) = error.downcast_ref::<Trap>() {
        let text = trap.to_string();
        return text.strip_prefix("wasm trap: ").unwrap_or(&text).to_owned();
    }
    error.root_cause().to_string()
}

/// The functions that ran, the innermost first.
fn frames(error: &Error) -> Option<String> {
    let backtrace = error.downcast_ref::<WasmBacktrace>()?;
    let names: Vec<_> = backtrace
        .frames()
        .iter()
        .take(FRAMES_SHOWN_MAX)
        .map(|frame| match frame.func_name() {
            Some(name) => format!("{:#}", rustc_demangle::demangle(name)),
            None => format!("function {}", frame.func_index()),
        })
        .collect();
    (!names.is_empty()).then(|| names.join(" < "))
}
