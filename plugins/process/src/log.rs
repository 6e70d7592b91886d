//! What a child writes to its standard output and error: lines of the proxy's log.
//!
//! Lines are bounded (`lines`), counted, read for their level (`parse`) and written with the
//! plugin's name. The last ones are kept (`tail`) for the story of how the child ended. A child
//! that floods is read slowly (`pace`), so that it waits and not the proxy, and lines that are
//! dropped are not read: a flood costs little more than its bytes. The lines of a plugin that may
//! not log are counted, told of once for each child, and kept for that story only.

mod lines;
mod pace;
mod parse;
mod tail;

use std::{
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use host_extension::LogLevel;
use host_telemetry::{LineGate, LinePass, log_plugin_line};
use host_types::{PluginLimits, PluginName};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    net::unix::pipe,
    time::Instant,
};

use self::{lines::Lines, parse::Parser};
pub(crate) use self::{pace::Pace, tail::Tail};

/// Bytes that are read at once.
const READ_BYTES: usize = 16 * 1024;

/// Where the lines of one child go. One for all its streams.
#[derive(Clone)]
pub(crate) struct Sink(Arc<Mutex<State>>);

/// What becomes of the lines that a child writes by itself, where its plugin may not log.
#[derive(Clone, Debug)]
pub struct DeniedLines {
    /// Where they are counted.
    pub counter: Arc<AtomicU64>,
    /// Why they are denied, and what to do: told with the first one of each child.
    pub story: Arc<str>,
    /// True where they go to the log all the same.
    pub are_let: bool,
}

struct State {
    plugin: PluginName,
    denied: Option<DeniedLines>,
    /// True once the log has the story of denied lines.
    has_told: bool,
    gate: LineGate,
    /// What the gate's time counts from.
    begun: Instant,
    tail: Tail,
}

/// One stream of a child: its lines, and what they were so far.
#[derive(Default)]
struct Stream {
    lines: Lines,
    parser: Parser,
}

impl Sink {
    pub(crate) fn new(
        plugin: &PluginName,
        limits: &PluginLimits,
        denied: Option<DeniedLines>,
    ) -> Self {
        let state = State {
            plugin: plugin.clone(),
            denied,
            has_told: false,
            gate: LineGate::new(limits),
            begun: Instant::now(),
            tail: Tail::default(),
        };
        Self(Arc::new(Mutex::new(state)))
    }

    /// The last lines, for a person; empty where there were none.
    pub(crate) fn tail(&self) -> String {
        self.0.lock().tail.text()
    }

    fn take(&self, stream: &mut Stream, bytes: &[u8]) {
        let mut state = self.0.lock();
        let now = state.begun.elapsed();
        let Stream { lines, parser } = stream;
        let mut bytes = bytes;
        if state.gate.is_shut(now) {
            let (left_out, rest) = lines.leave_out(bytes, tail::LINES_MAX);
            state.gate.leave_out(left_out);
            bytes = rest;
        }
        lines.push(bytes, &mut |line| state.line(parser, line, now));
    }

    fn finish(&self, stream: &mut Stream) {
        let mut state = self.0.lock();
        let now = state.begun.elapsed();
        let Stream { lines, parser } = stream;
        lines.finish(&mut |line| state.line(parser, line, now));
    }
}

impl State {
    /// A line is read for what it says only where it passes: a flood is not.
    fn line(&mut self, parser: &mut Parser, line: &[u8], now: Duration) {
        if line.is_empty() {
            return;
        }
        self.tail.push(line);
        if self.is_denied() {
            return;
        }
        let LinePass::After(dropped) = self.gate.pass(now) else { return };
        let name = self.plugin.as_str();
        if dropped > 0 {
            let text = format!("{dropped} lines of its log were dropped");
            log_plugin_line(name, LogLevel::Warn, text.as_bytes());
        }
        let (level, text) = parser.read(line);
        if !text.is_empty() {
            log_plugin_line(name, level, self.gate.text(text.as_bytes()).as_bytes());
        }
    }

    /// Counts a line that is not to be in the log; false where it goes there.
    fn is_denied(&mut self) -> bool {
        let Some(denied) = &self.denied else { return false };
        denied.counter.fetch_add(1, Relaxed);
        if !std::mem::replace(&mut self.has_told, true) {
            tracing::warn!(plugin = %self.plugin, permission = "log", "{}", denied.story);
        }
        !denied.are_let
    }
}

/// Reads an end of a pipe to its end.
pub(crate) async fn follow(from: OwnedFd, sink: Sink) {
    match pipe::Receiver::from_owned_fd(from) {
        Ok(from) => read_all(from, sink).await,
        Err(error) => tracing::warn!(%error, "cannot read what a child writes"),
    }
}

/// Reads a stream of a child to its end.
pub(crate) async fn read_all(mut from: impl AsyncRead + Unpin, sink: Sink) {
    let mut stream = Stream::default();
    let mut buffer = vec![0; READ_BYTES];
    let mut pace = Pace::new();
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        sink.take(&mut stream, buffer.get(..count).unwrap_or_default());
        pace.after(count).await;
    }
    sink.finish(&mut stream);
}

/// A sink for output that comes in pieces over another way than a pipe.
pub(crate) fn pieces(sink: &Sink) -> impl Fn(bool, &[u8]) + Send + Sync + use<> {
    let sink = sink.clone();
    let streams = [Mutex::new(Stream::default()), Mutex::new(Stream::default())];
    move |is_error, bytes| {
        let [output, error] = &streams;
        let stream = if is_error { error } else { output };
        sink.take(&mut stream.lock(), bytes);
    }
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sink").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
