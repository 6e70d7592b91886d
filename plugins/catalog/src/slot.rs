//! Slots: one use of one generation on one worker, with the instance that serves it.
//!
//! A slot is the factory that the pipeline holds. It passes on to the factory of the instance
//! that lives; where that one fails it lets it go and starts the next, when
//! [`Recovery`](crate::recovery::Recovery) admits it. While it may not, a stream gets the last
//! fault at once. Start reading at `Slot::create`.

use std::{
    cell::{Cell, RefCell},
    rc::{Rc, Weak},
    sync::Arc,
};

use host_extension::{
    Bounds, CallError, CallResult, Capability, Codec, CodecProfile, Connection, CpuBudget,
    CpuMeter, ExtensionPoint, FaultKind, FilterFactory, FilterUse, HostCalls, NetworkFilter,
    Phases, PluginFault, SharedInstances, Stream, StreamFilter, WorkerScope,
};
use host_telemetry::{PluginMetrics, Repeats};
use plugins_policy::Access;

use crate::{
    confine::has_process,
    metered::Metered,
    recovery::{Breaker, FAULTS_MAX, OPEN_FOR, Recovery, WINDOW},
    snapshot::Generation,
    trial::Traits,
    worker::MonotonicClock,
};

/// What a line begins with on a fault of one stream that says nothing of the instance.
const ON_STREAM: &str = "plugin failed on a stream";

/// One use of a plugin on one worker.
pub(crate) struct Slot {
    filter_use: FilterUse,
    generation: Arc<Generation>,
    /// What the instance of the trial said of itself, so that it is known also while none lives.
    traits: Traits,
    worker: Worker,
    live: RefCell<Option<Rc<dyn FilterFactory>>>,
    recovery: RefCell<Recovery>,
    last_fault: RefCell<Option<PluginFault>>,
    /// What the pipeline holds it to; over all its instances.
    bounds: Bounds,
    is_security: Cell<bool>,
    /// Lines on a fault that tells nothing of the instance.
    repeats: Repeats,
    /// Instances started so far.
    starts: Cell<u64>,
    /// For instances to tell of faults that no stream hears of.
    own: Weak<Self>,
}

/// What a slot has of its worker.
#[derive(Clone)]
pub(crate) struct Worker {
    pub(crate) number: u16,
    pub(crate) calls: Rc<dyn HostCalls>,
    pub(crate) shared: Rc<SharedInstances>,
    pub(crate) metrics: Arc<PluginMetrics>,
    pub(crate) clock: MonotonicClock,
}

impl Slot {
    pub(crate) fn new(
        filter_use: FilterUse,
        generation: Arc<Generation>,
        traits: Traits,
        worker: Worker,
        random: fastrand::Rng,
    ) -> Rc<Self> {
        let bounds = bounds(&generation);
        Rc::new_cyclic(|own| Self {
            filter_use,
            generation,
            traits,
            worker,
            live: RefCell::default(),
            recovery: RefCell::new(Recovery::new(random)),
            last_fault: RefCell::default(),
            bounds,
            is_security: Cell::default(),
            repeats: Repeats::default(),
            starts: Cell::default(),
            own: Weak::clone(own),
        })
    }

    pub(crate) fn serves(&self, generation: &Arc<Generation>) -> bool {
        Arc::ptr_eq(&self.generation, generation)
    }

    /// Says whether traffic must never go on without it.
    pub(crate) fn set_security(&self, is_security: bool) {
        self.is_security.set(is_security);
    }

    /// Starts the first instance, so that no stream has to wait for it. Where it does not
    /// start, the slot knows.
    pub(crate) fn warm(&self) {
        drop(self.start());
    }

    /// Starts an instance if it is time to.
    fn start(&self) -> Result<Rc<dyn FilterFactory>, PluginFault> {
        let now = (self.worker.clock)();
        if !self.update(|recovery| recovery.admits_start(now)) {
            return Err(self.remembered());
        }
        let spec = &self.filter_use.spec;
        match self.generation.loaded.start(&self.scope(), spec) {
            Ok(factory) => {
                let now = (self.worker.clock)();
                self.update(|recovery| recovery.started(now));
                self.live.replace(Some(Rc::clone(&factory)));
                self.starts.set(self.starts.get() + 1);
                if self.starts.get() > 1 {
                    self.worker.metrics.restarts_total.increment();
                    self.generation.health.restarted();
                }
                Ok(factory)
            }
            Err(fault) => {
                self.worker.metrics.fault(fault.kind.label());
                self.broke(&fault);
                Err(fault)
            }
        }
    }

    /// The worker as the next instance sees it.
    fn scope(&self) -> WorkerScope {
        let next = self.starts.get() + 1;
        let own = Weak::clone(&self.own);
        let on_fault = move |fault: &PluginFault| {
            if let Some(slot) = own.upgrade() {
                slot.failed_beside(next, fault);
            }
        };
        let (metrics, generation) =
            (Arc::clone(&self.worker.metrics), Arc::clone(&self.generation));
        WorkerScope {
            worker: Some(self.worker.number),
            calls: Rc::clone(&self.worker.calls),
            shared: Rc::clone(&self.worker.shared),
            cpu: self.meter(),
            on_fault: Rc::new(on_fault),
            on_restart: Rc::new(move || {
                metrics.restarts_total.increment();
                generation.health.restarted();
            }),
        }
    }

    /// Charges what no chain measures.
    fn meter(&self) -> CpuMeter {
        let budget = self.bounds.cpu.clone();
        let metered = budget.map(|budget| CpuMeter::new(budget, Rc::clone(&self.worker.clock)));
        metered.unwrap_or_default()
    }

    /// An instance failed while no stream heard of it. By now another one may serve, which is
    /// well; so is one that was left out because its time is spent.
    fn failed_beside(&self, instance: u64, fault: &PluginFault) {
        if fault.kind == FaultKind::Overspent {
            return self.strayed(fault, "plugin was held back beside its streams");
        }
        self.worker.metrics.fault(fault.kind.label());
        if self.starts.get() == instance && self.live.borrow().is_some() {
            self.broke(fault);
        }
    }

    /// Starts a service that is down, if it is time to. No stream would do it, so no chain
    /// charges it with that.
    pub(crate) fn revive(&self) {
        let is_down = self.live.borrow().is_none();
        if is_down && self.filter_use.spec.point == ExtensionPoint::Service {
            let meter = self.meter();
            if meter.check().is_ok() {
                drop(meter.charge(|| self.start()));
            }
        }
    }

    /// Lets the instance go and notes why.
    fn broke(&self, fault: &PluginFault) {
        // Streams that it still serves keep it alive; the cell is free before it is dropped.
        drop(self.live.take());
        self.last_fault.replace(Some(fault.clone()));
        self.generation.health.fault(fault);
        let now = (self.worker.clock)();
        let before = self.recovery.borrow().breaker();
        self.update(|recovery| recovery.fault(now));
        let after = self.recovery.borrow().breaker();
        self.tell(fault, before, after);
    }

    fn tell(&self, fault: &PluginFault, before: Breaker, after: Breaker) {
        let plugin = &self.filter_use.plugin;
        let worker = self.worker.number;
        let generation = self.generation.number;
        if before == Breaker::Closed && after == Breaker::Open {
            tracing::warn!(
                %plugin, worker, generation,
                "plugin failed {FAULTS_MAX} times in {} s, last: {fault}; from now on it is \
                 started once in {} s only: replace its artifact or take it out of the chain, \
                 and reload",
                WINDOW.as_secs(),
                OPEN_FOR.as_secs(),
            );
        } else if after == Breaker::Open {
            tracing::debug!(%plugin, worker, generation, "plugin failed again: {fault}");
        } else {
            tracing::warn!(%plugin, worker, generation, "plugin failed: {fault}");
        }
    }

    /// Changes the recovery, and shows outside whether the breaker opened or was left.
    fn update<T>(&self, change: impl FnOnce(&mut Recovery) -> T) -> T {
        let mut recovery = self.recovery.borrow_mut();
        let was_open = recovery.breaker() == Breaker::Open;
        let answer = change(&mut recovery);
        let is_open = recovery.breaker() == Breaker::Open;
        drop(recovery);
        if is_open && !was_open {
            self.worker.metrics.breaker_open.increment();
            self.generation.health.breaker_opened();
        } else if was_open && !is_open {
            self.breaker_left();
        }
        answer
    }

    fn breaker_left(&self) {
        self.worker.metrics.breaker_open.decrement();
        self.generation.health.breaker_left();
    }

    fn remembered(&self) -> PluginFault {
        let fault = self.last_fault.borrow().clone();
        fault.unwrap_or_else(|| {
            PluginFault::new(FaultKind::InstanceLost, "the plugin has no instance now")
        })
    }

    /// Notes a fault of one filter that leaves the instance well.
    fn outlived(&self, fault: &PluginFault) {
        if fault.kind == FaultKind::Denied {
            return;
        }
        self.worker.metrics.fault(fault.kind.label());
        self.generation.health.fault(fault);
        let plugin = &self.filter_use.plugin;
        // The first one is worth a line; of the others the counter tells.
        if self.last_fault.replace(Some(fault.clone())).is_none() {
            tracing::warn!(%plugin, "plugin failed on a stream that it had an instance for: {fault}");
        } else {
            tracing::debug!(%plugin, "plugin failed on another stream: {fault}");
        }
    }

    /// Notes a fault that says nothing of the instance: it took too much of a second, or did
    /// what it may not.
    fn strayed(&self, fault: &PluginFault, what: &str) {
        self.worker.metrics.fault(fault.kind.label());
        self.generation.health.fault(fault);
        let plugin = &self.filter_use.plugin;
        match self.repeats.pass((self.worker.clock)()) {
            Some(0) => tracing::warn!(%plugin, "{what}: {fault}"),
            Some(more) => {
                tracing::warn!(%plugin, "{what}: {fault} ({more} more)");
            }
            None => tracing::debug!(%plugin, "{what}: {fault}"),
        }
    }

    /// Makes a filter on an instance, and lets the instance go where it fails at that. What is
    /// refused by policy or limit is refused by an instance that is well, and one that outlives
    /// faults is let go only where it cannot start what it makes filters on.
    fn create_on<T>(&self, factory: &dyn FilterFactory, create: Create<'_, T>) -> Created<T> {
        create(factory).inspect_err(|fault| {
            // The start of an instance for one stream has seen nothing of that stream: the next
            // one fails as well, and is to wait as any other instance.
            if factory.outlives(fault) && fault.kind != FaultKind::LoadFailed {
                return; // its stream tells of it
            }
            self.worker.metrics.fault(fault.kind.label());
            if fault.kind != FaultKind::Denied {
                self.broke(fault);
            }
        })
    }

    /// Makes a filter or codec on the instance that lives, or on a fresh one.
    fn create<T>(&self, create: Create<'_, T>) -> Created<T> {
        let live = self.live.borrow().clone();
        if let Some(live) = live {
            match self.create_on(live.as_ref(), create) {
                // This stream is the first to hear of it, but hardly to blame: it has shown
                // the plugin nothing yet. The instance failed behind another stream's end, or
                // fails on all of them.
                Err(fault) if fault.kind != FaultKind::Denied && !live.outlives(&fault) => {}
                created => return created,
            }
        }
        let fresh = self.start()?;
        self.create_on(fresh.as_ref(), create)
    }
}

/// Makes a filter or codec on an instance.
type Create<'a, T> = &'a dyn Fn(&dyn FilterFactory) -> Created<T>;
/// A filter or codec, or why there is none.
type Created<T> = Result<T, PluginFault>;

impl FilterFactory for Slot {
    fn phases(&self) -> Phases {
        self.traits.phases
    }

    fn stream_filter(&self, stream: &Rc<Stream>) -> Created<Box<dyn StreamFilter>> {
        self.create(&|factory| factory.stream_filter(stream))
    }

    fn network_filter(&self, connection: &Rc<Connection>) -> Created<Box<dyn NetworkFilter>> {
        self.create(&|factory| factory.network_filter(connection))
    }

    fn codec(&self) -> Created<Rc<dyn Codec>> {
        let codec = self.create(&|factory| factory.codec())?;
        Ok(Rc::new(Metered::new(codec, &self.worker.metrics, &self.worker.clock)))
    }

    fn codec_profile(&self) -> CodecProfile {
        self.traits.profile
    }

    fn is_security(&self) -> bool {
        self.is_security.get()
    }

    fn bounds(&self) -> Bounds {
        self.bounds.clone()
    }

    /// No call is counted here: backends have asked the guard before they come to a verdict.
    fn may(&self, what: Capability) -> CallResult<()> {
        let rights = &self.generation.charge.rights;
        if rights.is_permissive() || rights.allows(Access::whole(what)) {
            return Ok(());
        }
        let story = format!("it ended a stream without the permission `{}`", what.word());
        self.strayed(&PluginFault::new(FaultKind::Denied, story), ON_STREAM);
        Err(CallError::Denied)
    }

    /// Takes every fault that a stream ends with: one that `create` answered with as well,
    /// which was noted then.
    fn on_fault(&self, fault: &PluginFault) {
        if fault.kind == FaultKind::Overspent {
            return self.strayed(fault, ON_STREAM);
        }
        if self.live.borrow().as_ref().is_some_and(|live| live.outlives(fault)) {
            self.outlived(fault);
            return;
        }
        let is_news = if fault.kind == FaultKind::InstanceLost {
            self.last_fault.borrow().as_ref() != Some(fault)
        } else {
            fault.kind != FaultKind::Denied && self.live.borrow().is_some()
        };
        if !is_news {
            return;
        }
        self.worker.metrics.fault(fault.kind.label());
        // A stream that lost its instance tells of a fault that was noted when it happened;
        // by now there may be another instance, which is well.
        if fault.kind != FaultKind::InstanceLost {
            self.broke(fault);
        }
    }
}

/// What the pipeline holds a plugin to. Of what runs in a process of its own the time of a hook
/// says nothing.
fn bounds(generation: &Generation) -> Bounds {
    let limits = &generation.plan.limits;
    let per_second = limits.cpu_per_second.filter(|_limit| !has_process(&generation.plan));
    Bounds {
        cpu: per_second.map(|per_second| Rc::new(CpuBudget::new(per_second))),
        held_bytes_max: limits.held_body_bytes_max,
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if self.recovery.get_mut().breaker() == Breaker::Open {
            self.breaker_left();
        }
    }
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slot")
            .field("plugin", &self.filter_use.plugin)
            .field("generation", &self.generation.number)
            .field("recovery", &self.recovery)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
