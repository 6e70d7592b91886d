//! The gate: where every call is decided and counted, also those on what a plugin was given by
//! an earlier one.

use std::rc::Rc;

use abi_manifest::Capability;
use host_extension::{CallError, CallResult};

use crate::{Access, Denial, HostCall, Rule, Ward};

#[derive(Clone)]
pub(super) struct Gate {
    pub(super) ward: Rc<Ward>,
}

impl Gate {
    pub(super) fn new(ward: Ward) -> Self {
        Self { ward: Rc::new(ward) }
    }

    /// Decides about a call by the one thing that it accesses, and counts it.
    #[inline]
    pub(super) fn check(&self, call: HostCall, access: Access<'_>) -> CallResult<()> {
        let decided = self.allow(access);
        self.count(call, decided.is_ok());
        decided
    }

    /// Counts a call.
    #[inline]
    pub(super) fn count(&self, call: HostCall, granted: bool) {
        self.ward.counts.count(call, granted);
    }

    /// Whether this may be done. What may not is counted and told as a denial; a permissive
    /// policy lets it happen all the same.
    #[inline]
    pub(super) fn allow(&self, access: Access<'_>) -> CallResult<()> {
        if self.ward.recorder.is_none() && self.ward.rights.allows(access) {
            return Ok(());
        }
        self.allow_with_care(access)
    }

    /// True where all that this capability is about lies open, so that nothing need be hidden.
    #[inline]
    pub(super) fn is_open(&self, capability: Capability) -> bool {
        self.ward.rights.allows_all(capability)
    }

    /// The same, with nobody who wants to know the names.
    #[inline]
    pub(super) fn is_open_unnoted(&self, capability: Capability) -> bool {
        self.is_open(capability) && self.ward.recorder.is_none()
    }

    /// Notes that all of something was read, whatever its names are.
    pub(super) fn note_all(&self, capability: Capability) {
        if let Some(recorder) = &self.ward.recorder {
            recorder.note_all(capability);
        }
    }

    /// Notes that these names were written to.
    pub(super) fn note_each<'n>(&self, accesses: impl Iterator<Item = Access<'n>>) {
        if let Some(recorder) = &self.ward.recorder {
            accesses.for_each(|access| recorder.note(access));
        }
    }

    #[cold]
    fn allow_with_care(&self, access: Access<'_>) -> CallResult<()> {
        let ward = &*self.ward;
        let rule = ward.rights.explain(access);
        if !rule.allows() {
            self.deny_by(access, rule)?;
        }
        if let Some(recorder) = &ward.recorder {
            let own = ward.rights.namespace();
            if access.is_of_namespace(own) {
                recorder.note_all(access.capability);
            } else {
                recorder.note(access);
            }
        }
        Ok(())
    }

    /// Tells that a limit was reached; that the call was refused its own count says.
    #[cold]
    pub(super) fn limit(&self, access: Access<'_>, limit: &'static str) -> CallError {
        let policy = &self.ward.rights.policy().name;
        let rule = Rule::Limit(limit);
        (self.ward.on_denial)(&Denial { access, rule, was_let: false, policy });
        CallError::LimitReached
    }

    /// Counts and tells a denial. It is an error unless the policy is permissive.
    #[cold]
    pub(super) fn deny(&self, access: Access<'_>) -> CallResult<()> {
        self.deny_by(access, self.ward.rights.explain(access))
    }

    /// The same, where not all names of a capability are allowed, and all of them matter.
    #[cold]
    pub(super) fn deny_all(&self, capability: Capability) -> CallResult<()> {
        let rule = self.ward.rights.explain_all(capability);
        self.deny_by(Access::whole(capability), rule)
    }

    fn deny_by(&self, access: Access<'_>, rule: Rule<'_>) -> CallResult<()> {
        let rights = &self.ward.rights;
        let route = Access::whole(Capability::Route);
        let routes = rule == Rule::Routing;
        let (access, rule) = if routes { (route, rights.explain(route)) } else { (access, rule) };
        let was_let = rights.is_permissive();
        self.ward.denials.count(access.capability);
        (self.ward.on_denial)(&Denial { access, rule, was_let, policy: &rights.policy().name });
        if was_let { Ok(()) } else { Err(CallError::Denied) }
    }
}
