//! What an instance has under way: calls to clusters, its timer, its places at queues.
//!
//! Everything here is counted and limited, and ends with the instance; a call that a context
//! made ends with the context. What comes of it comes from the worker's loop, never from within
//! a host call.
//!
//! What an instance takes of it is charged to its budget. Where that is spent, ticks and notices
//! are left out until the second is over, and no call begins; so answers, which come all the
//! same, are no more than the calls that began while there was time.

use std::{
    collections::HashMap,
    fmt,
    rc::{Rc, Weak},
    time::Duration,
};

use abi_native::{
    number::Refusal,
    table::{self, Field, Fields},
};
use bytes::Bytes;
use host_extension::{HttpAnswer, HttpCall, OutboundError, Pairs, QueueId, Subscription};
use host_types::Headers;
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};

use crate::{
    callbacks::{ConnectionHook, InstanceHook, StreamHook},
    contexts::Of,
    desk::{Asked, Request},
    instance::{Duty, Instance, Outcome, refusal},
};

/// HTTP calls that wait for their answer.
const HTTP_CALLS_MAX: usize = 1024;
/// Bytes of all requests that wait for their answer.
const REQUEST_BYTES_MAX: usize = 16 << 20;
/// Queues at which one instance has a place.
const QUEUES_MAX: usize = 64;

/// What the body says where an upstream took too long.
const TIMED_OUT: &str = "upstream request timeout";
/// As [`TIMED_OUT`], where no connection was to be had.
const UNREACHABLE: &str = "upstream connect error";

/// What one instance has under way.
#[derive(Default)]
pub(crate) struct Outbound {
    http: HashMap<u64, UnderWay>,
    http_bytes: usize,
    last_call: u64,
    tick: Option<Subscription>,
    queues: HashMap<QueueId, Subscription>,
}

/// An HTTP call that waits for its answer.
struct UnderWay {
    /// The context that made it; zero for the instance itself.
    context: u64,
    bytes: usize,
    _call: Subscription,
}

impl Outbound {
    fn check(&self, bytes: usize) -> Asked<()> {
        let fits = self.http_bytes.saturating_add(bytes) <= REQUEST_BYTES_MAX;
        if self.http.len() < HTTP_CALLS_MAX && fits { Ok(()) } else { Err(Refusal::LimitReached) }
    }

    fn take(&mut self, id: u64) -> Option<UnderWay> {
        let taken = self.http.remove(&id)?;
        self.http_bytes = self.http_bytes.saturating_sub(taken.bytes);
        Some(taken)
    }

    /// The calls of a context that ends, to drop.
    pub(crate) fn take_of(&mut self, context: u64) -> impl Sized + use<> {
        let mut taken = Vec::new();
        if !self.http.is_empty() {
            taken.extend(self.http.extract_if(|_id, call| call.context == context));
        }
        let bytes: usize = taken.iter().map(|(_id, call)| call.bytes).sum();
        self.http_bytes = self.http_bytes.saturating_sub(bytes);
        taken
    }
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound")
            .field("http", &self.http.len())
            .field("ticks", &self.tick.is_some())
            .field("queues", &self.queues.len())
            .finish_non_exhaustive()
    }
}

/// Sends a request to a cluster; the answer comes by itself.
pub(crate) fn send(instance: &Rc<Instance>, context: u64, request: &Request<'_>) -> Asked<u64> {
    let sizes = request.fields.iter().map(|(name, value)| name.len() + value.len());
    let bytes = sizes.sum::<usize>() + request.cluster.len() + request.body.len();
    instance.cpu.check().map_err(|_overspent| Refusal::LimitReached)?;
    instance.outbound.borrow().check(bytes)?;
    let cluster = std::str::from_utf8(request.cluster).map_err(|_no_name| Refusal::BadArgument)?;
    let timeout = u64::from(request.timeout_ms);
    let call = HttpCall {
        cluster: cluster.into(),
        headers: head(request)?,
        body: Bytes::copy_from_slice(request.body),
        trailers: Pairs::new(),
        timeout: (timeout > 0).then(|| Duration::from_millis(timeout)),
    };
    let id = instance.outbound.borrow().last_call + 1;
    let target = Rc::downgrade(instance);
    let on_answer = Box::new(move |answer| answered(&target, id, answer));
    let sent = instance.calls.http_call(call, on_answer).map_err(refusal)?;
    let mut outbound = instance.outbound.borrow_mut();
    outbound.last_call = id;
    outbound.http_bytes = outbound.http_bytes.saturating_add(bytes);
    outbound.http.insert(id, UnderWay { context, bytes, _call: sent });
    Ok(id)
}

/// A head has what a request line needs; `host` says the same as `:authority`.
fn head(request: &Request<'_>) -> Asked<Pairs> {
    let pair = |(name, value): &(&[u8], &[u8])| {
        let is_host = name.eq_ignore_ascii_case(b"host");
        let name = if is_host { b":authority".to_vec() } else { name.to_vec() };
        (name, value.to_vec())
    };
    let pairs: Pairs = request.fields.iter().map(pair).collect();
    let has = |wanted: &[u8]| pairs.iter().any(|(name, _value)| name == wanted);
    let complete = has(b":method") && has(b":path") && has(b":authority");
    if complete { Ok(pairs) } else { Err(Refusal::BadArgument) }
}

/// A call has ended. It is over before the plugin hears of it, which may make another one.
fn answered(target: &Weak<Instance>, id: u64, answer: Result<HttpAnswer, OutboundError>) {
    let Some(instance) = target.upgrade() else { return };
    let taken = instance.outbound.borrow_mut().take(id);
    let Some(UnderWay { context, .. }) = taken else { return };
    let answer = match answer {
        Ok(answer) => Some(answer),
        Err(OutboundError::TimedOut) => Some(reply(StatusCode::GATEWAY_TIMEOUT, TIMED_OUT)),
        Err(OutboundError::Unreachable) => {
            Some(reply(StatusCode::SERVICE_UNAVAILABLE, UNREACHABLE))
        }
        Err(_broken) => None,
    };
    let Some(answer) = answer else { return deliver(&instance, context, id, None) };
    let headers = fields(&answer.headers);
    let trailers = answer.trailers.as_ref().map(fields).unwrap_or_default();
    let lent = table::HttpAnswer {
        size: u32::try_from(size_of::<table::HttpAnswer>()).unwrap_or(u32::MAX),
        reserved: 0,
        headers: Fields::of(&headers),
        body: table::Bytes::of(&answer.body),
        trailers: Fields::of(&trailers),
    };
    deliver(&instance, context, id, Some(&lent));
}

/// Leads an answer to who asked. Nobody is told of one to a context that is gone.
fn deliver(instance: &Instance, context: u64, id: u64, answer: Option<&table::HttpAnswer>) {
    if context == 0 {
        return instance.deliver(InstanceHook::HttpAnswer(id, answer));
    }
    let found = instance.contexts.borrow().get(context).map(|it| (it.of.clone(), it.kept));
    let Some((of, Some(kept))) = found.filter(|_| !instance.is_lost()) else { return };
    let callbacks = &instance.plugin.callbacks;
    let outcome = instance.cpu.charge(|| match of {
        Of::Stream(_) => {
            let hook = StreamHook::HttpAnswer(id, answer);
            let duty = Duty { callback: hook.name(), context: 0, way: None };
            instance.call(duty, |object| callbacks.stream(object, kept, context, hook))
        }
        Of::Connection(_) => {
            let hook = ConnectionHook::HttpAnswer(id, answer);
            let duty = Duty { callback: hook.name(), context: 0, way: None };
            instance.call(duty, |object| callbacks.connection(object, kept, context, hook))
        }
        // It could not ask.
        Of::Codec => Ok(Outcome::Passed),
    });
    instance.tell(outcome.map(drop));
}

fn fields(headers: &Headers) -> Vec<Field> {
    let lend =
        |(name, value)| Field { name: table::Bytes::of(name), value: table::Bytes::of(value) };
    headers.iter().map(lend).collect()
}

/// The answer in the place of one that did not come, as plugins know it from other hosts.
fn reply(status: StatusCode, body: &'static str) -> HttpAnswer {
    let mut fields = HeaderMap::with_capacity(2);
    fields.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    fields.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    let headers = Headers::response(status, fields);
    HttpAnswer { headers, body: Bytes::from_static(body.as_bytes()), trailers: None }
}

/// A new period takes the place of the old one; zero stops the timer.
pub(crate) fn set_tick(instance: &Rc<Instance>, milliseconds: u64) -> Asked<()> {
    let tick = if milliseconds == 0 {
        None
    } else {
        let target = Rc::downgrade(instance);
        let tick = Rc::new(move || {
            if let Some(instance) = target.upgrade() {
                instance.deliver_own(InstanceHook::Tick);
            }
        });
        let period = Duration::from_millis(milliseconds);
        Some(instance.calls.every(period, tick).map_err(refusal)?)
    };
    let before = std::mem::replace(&mut instance.outbound.borrow_mut().tick, tick);
    // Outside of the cell: whatever ends with it may look there.
    drop(before);
    Ok(())
}

/// Makes a queue, or finds it; the plugin is told of each item from then on.
pub(crate) fn register(instance: &Rc<Instance>, name: &[u8]) -> Asked<QueueId> {
    check_places(instance, name)?;
    let target = Rc::downgrade(instance);
    let ready = Rc::new(move |queue| {
        if let Some(instance) = target.upgrade() {
            instance.deliver_own(InstanceHook::QueueReady(queue));
        }
    });
    let registered = instance.calls.register_queue(instance.namespace(), name, ready);
    let (queue, place) = registered.map_err(refusal)?;
    let before = instance.outbound.borrow_mut().queues.insert(queue, place);
    drop(before);
    Ok(queue)
}

/// One plugin shall not take all places that a worker has. Where an instance has its own
/// already, it may register again.
fn check_places(instance: &Instance, name: &[u8]) -> Asked<()> {
    let outbound = instance.outbound.borrow();
    if outbound.queues.len() < QUEUES_MAX {
        return Ok(());
    }
    let known = instance.calls.resolve_queue(instance.namespace(), name).ok();
    let is_again = known.is_some_and(|queue| outbound.queues.contains_key(&queue));
    if is_again { Ok(()) } else { Err(Refusal::LimitReached) }
}

#[cfg(test)]
mod tests;
