//! Snapshots: which generation of each plugin serves, and what went wrong on the way there.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use host_extension::{Condition, FaultKind, FilterUse, InstanceSpec, LoadedPlugin, PluginFault};
use host_types::PluginName;
use parking_lot::Mutex;
use plugins_policy::Policy;

use crate::{
    Digest, LoadWarning, PluginPlan,
    charge::Charge,
    trial::{Traits, Trials},
};

/// All plugins of a configuration at one time. Cheap to clone; never changes.
#[derive(Clone, Debug, Default)]
pub struct CatalogSnapshot(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// In the order of the configuration.
    entries: Vec<Arc<Entry>>,
    places: HashMap<PluginName, usize>,
    uses: Vec<FilterUse>,
}

/// One plugin of a snapshot.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) plan: PluginPlan,
    /// The generation that serves. It need not be of this plan, but is held as this plan says.
    pub(crate) serving: Option<Arc<Generation>>,
    /// How the uses did on the generation that serves.
    pub(crate) trials: Trials,
    pub(crate) failures: Vec<LoadFailure>,
    /// How many entries of chains name the plugin.
    pub(crate) uses: usize,
    /// The number of its newest generation so far; 0 before the first.
    pub(crate) newest: u64,
    /// Traffic must never go on without it, also while nothing serves, whatever `on_error` says.
    pub(crate) is_security: bool,
    /// Whether its manifest says so, as it was read last; `None` where it never was.
    pub(crate) says_security: Option<bool>,
    pub(crate) retry: Option<Retry>,
}

/// When a failed load is tried again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retry {
    /// Tries so far.
    pub(crate) tries: u32,
    /// The time of the next one, on the monotonic clock.
    pub(crate) at: Duration,
}

/// A loaded plugin with what it was made of.
#[derive(Debug)]
pub(crate) struct Generation {
    /// Counted from 1 for as long as the plugin is in the configuration.
    pub(crate) number: u64,
    pub(crate) plan: PluginPlan,
    pub(crate) digest: Digest,
    /// Its manifest says that traffic must never go on without it.
    pub(crate) is_security: bool,
    pub(crate) loaded: Arc<dyn LoadedPlugin>,
    /// What it may do.
    pub(crate) charge: Charge,
    /// What is odd about that.
    pub(crate) warnings: Vec<LoadWarning>,
    pub(crate) loaded_at: SystemTime,
    pub(crate) health: Health,
}

/// What workers tell the control thread of a generation. Written when a plugin fails and
/// never while it serves.
#[derive(Debug, Default)]
pub(crate) struct Health {
    breakers_open: AtomicUsize,
    faults: AtomicU64,
    restarts: AtomicU64,
    last_fault: Mutex<Option<PluginFault>>,
}

/// Something that could not be loaded or started.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("plugin `{plugin}`: {fault}{}", instead(*.serving, *.let_go))]
pub struct LoadFailure {
    /// The plugin.
    pub plugin: PluginName,
    /// Its artifact.
    pub source_path: PathBuf,
    /// How the use that did not start was started; `None` where the artifact is no good.
    pub spec: Option<InstanceSpec>,
    /// What is wrong.
    pub fault: PluginFault,
    /// The number of the generation that serves in its place.
    pub serving: Option<u64>,
    /// The number of the generation that served until now, and does not serve on because it is
    /// not held as the new plan says.
    pub let_go: Option<u64>,
}

fn instead(serving: Option<u64>, let_go: Option<u64>) -> String {
    match (serving, let_go) {
        (Some(number), _) => format!(" (generation {number} serves on)"),
        (None, Some(number)) => format!(
            " (generation {number} does not serve on: it has the policy, limits, sandbox or leave \
             to be loaded from before)"
        ),
        (None, None) => String::new(),
    }
}

/// One plugin as the admin page shows it.
#[derive(Clone, Debug)]
pub struct PluginStatus {
    /// Its name.
    pub name: PluginName,
    /// How it runs: the word of the configuration.
    pub backend: &'static str,
    /// Its artifact.
    pub source: PathBuf,
    /// What it may do.
    pub policy: Arc<Policy>,
    /// How it is.
    pub state: PluginState,
    /// The digest of the artifact that serves.
    pub digest: Option<Digest>,
    /// The number of the generation that serves.
    pub generation: Option<u64>,
    /// When that generation was loaded.
    pub loaded_at: Option<SystemTime>,
    /// How many entries of chains name it.
    pub uses: usize,
    /// What went wrong when it was last loaded.
    pub failures: Vec<LoadFailure>,
    /// How often, over all workers, a use of it is given up for a while because it failed too
    /// often.
    pub breakers_open: usize,
    /// Faults of instances of the generation that serves, over all workers.
    pub faults: u64,
    /// Instances of it that were started in place of a faulty one.
    pub restarts: u64,
    /// How what runs it is, where it has a life of its own: a child process.
    pub condition: Option<Condition>,
    /// The newest fault of an instance of the generation that serves.
    pub last_fault: Option<PluginFault>,
}

/// How a plugin is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PluginState {
    /// The newest generation serves.
    Loaded,
    /// The last good generation serves: what the configuration names could not be loaded.
    Stale,
    /// Nothing serves.
    Failed,
}

impl PluginState {
    /// A short stable word for the admin page.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Loaded => "loaded",
            Self::Stale => "stale",
            Self::Failed => "failed",
        }
    }
}

impl PluginStatus {
    /// What went wrong last, in one line.
    #[must_use]
    pub fn last_error(&self) -> Option<&PluginFault> {
        self.failures.first().map(|failure| &failure.fault).or(self.last_fault.as_ref())
    }
}

impl CatalogSnapshot {
    pub(crate) fn new(entries: Vec<Arc<Entry>>, uses: Vec<FilterUse>) -> Self {
        let names = entries.iter().enumerate();
        let places = names.map(|(place, entry)| (entry.plan.name.clone(), place)).collect();
        Self(Arc::new(Inner { entries, places, uses }))
    }

    /// Everything that could not be loaded or started, in the order of the configuration.
    #[must_use]
    pub fn failures(&self) -> Vec<LoadFailure> {
        self.0.entries.iter().flat_map(|entry| entry.failures.iter().cloned()).collect()
    }

    /// All plugins, in the order of the configuration.
    #[must_use]
    pub fn status(&self) -> Vec<PluginStatus> {
        self.0.entries.iter().map(|entry| entry.status()).collect()
    }

    /// What is odd about the permissions of plugins that were loaded, in the order of the
    /// configuration.
    #[must_use]
    pub fn warnings(&self) -> Vec<LoadWarning> {
        let serving = self.0.entries.iter().filter_map(|entry| entry.serving.as_ref());
        serving.flat_map(|generation| generation.warnings.iter().cloned()).collect()
    }

    /// Under which names its plugins keep what they share, with how many bytes of shared data
    /// each may have: as they are configured, and as they serve, which need not be the same. Of
    /// several plugins under one name the largest number counts.
    #[must_use]
    pub fn shared_quotas(&self) -> HashMap<String, usize> {
        let serving = self.0.entries.iter().filter_map(|entry| entry.serving.as_ref());
        let serving = serving.map(|generation| &generation.plan);
        let plans = self.0.entries.iter().map(|entry| &entry.plan).chain(serving);
        let mut quotas = HashMap::new();
        for plan in plans {
            let quota = quotas.entry(plan.shared_namespace().to_owned()).or_default();
            *quota = plan.limits.shared_data_bytes_max.max(*quota);
        }
        quotas
    }

    /// How many metrics each plugin may have, over all its uses and workers.
    pub fn metric_limits(&self) -> impl Iterator<Item = (&str, usize)> {
        let plans = self.0.entries.iter().map(|entry| &entry.plan);
        plans.map(|plan| (plan.name.as_str(), plan.limits.metrics_max))
    }

    /// True where traffic must never go on without a plugin.
    pub(crate) fn is_security(&self, plugin: &PluginName) -> bool {
        self.entry(plugin).is_some_and(|entry| entry.is_security)
    }

    pub(crate) fn entries(&self) -> &[Arc<Entry>] {
        &self.0.entries
    }

    pub(crate) fn entry(&self, plugin: &PluginName) -> Option<&Arc<Entry>> {
        self.0.places.get(plugin).and_then(|place| self.0.entries.get(*place))
    }

    /// When the first of the failed loads is tried again.
    pub(crate) fn retry_at(&self) -> Option<Duration> {
        self.entries().iter().filter_map(|entry| entry.retry.map(|retry| retry.at)).min()
    }

    pub(crate) fn uses(&self) -> &[FilterUse] {
        &self.0.uses
    }

    /// What serves a use, or why nothing does.
    pub(crate) fn resolve(
        &self,
        filter_use: &FilterUse,
    ) -> Result<(&Arc<Generation>, Traits), PluginFault> {
        let Some(entry) = self.entry(&filter_use.plugin) else {
            return Err(PluginFault::new(FaultKind::LoadFailed, "no such plugin is configured"));
        };
        entry.resolve(&filter_use.spec)
    }
}

impl Entry {
    pub(crate) fn resolve(
        &self,
        spec: &InstanceSpec,
    ) -> Result<(&Arc<Generation>, Traits), PluginFault> {
        let Some(generation) = &self.serving else {
            return Err(self.failure_of(spec));
        };
        match self.trials.get(spec) {
            Some(Ok(traits)) => Ok((generation, *traits)),
            Some(Err(fault)) => Err(fault.clone()),
            None => Err(PluginFault::new(
                FaultKind::LoadFailed,
                "this configuration of the plugin was not tried before it was put to use",
            )),
        }
    }

    /// The failure that keeps a use from being served; that of another one where it has none.
    fn failure_of(&self, spec: &InstanceSpec) -> PluginFault {
        let own = self.failures.iter().find(|failure| failure.spec.as_ref() == Some(spec));
        own.or_else(|| self.failures.first()).map_or_else(
            || PluginFault::new(FaultKind::LoadFailed, "the plugin was not loaded"),
            |failure| failure.fault.clone(),
        )
    }

    /// True where `other` serves every use as this entry does.
    pub(crate) fn serves_as(&self, other: &Self) -> bool {
        let same_generation = match (&self.serving, &other.serving) {
            (Some(one), Some(two)) => Arc::ptr_eq(one, two),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        same_generation
            && self.is_security == other.is_security
            && self.trials.len() == other.trials.len()
            && self.trials.iter().all(|(spec, trial)| {
                other.trials.get(spec).is_some_and(|other| other.is_ok() == trial.is_ok())
            })
    }

    fn state(&self) -> PluginState {
        match &self.serving {
            None => PluginState::Failed,
            Some(_) if self.failures.iter().any(|failure| failure.serving.is_some()) => {
                PluginState::Stale
            }
            Some(_) => PluginState::Loaded,
        }
    }

    fn status(&self) -> PluginStatus {
        let serving = self.serving.as_deref();
        PluginStatus {
            name: self.plan.name.clone(),
            backend: self.plan.backend.label(),
            source: self.plan.source.clone(),
            policy: Arc::clone(&self.plan.policy),
            state: self.state(),
            digest: serving.map(|generation| generation.digest),
            generation: serving.map(|generation| generation.number),
            loaded_at: serving.map(|generation| generation.loaded_at),
            uses: self.uses,
            failures: self.failures.clone(),
            breakers_open: serving.map_or(0, |generation| generation.health.breakers_open()),
            faults: serving.map_or(0, |generation| generation.health.faults()),
            restarts: serving.map_or(0, |generation| generation.health.restarts()),
            condition: serving.and_then(|generation| generation.loaded.condition()),
            last_fault: serving.and_then(|generation| generation.health.last_fault()),
        }
    }
}

impl Health {
    pub(crate) fn breaker_opened(&self) {
        self.breakers_open.fetch_add(1, Relaxed);
    }

    pub(crate) fn breaker_left(&self) {
        self.breakers_open.fetch_sub(1, Relaxed);
    }

    pub(crate) fn fault(&self, fault: &PluginFault) {
        self.faults.fetch_add(1, Relaxed);
        *self.last_fault.lock() = Some(fault.clone());
    }

    pub(crate) fn restarted(&self) {
        self.restarts.fetch_add(1, Relaxed);
    }

    fn faults(&self) -> u64 {
        self.faults.load(Relaxed)
    }

    fn restarts(&self) -> u64 {
        self.restarts.load(Relaxed)
    }

    fn breakers_open(&self) -> usize {
        self.breakers_open.load(Relaxed)
    }

    fn last_fault(&self) -> Option<PluginFault> {
        self.last_fault.lock().clone()
    }
}
