//! The access log: one JSON line for every stream and every raw connection.
//!
//! A worker writes its lines into a chunk of its own and hands full chunks to the writer
//! thread; see `sink`. What a line says is in [`AccessRecord`].

mod line;

use std::{cell::RefCell, io, path::PathBuf, sync::Arc, time::Duration};

pub use line::{AccessRecord, PluginTime};

use crate::{
    Clock, Metrics, Tick,
    sink::{Chunk, FileOutput, Output, Sink, SinkGuard},
};

/// How long a line may stay with its worker before it goes to the writer. A worker that has
/// an access log calls [`AccessLogWriter::flush`] this often.
pub const FLUSH_INTERVAL: Duration = Duration::from_millis(200);

/// Bytes of lines that a worker collects before it hands them over.
const CHUNK_BYTES: usize = 32 * 1024;

/// Room for the line that makes a chunk full; most are shorter.
const LINE_BYTES: usize = 1024;

/// Where the access log goes.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum AccessLogTarget {
    /// The standard output.
    Stdout,
    /// A file, appended to.
    File(PathBuf),
}

/// The access log of the process. Cheap to clone; goes on being accepted, and counted as
/// dropped, after the guard has ended the writer.
#[derive(Clone, Debug)]
pub struct AccessLog(Sink);

/// Writes out what is queued and ends the writer when it is dropped. Waits some seconds at
/// most.
#[derive(Debug)]
#[must_use = "dropping it ends the access log"]
pub struct AccessLogGuard(#[expect(dead_code, reason = "held for its drop")] SinkGuard);

/// One worker's side of the access log.
#[derive(Debug)]
pub struct AccessLogWriter {
    sink: Sink,
    clock: Clock,
    pending: RefCell<Pending>,
}

#[derive(Debug)]
struct Pending {
    chunk: Chunk,
    flushed: Tick,
}

/// The access log cannot be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccessLogError {
    /// The file cannot be opened.
    #[error("cannot open the access log `{}`", path.display())]
    Open {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The writer's thread cannot be started.
    #[error("cannot start the thread that writes the access log")]
    Thread(#[source] io::Error),
}

impl AccessLog {
    /// Opens the target and starts the writer. Lines are counted in
    /// [`ControlMetrics::access_log`](crate::ControlMetrics::access_log).
    ///
    /// # Errors
    /// The file cannot be opened, or the thread cannot be started.
    pub fn start(
        target: &AccessLogTarget,
        metrics: &Metrics,
    ) -> Result<(Self, AccessLogGuard), AccessLogError> {
        let output: Box<dyn Output> = match target {
            AccessLogTarget::Stdout => Box::new(io::stdout()),
            AccessLogTarget::File(path) => {
                let open = FileOutput::open(path);
                Box::new(
                    open.map_err(|source| AccessLogError::Open { path: path.clone(), source })?,
                )
            }
        };
        let counts = Arc::clone(&metrics.control().access_log);
        let (sink, guard) =
            Sink::start("access-log", output, counts, true).map_err(AccessLogError::Thread)?;
        Ok((Self(sink), AccessLogGuard(guard)))
    }

    /// A worker's side.
    #[must_use]
    pub fn worker(&self, clock: &Clock) -> AccessLogWriter {
        let pending = Pending { chunk: Chunk::default(), flushed: clock.tick() };
        AccessLogWriter {
            sink: self.0.clone(),
            clock: clock.clone(),
            pending: RefCell::new(pending),
        }
    }

    /// Has the file opened again, after it was renamed.
    pub fn reopen(&self) {
        self.0.reopen();
    }
}

impl AccessLogWriter {
    /// Writes one line. It goes to the writer at once where the last ones went some time ago,
    /// otherwise with those that follow or with the next [`AccessLogWriter::flush`].
    pub fn write(&self, record: &AccessRecord<'_>) {
        let mut pending = self.pending.borrow_mut();
        if pending.chunk.lines == 0 {
            // At once, where growing line by line would copy what is there many times.
            pending.chunk.bytes.reserve(CHUNK_BYTES + LINE_BYTES);
        }
        line::push_line(&mut pending.chunk.bytes, record);
        pending.chunk.lines += 1;
        let is_due = pending.chunk.bytes.len() >= CHUNK_BYTES
            || self.clock.since(pending.flushed) >= FLUSH_INTERVAL;
        if is_due {
            self.hand_over(&mut pending);
        }
    }

    /// Hands over the lines that are still here.
    pub fn flush(&self) {
        let mut pending = self.pending.borrow_mut();
        if pending.chunk.lines > 0 {
            self.hand_over(&mut pending);
        }
    }

    fn hand_over(&self, pending: &mut Pending) {
        self.sink.send(std::mem::take(&mut pending.chunk));
        pending.flushed = self.clock.tick();
    }
}

impl Drop for AccessLogWriter {
    fn drop(&mut self) {
        self.flush();
    }
}

#[cfg(test)]
mod tests;
