//! Host calls: everything that a plugin can ask of the host, once, for all backends.

mod outbound;
mod property;
mod shared;

use std::{
    rc::Rc,
    time::{Duration, SystemTime},
};

use abi_manifest::Capability;
use host_types::Headers;

pub use self::{
    outbound::{
        GrpcEvent, GrpcMethod, GrpcStream, HttpAnswer, HttpCall, OnGrpcEvent, OnHttpAnswer,
        OutboundError, Pairs, Subscription,
    },
    property::PropertyValue,
    shared::{MetricId, MetricKind, QueueId},
};
use crate::{Connection, Flow, LocalReply, Side, Stream};

/// What a property or attribute belongs to.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'a> {
    /// Nothing but the host.
    Host,
    /// A connection.
    Connection(&'a Connection),
    /// A stream, with its connection.
    Stream(&'a Stream),
}

/// Which field section of a stream a call means.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum HeaderMapKind {
    /// The request's head.
    RequestHeaders,
    /// The request's trailers.
    RequestTrailers,
    /// The response's head.
    ResponseHeaders,
    /// The response's trailers.
    ResponseTrailers,
}

/// Which body of a stream a call means.
pub type BodyKind = Side;

/// One change of a field section.
#[derive(Clone, Copy, Debug)]
pub enum FieldWrite<'a> {
    /// Add behind the values that are there.
    Add(&'a [u8], &'a [u8]),
    /// Set to one value.
    Replace(&'a [u8], &'a [u8]),
    /// Remove all values.
    Remove(&'a [u8]),
    /// Replace the whole section.
    SetAll(&'a [(&'a [u8], &'a [u8])]),
}

/// The severity of a plugin's log line.
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

/// Why a host call was not carried out. A plugin survives each of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// What was asked for is not there.
    #[error("not found")]
    NotFound,
    /// An argument makes no sense.
    #[error("bad argument")]
    BadArgument,
    /// Not in this phase of the stream.
    #[error("not available in this phase")]
    WrongPhase,
    /// The plugin was not granted the permission.
    #[error("permission denied")]
    Denied,
    /// A limit was reached.
    #[error("limit reached")]
    LimitReached,
    /// This host does not offer it.
    #[error("not offered by this host")]
    Unsupported,
    /// Somebody else changed the value in between.
    #[error("changed by somebody else")]
    Conflict,
    /// There is nothing in it.
    #[error("empty")]
    Empty,
}

/// The answer of a host call.
pub type CallResult<T> = Result<T, CallError>;

/// Every request that a plugin can make. The host implements it once per worker;
/// `plugins-policy` wraps it in a guard, and that is all that a backend ever holds. A host that
/// has no use for a call answers [`CallError::Unsupported`], which is the default.
pub trait HostCalls {
    /// Shows one field: the first value of `name`.
    ///
    /// # Errors
    /// `NotFound` without such a field, `WrongPhase` without such a section.
    fn header(
        &self,
        stream: &Stream,
        map: HeaderMapKind,
        name: &[u8],
        show: &mut dyn FnMut(&[u8]),
    ) -> CallResult<()>;

    /// Shows a whole section.
    ///
    /// # Errors
    /// `WrongPhase` without such a section.
    fn headers(
        &self,
        stream: &Stream,
        map: HeaderMapKind,
        show: &mut dyn FnMut(&Headers),
    ) -> CallResult<()>;

    /// Changes a section.
    ///
    /// # Errors
    /// `WrongPhase` where the section is not here or was passed on, `BadArgument` for a
    /// field that no message can carry.
    fn write_header(
        &self,
        stream: &Stream,
        map: HeaderMapKind,
        write: FieldWrite<'_>,
    ) -> CallResult<()>;

    /// Shows the body bytes that are on duty.
    ///
    /// # Errors
    /// `WrongPhase` where there is no such body in this phase.
    fn body(&self, stream: &Stream, body: BodyKind, show: &mut dyn FnMut(&[u8])) -> CallResult<()>;

    /// Replaces `length` bytes from `start`, both cut to what is there.
    ///
    /// # Errors
    /// `WrongPhase` as for [`HostCalls::body`], `LimitReached` past the held-body limit.
    fn write_body(
        &self,
        stream: &Stream,
        body: BodyKind,
        start: usize,
        length: usize,
        with: &[u8],
    ) -> CallResult<()>;

    /// Shows the bytes of a connection that are on duty.
    ///
    /// # Errors
    /// `WrongPhase` where no filter has bytes of this direction in hand.
    fn data(
        &self,
        connection: &Connection,
        flow: Flow,
        show: &mut dyn FnMut(&[u8]),
    ) -> CallResult<()> {
        let (_, _, _) = (connection, flow, show);
        Err(CallError::Unsupported)
    }

    /// As [`HostCalls::write_body`], for the bytes of a connection.
    ///
    /// # Errors
    /// `WrongPhase` as for [`HostCalls::data`], `LimitReached` past the held-bytes limit.
    fn write_data(
        &self,
        connection: &Connection,
        flow: Flow,
        start: usize,
        length: usize,
        with: &[u8],
    ) -> CallResult<()> {
        let _ = (connection, flow, start, length, with);
        Err(CallError::Unsupported)
    }

    /// A property by its path; of the host alone only those of the host.
    ///
    /// # Errors
    /// `NotFound` for an unknown path or a value that is not known yet.
    fn property(&self, subject: Subject<'_>, path: &[&[u8]]) -> CallResult<PropertyValue>;

    /// Sets an attribute that other plugins and the access log can read.
    ///
    /// # Errors
    /// `BadArgument` for a path that the host owns, `NotFound` without a stream or connection,
    /// `LimitReached` past the limits.
    fn set_property(&self, subject: Subject<'_>, path: &[&[u8]], value: &[u8]) -> CallResult<()>;

    /// Answers the client from outside a hook of that stream. Once the response's head was
    /// sent, there is no other answer: the stream is broken off.
    ///
    /// # Errors
    /// `BadArgument` for an interim status.
    fn respond(&self, stream: &Rc<Stream>, plugin: &str, reply: LocalReply) -> CallResult<()>;

    /// Breaks the stream off from outside a hook of that stream.
    ///
    /// # Errors
    /// None today.
    fn reset(&self, stream: &Rc<Stream>, plugin: &str) -> CallResult<()>;

    /// Closes a connection, with all that is on it. Bytes that filters let go are still sent
    /// where the other side takes them.
    ///
    /// # Errors
    /// None today.
    fn close(&self, connection: &Connection, plugin: &str) -> CallResult<()> {
        let _ = (connection, plugin);
        Err(CallError::Unsupported)
    }

    /// Sends an HTTP request to a cluster.
    ///
    /// # Errors
    /// `NotFound` for an unknown cluster, `BadArgument` for a request that cannot be sent,
    /// `LimitReached` where too many are under way.
    fn http_call(&self, call: HttpCall, on_answer: OnHttpAnswer) -> CallResult<Subscription> {
        drop((call, on_answer));
        Err(CallError::Unsupported)
    }

    /// Opens a gRPC stream to a cluster.
    ///
    /// # Errors
    /// As for [`HostCalls::http_call`].
    fn grpc_stream(
        &self,
        method: GrpcMethod,
        on_event: OnGrpcEvent,
    ) -> CallResult<Box<dyn GrpcStream>> {
        drop((method, on_event));
        Err(CallError::Unsupported)
    }

    /// Calls `tick` again and again, from the worker's loop, as long as the subscription lives.
    /// Ticks that could not be given in time are left out.
    ///
    /// # Errors
    /// `BadArgument` for no time at all.
    fn every(&self, period: Duration, tick: Rc<dyn Fn()>) -> CallResult<Subscription> {
        drop((period, tick));
        Err(CallError::Unsupported)
    }

    /// Shows a value that plugins of a namespace share, on all workers, with its version,
    /// which is never zero.
    ///
    /// # Errors
    /// `NotFound` where there is none.
    fn shared_data(
        &self,
        namespace: &str,
        key: &[u8],
        show: &mut dyn FnMut(&[u8], u32),
    ) -> CallResult<()> {
        let (_, _, _) = (namespace, key, show);
        Err(CallError::Unsupported)
    }

    /// Sets such a value; `version` is the one that it must still have, zero for any. A key that
    /// is not there takes every version. A namespace that is full lets go of old keys.
    ///
    /// # Errors
    /// `Conflict` where it has another version, `LimitReached` for what is too large to keep.
    fn set_shared_data(
        &self,
        namespace: &str,
        key: &[u8],
        value: &[u8],
        version: u32,
    ) -> CallResult<()> {
        let _ = (namespace, key, value, version);
        Err(CallError::Unsupported)
    }

    /// Makes a queue, or finds it, and has `ready` called on this worker's loop for each item
    /// that is there or is put in. Who registers last is told; the one before is not, until that
    /// place is given up.
    ///
    /// # Errors
    /// `LimitReached` past the namespace's limits.
    fn register_queue(
        &self,
        namespace: &str,
        name: &[u8],
        ready: Rc<dyn Fn(QueueId)>,
    ) -> CallResult<(QueueId, Subscription)> {
        drop((namespace, name, ready));
        Err(CallError::Unsupported)
    }

    /// Finds a queue of any namespace by its name.
    ///
    /// # Errors
    /// `NotFound` where nobody made it.
    fn resolve_queue(&self, namespace: &str, name: &[u8]) -> CallResult<QueueId> {
        let _ = (namespace, name);
        Err(CallError::Unsupported)
    }

    /// Shows the namespace that a queue was made in.
    ///
    /// # Errors
    /// `NotFound` without such a queue.
    fn queue_namespace(&self, queue: QueueId, show: &mut dyn FnMut(&str)) -> CallResult<()> {
        let (_, _) = (queue, show);
        Err(CallError::Unsupported)
    }

    /// Puts an item at the end of a queue.
    ///
    /// # Errors
    /// `NotFound` without such a queue, `LimitReached` where it is full.
    fn enqueue(&self, queue: QueueId, item: &[u8]) -> CallResult<()> {
        let _ = (queue, item);
        Err(CallError::Unsupported)
    }

    /// Takes the first item of a queue out and shows it.
    ///
    /// # Errors
    /// `NotFound` without such a queue, `Empty` without an item.
    fn dequeue(&self, queue: QueueId, show: &mut dyn FnMut(&[u8])) -> CallResult<()> {
        let (_, _) = (queue, show);
        Err(CallError::Unsupported)
    }

    /// Makes a metric of the plugin, or finds it; all workers count into one.
    ///
    /// # Errors
    /// `BadArgument` where the plugin has one of that name and another kind, `LimitReached`
    /// past the plugin's limit.
    fn define_metric(&self, plugin: &str, kind: MetricKind, name: &str) -> CallResult<MetricId> {
        let _ = (plugin, kind, name);
        Err(CallError::Unsupported)
    }

    /// Sets a gauge, adds to a counter, or observes a value of a histogram.
    ///
    /// # Errors
    /// `NotFound` for a number that is not the plugin's.
    fn record_metric(&self, plugin: &str, metric: MetricId, value: u64) -> CallResult<()> {
        let _ = (plugin, metric, value);
        Err(CallError::Unsupported)
    }

    /// Moves a gauge, or a counter upwards.
    ///
    /// # Errors
    /// `NotFound` as above, `BadArgument` for a histogram, or for a counter and a number below
    /// one.
    fn increment_metric(&self, plugin: &str, metric: MetricId, by: i64) -> CallResult<()> {
        let _ = (plugin, metric, by);
        Err(CallError::Unsupported)
    }

    /// The value of a counter or gauge, over all workers.
    ///
    /// # Errors
    /// `NotFound` as above, `BadArgument` for a histogram.
    fn metric(&self, plugin: &str, metric: MetricId) -> CallResult<u64> {
        let _ = (plugin, metric);
        Err(CallError::Unsupported)
    }

    /// Calls a function that the host offers beside its interface, and shows its result.
    ///
    /// # Errors
    /// `NotFound` for an unknown one; what else, the function decides.
    fn foreign(
        &self,
        subject: Subject<'_>,
        name: &[u8],
        argument: &[u8],
        show: &mut dyn FnMut(&[u8]),
    ) -> CallResult<()> {
        let (_, _, _, _) = (subject, name, argument, show);
        Err(CallError::Unsupported)
    }

    /// Writes one line to the log, with control characters escaped.
    fn log(&self, plugin: &str, level: LogLevel, line: &str);

    /// Notes that a line was dropped because the plugin wrote too many.
    fn log_dropped(&self, plugin: &str) {
        let _ = plugin;
    }

    /// The wall clock, for the host's own use; who gives it to a plugin asks
    /// [`HostCalls::may`] before.
    fn now(&self) -> SystemTime;

    /// Whether the plugin may do something that is no call of its own: answer or break off in a
    /// hook (`reply`, `close`), draw random numbers, read a clock. Backends ask before they do
    /// it. What is asked is counted as if it was done.
    ///
    /// # Errors
    /// `Denied`.
    fn may(&self, what: Capability) -> CallResult<()> {
        let _ = what;
        Ok(())
    }
}
