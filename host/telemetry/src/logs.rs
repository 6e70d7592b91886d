//! The log: what the proxy and its plugins have to say to an operator, on standard error.
//!
//! Lines are written by a thread of their own, see `sink`, so that a terminal that is stopped
//! does not stop a worker. The filter can be changed while the process runs.

use std::{fmt, io, sync::Arc};

use host_extension::LogLevel;
use tracing::{Level, Subscriber};
use tracing_subscriber::{
    EnvFilter, Registry, fmt::MakeWriter, layer::SubscriberExt, reload, util::TryInitError,
};

use crate::{
    Metrics, escape_line,
    sink::{Chunk, Sink, SinkGuard},
};

/// The target of all lines of plugins; the field `plugin` says which one.
pub const PLUGIN_LOG_TARGET: &str = "plugin";

/// Bytes that a plugin's line may have at most, whatever its policy says.
const PLUGIN_LINE_BYTES_MAX: usize = 64 * 1024;

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum LogFormat {
    /// For a person.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Changes the log's filter; writes out what is queued and ends the writer when it is dropped.
#[must_use = "dropping it ends the log"]
pub struct LogHandle {
    filter: reload::Handle<EnvFilter, Registry>,
    _writer: SinkGuard,
}

/// The log cannot be started or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The filter makes no sense.
    #[error("`{filter}` is no log filter: write a level, or `level,target=level,..`")]
    Filter {
        /// The text that was given.
        filter: String,
        /// What is wrong.
        #[source]
        source: Box<tracing_subscriber::filter::ParseError>,
    },
    /// The process has a log already.
    #[error("the log was started before")]
    Started(#[source] Box<TryInitError>),
    /// The writer's thread cannot be started.
    #[error("cannot start the thread that writes the log")]
    Thread(#[source] io::Error),
    /// The log is gone, so its filter cannot be changed.
    #[error("the log has ended")]
    Ended(#[source] Box<reload::Error>),
}

/// Starts the log of the process. The filter is a level (`info`) or a list that gives targets
/// their own (`info,plugin=debug,host_pipeline=trace`). Lines are counted in
/// [`ControlMetrics::log`](crate::ControlMetrics::log).
///
/// # Errors
/// The filter makes no sense, or there is a log already.
pub fn init_logs(
    filter: &str,
    format: LogFormat,
    metrics: &Metrics,
) -> Result<LogHandle, LogError> {
    let filter = parse(filter)?;
    let counts = Arc::clone(&metrics.control().log);
    let (sink, guard) =
        Sink::start("log", Box::new(io::stderr()), counts, false).map_err(LogError::Thread)?;
    let (subscriber, handle) = subscriber(filter, format, SinkWriter(sink));
    use tracing_subscriber::util::SubscriberInitExt;
    subscriber.try_init().map_err(|error| LogError::Started(Box::new(error)))?;
    Ok(LogHandle { filter: handle, _writer: guard })
}

impl LogHandle {
    /// Replaces the filter.
    ///
    /// # Errors
    /// The filter makes no sense; the old one goes on.
    pub fn set_filter(&self, filter: &str) -> Result<(), LogError> {
        let filter = parse(filter)?;
        self.filter.reload(filter).map_err(|error| LogError::Ended(Box::new(error)))
    }
}

impl fmt::Debug for LogHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogHandle").finish_non_exhaustive()
    }
}

/// Writes a plugin's line to the log, escaped. The log knows nothing above an error.
pub fn log_plugin_line(plugin: &str, level: LogLevel, line: &[u8]) {
    macro_rules! log {
        ($level:expr) => {
            tracing::event!(
                target: PLUGIN_LOG_TARGET,
                $level,
                plugin,
                "{}",
                escape_line(line, PLUGIN_LINE_BYTES_MAX)
            )
        };
    }
    match level {
        LogLevel::Trace => log!(Level::TRACE),
        LogLevel::Debug => log!(Level::DEBUG),
        LogLevel::Info => log!(Level::INFO),
        LogLevel::Warn => log!(Level::WARN),
        LogLevel::Error | LogLevel::Critical => log!(Level::ERROR),
    }
}

fn parse(filter: &str) -> Result<EnvFilter, LogError> {
    EnvFilter::builder()
        .parse(filter)
        .map_err(|source| LogError::Filter { filter: filter.to_owned(), source: Box::new(source) })
}

fn subscriber<W>(
    filter: EnvFilter,
    format: LogFormat,
    writer: W,
) -> (Box<dyn Subscriber + Send + Sync>, reload::Handle<EnvFilter, Registry>)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let (filter, handle) = reload::Layer::new(filter);
    let filtered = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(false);
    let subscriber: Box<dyn Subscriber + Send + Sync> = match format {
        LogFormat::Text => Box::new(filtered.with(layer)),
        LogFormat::Json => Box::new(filtered.with(layer.json().flatten_event(true))),
    };
    (subscriber, handle)
}

/// Makes a chunk of every line.
#[derive(Debug)]
struct SinkWriter(Sink);

#[derive(Debug)]
struct Line<'a> {
    sink: &'a Sink,
    bytes: Vec<u8>,
}

impl<'a> MakeWriter<'a> for SinkWriter {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { sink: &self.0, bytes: Vec::new() }
    }
}

impl io::Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        if !self.bytes.is_empty() {
            self.sink.send(Chunk { bytes: std::mem::take(&mut self.bytes), lines: 1 });
        }
    }
}

#[cfg(test)]
mod tests;
