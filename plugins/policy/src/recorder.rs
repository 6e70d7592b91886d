//! The recorder: notes what a plugin does, to say which grants it needs.

use std::collections::BTreeSet;

use abi_manifest::{Argument, Capability, Pattern, Permission};
use parking_lot::Mutex;

use crate::Access;

/// Names of one plugin that are told apart; past it names become `*`.
const NAMES_MAX: usize = 1000;

/// What one plugin did, on all workers.
#[derive(Debug, Default)]
pub struct Recorder(Mutex<BTreeSet<(Capability, Box<str>)>>);

impl Recorder {
    /// Notes that something was done.
    pub fn note(&self, access: Access<'_>) {
        let named = access.capability.argument() != Argument::None;
        let name = if named { name(access) } else { Box::default() };
        let mut noted = self.0.lock();
        let entry = (access.capability, name);
        if noted.contains(&entry) {
            return;
        }
        let entry = if noted.len() < NAMES_MAX { entry } else { (access.capability, "*".into()) };
        noted.insert(entry);
    }

    /// The grants without which something that it did would not be allowed.
    #[must_use]
    pub fn grants(&self) -> Vec<Permission> {
        let noted = self.0.lock();
        let grant = |(capability, name): &(Capability, Box<str>)| match name.parse::<Pattern>() {
            Ok(pattern) => Permission::narrow(*capability, pattern),
            Err(_no_pattern) => Permission::whole(*capability),
        };
        noted.iter().map(grant).collect()
    }
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
