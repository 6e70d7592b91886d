//! What stands between the handles that a plugin gets and the host: one implementation for each
//! export, and one for tests. No part of the interface for plugin authors.

use std::time::{Duration, SystemTime};

use crate::{
    CallFailure, CallId, Codec, CodecProfile, Fields, Flow, Host, HostError, HttpAnswer,
    HttpRequest, LogLevel, MetricId, MetricKind, NetworkFilter, Phases, Plugin, QueueId, Refusal,
    Response, SharedValue, Side, StreamFilter,
};

pub use crate::{
    check::{check_change, check_reply, check_response, sendable},
    codec_calls::{Batch, FRAMES_MAX, decode, kind_number, kind_of, pool_number, width_bytes},
};

/// Names a stream or connection; unique in one started plugin, never reused.
pub type ContextId = u64;

/// A section of fields of a stream.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Section {
    /// The request's head.
    RequestHeaders,
    /// The request's trailers.
    RequestTrailers,
    /// The response's head.
    ResponseHeaders,
    /// The response's trailers.
    ResponseTrailers,
}

/// One change of a section.
#[derive(Clone, Copy, Debug)]
pub enum FieldChange<'a> {
    /// Add behind the values that are there.
    Add(&'a str, &'a [u8]),
    /// Set to one value.
    Set(&'a str, &'a [u8]),
    /// Remove all values.
    Remove(&'a str),
    /// Replace the section.
    ReplaceAll(&'a Fields),
}

/// Every request that a plugin can make. All on one thread.
#[expect(missing_docs, reason = "as the methods of the handles that call them")]
pub trait Backend {
    fn field(&self, context: ContextId, section: Section, name: &str) -> Outcome<Option<Vec<u8>>>;
    fn fields(&self, context: ContextId, section: Section) -> Outcome<Fields>;
    fn write_field(
        &self,
        context: ContextId,
        section: Section,
        change: FieldChange<'_>,
    ) -> Outcome<()>;
    fn body(&self, context: ContextId, side: Side) -> Outcome<Vec<u8>>;
    fn splice_body(
        &self,
        context: ContextId,
        side: Side,
        start: usize,
        length: usize,
        with: &[u8],
    ) -> Outcome<()>;
    fn data(&self, context: ContextId, flow: Flow) -> Outcome<Vec<u8>>;
    fn splice_data(
        &self,
        context: ContextId,
        flow: Flow,
        start: usize,
        length: usize,
        with: &[u8],
    ) -> Outcome<()>;
    fn property(&self, context: Option<ContextId>, path: &[&str]) -> Outcome<Option<Vec<u8>>>;
    fn set_property(&self, context: ContextId, path: &[&str], value: &[u8]) -> Outcome<()>;
    fn respond(&self, context: ContextId, response: &Response) -> Outcome<()>;
    fn resume(&self, context: ContextId, side: Side);
    fn resume_flow(&self, context: ContextId, flow: Flow);
    fn reset(&self, context: ContextId);
    fn close(&self, context: ContextId);
    /// In no table on Wasm: see `backend::http_call`.
    #[cfg(not(target_family = "wasm"))]
    fn http_call(&self, context: Option<ContextId>, request: &HttpRequest) -> Outcome<CallId>;
    fn set_tick_period(&self, period: Option<Duration>) -> Outcome<()>;
    fn shared_data(&self, key: &[u8]) -> Outcome<Option<SharedValue>>;
    fn set_shared_data(&self, key: &[u8], value: &[u8], expected: Option<u32>) -> Outcome<()>;
    fn register_queue(&self, name: &str) -> Outcome<QueueId>;
    fn resolve_queue(&self, namespace: &str, name: &str) -> Outcome<QueueId>;
    fn enqueue(&self, queue: QueueId, item: &[u8]) -> Outcome<()>;
    fn dequeue(&self, queue: QueueId) -> Outcome<Option<Vec<u8>>>;
    fn define_metric(&self, kind: MetricKind, name: &str) -> Outcome<MetricId>;
    fn record_metric(&self, metric: MetricId, value: u64) -> Outcome<()>;
    fn increment_metric(&self, metric: MetricId, by: i64) -> Outcome<()>;
    fn metric(&self, metric: MetricId) -> Outcome<u64>;
    fn log(&self, level: LogLevel, line: &str);
    fn now(&self) -> SystemTime;
}

/// Sends a request to a cluster.
///
/// Whatever a table of functions holds is linked into a module, and by what is linked hosts tell
/// what a module may use. So that one that sends no requests does not seem to, this is no part of
/// the table there.
pub(crate) fn http_call(
    backend: &dyn Backend,
    context: Option<ContextId>,
    request: &HttpRequest,
) -> Outcome<CallId> {
    #[cfg(not(target_family = "wasm"))]
    return backend.http_call(context, request);
    #[cfg(target_family = "wasm")]
    {
        let _only_one = backend;
        crate::wasm::http_call(context, request)
    }
}

/// The answer of a host call.
pub type Outcome<T> = Result<T, HostError>;

/// A time as all interfaces have it: in whole milliseconds, at least one, since zero says that
/// there is none; no more than are read as a positive number everywhere.
#[must_use]
pub fn milliseconds(time: Duration) -> u32 {
    let milliseconds = time.as_nanos().div_ceil(1_000_000).max(1);
    u32::try_from(milliseconds).unwrap_or(u32::MAX).min(i32::MAX.unsigned_abs())
}

/// The status of a response as it is sent: a number that no whole response has is a mistake of
/// the plugin, and becomes 500 on every backend.
#[must_use]
pub fn final_status(response: &Response) -> u16 {
    if (200..=599).contains(&response.status) { response.status } else { 500 }
}

/// A started plugin, whatever its type.
#[expect(missing_docs, reason = "as the methods of `Plugin`")]
pub trait Instance {
    fn stream_filter(&mut self, host: &Host<'_>) -> Option<Box<dyn StreamFilter>>;
    fn network_filter(&mut self, host: &Host<'_>) -> Option<Box<dyn NetworkFilter>>;
    fn codec(&mut self, host: &Host<'_>) -> Option<Box<dyn Codec>>;
    /// What holds of the protocol of its codecs, which can be known once it was started.
    fn codec_profile(&self) -> CodecProfile;
    fn on_tick(&mut self, host: &Host<'_>);
    fn on_queue_ready(&mut self, host: &Host<'_>, queue: QueueId);
    fn on_http_answer(
        &mut self,
        host: &Host<'_>,
        call: CallId,
        answer: Result<HttpAnswer, CallFailure>,
    );
}

impl<P: Plugin> Instance for P {
    fn stream_filter(&mut self, host: &Host<'_>) -> Option<Box<dyn StreamFilter>> {
        P::stream_filter(self, host)
    }

    fn network_filter(&mut self, host: &Host<'_>) -> Option<Box<dyn NetworkFilter>> {
        P::network_filter(self, host)
    }

    fn codec(&mut self, host: &Host<'_>) -> Option<Box<dyn Codec>> {
        P::codec(self, host)
    }

    fn codec_profile(&self) -> CodecProfile {
        P::CODEC
    }

    fn on_tick(&mut self, host: &Host<'_>) {
        P::on_tick(self, host);
    }

    fn on_queue_ready(&mut self, host: &Host<'_>, queue: QueueId) {
        P::on_queue_ready(self, host, queue);
    }

    fn on_http_answer(
        &mut self,
        host: &Host<'_>,
        call: CallId,
        answer: Result<HttpAnswer, CallFailure>,
    ) {
        P::on_http_answer(self, host, call, answer);
    }
}

/// Starts a plugin with the bytes of its configuration.
pub type Start = fn(&[u8], &Host<'_>) -> Result<Box<dyn Instance>, Refusal>;

/// One plugin of an artifact.
#[derive(Clone, Copy, Debug)]
pub struct Registration {
    /// By which `root_id` a use means it; empty for the only one.
    pub root_id: &'static str,
    /// The callbacks that it wants.
    pub phases: Phases,
    /// The properties that it reads of every stream or connection.
    pub properties: &'static [&'static [&'static str]],
    /// Starts it.
    pub start: Start,
}

impl Registration {
    /// The registration of a plugin type.
    #[must_use]
    pub const fn of<P: Plugin>(root_id: &'static str) -> Self {
        Self { root_id, phases: P::PHASES, properties: P::PROPERTIES, start: start::<P> }
    }
}

/// What an artifact holds.
#[derive(Clone, Copy, Debug)]
pub struct Declaration {
    /// The name of the package.
    pub name: &'static str,
    /// The version of the package.
    pub version: &'static str,
    /// Its plugins.
    pub plugins: &'static [Registration],
}

impl Declaration {
    /// The plugin that a use means: the one of that `root_id`, or the only one.
    ///
    /// # Errors
    /// There is none; the reason names those that there are.
    pub fn find(&self, root_id: &str) -> Result<&'static Registration, Refusal> {
        let named = self.plugins.iter().find(|one| one.root_id == root_id);
        match (named, self.plugins) {
            (Some(found), _) | (None, [found]) => Ok(found),
            (None, all) => {
                let known: Vec<_> = all.iter().map(|one| one.root_id).collect();
                let known = known.join("`, `");
                let message = format!("no plugin has the root_id `{root_id}`; there is `{known}`");
                Err(Refusal::new(message))
            }
        }
    }

    /// The phases of all its plugins together.
    #[must_use]
    pub const fn phases(&self) -> Phases {
        let mut all = Phases::NONE;
        let mut rest = self.plugins;
        while let [first, others @ ..] = rest {
            all = all.and(first.phases);
            rest = others;
        }
        all
    }
}

fn start<P: Plugin>(config: &[u8], host: &Host<'_>) -> Result<Box<dyn Instance>, Refusal> {
    let config = P::parse(config)?;
    Ok(Box::new(P::start(config, host)?))
}
