//! Where policies, plugins and their uses stand in a file, for who explains later by which line
//! something is allowed, or fails.

use std::collections::HashMap;

use abi_manifest::Permission;
use host_extension::InstanceSpec;
use host_types::PluginName;

use crate::{
    errors::{LineStarts, Place},
    tree::Span,
};

/// Where policies, their grants and denials, plugins and their uses stand in a file.
#[derive(Clone, Debug, Default)]
pub struct Places(HashMap<Key, Vec<Place>>);

/// The same, while the file is read.
#[derive(Debug, Default)]
pub(crate) struct Spans(Vec<(Key, Span)>);

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Key {
    Plugin(Box<str>),
    Use(PluginName, InstanceSpec),
    Policy(Box<str>),
    Grant(Box<str>, Permission),
    Denial(Box<str>, Permission),
}

impl Places {
    /// An entry of `plugins`.
    #[must_use]
    pub fn plugin(&self, name: &str) -> Option<Place> {
        self.first(&Key::Plugin(name.into()))
    }

    /// The entries of chains, protocols and services that have a plugin started so.
    #[must_use]
    pub fn uses(&self, plugin: &PluginName, spec: &InstanceSpec) -> &[Place] {
        let key = Key::Use(plugin.clone(), spec.clone());
        self.0.get(&key).map_or(&[], Vec::as_slice)
    }

    /// An entry of `policies`; `None` for a preset.
    #[must_use]
    pub fn policy(&self, name: &str) -> Option<Place> {
        self.first(&Key::Policy(name.into()))
    }

    /// A grant of a policy.
    #[must_use]
    pub fn grant(&self, policy: &str, grant: &Permission) -> Option<Place> {
        self.first(&Key::Grant(policy.into(), grant.clone()))
    }

    /// A denial of a policy.
    #[must_use]
    pub fn denial(&self, policy: &str, denial: &Permission) -> Option<Place> {
        self.first(&Key::Denial(policy.into(), denial.clone()))
    }

    fn first(&self, key: &Key) -> Option<Place> {
        self.0.get(key)?.first().copied()
    }
}

impl Spans {
    pub(crate) fn plugin(&mut self, name: &str, span: Span) {
        self.0.push((Key::Plugin(name.into()), span));
    }

    pub(crate) fn plugin_use(&mut self, plugin: &PluginName, spec: &InstanceSpec, span: Span) {
        self.0.push((Key::Use(plugin.clone(), spec.clone()), span));
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
    pub(crate) fn places(mut self, text: &str) -> Places {
        self.0.sort_by_key(|(_key, span)| span.start);
        let lines = LineStarts::new(text);
        let mut places = HashMap::<Key, Vec<Place>>::new();
        // Each from the one before it, since a whole file may be one line.
        let mut last = (0, Place { line: 1, column: 1 });
        for (key, span) in self.0 {
            last = (span.start, lines.place_behind(last, span.start));
            places.entry(key).or_default().push(last.1);
        }
        Places(places)
    }
}
