//! Denials: what was not allowed, by which rule, and what an operator can do about it.

use std::{
    fmt::{self, Write as _},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use abi_manifest::{Capability, Permission};

use crate::{
    Access, Rule,
    grant::{advice, grant_for},
};

/// Bytes that a message shows of a name that no grant can have.
const NAME_BYTES_SHOWN: usize = 64;

/// A call that is not allowed. Shows itself as a line that says what to do.
#[derive(Clone, Copy, Debug)]
pub struct Denial<'a> {
    /// What was asked.
    pub access: Access<'a>,
    /// By which rule it is not allowed.
    pub rule: Rule<'a>,
    /// True where it was carried out all the same: the policy is permissive.
    pub was_let: bool,
    /// The name of the policy.
    pub policy: &'a str,
}

/// How often what was denied, by capability. Written by one thread, read by any.
#[derive(Debug, Default)]
pub struct DenialCounts([AtomicU64; Capability::ALL.len()]);

impl Denial<'_> {
    /// What was done, as a permission is written: `http_call:auth`. It is one where
    /// [`Denial::grant`] says so; of another name only the beginning is shown.
    #[must_use]
    pub fn permission(&self) -> String {
        if let Some(grant) = self.grant() {
            return grant.to_string();
        }
        let mut text = self.access.capability.word().to_owned();
        let name = self.access.name.get(..NAME_BYTES_SHOWN).unwrap_or(self.access.name);
        // Writing to a string does not fail.
        let _always = write!(text, ":{}", name.escape_ascii());
        text
    }

    /// The permission that is missing; `None` where no grant can name what was done.
    #[must_use]
    pub fn grant(&self) -> Option<Permission> {
        let routes = self.rule == Rule::Routing;
        if routes { Some(Permission::whole(Capability::Route)) } else { grant_for(self.access) }
    }
}

impl fmt::Display for Denial<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let permission = self.permission();
        let policy = self.policy;
        if let Rule::Limit(limit) = self.rule {
            let advice = advice(self.rule, &permission, policy);
            return write!(
                f,
                "`{permission}` reached `{limit}`, a limit of the policy `{policy}`: {advice}"
            );
        }
        let verb = if self.was_let { "would not be allowed" } else { "is not allowed" };
        write!(f, "`{permission}` {verb}: ")?;
        let is_denied = matches!(self.rule, Rule::Denial(_));
        if !is_denied && self.grant().is_none() {
            return f.write_str("no grant can name it; look at what the plugin does");
        }
        f.write_str(&advice(self.rule, &permission, policy))
    }
}

impl DenialCounts {
    /// How often a capability was denied.
    #[must_use]
    pub fn of(&self, capability: Capability) -> u64 {
        self.0.get(capability.index()).map_or(0, |count| count.load(Relaxed))
    }

    /// Counts one more. Only one thread may.
    pub fn count(&self, capability: Capability) {
        if let Some(count) = self.0.get(capability.index()) {
            count.store(count.load(Relaxed).wrapping_add(1), Relaxed);
        }
    }
}

#[cfg(test)]
mod tests;
