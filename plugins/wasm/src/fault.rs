//! From what wasmtime says to what a person reads: the story of a fault.
//!
//! One line: plugin, callback, cause, context, the functions that ran with their lines where
//! the module knows them, the last host call, and the memory that was in use. Everything in it
//! that comes of the guest is cut to size and free of control characters.

mod lines;
mod names;

use std::fmt::Write;

use host_extension::{FaultKind, PluginFault};
use wasmtime::{Error, FrameInfo, Trap, WasmBacktrace};

pub(crate) use self::lines::Lines;
use self::lines::Place;
use crate::{contexts::Of, limiter::Refusal, state::VmData};

/// Frames of a story; the innermost ones say enough.
const FRAMES_SHOWN_MAX: usize = 8;

/// The guest ended itself. There is nothing to go on with, so this unwinds it as a trap does.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("it called `proc_exit({0})`")]
pub(crate) struct GuestExit(pub(crate) u32);

/// The fault that an error of a callback is. Whatever happens at the start, the plugin did not
/// load.
pub(crate) fn of(error: &Error, data: &VmData) -> PluginFault {
    let kind = kind(error, data);
    let told = if data.is_starting { FaultKind::LoadFailed } else { kind };
    PluginFault::new(told, story(error, data, kind))
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
    let plugin = &data.on_duty().plugin;
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
    if let Some(context) = context(data) {
        add(format_args!("; in {context}"));
    }
    if let Some(frames) = frames(error, data) {
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
    add(format_args!("; it had {} KiB of memory", data.limiter.memory_bytes() / 1024));
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

/// The context whose callback ran, by the number that the guest knows it by and in our words.
fn context(data: &VmData) -> Option<String> {
    let id = data.duty().context;
    let of = match &data.contexts.get(id)?.of {
        Of::Root => "root".to_owned(),
        Of::Codec => "codec".to_owned(),
        Of::Stream(stream) => format!("stream {}", stream.id),
        Of::Connection(connection) => format!("connection {}", connection.facts.id),
    };
    Some(format!("context {id} ({of})"))
}

/// The functions that ran, the innermost first.
fn frames(error: &Error, data: &VmData) -> Option<String> {
    let backtrace = error.downcast_ref::<WasmBacktrace>()?;
    let frames = without_machinery(backtrace.frames());
    let frames = frames.get(..FRAMES_SHOWN_MAX).unwrap_or(frames);
    let places = match &data.lines {
        Some(lines) => {
            let addresses = frames.iter().map(|frame| frame.module_offset().unwrap_or_default());
            lines.places(&addresses.collect::<Vec<_>>())
        }
        None => Vec::new(),
    };
    let mut told = Vec::new();
    for (index, frame) in frames.iter().enumerate() {
        match places.get(index) {
            Some(places) if !places.is_empty() => told.extend(places.iter().map(place)),
            _ => told.push(name(frame)),
        }
    }
    told.truncate(FRAMES_SHOWN_MAX);
    (!told.is_empty()).then(|| told.join(" < "))
}

/// The frames from the guest's own code on: those of a panic on its way to the trap say nothing
/// of where it began. All of them where there are no others.
fn without_machinery(frames: &[FrameInfo]) -> &[FrameInfo] {
    let own = frames.iter().position(|frame| {
        !frame.func_name().is_some_and(|name| names::is_machinery(&names::function(name)))
    });
    own.and_then(|own| frames.get(own..)).unwrap_or(frames)
}

fn name(frame: &FrameInfo) -> String {
    match frame.func_name() {
        Some(name) => names::function(name),
        None => format!("function {}", frame.func_index()),
    }
}

fn place(place: &Place) -> String {
    let function = place.function.as_deref().map_or_else(|| "?".to_owned(), names::function);
    match &place.line {
        Some((file, line)) => format!("{function} ({}:{line})", names::file(file)),
        None => function,
    }
}

#[cfg(test)]
mod tests;
