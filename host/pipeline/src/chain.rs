//! The filters of one stream, called one hook at a time.
//!
//! A [`Chain`] knows which filters the stream has, makes each of them right before its first
//! hook, measures its time and applies its `on_error`. In which order hooks are called, and
//! what is held meanwhile, is the business of `direction.rs`.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::LocalBoxFuture;
use host_extension::{
    Bounds, Capability, FaultKind, FilterFactory, Interrupt, OnError, Phases, PluginFault, Side,
    Step, Stream, StreamFilter, Verdict,
};
use host_telemetry::{Clock, PluginMetrics, Stopwatch, Tick};
use host_types::{PluginName, ReplyReason};
use http::StatusCode;

use crate::stop;

/// One place in a chain: a plugin with its configuration, on one worker.
#[derive(Clone, Debug)]
pub struct ChainEntry {
    /// The plugin.
    pub plugin: PluginName,
    /// What happens to a stream when it fails.
    pub on_error: OnError,
    /// Makes its filters.
    pub factory: Rc<dyn FilterFactory>,
    /// Its counters.
    pub metrics: Arc<PluginMetrics>,
}

/// The filters of one stream.
pub(crate) struct Chain {
    links: RefCell<Vec<Rc<Link>>>,
    clock: Clock,
    wait_max: Duration,
    /// No filter looks at the request any more, so nothing more of it may go upstream.
    request_over: Cell<bool>,
}

/// One filter of one stream.
struct Link {
    entry: ChainEntry,
    phases: Phases,
    bounds: Bounds,
    filter: RefCell<LinkState>,
    /// What ends a hold of each side before more comes, where something does.
    holds: [RefCell<Option<LocalBoxFuture<'static, Verdict>>>; 2],
    spent: Stopwatch,
    entered: Cell<bool>,
    /// It has seen the head of a response.
    answered: Cell<bool>,
    /// Another response takes the place of the one that it has seen.
    passed_over: Cell<bool>,
}

enum LinkState {
    /// No hook was called yet.
    New,
    Live(Box<dyn StreamFilter>),
    /// It failed, or the stream is over.
    Gone,
}

/// Which hook.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Hook {
    Headers { end: bool },
    Body { end: bool },
    Trailers,
}

/// A stream that goes on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Passed {
    On,
    Held,
}

impl Chain {
    /// The chain of a stream. `wait_max` bounds the wait for a filter that answers later.
    pub(crate) fn new(entries: &[ChainEntry], clock: Clock, wait_max: Duration) -> Self {
        let request_over = Cell::new(false);
        let chain = Self { links: RefCell::default(), clock, wait_max, request_over };
        chain.extend(entries);
        chain
    }

    /// A chain without filters.
    pub(crate) fn empty(clock: &Clock) -> Self {
        Self::new(&[], clock.clone(), Duration::ZERO)
    }

    /// Adds the filters of the route behind those of the listener.
    pub(crate) fn extend(&self, entries: &[ChainEntry]) {
        self.links.borrow_mut().extend(entries.iter().cloned().map(Link::new));
    }

    /// How many filters.
    pub(crate) fn len(&self) -> usize {
        self.links.borrow().len()
    }

    /// A reply of ours begins. Leaves out every filter that has not seen the stream yet, since no
    /// filter sees a response without its request, and passes over those that have seen a
    /// response already, since no filter sees two.
    pub(crate) fn begin_reply(&self) {
        for link in self.links.borrow().iter() {
            if !link.entered.get() {
                *link.filter.borrow_mut() = LinkState::Gone;
            }
            link.passed_over.set(link.answered.get());
            link.hold(Side::Response).take();
        }
    }

    /// True where any filter is still to be called in one of `phases`.
    pub(crate) fn wants(&self, phases: Phases) -> bool {
        self.links.borrow().iter().any(|link| link.wants(phases))
    }

    /// True where the filter at `place` is still to be called in one of `phases`.
    pub(crate) fn wants_at(&self, place: usize, phases: Phases) -> bool {
        let links = self.links.borrow();
        links.get(place).is_some_and(|link| link.wants(phases))
    }

    /// Bytes of a body that the filter at `place` may hold, where it has a limit of its own.
    pub(crate) fn held_bytes_max(&self, place: usize) -> Option<usize> {
        self.links.borrow().get(place).and_then(|link| link.bounds.held_bytes_max)
    }

    /// Calls one hook of one filter.
    ///
    /// # Errors
    /// The stream does not go on.
    pub(crate) async fn call(
        &self,
        place: usize,
        side: Side,
        hook: Hook,
        stream: &Rc<Stream>,
    ) -> Result<Passed, Interrupt> {
        let Some(link) = self.links.borrow().get(place).map(Rc::clone) else {
            return Ok(Passed::On);
        };
        link.hold(side).take();
        let verdict = match link.step(side, hook, stream, &self.clock) {
            Step::Ready(verdict) => verdict,
            Step::HoldUntil(resumed) if hook == (Hook::Body { end: false }) => {
                link.hold(side).replace(Some(resumed));
                return Ok(Passed::Held);
            }
            Step::Later(verdict) | Step::HoldUntil(verdict) => tokio::select! {
                biased;
                interrupt = stream.interrupted() => return Err(interrupt),
                verdict = verdict => verdict,
                () = tokio::time::sleep(self.wait_max) => {
                    return Err(held_too_long(&link.entry.plugin));
                }
            },
        };
        if hook == (Hook::Body { end: false })
            && let Verdict::HoldUntil(resumed) = verdict
        {
            link.hold(side).replace(Some(resumed));
            return Ok(Passed::Held);
        }
        self.judge(&link, verdict)
    }

    /// Waits until a filter lets go what it holds of a body though nothing more came; tells
    /// its place.
    ///
    /// # Errors
    /// The stream does not go on.
    pub(crate) async fn resumed(&self, side: Side) -> Result<usize, Interrupt> {
        loop {
            let (place, verdict) = poll_fn(|context| self.poll_holds(side, context)).await;
            let link = self.links.borrow().get(place).map(Rc::clone);
            let Some(link) = link else { continue };
            if self.judge(&link, verdict)? == Passed::On {
                return Ok(place);
            }
        }
    }

    /// True where the filter at `place` holds a body and may let it go though nothing more comes.
    pub(crate) fn is_waiting(&self, place: usize, side: Side) -> bool {
        self.links.borrow().get(place).is_some_and(|link| link.hold(side).borrow().is_some())
    }

    fn poll_holds(&self, side: Side, context: &mut Context<'_>) -> Poll<(usize, Verdict)> {
        for (place, link) in self.links.borrow().iter().enumerate() {
            let mut hold = link.hold(side).borrow_mut();
            let polled = hold.as_mut().map(|resumed| resumed.as_mut().poll(context));
            if let Some(Poll::Ready(verdict)) = polled {
                *hold = None;
                return Poll::Ready((place, verdict));
            }
        }
        Poll::Pending
    }

    fn judge(&self, link: &Link, verdict: Verdict) -> Result<Passed, Interrupt> {
        match link.entry.allowed(verdict, Capability::Reply) {
            Verdict::Continue => Ok(Passed::On),
            Verdict::Hold | Verdict::HoldUntil(_) => Ok(Passed::Held),
            Verdict::Respond(reply) => {
                Err(Interrupt::Reply(ReplyReason::Plugin(link.entry.plugin.clone()), reply))
            }
            Verdict::Reset => Err(Interrupt::Reset(ReplyReason::Plugin(link.entry.plugin.clone()))),
            Verdict::Failed(fault) => {
                let failed = link.fail(&fault);
                self.request_over.set(self.request_over.get() || failed.is_err());
                failed.map(|()| Passed::On)
            }
        }
    }

    /// Tells every filter that saw the stream that it is over, and drops them all.
    pub(crate) fn complete(&self, stream: &Rc<Stream>) {
        self.request_over.set(true);
        for link in self.links.borrow().iter() {
            link.complete(stream, &self.clock);
        }
    }

    /// True once the filters are through with the request, though its body may still come.
    pub(crate) fn is_request_over(&self) -> bool {
        self.request_over.get()
    }

    /// The time that each plugin took.
    pub(crate) fn times(&self) -> Vec<(PluginName, Duration)> {
        let links = self.links.borrow();
        let entered = links.iter().filter(|link| link.entered.get());
        entered.map(|link| (link.entry.plugin.clone(), link.spent.elapsed(&self.clock))).collect()
    }
}

impl ChainEntry {
    /// True where traffic goes on without the plugin when it fails. Without one that is there for
    /// security it never does, whatever the configuration says.
    pub(crate) fn is_open(&self) -> bool {
        self.on_error == OnError::Open && !self.factory.is_security()
    }

    /// A verdict as the plugin may give it: what it was not allowed is a fault. `answering` is
    /// what it takes to answer.
    pub(crate) fn allowed(&self, verdict: Verdict, answering: Capability) -> Verdict {
        let what = match &verdict {
            Verdict::Respond(_) => answering,
            Verdict::Reset => Capability::Close,
            Verdict::Continue | Verdict::Hold | Verdict::HoldUntil(_) | Verdict::Failed(_) => {
                return verdict;
            }
        };
        if self.factory.may(what).is_ok() {
            return verdict;
        }
        let story = format!("it ended a stream without the permission `{}`", what.word());
        Verdict::Failed(PluginFault::new(FaultKind::Denied, story))
    }
}

/// What is left to a filter that sees no response any more.
fn without_response() -> Phases {
    let request = Phases::REQUEST_HEADERS | Phases::REQUEST_BODY | Phases::REQUEST_TRAILERS;
    request | Phases::LOG
}

fn held_too_long(plugin: &PluginName) -> Interrupt {
    tracing::warn!(plugin = plugin.as_str(), "a filter held a stream for longer than it may");
    let reason = ReplyReason::PluginFailed(plugin.clone());
    stop::with_status(reason, StatusCode::GATEWAY_TIMEOUT, "a plugin held the stream too long\n")
}

impl Link {
    fn new(entry: ChainEntry) -> Rc<Self> {
        Rc::new(Self {
            phases: entry.factory.phases(),
            bounds: entry.factory.bounds(),
            entry,
            filter: RefCell::new(LinkState::New),
            holds: Default::default(),
            spent: Stopwatch::default(),
            entered: Cell::new(false),
            answered: Cell::new(false),
            passed_over: Cell::new(false),
        })
    }

    fn hold(&self, side: Side) -> &RefCell<Option<LocalBoxFuture<'static, Verdict>>> {
        let [request, response] = &self.holds;
        match side {
            Side::Request => request,
            Side::Response => response,
        }
    }

    fn wants(&self, phases: Phases) -> bool {
        let phases =
            if self.passed_over.get() { phases.intersection(without_response()) } else { phases };
        self.phases.intersects(phases) && !matches!(*self.filter.borrow(), LinkState::Gone)
    }

    fn step(&self, side: Side, hook: Hook, stream: &Rc<Stream>, clock: &Clock) -> Step {
        let Ok(mut state) = self.filter.try_borrow_mut() else {
            let fault = PluginFault::new(FaultKind::Protocol, "a hook was called inside a hook");
            return Step::Ready(Verdict::Failed(fault));
        };
        self.answered.set(self.answered.get() || side == Side::Response);
        let phase = hook.phase(side);
        let cpu = self.bounds.cpu.as_deref();
        let (step, start, end) = self.spent.measure_call(clock, |start| {
            if let Some(cpu) = cpu.filter(|cpu| cpu.is_spent(clock.reading(start))) {
                return Step::Ready(Verdict::Failed(cpu.overspent()));
            }
            if matches!(*state, LinkState::New) {
                match self.entry.factory.stream_filter(stream) {
                    Ok(filter) => *state = LinkState::Live(filter),
                    Err(fault) => return Step::Ready(Verdict::Failed(fault)),
                }
                self.entered.set(true);
                self.entry.metrics.streams_total.increment();
            }
            match &mut *state {
                LinkState::Live(filter) if self.phases.intersects(phase) => {
                    dispatch(filter.as_mut(), side, hook, stream)
                }
                LinkState::Live(_) | LinkState::New | LinkState::Gone => Step::CONTINUE,
            }
        });
        self.took(clock, start, end);
        if !self.phases.intersects(phase) {
            return step;
        }
        counted(step, phase, &self.entry.metrics, clock, (start, end))
    }

    /// Charges the plugin with the time of a hook.
    fn took(&self, clock: &Clock, start: Tick, end: Tick) {
        if let Some(cpu) = &self.bounds.cpu {
            cpu.take(clock.reading(end), clock.between(start, end));
        }
    }

    /// Applies `on_error`: the stream goes on without the filter, or ends.
    fn fail(&self, fault: &PluginFault) -> Result<(), Interrupt> {
        // Where its own hook is running, the filter stays for that one.
        let gone = self
            .filter
            .try_borrow_mut()
            .map(|mut state| std::mem::replace(&mut *state, LinkState::Gone));
        drop(gone); // outside of the borrow: a filter's drop may run a plugin's code
        self.entry.factory.on_fault(fault);
        if !self.entry.is_open() {
            return Err(stop::plugin_failed(&self.entry.plugin, fault));
        }
        self.entry.metrics.fail_open_total.increment();
        Ok(())
    }

    fn complete(&self, stream: &Rc<Stream>, clock: &Clock) {
        for hold in &self.holds {
            hold.take();
        }
        let state = std::mem::replace(&mut *self.filter.borrow_mut(), LinkState::Gone);
        if let LinkState::Live(mut filter) = state {
            let (completed, start, end) = self.spent.measure_call(clock, |_start| {
                let completed = filter.on_complete(stream);
                drop(filter);
                completed
            });
            self.took(clock, start, end);
            if let Err(fault) = completed {
                self.entry.factory.on_fault(&fault);
            }
        }
        if self.entered.get() {
            self.entry.metrics.stream_duration.observe(self.spent.elapsed(clock));
        }
    }
}

impl Hook {
    /// The phase that a filter asks for to have the hook called.
    pub(crate) fn phase(self, side: Side) -> Phases {
        match (side, self) {
            (Side::Request, Self::Headers { .. }) => Phases::REQUEST_HEADERS,
            (Side::Request, Self::Body { .. }) => Phases::REQUEST_BODY,
            (Side::Request, Self::Trailers) => Phases::REQUEST_TRAILERS,
            (Side::Response, Self::Headers { .. }) => Phases::RESPONSE_HEADERS,
            (Side::Response, Self::Body { .. }) => Phases::RESPONSE_BODY,
            (Side::Response, Self::Trailers) => Phases::RESPONSE_TRAILERS,
        }
    }
}

/// Counts how long a call took to its verdict, which may be known later.
pub(crate) fn counted(
    step: Step,
    phase: Phases,
    metrics: &Arc<PluginMetrics>,
    clock: &Clock,
    (start, end): (Tick, Tick),
) -> Step {
    match step {
        Step::Ready(_) | Step::HoldUntil(_) => {
            metrics.call(phase, clock.between(start, end));
            step
        }
        Step::Later(verdict) => {
            let (metrics, clock) = (Arc::clone(metrics), clock.clone());
            Step::Later(Box::pin(async move {
                let verdict = verdict.await;
                metrics.call(phase, clock.since(start));
                verdict
            }))
        }
    }
}

fn dispatch(filter: &mut dyn StreamFilter, side: Side, hook: Hook, stream: &Rc<Stream>) -> Step {
    match (side, hook) {
        (Side::Request, Hook::Headers { end }) => filter.on_request_headers(stream, end),
        (Side::Request, Hook::Body { end }) => filter.on_request_body(stream, end),
        (Side::Request, Hook::Trailers) => filter.on_request_trailers(stream),
        (Side::Response, Hook::Headers { end }) => filter.on_response_headers(stream, end),
        (Side::Response, Hook::Body { end }) => filter.on_response_body(stream, end),
        (Side::Response, Hook::Trailers) => filter.on_response_trailers(stream),
    }
}

#[cfg(test)]
mod tests;
