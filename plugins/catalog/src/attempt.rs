//! One attempt to bring one plugin up to its plan.
//!
//! The rule: a new generation is taken where it serves no use worse than the one that serves
//! now, and at least one use at all. Where it is not taken the last one serves on, if it is held
//! as the plan says: a plugin does not keep by failing what a new policy takes from it. Start
//! reading at [`Attempt::run`].

use std::sync::Arc;

use host_extension::{FaultKind, InstanceSpec, LoadedPlugin, PluginFault};
use plugins_policy::Recorder;

use crate::{
    Backends, LoadFailure, LoadWarning, Moment, Oddity, PluginPlan,
    charge::{Charge, DenialLog},
    confine::{confine, enforced},
    ledger::Account,
    needs::missing,
    snapshot::{Entry, Generation, Health},
    source::{self, Artifact, Digest, Reading},
    trial::{Traits, TrialWorker, Trials},
};

/// What an attempt needs.
pub(crate) struct Attempt<'a> {
    pub(crate) backends: &'a Backends,
    pub(crate) plan: &'a PluginPlan,
    /// How instances of its uses are started, each way once.
    pub(crate) specs: &'a [InstanceSpec],
    /// A use of it is to go on without it where it fails.
    pub(crate) open: bool,
    pub(crate) previous: Option<&'a Entry>,
    /// Where they are tried.
    pub(crate) trial: &'a TrialWorker,
    /// Where the trials count.
    pub(crate) account: Account,
    pub(crate) denials: Arc<DenialLog>,
    pub(crate) recorder: Option<Arc<Recorder>>,
    pub(crate) now: Moment,
}

/// How an attempt ended.
pub(crate) struct Outcome {
    pub(crate) serving: Option<Arc<Generation>>,
    pub(crate) trials: Trials,
    pub(crate) failures: Vec<LoadFailure>,
    /// The number of the newest generation so far.
    pub(crate) newest: u64,
    /// Traffic must never go on without it.
    pub(crate) is_security: bool,
    /// Whether its manifest says so; `None` where that was never read.
    pub(crate) says_security: Option<bool>,
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
    charge: Charge,
    warnings: Vec<LoadWarning>,
}

impl Attempt<'_> {
    pub(crate) fn run(&self) -> Outcome {
        let Reading { says_security, artifact } = Reading::of(self.plan);
        // Of what cannot be read is known what it was when it could. A package that never could
        // may be for security.
        let says_security = says_security.or_else(|| self.said_before());
        let may_say = || source::is_package(&self.plan.source);
        let is_security = self.plan.is_security || says_security.unwrap_or_else(may_say);
        let outcome = match artifact.and_then(|artifact| self.load(&artifact, is_security)) {
            Ok(Loaded::Same(generation)) => {
                let trials = self.trials_of_last(&generation);
                let failures = self.refusals(&trials, None);
                self.outcome(Some(generation), trials, failures)
            }
            Ok(Loaded::New(fresh)) => self.consider(fresh, says_security == Some(true)),
            Err(fault) => self.keep_last(|serving| vec![self.failure(None, fault, serving)]),
        };
        // The manifest of what serves on counts for as long as that serves.
        let serves_security = outcome.serving.as_ref().is_some_and(|serving| serving.is_security);
        Outcome { is_security: is_security || serves_security, says_security, ..outcome }
    }

    /// What the manifest of the same source said.
    fn said_before(&self) -> Option<bool> {
        let same = self.previous.filter(|previous| previous.plan.source == self.plan.source);
        same.and_then(|previous| previous.says_security)
    }

    /// Verifies, and has the backend load it.
    fn load(&self, artifact: &Artifact, is_security: bool) -> Result<Loaded, PluginFault> {
        if is_security && self.open {
            return Err(PluginFault::new(FaultKind::LoadFailed, OPEN_SECURITY));
        }
        if let Some(last) = self.last()
            && last.digest == artifact.digest
            && last.plan == *self.plan
            && !is_given_up(last)
        {
            return Ok(Loaded::Same(Arc::clone(last)));
        }
        let charge = self.charge(artifact);
        let mut warnings = enforced(self.plan)?;
        let (plan, left_out) = confine(self.plan, &charge.rights, self.recorder.as_deref());
        for denied in left_out.iter().filter_map(|warning| warning.oddity.denied()) {
            self.account.denials.count(denied);
        }
        warnings.extend(left_out);
        let denied_lines = charge.denied_lines(&self.account);
        let loaded = self.backends.load(&plan, artifact, denied_lines.as_ref())?;
        let missing = missing(&loaded.uses(), artifact.package.asked(), &charge.rights);
        warnings.extend(missing.into_iter().map(|oddity| self.warning(oddity)));
        Ok(Loaded::New(Fresh { digest: artifact.digest, loaded, charge, warnings }))
    }

    fn warning(&self, oddity: Oddity) -> LoadWarning {
        let policy = Arc::clone(&self.plan.policy.name);
        LoadWarning { plugin: self.plan.name.clone(), policy, oddity }
    }

    fn charge(&self, artifact: &Artifact) -> Charge {
        let recorder = self.recorder.clone();
        let rights = Arc::new(artifact.package.rights(self.plan, recorder.is_some()));
        Charge { rights, denials: Arc::clone(&self.denials), recorder }
    }

    /// Tries the uses on what was loaded, and takes it or leaves it.
    fn consider(&self, fresh: Fresh, is_security: bool) -> Outcome {
        let trials = self.try_all((&*fresh.loaded, &fresh.charge), None);
        if !trials.is_empty() && trials.values().all(Result::is_err) || self.is_worse(&trials) {
            return self.keep_last(|serving| self.refusals(&trials, serving));
        }
        let generation = Generation {
            number: self.newest().saturating_add(1),
            plan: self.plan.clone(),
            digest: fresh.digest,
            is_security,
            loaded: fresh.loaded,
            charge: fresh.charge,
            warnings: fresh.warnings,
            loaded_at: self.now.wall,
            health: Health::default(),
        };
        let failures = self.refusals(&trials, None);
        self.outcome(Some(Arc::new(generation)), trials, failures)
    }

    /// True where a use did not start that the last generation could serve on.
    fn is_worse(&self, trials: &Trials) -> bool {
        let Some(last) = self.last_fit() else { return false };
        if trials.values().all(Result::is_ok) {
            return false;
        }
        let last_trials = self.trials_of_last(last);
        trials
            .iter()
            .any(|(spec, trial)| trial.is_err() && last_trials.get(spec).is_some_and(Result::is_ok))
    }

    /// The last good generation serves on, if there is one that may.
    fn keep_last(&self, failures: impl FnOnce(Option<u64>) -> Vec<LoadFailure>) -> Outcome {
        let Some(last) = self.last_fit() else {
            let mut failures = failures(None);
            let let_go = self.last().map(|last| last.number);
            failures.iter_mut().for_each(|failure| failure.let_go = let_go);
            return self.outcome(None, Trials::new(), failures);
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
        self.try_all((&*last.loaded, &last.charge), known)
    }

    fn try_all(&self, generation: (&dyn LoadedPlugin, &Charge), known: Option<&Trials>) -> Trials {
        let started = |spec: &InstanceSpec| -> Option<Traits> { known?.get(spec)?.clone().ok() };
        let start =
            |spec: &InstanceSpec| self.trial.start(self.plan, generation, &self.account, spec);
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
            let_go: None,
        }
    }

    fn outcome(
        &self,
        serving: Option<Arc<Generation>>,
        trials: Trials,
        failures: Vec<LoadFailure>,
    ) -> Outcome {
        let served = serving.as_ref().map_or(0, |generation| generation.number);
        let newest = self.newest().max(served);
        Outcome { serving, trials, failures, newest, is_security: false, says_security: None }
    }

    fn last(&self) -> Option<&Arc<Generation>> {
        self.previous.and_then(|previous| previous.serving.as_ref())
    }

    /// The last generation, where it is held as the plan says. What it may do was settled when it
    /// was loaded: its machines, sessions and children cannot be put under other rights.
    fn last_fit(&self) -> Option<&Arc<Generation>> {
        self.last().filter(|last| last.plan.is_held_as(self.plan))
    }

    fn newest(&self) -> u64 {
        self.previous.map_or(0, |previous| previous.newest)
    }
}

/// What is wrong where only the manifest says what a plugin is there for.
const OPEN_SECURITY: &str = "it is there for security (`security = true`), so that no traffic may \
     go on without it: give its uses `on_error: closed` or `reload` in place of `open`";

/// True where what runs a generation will not be started again, unless it is loaded anew.
fn is_given_up(generation: &Generation) -> bool {
    generation.loaded.condition().is_some_and(|condition| condition.state == "tripped")
}
