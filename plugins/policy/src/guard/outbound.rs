//! Calls out: how many a plugin has under way, how large they are and how long they wait.

use std::{cell::Cell, rc::Rc, time::Duration};

use host_extension::{
    CallError, CallResult, GrpcEvent, GrpcMethod, GrpcStream, HttpCall, OnGrpcEvent, OnHttpAnswer,
    Pairs, Subscription,
};
use host_types::PluginLimits;

use super::gate::Gate;
use crate::{Access, Capability, HostCall};

/// How many calls a plugin has under way.
#[derive(Clone, Debug, Default)]
pub(super) struct UnderWay(Rc<Cell<usize>>);

impl UnderWay {
    /// A place for one more.
    pub(super) fn place(&self, max: usize) -> CallResult<Place> {
        let now = self.0.get();
        if now >= max {
            return Err(CallError::LimitReached);
        }
        self.0.set(now + 1);
        Ok(Place(Rc::new(Taken { of: Rc::clone(&self.0), is_given_back: Cell::new(false) })))
    }
}

/// A place of a call. It is given back once: at the answer, or when the first of those who hold
/// it lets it go.
#[derive(Debug)]
pub(super) struct Place(Rc<Taken>);

#[derive(Debug)]
struct Taken {
    of: Rc<Cell<usize>>,
    is_given_back: Cell<bool>,
}

impl Place {
    fn shared(&self) -> Self {
        Self(Rc::clone(&self.0))
    }

    fn give_back(&self) {
        if !self.0.is_given_back.replace(true) {
            self.0.of.set(self.0.of.get().saturating_sub(1));
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// Holds an HTTP call to the limits.
pub(super) fn fit_http(limits: &PluginLimits, call: &mut HttpCall) -> CallResult<()> {
    let fields = bytes_of(&call.headers).saturating_add(bytes_of(&call.trailers));
    check_size(limits, fields.saturating_add(call.body.len()))?;
    call.timeout = Some(cut(limits, call.timeout.unwrap_or(Duration::MAX)));
    Ok(())
}

/// Holds the opening of a gRPC stream to the limits. One that may stay open still may.
pub(super) fn fit_grpc(limits: &PluginLimits, method: &mut GrpcMethod) -> CallResult<()> {
    let names = method.service.len().saturating_add(method.method.len());
    check_size(limits, names.saturating_add(bytes_of(&method.metadata)))?;
    method.timeout = method.timeout.map(|timeout| cut(limits, timeout));
    Ok(())
}

/// Gives the place back before the plugin hears of the answer, which may be a reason to call
/// again.
pub(super) fn on_answer(place: &Place, on_answer: OnHttpAnswer) -> OnHttpAnswer {
    let place = place.shared();
    Box::new(move |answer| {
        drop(place);
        on_answer(answer);
    })
}

/// Gives the place back with the subscription, where there was no answer.
pub(super) fn subscription(place: Place, call: Subscription) -> Subscription {
    Subscription::new((call, place))
}

/// Gives the place back before the plugin hears that the stream is closed.
pub(super) fn on_event(place: &Place, on_event: OnGrpcEvent) -> OnGrpcEvent {
    let place = place.shared();
    Rc::new(move |event| {
        if matches!(event, GrpcEvent::Closed { .. }) {
            place.give_back();
        }
        on_event(event);
    })
}

/// An open stream whose messages pass the gate, too.
pub(super) struct GuardedGrpcStream {
    pub(super) gate: Gate,
    pub(super) stream: Box<dyn GrpcStream>,
    pub(super) cluster: Box<str>,
    pub(super) _place: Place,
}

impl GrpcStream for GuardedGrpcStream {
    /// Who may open a stream may send on it: what is left to ask is the size of a message.
    fn send(&self, message: &[u8], end: bool) -> CallResult<()> {
        let fits = check_size(&self.gate.ward.limits, message.len());
        self.gate.count(HostCall::GrpcSend, fits.is_ok());
        let access = Access::to(Capability::GrpcCall, self.cluster.as_bytes());
        fits.map_err(|_too_large| self.gate.limit(access, "call_bytes_max"))?;
        self.stream.send(message, end)
    }

    /// Closing is counted, but cannot be refused: who may not send may always end.
    fn close(&self) {
        self.gate.count(HostCall::GrpcClose, true);
        self.stream.close();
    }
}

fn check_size(limits: &PluginLimits, bytes: usize) -> CallResult<()> {
    if bytes <= limits.call_bytes_max { Ok(()) } else { Err(CallError::LimitReached) }
}

fn cut(limits: &PluginLimits, timeout: Duration) -> Duration {
    timeout.min(limits.call_timeout_max)
}

fn bytes_of(pairs: &Pairs) -> usize {
    pairs.iter().map(|(name, value)| name.len().saturating_add(value.len())).sum()
}
