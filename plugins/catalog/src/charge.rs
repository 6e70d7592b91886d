//! What the guards of one generation of a plugin have in common, on all threads: what it may do,
//! and who hears of what it may not.

use std::{
    rc::Rc,
    sync::Arc,
    time::{Duration, SystemTime},
};

use host_extension::HostCalls;
use host_telemetry::Repeats;
use host_types::PluginName;
use plugins_policy::{Access, Capability, Denial, Recorder, Rights, Ward};
use plugins_process::DeniedLines;

use crate::{PluginPlan, ledger::Account};

/// A generation as its guards know it.
#[derive(Clone, Debug)]
pub(crate) struct Charge {
    pub(crate) rights: Arc<Rights>,
    pub(crate) denials: Arc<DenialLog>,
    pub(crate) recorder: Option<Arc<Recorder>>,
}

/// Says in the log what a plugin was denied: each permission at once, and then seldom.
#[derive(Debug, Default)]
pub(crate) struct DenialLog([Repeats; Capability::ALL.len()]);

impl Charge {
    /// What a guard of one thread holds, where the host calls of that thread are `calls`.
    pub(crate) fn ward(
        &self,
        plan: &PluginPlan,
        account: &Account,
        calls: &Rc<dyn HostCalls>,
    ) -> Ward {
        let (plugin, log, clock) = (plan.name.clone(), Arc::clone(&self.denials), Rc::clone(calls));
        let on_denial = move |denial: &Denial<'_>| {
            let now = clock.now().duration_since(SystemTime::UNIX_EPOCH);
            log.tell(&plugin, now.unwrap_or_default(), denial);
        };
        Ward {
            plugin: plan.name.clone(),
            rights: Arc::clone(&self.rights),
            limits: plan.limits.clone(),
            counts: Arc::clone(&account.calls),
            denials: Arc::clone(&account.denials),
            on_denial: Rc::new(on_denial),
            recorder: self.recorder.clone(),
        }
    }

    /// What becomes of the lines that a child writes by itself; nothing where it may log.
    pub(crate) fn denied_lines(&self, account: &Account) -> Option<DeniedLines> {
        let (rights, access) = (&self.rights, Access::whole(Capability::Log));
        if rights.allows(access) {
            return None;
        }
        let are_let = rights.is_permissive();
        let policy = &*rights.policy().name;
        let denial = Denial { access, rule: rights.explain(access), was_let: are_let, policy };
        let story = format!("lines of its child: {denial}").into();
        Some(DeniedLines { counter: Arc::clone(&account.lines), story, are_let })
    }
}

impl DenialLog {
    fn tell(&self, plugin: &PluginName, now: Duration, denial: &Denial<'_>) {
        let missing = denial.access.capability;
        let Some(kept_back) = self.0.get(missing.index()).and_then(|gate| gate.pass(now)) else {
            return;
        };
        let permission = missing.word();
        if kept_back == 0 {
            tracing::warn!(%plugin, permission, "{denial}");
        } else {
            tracing::warn!(%plugin, permission, "{denial} ({kept_back} more since the last line)");
        }
    }
}

#[cfg(test)]
mod tests;
