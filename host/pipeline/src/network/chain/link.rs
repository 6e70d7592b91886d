//! One place in the chain of a connection: its filter, and what it keeps.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use futures_util::future::LocalBoxFuture;
use host_extension::{
    Bounds, Connection, FaultKind, Flow, NetworkFilter, Phases, PluginFault, Step, Verdict,
};
use host_telemetry::{Clock, Stopwatch, Tick};

use super::Hook;
use crate::chain::{ChainEntry, counted};

/// One filter of one connection.
pub(super) struct Link {
    pub(super) entry: ChainEntry,
    pub(super) phases: Phases,
    pub(super) bounds: Bounds,
    filter: RefCell<Option<Box<dyn NetworkFilter>>>,
    pub(super) holds: ByFlow<Hold>,
    pub(super) spent: Stopwatch,
    /// A filter was made.
    pub(super) made: Cell<bool>,
    /// Its `on_new_connection` had its turn.
    pub(super) met: Cell<bool>,
}

/// What a filter keeps of one direction.
#[derive(Default)]
pub(super) struct Hold {
    pub(super) any: Cell<bool>,
    /// What ends the hold before more comes, where something does.
    pub(super) resumed: RefCell<Option<LocalBoxFuture<'static, Verdict>>>,
}

/// One of each direction.
#[derive(Debug, Default)]
pub(super) struct ByFlow<T> {
    pub(super) downstream: T,
    pub(super) upstream: T,
}

impl<T> ByFlow<T> {
    /// That of a direction.
    pub(super) fn of(&self, flow: Flow) -> &T {
        match flow {
            Flow::Downstream => &self.downstream,
            Flow::Upstream => &self.upstream,
        }
    }
}

impl Link {
    /// A place whose filter is not made yet.
    pub(super) fn new(entry: ChainEntry) -> Self {
        Self {
            phases: entry.factory.phases(),
            bounds: entry.factory.bounds(),
            entry,
            filter: RefCell::default(),
            holds: ByFlow::default(),
            spent: Stopwatch::default(),
            made: Cell::default(),
            met: Cell::default(),
        }
    }

    /// True until the filter failed or the connection is over.
    pub(super) fn is_live(&self) -> bool {
        // While its own hook runs it is borrowed, and lives.
        self.filter.try_borrow().map_or(true, |filter| filter.is_some())
    }

    /// Makes the filter.
    pub(super) fn make(
        &self,
        connection: &Rc<Connection>,
        clock: &Clock,
    ) -> Result<(), PluginFault> {
        let (made, start, end) = self.spent.measure_call(clock, |start| {
            self.affords(clock, start)?;
            self.entry.factory.network_filter(connection)
        });
        self.took(clock, start, end);
        self.filter.replace(Some(made?));
        self.made.set(true);
        self.entry.metrics.streams_total.increment();
        Ok(())
    }

    /// Calls one hook.
    pub(super) fn step(&self, hook: Hook, connection: &Rc<Connection>, clock: &Clock) -> Step {
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
        let (step, start, end) = self.spent.measure_call(clock, |start| {
            if let Err(fault) = self.affords(clock, start) {
                return Step::Ready(Verdict::Failed(fault));
            }
            match hook {
                Hook::NewConnection => filter.on_new_connection(connection),
                Hook::Data { flow, end } => filter.on_data(connection, flow, end),
            }
        });
        self.took(clock, start, end);
        counted(step, hook.phase(), &self.entry.metrics, clock, (start, end))
    }

    /// # Errors
    /// The plugin took all of this second's processor time.
    fn affords(&self, clock: &Clock, now: Tick) -> Result<(), PluginFault> {
        let cpu = self.bounds.cpu.as_deref();
        match cpu.filter(|cpu| cpu.is_spent(clock.reading(now))) {
            Some(cpu) => Err(cpu.overspent()),
            None => Ok(()),
        }
    }

    fn took(&self, clock: &Clock, start: Tick, end: Tick) {
        if let Some(cpu) = &self.bounds.cpu {
            cpu.take(clock.reading(end), clock.between(start, end));
        }
    }

    /// Applies `on_error`; true where the connection goes on without the filter.
    pub(super) fn fail(&self, fault: &PluginFault) -> bool {
        self.fault(fault);
        let open = self.entry.is_open();
        if open {
            self.entry.metrics.fail_open_total.increment();
        }
        open
    }

    /// The filter failed and is gone.
    pub(super) fn fault(&self, fault: &PluginFault) {
        self.lose();
        self.entry.factory.on_fault(fault);
    }

    /// The filter is not called again. Where its own hook is running, it stays for that one.
    fn lose(&self) {
        for flow in [Flow::Downstream, Flow::Upstream] {
            self.holds.of(flow).resumed.take();
        }
        let gone = self.filter.try_borrow_mut().map(|mut filter| filter.take());
        drop(gone); // outside of the borrow: a filter's drop may run a plugin's code
    }

    /// Calls one of the last hooks.
    pub(super) fn tell(
        &self,
        clock: &Clock,
        hook: impl FnOnce(&mut dyn NetworkFilter) -> Result<(), PluginFault>,
    ) -> Result<(), PluginFault> {
        let Ok(mut filter) = self.filter.try_borrow_mut() else { return Ok(()) };
        let Some(filter) = filter.as_mut() else { return Ok(()) };
        let (told, start, end) = self.spent.measure_call(clock, |_start| hook(filter.as_mut()));
        self.took(clock, start, end);
        told
    }

    /// Calls the last hook, and drops the filter.
    pub(super) fn complete(&self, connection: &Rc<Connection>, clock: &Clock) {
        if let Err(fault) = self.tell(clock, |filter| filter.on_complete(connection)) {
            self.fault(&fault);
        }
        let ((), start, end) = self.spent.measure_call(clock, |_start| self.lose());
        self.took(clock, start, end);
        if self.made.get() {
            self.entry.metrics.stream_duration.observe(self.spent.elapsed(clock));
        }
    }
}
