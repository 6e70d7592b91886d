//! What a plugin asks of the proxy beside its streams and connections.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use crate::{
    CallId, Connection, ConnectionId, Counter, Gauge, Histogram, HostError, HttpRequest,
    MetricKind, Property, Queue, SharedValue, Stream, StreamId,
    backend::{Backend, http_call},
    check::check_path,
};

/// The severity of a log line.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum LogLevel {
    /// The finest.
    Trace,
    /// For debugging.
    Debug,
    /// Worth knowing.
    Info,
    /// Odd, but handled.
    Warn,
    /// Something failed.
    Error,
    /// The plugin cannot go on.
    Critical,
}

/// The proxy.
#[derive(Clone, Copy)]
pub struct Host<'a> {
    pub(crate) backend: &'a dyn Backend,
}

impl fmt::Debug for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").finish_non_exhaustive()
    }
}

impl<'a> Host<'a> {
    #[doc(hidden)]
    #[must_use]
    pub fn new(backend: &'a dyn Backend) -> Self {
        Self { backend }
    }

    /// What is behind it: for who hands everything on.
    #[doc(hidden)]
    #[must_use]
    pub fn backend(&self) -> &'a dyn Backend {
        self.backend
    }

    /// Writes a line to the proxy's log, under the plugin's name.
    pub fn log(&self, level: LogLevel, line: impl AsRef<str>) {
        self.backend.log(level, line.as_ref());
    }

    /// The wall clock.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.backend.now()
    }

    /// What the proxy knows of itself, by path.
    #[must_use]
    pub fn property(&self, path: &[&str]) -> Option<Property> {
        self.try_property(path).ok().flatten()
    }

    /// As [`Host::property`], for who must tell what is not known from what cannot be asked.
    ///
    /// # Errors
    /// `BadArgument` for no path at all, `Denied` (in a Wasm sandbox it reads as not known).
    pub fn try_property(&self, path: &[&str]) -> Result<Option<Property>, HostError> {
        check_path(path)?;
        Ok(self.backend.property(None, path)?.map(Property))
    }

    /// A stream of this plugin that waits, by its [`Stream::id`]. Of one that is over all
    /// calls fail.
    #[must_use]
    pub fn stream(&self, id: StreamId) -> Stream<'a> {
        Stream::new(self.backend, id.0)
    }

    /// A connection of this plugin, by its [`Connection::id`].
    #[must_use]
    pub fn connection(&self, id: ConnectionId) -> Connection<'a> {
        Connection::new(self.backend, id.0)
    }

    /// Has [`Plugin::on_tick`](crate::Plugin::on_tick) called again and again; `None` ends it.
    /// A period is rounded up to whole milliseconds.
    ///
    /// # Errors
    /// `BadArgument` for no time at all, `Denied`.
    pub fn set_tick_period(&self, period: Option<Duration>) -> Result<(), HostError> {
        if period == Some(Duration::ZERO) {
            return Err(HostError::BadArgument);
        }
        self.backend.set_tick_period(period)
    }

    /// Sends a request to a cluster; the answer comes to
    /// [`Plugin::on_http_answer`](crate::Plugin::on_http_answer).
    ///
    /// # Errors
    /// As for [`Stream::http_call`].
    pub fn http_call(&self, request: &HttpRequest) -> Result<CallId, HostError> {
        http_call(self.backend, None, request)
    }

    /// A value that all started copies of the plugin share, on all workers.
    ///
    /// # Errors
    /// `Denied`.
    pub fn shared_data(&self, key: impl AsRef<[u8]>) -> Result<Option<SharedValue>, HostError> {
        self.backend.shared_data(key.as_ref())
    }

    /// Sets such a value; with `expected` only while it has this version. No value has version
    /// zero. A value that is not there any more is set whatever was expected.
    ///
    /// # Errors
    /// `Conflict` where it has another version, `LimitReached` for what is too large to keep,
    /// `Denied`.
    pub fn set_shared_data(
        &self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        expected: Option<u32>,
    ) -> Result<(), HostError> {
        // By zero the interfaces below say "whatever is there".
        if expected == Some(0) {
            return Err(HostError::Conflict);
        }
        self.backend.set_shared_data(key.as_ref(), value.as_ref(), expected)
    }

    /// Makes a queue or finds it, and has
    /// [`Plugin::on_queue_ready`](crate::Plugin::on_queue_ready) called for its items.
    ///
    /// # Errors
    /// `LimitReached`, `Denied`.
    pub fn register_queue(&self, name: &str) -> Result<Queue, HostError> {
        self.backend.register_queue(name).map(Queue)
    }

    /// Finds a queue that a plugin registered, by the name of its namespace.
    ///
    /// # Errors
    /// `NotFound` where nobody made it, `Denied`.
    pub fn queue(&self, namespace: &str, name: &str) -> Result<Queue, HostError> {
        self.backend.resolve_queue(namespace, name).map(Queue)
    }

    /// A counter of this plugin; the same name gives the same one.
    ///
    /// # Errors
    /// `BadArgument` where the plugin has one of that name and another kind, `LimitReached`,
    /// `Denied`.
    pub fn counter(&self, name: &str) -> Result<Counter, HostError> {
        self.backend.define_metric(MetricKind::Counter, name).map(Counter)
    }

    /// A gauge of this plugin.
    ///
    /// # Errors
    /// As for [`Host::counter`].
    pub fn gauge(&self, name: &str) -> Result<Gauge, HostError> {
        self.backend.define_metric(MetricKind::Gauge, name).map(Gauge)
    }

    /// A histogram of this plugin.
    ///
    /// # Errors
    /// As for [`Host::counter`].
    pub fn histogram(&self, name: &str) -> Result<Histogram, HostError> {
        self.backend.define_metric(MetricKind::Histogram, name).map(Histogram)
    }
}
