//! Host calls: everything that a plugin can ask of the host, once, for all backends.

use std::{rc::Rc, time::SystemTime};

use host_types::Headers;

use crate::{LocalReply, Side, Stream};

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

/// A property's value with its type; each backend encodes it as its interface says.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum PropertyValue {
    /// Bytes or text.
    Bytes(Vec<u8>),
    /// A signed number.
    Integer(i64),
    /// An unsigned number.
    Unsigned(u64),
    /// Yes or no.
    Boolean(bool),
    /// A point in time or a duration, in nanoseconds.
    Nanoseconds(i64),
    /// Names with values.
    Map(Vec<(Vec<u8>, Vec<u8>)>),
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
}

/// The answer of a host call.
pub type CallResult<T> = Result<T, CallError>;

/// Every request that a plugin can make. The host implements it once per worker;
/// `plugins-policy` wraps it in a guard, and that is all that a backend ever holds.
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

    /// A property by its path; without a stream only those of the host.
    ///
    /// # Errors
    /// `NotFound` for an unknown path or a value that is not known yet.
    fn property(&self, stream: Option<&Stream>, path: &[&[u8]]) -> CallResult<PropertyValue>;

    /// Sets an attribute of the stream that other plugins and the access log can read.
    ///
    /// # Errors
    /// `BadArgument` for a path that the host owns, `LimitReached` past the limits.
    fn set_property(&self, stream: &Stream, path: &[&[u8]], value: &[u8]) -> CallResult<()>;

    /// Answers the client from outside a hook of that stream.
    ///
    /// # Errors
    /// `WrongPhase` where the response's head was sent.
    fn respond(&self, stream: &Rc<Stream>, plugin: &str, reply: LocalReply) -> CallResult<()>;

    /// Breaks the stream off from outside a hook of that stream.
    ///
    /// # Errors
    /// None today.
    fn reset(&self, stream: &Rc<Stream>, plugin: &str) -> CallResult<()>;

    /// Writes one line to the log, with control characters escaped.
    fn log(&self, plugin: &str, level: LogLevel, line: &str);

    /// Notes that a line was dropped because the plugin wrote too many.
    fn log_dropped(&self, plugin: &str) {
        let _ = plugin;
    }

    /// The wall clock.
    fn now(&self) -> SystemTime;
}
