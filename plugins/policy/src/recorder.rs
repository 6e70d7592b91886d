//! The recorder: notes what a plugin does, to say which grants it needs.

use std::collections::BTreeSet;

use abi_manifest::{Argument, Capability, Pattern, Permission};
use parking_lot::Mutex;

use crate::{
    Access,
    fields::{FieldClass, class_of, writes_fields},
};

/// Names of one plugin that are told apart; past it names become `*`.
const NAMES_MAX: usize = 1000;

/// What one plugin did, on all workers: capabilities with names. No name at all stands for all
/// names, or for the plugin's own namespace; `*` for what cannot be named.
#[derive(Debug, Default)]
pub struct Recorder(Mutex<BTreeSet<(Capability, Box<str>)>>);

impl Recorder {
    /// Notes that something was done.
    pub fn note(&self, access: Access<'_>) {
        let capability = access.capability;
        if capability.argument() == Argument::None {
            self.note_all(capability);
        } else if writes_fields(capability) && class_of(access.name) == FieldClass::Routing {
            // This is what it takes.
            self.note_all(Capability::Route);
        } else {
            self.put(capability, name(access));
        }
    }

    /// Notes that something was done to all that a capability is about: to the own namespace,
    /// where it is about namespaces.
    pub fn note_all(&self, capability: Capability) {
        self.put(capability, Box::default());
    }

    /// The grants without which something that it did would not be allowed.
    #[must_use]
    pub fn grants(&self) -> Vec<Permission> {
        let noted = self.0.lock();
        let has = |capability, name: &str| noted.contains(&(capability, name.into()));
        let is_covered = |capability: Capability, name: &str| {
            // The own namespace is not all of them.
            let by_all = capability.argument() != Argument::Namespace && has(capability, "");
            !name.is_empty()
                && (by_all || name != "*" && has(capability, "*") && !is_framing(capability, name))
        };
        let mut grants = Vec::with_capacity(noted.len());
        for (capability, name) in noted.iter() {
            if is_covered(*capability, name) {
                continue;
            }
            grants.push(match name.parse::<Pattern>() {
                Ok(pattern) => Permission::narrow(*capability, pattern),
                Err(_no_name) => Permission::whole(*capability),
            });
        }
        grants
    }

    fn put(&self, capability: Capability, name: Box<str>) {
        let mut noted = self.0.lock();
        let entry = (capability, name);
        if noted.contains(&entry) {
            return;
        }
        let entry = if noted.len() < NAMES_MAX { entry } else { (capability, "*".into()) };
        noted.insert(entry);
    }
}

/// True for fields that must be named, whatever else is granted.
fn is_framing(capability: Capability, name: &str) -> bool {
    writes_fields(capability) && class_of(name.as_bytes()) == FieldClass::Framing
}

/// The name as a pattern has it; what no pattern can name becomes `*`.
fn name(access: Access<'_>) -> Box<str> {
    let text = str::from_utf8(access.name).ok();
    let text = text.filter(|text| text.len() <= 128 && text.parse::<Pattern>().is_ok());
    match text {
        Some(text) if access.capability.argument() == Argument::Header => {
            text.to_ascii_lowercase().into()
        }
        Some(text) => text.into(),
        None => "*".into(),
    }
}

#[cfg(test)]
mod tests;
