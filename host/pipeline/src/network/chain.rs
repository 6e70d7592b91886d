//! The network filters of one connection, called one hook at a time.
//!
//! As `chain.rs` of streams: it measures each filter's time and applies its `on_error`. In
//! which order bytes pass, and what is held meanwhile, is the business of `passage.rs`.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures_util::future::LocalBoxFuture;
use host_extension::{
    Connection, FaultKind, Flow, NetworkFilter, OnError, Peer, Phases, PluginFault, Step, Verdict,
};
use host_telemetry::{Clock, Stopwatch};
use host_types::{PluginName, ReplyReason};

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

/// One filter of one connection.
struct Link {
    entry: ChainEntry,
    phases: Phases,
    filter: RefCell<Option<Box<dyn NetworkFilter>>>,
    holds: ByFlow<Hold>,
    spent: Stopwatch,
    /// A filter was made.
    made: Cell<bool>,
    /// Its `on_new_connection` had its turn.
    met: Cell<bool>,
}

/// What a filter keeps of one direction.
#[derive(Default)]
struct Hold {
    any: Cell<bool>,
    /// What ends the hold before more comes, where something does.
    resumed: RefCell<Option<LocalBoxFuture<'static, Verdict>>>,
}

/// One of each direction.
#[derive(Debug, Default)]
struct ByFlow<T> {
    downstream: T,
    upstream: T,
}

impl<T> ByFlow<T> {
    fn of(&self, flow: Flow) -> &T {
        match flow {
            Flow::Downstream => &self.downstream,
            Flow::Upstream => &self.upstream,
        }
    }
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
        let passed = self.judge(link, verdict)?;
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
        match verdict {
            Verdict::Continue => Ok(Passed::On),
            Verdict::Hold => Ok(Passed::Held),
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

    /// Tells every filter that met the connection that one side of it was closed; once for
    /// each side.
    pub(super) fn close(&self, flow: Flow, by: Peer) {
        if self.closed.of(flow).replace(true) {
            return;
        }
        for link in self.links.iter().filter(|link| link.met.get()) {
            if link.phases.contains(Phases::CLOSE) {
                link.tell(&self.clock, |filter| filter.on_close(&self.connection, flow, by));
            }
        }
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

impl Link {
    fn new(entry: ChainEntry) -> Self {
        Self {
            phases: entry.factory.phases(),
            entry,
            filter: RefCell::default(),
            holds: ByFlow::default(),
            spent: Stopwatch::default(),
            made: Cell::default(),
            met: Cell::default(),
        }
    }

    fn is_live(&self) -> bool {
        // While its own hook runs it is borrowed, and lives.
        self.filter.try_borrow().map_or(true, |filter| filter.is_some())
    }

    fn make(&self, connection: &Rc<Connection>, clock: &Clock) -> Result<(), PluginFault> {
        let made = self.spent.measure(clock, || self.entry.factory.network_filter(connection));
        self.filter.replace(Some(made?));
        self.made.set(true);
        self.entry.metrics.streams_total.increment();
        Ok(())
    }

    fn step(&self, hook: Hook, connection: &Rc<Connection>, clock: &Clock) -> Step {
        if hook == Hook::NewConnection {
            self.met.set(true);
        }
        if !self.phases.intersects(hook.phase()) {
            return Step::CONTINUE;
        }
        let Ok(mut filter) = self.filter.try_borrow_mut() else {
            let fault = PluginFault::new(FaultKind::Protocol, "a hook was called inside a hook");
            return Step::Ready(Verdict::Failed(fault));
        };
        let Some(filter) = filter.as_mut() else { return Step::CONTINUE };
        self.spent.measure(clock, || match hook {
            Hook::NewConnection => filter.on_new_connection(connection),
            Hook::Data { flow, end } => filter.on_data(connection, flow, end),
        })
    }

    /// Applies `on_error`; true where the connection goes on without the filter.
    fn fail(&self, fault: &PluginFault) -> bool {
        self.lose();
        self.entry.factory.on_fault(fault);
        let open = self.entry.on_error == OnError::Open;
        if open {
            self.entry.metrics.fail_open_total.increment();
        }
        open
    }

    /// The filter is not called again. Where its own hook is running, it stays for that one.
    fn lose(&self) {
        for flow in [Flow::Downstream, Flow::Upstream] {
            self.holds.of(flow).resumed.take();
        }
        let gone = self.filter.try_borrow_mut().map(|mut filter| filter.take());
        drop(gone); // outside of the borrow: a filter's drop may run a plugin's code
    }

    fn tell(
        &self,
        clock: &Clock,
        hook: impl FnOnce(&mut dyn NetworkFilter) -> Result<(), PluginFault>,
    ) {
        let told = {
            let Ok(mut filter) = self.filter.try_borrow_mut() else { return };
            let Some(filter) = filter.as_mut() else { return };
            self.spent.measure(clock, || hook(filter.as_mut()))
        };
        if let Err(fault) = told {
            self.lose();
            self.entry.factory.on_fault(&fault);
        }
    }

    fn complete(&self, connection: &Rc<Connection>, clock: &Clock) {
        self.tell(clock, |filter| filter.on_complete(connection));
        self.spent.measure(clock, || self.lose());
        if self.made.get() {
            self.entry.metrics.stream_duration.observe(self.spent.elapsed(clock));
        }
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
