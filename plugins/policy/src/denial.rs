//! Denials: what was not allowed, by which rule, and what an operator can do about it.

use std::{
    fmt::{self, Write as _},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use abi_manifest::{Argument, Capability};

use crate::{Access, Preset, Rule};

/// Bytes of a name that a message shows.
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
    /// The permission that is missing, as it is written: `http_call:auth`.
    #[must_use]
    pub fn permission(&self) -> String {
        let routes = matches!(self.rule, Rule::Routing);
        let capability = if routes { Capability::Route } else { self.access.capability };
        let mut text = capability.word().to_owned();
        if capability.argument() != Argument::None && !self.access.name.is_empty() {
            let name = self.access.name.get(..NAME_BYTES_SHOWN).unwrap_or(self.access.name);
            // Writing to a string does not fail.
            let _always = write!(text, ":{}", name.escape_ascii());
        }
        text
    }
}

impl fmt::Display for Denial<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let permission = self.permission();
        let policy = self.policy;
        if let Rule::Limit(limit) = self.rule {
            return write!(f, "`{permission}` reached `{limit}`, a limit of the policy `{policy}`");
        }
        let verb = if self.was_let { "would not be allowed" } else { "is not allowed" };
        write!(f, "`{permission}` {verb}: ")?;
        match self.rule {
            Rule::Denial(denial) => write!(f, "`denials` of the policy `{policy}` has `{denial}`"),
            Rule::NotAsked => {
                write!(f, "the plugin's plugin.toml does not ask for it (`permissions`)")
            }
            Rule::Framing => write!(
                f,
                "the field frames messages; to grant it, name it without a `*` in {}",
                GrantsOf(policy)
            ),
            Rule::NotGranted | Rule::Routing | Rule::Preset | Rule::Grant(_) | Rule::Limit(_) => {
                write!(f, "to grant it, add \"{permission}\" to {}", GrantsOf(policy))
            }
        }
    }
}

/// Where a grant is added, in words, by the name of the policy. A preset cannot be added to, so
/// that a plugin that has one needs a policy.
#[derive(Clone, Copy, Debug)]
pub struct GrantsOf<'a>(pub &'a str);

impl fmt::Display for GrantsOf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let policy = self.0;
        if Preset::named(policy).is_none() {
            return write!(f, "`grants` of the policy `{policy}`");
        }
        write!(f, "`grants` of a policy for the plugin that begins with `preset: {policy}`")
    }
}

impl DenialCounts {
    /// How often a capability was denied.
    #[must_use]
    pub fn of(&self, capability: Capability) -> u64 {
        self.0.get(capability.index()).map_or(0, |count| count.load(Relaxed))
    }

    pub(crate) fn count(&self, capability: Capability) {
        if let Some(count) = self.0.get(capability.index()) {
            count.store(count.load(Relaxed).wrapping_add(1), Relaxed);
        }
    }
}

#[cfg(test)]
mod tests;
