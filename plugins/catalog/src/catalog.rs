//! The catalog: the control side, which loads.
//!
//! [`Catalog::load`] brings all plugins up to a configuration and never fails as a whole: what
//! could not be loaded is a [`LoadFailure`](crate::LoadFailure) of the snapshot. It blocks for
//! as long as reading, compiling and starting take; call it where that is allowed.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, SystemTime},
};

use host_extension::{FilterUse, OnError};
use host_telemetry::WorkerMetrics;
use host_types::PluginName;
use parking_lot::Mutex;

use crate::{
    Backends, CatalogSnapshot, PluginPlan, PluginStatus, Records,
    attempt::{Attempt, Outcome},
    backoff::delay,
    charge::DenialLog,
    ledger::Ledger,
    snapshot::{Entry, Retry},
    trial::TrialWorker,
};

/// The time, as the caller's clocks say.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// On the wall, for people.
    pub wall: SystemTime,
    /// Since any fixed time, for waiting.
    pub monotonic: Duration,
}

/// All plugins of the process. One for the control side.
#[derive(Debug)]
pub struct Catalog {
    backends: Backends,
    metrics: WorkerMetrics,
    /// Held for a whole load: there is one at a time.
    random: Mutex<fastrand::Rng>,
    current: Mutex<CatalogSnapshot>,
    /// What the trials count.
    ledger: Mutex<Ledger>,
    /// Kept over generations, so that a reload repeats no line.
    denials: Mutex<HashMap<PluginName, Arc<DenialLog>>>,
    records: Option<Arc<Records>>,
}

impl Catalog {
    /// An empty catalog. Failed loads are counted in `metrics`, which must be the shards of
    /// the control thread; `seed` feeds the jitter between retries.
    #[must_use]
    pub fn new(backends: Backends, metrics: WorkerMetrics, seed: u64) -> Self {
        Self {
            backends,
            metrics,
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
            current: Mutex::default(),
            ledger: Mutex::default(),
            denials: Mutex::default(),
            records: None,
        }
    }

    /// Notes in `records` what every plugin does, and lets it do whatever it asks for: what is
    /// not allowed is counted and logged, but carried out.
    #[must_use]
    pub fn recording(self, records: Arc<Records>) -> Self {
        Self { records: Some(records), ..self }
    }

    /// Loads the plugins of a configuration with all its uses of them.
    ///
    /// A plugin of which neither the artifact nor the plan changed keeps its generation. One
    /// that cannot be loaded, or whose uses do not start, leaves the last good generation
    /// serving, if there is one that has the policy, the limits and the sandbox of the new plan.
    pub fn load(&self, plans: &[PluginPlan], uses: &[FilterUse], now: Moment) -> CatalogSnapshot {
        let mut random = self.random.lock();
        let previous = self.snapshot();
        self.denials.lock().retain(|known, _log| plans.iter().any(|plan| plan.name == *known));
        let trial = TrialWorker::default();
        let entries = plans.iter().map(|plan| {
            let previous = previous.entry(&plan.name).map(Arc::as_ref);
            self.attempt(&trial, plan, uses, previous, now).entry(0, &mut random)
        });
        let entries = entries.map(Arc::new).collect();
        self.publish(CatalogSnapshot::new(entries, uses.to_vec()))
    }

    /// Loads again what could not be loaded and is used with `on_error: reload`, where it is
    /// time to. `None` where nothing serves otherwise than before.
    pub fn retry(&self, now: Moment) -> Option<CatalogSnapshot> {
        let mut random = self.random.lock();
        let previous = self.snapshot();
        if previous.retry_at().is_none_or(|at| at > now.monotonic) {
            return None;
        }
        let mut changed = false;
        let trial = TrialWorker::default();
        let entries = previous.entries().iter().map(|entry| {
            let Some(retry) = entry.retry.filter(|retry| retry.at <= now.monotonic) else {
                return Arc::clone(entry);
            };
            let next = self.attempt(&trial, &entry.plan, previous.uses(), Some(entry), now);
            let next = next.entry(retry.tries.saturating_add(1), &mut random);
            changed |= !next.serves_as(entry);
            Arc::new(next)
        });
        let entries = entries.collect();
        let snapshot = self.publish(CatalogSnapshot::new(entries, previous.uses().to_vec()));
        changed.then_some(snapshot)
    }

    /// When [`Catalog::retry`] has something to do, on the monotonic clock. `None` where all
    /// is well, or where nothing that failed is used with `on_error: reload`.
    #[must_use]
    pub fn retry_at(&self) -> Option<Duration> {
        self.snapshot().retry_at()
    }

    /// All plugins, in the order of the configuration.
    #[must_use]
    pub fn status(&self) -> Vec<PluginStatus> {
        self.snapshot().status()
    }

    /// What was loaded last.
    #[must_use]
    pub fn snapshot(&self) -> CatalogSnapshot {
        self.current.lock().clone()
    }

    fn attempt(
        &self,
        trial: &TrialWorker,
        plan: &PluginPlan,
        uses: &[FilterUse],
        previous: Option<&Entry>,
        now: Moment,
    ) -> Attempted {
        let uses: Vec<_> = uses.iter().filter(|one| one.plugin == plan.name).cloned().collect();
        let mut seen = HashSet::new();
        let specs = uses.iter().map(|one| one.spec.clone());
        let specs: Vec<_> = specs.filter(|spec| seen.insert(spec.clone())).collect();
        let attempt = Attempt {
            backends: &self.backends,
            plan,
            specs: &specs,
            open: uses.iter().any(|one| one.on_error == OnError::Open),
            previous,
            trial,
            account: self
                .ledger
                .lock()
                .account(&self.metrics.plugin(&plan.name, plan.backend.label())),
            denials: Arc::clone(self.denials.lock().entry(plan.name.clone()).or_default()),
            recorder: self.records.as_ref().map(|records| records.of(&plan.name)),
            now,
        };
        let outcome = attempt.run();
        self.tell(&attempt, &outcome);
        Attempted { plan: plan.clone(), uses, outcome, now }
    }

    fn tell(&self, attempt: &Attempt<'_>, outcome: &Outcome) {
        let Attempt { plan, previous, .. } = attempt;
        let metrics = self.metrics.plugin(&plan.name, plan.backend.label());
        for failure in &outcome.failures {
            metrics.fault(failure.fault.kind.label());
            tracing::warn!(
                plugin = %plan.name,
                source = %plan.source.display(),
                "{failure}; mend it and reload"
            );
        }
        let is_unread = outcome.says_security.is_none() && outcome.is_security;
        if is_unread && attempt.open && !plan.is_security {
            tracing::warn!(
                plugin = %plan.name,
                "its manifest was never read and may say `security = true`: until it is read, no \
                 traffic goes on without the plugin, as if its uses were `on_error: closed`"
            );
        }
        let newest = previous.map_or(0, |previous| previous.newest);
        if let Some(generation) = &outcome.serving
            && generation.number > newest
        {
            tracing::info!(
                plugin = %plan.name,
                backend = plan.backend.label(),
                generation = generation.number,
                digest = %generation.digest,
                "plugin loaded"
            );
        }
    }

    fn publish(&self, snapshot: CatalogSnapshot) -> CatalogSnapshot {
        *self.current.lock() = snapshot.clone();
        snapshot
    }
}

/// An attempt that was made, on its way to become an entry.
struct Attempted {
    plan: PluginPlan,
    uses: Vec<FilterUse>,
    outcome: Outcome,
    now: Moment,
}

impl Attempted {
    fn entry(self, tries: u32, random: &mut fastrand::Rng) -> Entry {
        let Outcome { serving, trials, failures, newest, is_security, says_security } =
            self.outcome;
        let mut entry = Entry {
            plan: self.plan,
            serving,
            trials,
            failures,
            uses: self.uses.len(),
            newest,
            is_security,
            says_security,
            retry: None,
        };
        let wants_retry = entry.failures.iter().any(|failure| {
            let mut reload = self.uses.iter().filter(|one| one.on_error == OnError::Reload);
            reload.any(|one| failure.spec.as_ref().is_none_or(|spec| *spec == one.spec))
        });
        if wants_retry {
            let at = self.now.monotonic.saturating_add(delay(tries, random));
            entry.retry = Some(Retry { tries, at });
        }
        entry
    }
}

#[cfg(test)]
mod tests;
