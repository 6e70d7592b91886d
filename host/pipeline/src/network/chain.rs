//! The network filters of one connection, called one hook at a time.
//!
//! As `chain.rs` of streams: it measures each filter's time and applies its `on_error`. In
//! which order bytes pass, and what is held meanwhile, is the business of `passage.rs`.

mod link;

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures_util::future::LocalBoxFuture;
use host_extension::{Capability, Connection, Flow, Peer, Phases, PluginFault, Step, Verdict};
use host_telemetry::Clock;
use host_types::{PluginName, ReplyReason};

use self::link::{ByFlow, Link};
use crate::chain::{ChainEntry, Passed};

/// The connection is to be closed; why is noted on it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Closed;

/// The network filters of one connection.
pub(super) struct NetworkChain {
    links: Vec<Link>,
    connection: Rc<Connection>,
    clock: Clock,
    wait_max: Duration,
    /// More words on why the connection was closed.
    details: Cell<&'static str>,
    /// Sides whose end the filters know.
    closed: ByFlow<Cell<bool>>,
    /// Who waits for what is held of each direction.
    wakers: ByFlow<RefCell<Option<Waker>>>,
}

/// Which hook.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Hook {
    NewConnection,
    Data { flow: Flow, end: bool },
}

impl NetworkChain {
    /// Makes the filters of a connection. `wait_max` bounds the wait for one that answers
    /// later.
    pub(super) fn new(
        entries: &[ChainEntry],
        connection: &Rc<Connection>,
        clock: Clock,
        wait_max: Duration,
    ) -> Self {
        let chain = Self {
            links: entries.iter().cloned().map(Link::new).collect(),
            connection: Rc::clone(connection),
            clock,
            wait_max,
            details: Cell::new("closed by a plugin"),
            closed: ByFlow::default(),
            wakers: ByFlow::default(),
        };
        for link in &chain.links {
            if let Err(fault) = link.make(connection, &chain.clock)
                && chain.judge(link, Verdict::Failed(fault)).is_err()
            {
                break;
            }
        }
        chain
    }

    /// The connection.
    pub(super) fn connection(&self) -> &Rc<Connection> {
        &self.connection
    }

    /// How many filters.
    pub(super) fn len(&self) -> usize {
        self.links.len()
    }

    /// More words on why it was closed.
    pub(super) fn details(&self) -> &'static str {
        self.details.get()
    }

    /// Tells every filter of the connection.
    ///
    /// # Errors
    /// It does not go on.
    pub(super) async fn open(&self) -> Result<(), Closed> {
        for place in 0..self.len() {
            self.go_on()?;
            self.call(place, Hook::NewConnection).await?;
        }
        self.go_on()
    }

    /// True where the filter at `place` is still to be called with bytes of this direction.
    pub(super) fn wants_at(&self, place: usize, flow: Flow) -> bool {
        let phase = Hook::Data { flow, end: false }.phase();
        self.links.get(place).is_some_and(|link| link.phases.intersects(phase) && link.is_live())
    }

    /// Notes whether the filter at `place` holds bytes of this direction.
    pub(super) fn set_holding(&self, place: usize, flow: Flow, any: bool) {
        if let Some(link) = self.links.get(place) {
            link.holds.of(flow).any.set(any);
        }
    }

    /// True where the filter at `place` holds bytes and may let them go though nothing more
    /// comes.
    pub(super) fn is_waiting(&self, place: usize, flow: Flow) -> bool {
        let link = self.links.get(place);
        link.is_some_and(|link| link.holds.of(flow).resumed.borrow().is_some())
    }

    /// Bytes of one direction that the filter at `place` may hold, where it has a limit of its
    /// own.
    pub(super) fn held_bytes_max(&self, place: usize) -> Option<usize> {
        self.links.get(place).and_then(|link| link.bounds.held_bytes_max)
    }

    /// Calls one hook of one filter.
    ///
    /// # Errors
    /// The connection does not go on.
    pub(super) async fn call(&self, place: usize, hook: Hook) -> Result<Passed, Closed> {
        let Some(link) = self.links.get(place) else { return Ok(Passed::On) };
        if let Hook::Data { flow, .. } = hook {
            link.holds.of(flow).resumed.take();
        }
        let verdict = match link.step(hook, &self.connection, &self.clock) {
            Step::Ready(verdict) => verdict,
            Step::HoldUntil(resumed) if let Hook::Data { flow, end: false } = hook => {
                link.holds.of(flow).resumed.replace(Some(resumed));
                return Ok(Passed::Held);
            }
            Step::Later(verdict) | Step::HoldUntil(verdict) => self.wait(link, verdict).await?,
        };
        let passed = if let Hook::Data { flow, end: false } = hook
            && let Verdict::HoldUntil(resumed) = verdict
        {
            link.holds.of(flow).resumed.replace(Some(resumed));
            Passed::Held
        } else {
            self.judge(link, verdict)?
        };
        // The hook itself may have closed the connection.
        self.go_on().map(|()| passed)
    }

    async fn wait(
        &self,
        link: &Link,
        verdict: LocalBoxFuture<'static, Verdict>,
    ) -> Result<Verdict, Closed> {
        tokio::select! {
            biased;
            () = self.connection.until_closed() => Err(Closed),
            verdict = verdict => Ok(verdict),
            () = tokio::time::sleep(self.wait_max) => {
                let plugin = &link.entry.plugin;
                tracing::warn!(
                    plugin = plugin.as_str(),
                    "a filter held a connection for longer than it may"
                );
                let reason = ReplyReason::PluginFailed(plugin.clone());
                Err(self.end(reason, "a plugin held the connection too long"))
            }
        }
    }

    /// Closes the connection because a filter holds more than it may.
    pub(super) fn held_too_much(&self) -> Closed {
        self.end(ReplyReason::Overload, "more bytes than a plugin may hold")
    }

    /// Waits until a filter lets go what it holds though nothing more came, or is gone with it;
    /// tells its place.
    ///
    /// # Errors
    /// The connection does not go on.
    pub(super) async fn resumed(&self, flow: Flow) -> Result<usize, Closed> {
        loop {
            let (place, verdict) = poll_fn(|context| self.poll_holds(flow, context)).await;
            let Some(verdict) = verdict else { return Ok(place) };
            let Some(link) = self.links.get(place) else { continue };
            if self.judge(link, verdict)? == Passed::On {
                return Ok(place);
            }
        }
    }

    fn poll_holds(&self, flow: Flow, context: &mut Context<'_>) -> Poll<(usize, Option<Verdict>)> {
        for (place, link) in self.links.iter().enumerate() {
            let hold = link.holds.of(flow);
            if hold.any.get() && !link.is_live() {
                return Poll::Ready((place, None));
            }
            let mut resumed = hold.resumed.borrow_mut();
            let polled = resumed.as_mut().map(|resumed| resumed.as_mut().poll(context));
            if let Some(Poll::Ready(verdict)) = polled {
                *resumed = None;
                return Poll::Ready((place, Some(verdict)));
            }
        }
        self.wakers.of(flow).replace(Some(context.waker().clone()));
        Poll::Pending
    }

    fn judge(&self, link: &Link, verdict: Verdict) -> Result<Passed, Closed> {
        let plugin = || ReplyReason::Plugin(link.entry.plugin.clone());
        // There is no way to answer but to close.
        match link.entry.allowed(verdict, Capability::Close) {
            Verdict::Continue => Ok(Passed::On),
            Verdict::Hold | Verdict::HoldUntil(_) => Ok(Passed::Held),
            Verdict::Respond(_) | Verdict::Reset => Err(self.end(plugin(), self.details.get())),
            Verdict::Failed(fault) => {
                let goes_on = link.fail(&fault);
                // What it held of the other direction goes on, too.
                let wakers = [self.wakers.downstream.take(), self.wakers.upstream.take()];
                wakers.into_iter().flatten().for_each(Waker::wake);
                if goes_on {
                    return Ok(Passed::On);
                }
                let reason = ReplyReason::PluginFailed(link.entry.plugin.clone());
                Err(self.end(reason, fault.kind.label()))
            }
        }
    }

    fn end(&self, reason: ReplyReason, details: &'static str) -> Closed {
        if self.connection.close_reason().is_none() {
            self.details.set(details);
            self.connection.close(reason);
        }
        Closed
    }

    /// # Errors
    /// Somebody closed the connection.
    fn go_on(&self) -> Result<(), Closed> {
        if self.connection.close_reason().is_some() { Err(Closed) } else { Ok(()) }
    }

    /// Tells every filter that met the connection that one side of it was closed, once for each
    /// side; the connection is over with it, so that a fault changes nothing for it.
    pub(super) fn close(&self, flow: Flow, by: Peer) {
        for (link, fault) in self.tell_closed(flow, by) {
            link.fault(&fault);
        }
    }

    /// As [`NetworkChain::close`] while the other side goes on: a fault is judged as that of any
    /// other hook.
    pub(super) fn close_half(&self, flow: Flow, by: Peer) {
        for (link, fault) in self.tell_closed(flow, by) {
            // Who closes the connection is heard by whoever moves its bytes.
            let _closed = self.judge(link, Verdict::Failed(fault));
        }
    }

    fn tell_closed(&self, flow: Flow, by: Peer) -> Vec<(&Link, PluginFault)> {
        if self.closed.of(flow).replace(true) {
            return Vec::new();
        }
        let told = self.links.iter().filter(|link| link.met.get());
        let told = told.filter(|link| link.phases.contains(Phases::CLOSE));
        let faults = told.filter_map(|link| {
            let told = link.tell(&self.clock, |filter| filter.on_close(&self.connection, flow, by));
            told.err().map(|fault| (link, fault))
        });
        faults.collect()
    }

    /// Tells every filter that the connection is over, and drops them all.
    pub(super) fn complete(&self) {
        for link in &self.links {
            link.complete(&self.connection, &self.clock);
        }
    }

    /// The time that each plugin took.
    pub(super) fn times(&self) -> Vec<(PluginName, Duration)> {
        let made = self.links.iter().filter(|link| link.made.get());
        made.map(|link| (link.entry.plugin.clone(), link.spent.elapsed(&self.clock))).collect()
    }
}

impl Hook {
    /// The phase that a filter asks for to have the hook called.
    fn phase(self) -> Phases {
        match self {
            Self::NewConnection => Phases::NEW_CONNECTION,
            Self::Data { flow: Flow::Downstream, .. } => Phases::DOWNSTREAM_DATA,
            Self::Data { flow: Flow::Upstream, .. } => Phases::UPSTREAM_DATA,
        }
    }
}
