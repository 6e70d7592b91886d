//! What an instance has under way: calls to clusters, its timer, its places at queues.
//!
//! Everything here is counted and limited, and ends with the instance; a call that a context made
//! ends with the context. What comes of it comes from the worker's loop.

use std::{
    collections::HashMap,
    fmt,
    rc::{Rc, Weak},
    time::Duration,
};

use abi_process::v1;
use bytes::Bytes;
use host_extension::{
    CallError, CallResult, HttpAnswer, HttpCall, OutboundError, Pairs, QueueId, Subscription,
};

use super::Asker;
use crate::session::{Instance, fields};

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
    /// By the number that the child gave it.
    http: HashMap<u64, UnderWay>,
    http_bytes: usize,
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
    fn check(&self, id: u64, bytes: usize) -> CallResult<()> {
        if self.http.contains_key(&id) {
            return Err(CallError::BadArgument);
        }
        let fits = self.http_bytes.saturating_add(bytes) <= REQUEST_BYTES_MAX;
        if self.http.len() < HTTP_CALLS_MAX && fits { Ok(()) } else { Err(CallError::LimitReached) }
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
            taken.extend(self.http.extract_if(|_, call| call.context == context));
        }
        let bytes: usize = taken.iter().map(|(_, call)| call.bytes).sum();
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
pub(super) fn send(asker: &Asker<'_>, id: u64, request: v1::HttpRequest) -> CallResult<()> {
    let v1::HttpRequest { cluster, fields, body, timeout_ms } = request;
    let sizes = fields.iter().map(|field| field.name.len() + field.value.len());
    let bytes = sizes.sum::<usize>().saturating_add(cluster.len()).saturating_add(body.len());
    let call = HttpCall {
        cluster: cluster.into(),
        headers: head(fields)?,
        body,
        trailers: Pairs::new(),
        timeout: (timeout_ms > 0).then(|| Duration::from_millis(timeout_ms.into())),
    };
    let Some(instance) = asker.instance else {
        drop(asker.calls.http_call(call, Box::new(drop))?);
        return Ok(());
    };
    instance.outbound.borrow().check(id, bytes)?;
    let context = asker.context.map_or(0, |context| context.id);
    let target = Rc::downgrade(instance);
    let on_answer = Box::new(move |answer| answered(&target, id, answer));
    let sent = asker.calls.http_call(call, on_answer)?;
    let mut outbound = instance.outbound.borrow_mut();
    outbound.http_bytes = outbound.http_bytes.saturating_add(bytes);
    outbound.http.insert(id, UnderWay { context, bytes, _call: sent });
    Ok(())
}

/// A head has what a request line needs; `host` says the same as `:authority`.
fn head(fields: Vec<v1::Field>) -> CallResult<Pairs> {
    let pair = |field: v1::Field| {
        let is_host = field.name.eq_ignore_ascii_case(b"host");
        let name = if is_host { b":authority".to_vec() } else { field.name.to_vec() };
        (name, field.value.to_vec())
    };
    let pairs: Pairs = fields.into_iter().map(pair).collect();
    let has = |wanted: &[u8]| pairs.iter().any(|(name, _)| name == wanted);
    let complete = has(b":method") && has(b":path") && has(b":authority");
    if complete { Ok(pairs) } else { Err(CallError::BadArgument) }
}

/// A call has ended. It is over before the child hears of it, which may make another one.
fn answered(target: &Weak<Instance>, id: u64, answer: Result<HttpAnswer, OutboundError>) {
    let Some(instance) = target.upgrade() else { return };
    let taken = instance.outbound.borrow_mut().take(id);
    let Some(call) = taken else { return };
    let told = match answer {
        Ok(answer) => v1::HttpAnswer {
            fields: fields(&answer.headers),
            trailers: answer.trailers.as_ref().map(fields).unwrap_or_default(),
            body: answer.body,
            ..v1::HttpAnswer::default()
        },
        Err(OutboundError::TimedOut) => replied("504", TIMED_OUT),
        Err(OutboundError::Unreachable) => replied("503", UNREACHABLE),
        Err(_broken) => v1::HttpAnswer { failed: true, ..v1::HttpAnswer::default() },
    };
    let told = v1::HttpAnswer { id, context: call.context, instance: instance.id, ..told };
    instance.session().tell_answer(told);
}

/// The answer in the place of one that did not come, as plugins know it from other hosts.
fn replied(status: &'static str, body: &'static str) -> v1::HttpAnswer {
    let field = |name: &'static str, value: Bytes| v1::Field {
        name: Bytes::from_static(name.as_bytes()),
        value,
    };
    v1::HttpAnswer {
        fields: vec![
            field(":status", Bytes::from_static(status.as_bytes())),
            field("content-length", body.len().to_string().into()),
            field("content-type", Bytes::from_static(b"text/plain")),
        ],
        body: Bytes::from_static(body.as_bytes()),
        ..v1::HttpAnswer::default()
    }
}

/// A new period takes the place of the old one; zero stops the timer.
pub(super) fn set_tick(asker: &Asker<'_>, period_ms: u64) -> CallResult<()> {
    let period = Duration::from_millis(period_ms);
    let Some(instance) = asker.instance else {
        if !period.is_zero() {
            drop(asker.calls.every(period, Rc::new(|| {}))?);
        }
        return Ok(());
    };
    let tick = if period.is_zero() {
        None
    } else {
        let target = Rc::downgrade(instance);
        Some(asker.calls.every(period, Rc::new(move || ticked(&target)))?)
    };
    let before = std::mem::replace(&mut instance.outbound.borrow_mut().tick, tick);
    // Outside of the cell: whatever ends with it may look there.
    drop(before);
    Ok(())
}

fn ticked(target: &Weak<Instance>) {
    if let Some(instance) = target.upgrade() {
        let tick = v1::Tick { instance: instance.id };
        instance.session().tell_lightly(v1::event::Kind::Tick(tick));
    }
}

/// Makes a queue, or finds it; the child is told of each item from then on.
pub(super) fn register(asker: &Asker<'_>, name: &str) -> CallResult<QueueId> {
    let Some(instance) = asker.instance else {
        let nobody = Rc::new(|_queue| {});
        let (queue, place) =
            asker.calls.register_queue(asker.link.namespace(), name.as_bytes(), nobody)?;
        drop(place);
        return Ok(queue);
    };
    check_places(asker, instance, name)?;
    let target = Rc::downgrade(instance);
    let ready = Rc::new(move |queue| {
        if let Some(instance) = target.upgrade() {
            let ready = v1::QueueReady { instance: instance.id, queue };
            instance.session().tell_lightly(v1::event::Kind::QueueReady(ready));
        }
    });
    let (queue, place) =
        asker.calls.register_queue(asker.link.namespace(), name.as_bytes(), ready)?;
    let before = instance.outbound.borrow_mut().queues.insert(queue, place);
    drop(before);
    Ok(queue)
}

/// One plugin shall not take all places that a worker has. Where an instance has its own already,
/// it may register again.
fn check_places(asker: &Asker<'_>, instance: &Instance, name: &str) -> CallResult<()> {
    let outbound = instance.outbound.borrow();
    if outbound.queues.len() < QUEUES_MAX {
        return Ok(());
    }
    let known = asker.calls.resolve_queue(asker.link.namespace(), name.as_bytes()).ok();
    let is_again = known.is_some_and(|queue| outbound.queues.contains_key(&queue));
    if is_again { Ok(()) } else { Err(CallError::LimitReached) }
}
