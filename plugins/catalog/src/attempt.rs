//! One attempt to bring one plugin up to its plan.
//!
//! The rule: a new generation is taken where it serves no use worse than the one that serves
//! now, and at least one use at all. Start reading at [`Attempt::run`].

use std::sync::Arc;

use host_extension::{InstanceSpec, LoadedPlugin, Phases, PluginFault};
use plugins_policy::Rights;

use crate::{
    Backends, LoadFailure, Moment, PluginPlan,
    snapshot::{Entry, Generation, Health},
    source::{Artifact, Digest},
    trial::{TrialWorker, Trials},
};

/// What an attempt needs.
pub(crate) struct Attempt<'a> {
    pub(crate) backends: &'a Backends,
    pub(crate) plan: &'a PluginPlan,
    /// How instances of its uses are started, each way once.
    pub(crate) specs: &'a [InstanceSpec],
    pub(crate) previous: Option<&'a Entry>,
    /// Where they are tried.
    pub(crate) trial: &'a TrialWorker,
    pub(crate) now: Moment,
}

/// How an attempt ended.
pub(crate) struct Outcome {
    pub(crate) serving: Option<Arc<Generation>>,
    pub(crate) trials: Trials,
    pub(crate) failures: Vec<LoadFailure>,
    /// The number of the newest generation so far.
    pub(crate) newest: u64,
}

/// What became of the artifact.
enum Loaded {
    /// It is what serves already.
    Same(Arc<Generation>),
    /// It is new.
    New(Fresh),
}

/// A generation that was not tried yet.
struct Fresh {
    digest: Digest,
    loaded: Arc<dyn LoadedPlugin>,
    rights: Arc<Rights>,
    is_security: bool,
}

impl Attempt<'_> {
    pub(crate) fn run(&self) -> Outcome {
        match self.load() {
            Ok(Loaded::Same(generation)) => {
                let trials = self.trials_of_last(&generation);
                let failures = self.refusals(&trials, None);
                self.outcome(Some(generation), trials, failures)
            }
            Ok(Loaded::New(fresh)) => self.consider(fresh),
            Err(fault) => self.keep_last(|serving| vec![self.failure(None, fault, serving)]),
        }
    }

    /// Reads and verifies.
    fn load(&self) -> Result<Loaded, PluginFault> {
        let artifact = Artifact::read(self.plan)?;
        if let Some(last) = self.last()
            && last.digest == artifact.digest
            && last.plan == *self.plan
            && !is_given_up(last)
        {
            return Ok(Loaded::Same(Arc::clone(last)));
        }
        let loaded = self.backends.load(self.plan, &artifact)?;
        Ok(Loaded::New(Fresh {
            digest: artifact.digest,
            loaded,
            rights: Arc::new(artifact.package.rights(self.plan)),
            is_security: self.plan.is_security || artifact.package.is_security(),
        }))
    }

    /// Tries the uses on what was loaded, and takes it or leaves it.
    fn consider(&self, fresh: Fresh) -> Outcome {
        let trials = self.try_all((&*fresh.loaded, &fresh.rights), None);
        if !trials.is_empty() && trials.values().all(Result::is_err) || self.is_worse(&trials) {
            return self.keep_last(|serving| self.refusals(&trials, serving));
        }
        let generation = Generation {
            number: self.newest().saturating_add(1),
            plan: self.plan.clone(),
            digest: fresh.digest,
            loaded: fresh.loaded,
            rights: fresh.rights,
            is_security: fresh.is_security,
            loaded_at: self.now.wall,
            health: Health::default(),
        };
        let failures = self.refusals(&trials, None);
        self.outcome(Some(Arc::new(generation)), trials, failures)
    }

    /// True where a use did not start that the last generation serves.
    fn is_worse(&self, trials: &Trials) -> bool {
        let Some(last) = self.last() else { return false };
        if trials.values().all(Result::is_ok) {
            return false;
        }
        let last_trials = self.trials_of_last(last);
        trials
            .iter()
            .any(|(spec, trial)| trial.is_err() && last_trials.get(spec).is_some_and(Result::is_ok))
    }

    /// The last good generation serves on, if there is one.
    fn keep_last(&self, failures: impl FnOnce(Option<u64>) -> Vec<LoadFailure>) -> Outcome {
        let Some(last) = self.last() else {
            return self.outcome(None, Trials::new(), failures(None));
        };
        let trials = self.trials_of_last(last);
        let mut failures = failures(Some(last.number));
        failures.extend(self.refusals(&trials, None));
        self.outcome(Some(Arc::clone(last)), trials, failures)
    }

    /// The trials of the uses on the last generation. A use that it started before is not
    /// tried again.
    fn trials_of_last(&self, last: &Generation) -> Trials {
        let known = self.previous.map(|previous| &previous.trials);
        self.try_all((&*last.loaded, &last.rights), known)
    }

    fn try_all(
        &self,
        generation: (&dyn LoadedPlugin, &Arc<Rights>),
        known: Option<&Trials>,
    ) -> Trials {
        let started = |spec: &InstanceSpec| -> Option<Phases> { known?.get(spec)?.clone().ok() };
        let start = |spec: &InstanceSpec| self.trial.start(self.plan, generation, spec);
        let is_known = |spec: &&InstanceSpec| started(spec).is_some();
        // Who is new in a machine meets those that are in it on a worker, and so does here.
        if self.plan.shares_machines() && !self.specs.iter().all(|spec| is_known(&spec)) {
            for spec in self.specs.iter().filter(is_known) {
                drop(start(spec));
            }
        }
        let trial = |spec: &InstanceSpec| started(spec).map_or_else(|| start(spec), Ok);
        self.specs.iter().map(|spec| (spec.clone(), trial(spec))).collect()
    }

    /// The failed ones of `trials`, in the order of the configuration.
    fn refusals(&self, trials: &Trials, serving: Option<u64>) -> Vec<LoadFailure> {
        let failed = |spec: &InstanceSpec| {
            let fault = trials.get(spec)?.as_ref().err()?;
            Some(self.failure(Some(spec.clone()), fault.clone(), serving))
        };
        self.specs.iter().filter_map(failed).collect()
    }

    fn failure(
        &self,
        spec: Option<InstanceSpec>,
        fault: PluginFault,
        serving: Option<u64>,
    ) -> LoadFailure {
        LoadFailure {
            plugin: self.plan.name.clone(),
            source_path: self.plan.source.clone(),
            spec,
            fault,
            serving,
        }
    }

    fn outcome(
        &self,
        serving: Option<Arc<Generation>>,
        trials: Trials,
        failures: Vec<LoadFailure>,
    ) -> Outcome {
        let served = serving.as_ref().map_or(0, |generation| generation.number);
        Outcome { serving, trials, failures, newest: self.newest().max(served) }
    }

    fn last(&self) -> Option<&Arc<Generation>> {
        self.previous.and_then(|previous| previous.serving.as_ref())
    }

    fn newest(&self) -> u64 {
        self.previous.map_or(0, |previous| previous.newest)
    }
}

/// True where what runs a generation will not be started again, unless it is loaded anew.
fn is_given_up(generation: &Generation) -> bool {
    generation.loaded.condition().is_some_and(|condition| condition.state == "tripped")
}
