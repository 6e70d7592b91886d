//! Where policies and plugins stand in a file, for who explains later by which line something is
//! allowed.

use std::collections::HashMap;

use abi_manifest::Permission;

use crate::{
    errors::{LineStarts, Place},
    tree::Span,
};

/// Where policies, their grants and denials, and plugins stand in a file.
#[derive(Clone, Debug, Default)]
pub struct Places(HashMap<Key, Place>);

/// The same, while the file is read.
#[derive(Debug, Default)]
pub(crate) struct Spans(Vec<(Key, Span)>);

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Key {
    Plugin(Box<str>),
    Policy(Box<str>),
    Grant(Box<str>, Permission),
    Denial(Box<str>, Permission),
}

impl Places {
    /// An entry of `plugins`.
    #[must_use]
    pub fn plugin(&self, name: &str) -> Option<Place> {
        self.0.get(&Key::Plugin(name.into())).copied()
    }

    /// An entry of `policies`; `None` for a preset.
    #[must_use]
    pub fn policy(&self, name: &str) -> Option<Place> {
        self.0.get(&Key::Policy(name.into())).copied()
    }

    /// A grant of a policy.
    #[must_use]
    pub fn grant(&self, policy: &str, grant: &Permission) -> Option<Place> {
        self.0.get(&Key::Grant(policy.into(), grant.clone())).copied()
    }

    /// A denial of a policy.
    #[must_use]
    pub fn denial(&self, policy: &str, denial: &Permission) -> Option<Place> {
        self.0.get(&Key::Denial(policy.into(), denial.clone())).copied()
    }
}

impl Spans {
    pub(crate) fn plugin(&mut self, name: &str, span: Span) {
        self.0.push((Key::Plugin(name.into()), span));
    }

    pub(crate) fn policy(&mut self, name: &str, span: Span) {
        self.0.push((Key::Policy(name.into()), span));
    }

    pub(crate) fn grant(&mut self, policy: &str, grant: &Permission, span: Span) {
        self.0.push((Key::Grant(policy.into(), grant.clone()), span));
    }

    pub(crate) fn denial(&mut self, policy: &str, denial: &Permission, span: Span) {
        self.0.push((Key::Denial(policy.into(), denial.clone()), span));
    }

    /// The places in the text of the file.
    pub(crate) fn places(self, text: &str) -> Places {
        let lines = LineStarts::new(text);
        Places(self.0.into_iter().map(|(key, span)| (key, lines.place(span.start))).collect())
    }
}
