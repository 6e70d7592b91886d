//! The recorder: notes what a plugin does, to say which grants it needs.

use std::{collections::BTreeSet, fmt};

use abi_manifest::{Argument, Capability, Permission};
use parking_lot::Mutex;

use crate::{Access, fields::FieldClass, grant::grant_for};

/// Grants of one plugin that are told apart.
const GRANTS_MAX: usize = 1000;

/// What one plugin did, on all workers.
#[derive(Debug, Default)]
pub struct Recorder(Mutex<Notes>);

/// Capabilities with the grant of each thing that was done; none for all that a capability is
/// about, or for the plugin's own namespace.
#[derive(Debug, Default)]
struct Notes {
    done: BTreeSet<(Capability, Option<Box<str>>)>,
    left_out: BTreeSet<LeftOut>,
}

/// Something that a plugin did, and that no grant is offered for: one that is wide enough would
/// let more through than was seen. Shows itself as a line for an operator.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum LeftOut {
    /// It used names that no grant can have: with a `*`, with spaces, too long.
    Unnameable(Capability),
    /// It used too many names to tell them apart.
    TooMany(Capability),
}

impl Recorder {
    /// Notes that something was done.
    pub fn note(&self, access: Access<'_>) {
        let capability = access.capability;
        if capability.argument() == Argument::None {
            self.note_all(capability);
        } else if access.field_class() == FieldClass::Routing {
            // This is what it takes.
            self.note_all(Capability::Route);
        } else {
            // A name that is empty stands for all elsewhere.
            let grant = if access.name.is_empty() { None } else { grant_for(access) };
            match grant {
                Some(grant) => self.put(capability, Some(grant.to_string().into())),
                None => self.leave_out(LeftOut::Unnameable(capability)),
            }
        }
    }

    /// Notes that something was done to all that a capability is about: to the own namespace,
    /// where it is about namespaces.
    pub fn note_all(&self, capability: Capability) {
        self.put(capability, None);
    }

    /// The grants without which something that it did would not be allowed. None of them lets
    /// anything through that was not seen.
    #[must_use]
    pub fn grants(&self) -> Vec<Permission> {
        let done = &self.0.lock().done;
        // The own namespace is not all of them.
        let by_all = |capability: Capability| {
            capability.argument() != Argument::Namespace && done.contains(&(capability, None))
        };
        let needed = done.iter().filter_map(|(capability, grant)| match grant {
            None => Some(Permission::whole(*capability)),
            Some(_) if by_all(*capability) => None,
            Some(grant) => grant.parse().ok(),
        });
        needed.collect()
    }

    /// What it did beside, for somebody to look at.
    #[must_use]
    pub fn left_out(&self) -> Vec<LeftOut> {
        self.0.lock().left_out.iter().copied().collect()
    }

    fn put(&self, capability: Capability, grant: Option<Box<str>>) {
        let mut notes = self.0.lock();
        let entry = (capability, grant);
        if notes.done.contains(&entry) {
            return;
        }
        // There are few capabilities, which always fit.
        if notes.done.len() < GRANTS_MAX || entry.1.is_none() {
            notes.done.insert(entry);
        } else {
            notes.left_out.insert(LeftOut::TooMany(capability));
        }
    }

    fn leave_out(&self, what: LeftOut) {
        self.0.lock().left_out.insert(what);
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (capability, what) = match self {
            Self::Unnameable(capability) => (capability, "names that no grant can have"),
            Self::TooMany(capability) => (capability, "more names than are noted"),
        };
        let word = capability.word();
        write!(f, "`{word}` was used with {what}: look at what the plugin does before granting it")
    }
}

#[cfg(test)]
mod tests;
