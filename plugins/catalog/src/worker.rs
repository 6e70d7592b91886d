//! The worker side: an instance for every use of a plugin.
//!
//! A worker applies each new snapshot, then asks for the factory of each use again and builds
//! its chains from them. Streams that run keep the factories of their chain, and with them
//! their generation, to their end.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    fmt,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use host_extension::{
    Codec, Connection, FilterFactory, FilterUse, HostCalls, NetworkFilter, Phases, PluginFault,
    SharedInstances, Stream, StreamFilter,
};
use host_telemetry::{PluginMetrics, WorkerMetrics};
use host_types::PluginName;
use plugins_policy::Guard;

use crate::{
    CatalogSnapshot, PluginPlan,
    ledger::Ledger,
    slot::{Slot, Worker},
    snapshot::Generation,
    trial::Traits,
};

/// Tells the time since the beginning that the pipeline counts budgets from; never goes back.
pub type MonotonicClock = Rc<dyn Fn() -> Duration>;

/// What the metrics call the backend of a plugin that no configuration names.
const UNKNOWN_BACKEND: &str = "unknown";

/// The plugins of one worker.
pub struct WorkerCatalog {
    number: u16,
    metrics: WorkerMetrics,
    calls: Rc<dyn HostCalls>,
    shared: Rc<SharedInstances>,
    clock: MonotonicClock,
    random: RefCell<fastrand::Rng>,
    snapshot: RefCell<CatalogSnapshot>,
    slots: RefCell<HashMap<FilterUse, Rc<Slot>>>,
    ledger: RefCell<Ledger>,
}

impl WorkerCatalog {
    /// A catalog that knows no plugin yet. `calls` are the worker's own, unguarded ones;
    /// `seed` feeds the jitter between restarts and should differ from worker to worker.
    #[must_use]
    pub fn new(
        worker: u16,
        metrics: WorkerMetrics,
        calls: Rc<dyn HostCalls>,
        clock: MonotonicClock,
        seed: u64,
    ) -> Self {
        Self {
            number: worker,
            metrics,
            calls,
            shared: Rc::default(),
            clock,
            random: RefCell::new(fastrand::Rng::with_seed(seed)),
            snapshot: RefCell::default(),
            slots: RefCell::default(),
            ledger: RefCell::default(),
        }
    }

    /// Takes a snapshot. Slots whose use is gone, or is served by another generation now, are
    /// let go; their running streams keep them. Ask for the factories of all uses again.
    pub fn apply(&self, snapshot: CatalogSnapshot) {
        let uses: HashSet<_> = snapshot.uses().iter().collect();
        let is_current = |filter_use: &FilterUse, slot: &Slot| {
            let served = snapshot.resolve(filter_use);
            uses.contains(filter_use)
                && served.is_ok_and(|(generation, _traits)| slot.serves(generation))
        };
        let mut slots = self.slots.take();
        slots.retain(|filter_use, slot| is_current(filter_use, slot));
        self.slots.replace(slots);
        for gone in self.snapshot.borrow().entries() {
            self.metrics_of(&gone.plan).generation.set(0);
        }
        for entry in snapshot.entries() {
            let number = entry.serving.as_ref().map_or(0, |generation| generation.number);
            let number = i64::try_from(number).unwrap_or(i64::MAX);
            self.metrics_of(&entry.plan).generation.set(number);
        }
        self.snapshot.replace(snapshot);
    }

    /// This worker's metrics of a plugin.
    #[must_use]
    pub fn metrics(&self, plugin: &PluginName) -> Arc<PluginMetrics> {
        match self.snapshot.borrow().entry(plugin) {
            Some(entry) => self.metrics_of(&entry.plan),
            None => self.metrics.plugin(plugin, UNKNOWN_BACKEND),
        }
    }

    fn metrics_of(&self, plan: &PluginPlan) -> Arc<PluginMetrics> {
        self.metrics.plugin(&plan.name, plan.backend.label())
    }

    /// The factory of a use. The same one while its generation is the same; a new one has an
    /// instance started when this returns, which may take as long as its start budget.
    ///
    /// There is a factory for every use: that of a plugin that could not be loaded answers
    /// every stream with the reason.
    #[must_use]
    pub fn instance(&self, filter_use: &FilterUse) -> Rc<dyn FilterFactory> {
        let snapshot = self.snapshot.borrow().clone();
        let is_security = snapshot.is_security(&filter_use.plugin);
        let (generation, traits) = match snapshot.resolve(filter_use) {
            Ok(served) => served,
            Err(fault) => return Rc::new(Refused { fault, is_security }),
        };
        let known = self.slots.borrow().get(filter_use).cloned();
        if let Some(slot) = known {
            slot.set_security(is_security);
            return slot;
        }
        let slot = self.slot(filter_use, generation, traits);
        slot.set_security(is_security);
        slot.warm();
        self.slots.borrow_mut().insert(filter_use.clone(), Rc::clone(&slot));
        slot
    }

    fn slot(
        &self,
        filter_use: &FilterUse,
        generation: &Arc<Generation>,
        traits: Traits,
    ) -> Rc<Slot> {
        let plugin = &filter_use.plugin;
        let metrics = self.metrics(plugin);
        let worker = Worker {
            number: self.number,
            calls: self.guarded(generation, &metrics),
            shared: Rc::clone(&self.shared),
            metrics,
            clock: Rc::clone(&self.clock),
        };
        let own = self.random.borrow_mut().fork();
        Slot::new(filter_use.clone(), Arc::clone(generation), traits, worker, own)
    }

    /// The host calls as a plugin may use them.
    fn guarded(&self, generation: &Generation, metrics: &Arc<PluginMetrics>) -> Rc<dyn HostCalls> {
        let account = self.ledger.borrow_mut().account(metrics);
        let ward = generation.charge.ward(&generation.plan, &account, &self.calls);
        Rc::new(Guard::new(ward, Rc::clone(&self.calls)))
    }

    /// Starts services that are down again, where it is time to. To be called now and then.
    pub fn revive(&self) {
        let slots: Vec<_> = self.slots.borrow().values().cloned().collect();
        for slot in slots {
            slot.revive();
        }
    }
}

impl fmt::Debug for WorkerCatalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerCatalog")
            .field("worker", &self.number)
            .field("slots", &self.slots)
            .finish_non_exhaustive()
    }
}

/// The factory of a use that nothing serves.
#[derive(Debug)]
struct Refused {
    fault: PluginFault,
    is_security: bool,
}

impl FilterFactory for Refused {
    /// All of them, so that `on_error` is applied from the first hook on.
    fn phases(&self) -> Phases {
        Phases::ALL
    }

    fn is_security(&self) -> bool {
        self.is_security
    }

    fn stream_filter(&self, _stream: &Rc<Stream>) -> Result<Box<dyn StreamFilter>, PluginFault> {
        Err(self.fault.clone())
    }

    fn network_filter(
        &self,
        _connection: &Rc<Connection>,
    ) -> Result<Box<dyn NetworkFilter>, PluginFault> {
        Err(self.fault.clone())
    }

    fn codec(&self) -> Result<Rc<dyn Codec>, PluginFault> {
        Err(self.fault.clone())
    }
}

#[cfg(test)]
mod tests;
