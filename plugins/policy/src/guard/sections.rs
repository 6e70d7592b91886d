//! Whole field sections: what a plugin sees of one, and what becomes of one that it replaces.

use abi_manifest::Capability;
use host_extension::{CallResult, HeaderMapKind};
use host_types::Headers;

use super::{gate::Gate, needs};
use crate::{Access, Rights};

/// Pairs that one write may have; the host takes no more fields than that.
pub(super) const PAIRS_MAX: usize = 1024;

type Pair<'a> = (&'a [u8], &'a [u8]);
type Field = (Box<[u8]>, Box<[u8]>);

/// The names of a section that a plugin may not read, each once, in the order of bytes.
pub(super) fn hidden<'h>(
    rights: &Rights,
    map: HeaderMapKind,
    headers: &'h Headers,
) -> Vec<&'h [u8]> {
    let read = needs::fields_read(map);
    let mut last = None;
    // Those of one name stand together.
    let names = headers.iter().map(|(name, _value)| name);
    let names = names.filter(|name| last.replace(*name) != Some(*name));
    let mut hidden: Vec<_> = names.filter(|name| !rights.allows(Access::to(read, name))).collect();
    hidden.sort_unstable();
    hidden
}

/// What is left of a section without these names, which are in the order of bytes.
pub(super) fn without(headers: &Headers, hidden: &[&[u8]]) -> Headers {
    headers.view(|name| hidden.binary_search(&name).is_err())
}

/// What a plugin asked to see, and may not: kept until the host has shown the rest.
#[derive(Debug, Default)]
pub(super) struct Hidden {
    is_some: bool,
    /// The names, where they were shown all the same.
    shown: Vec<Box<[u8]>>,
}

impl Hidden {
    pub(super) fn note(&mut self, rights: &Rights, names: &[&[u8]]) {
        self.is_some |= !names.is_empty();
        if rights.is_permissive() {
            self.shown.extend(names.iter().map(|name| Box::from(*name)));
        }
    }

    /// Tells what was left out. Without some of its fields a section is what the plugin was
    /// granted, and no denial; where none may be read, it is one.
    pub(super) fn tell(&self, gate: &Gate, read: Capability) -> CallResult<()> {
        self.shown.iter().try_for_each(|name| gate.deny(Access::to(read, name)))?;
        let is_denied = self.is_some && self.shown.is_empty() && gate.ward.rights.withholds(read);
        if is_denied { gate.deny_all(read) } else { Ok(()) }
    }
}

/// A section that a plugin wants to replace.
pub(super) struct Replacement<'a> {
    pub(super) rights: &'a Rights,
    pub(super) map: HeaderMapKind,
    pub(super) pairs: &'a [Pair<'a>],
}

/// What is to be written for a [`Replacement`].
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Outcome {
    /// The place of the first pair that changes what the plugin may not write.
    pub(super) denied: Option<usize>,
    /// The places of pairs that are left out: they would set a pseudo-header field that the
    /// plugin may not write to what it is.
    pub(super) left_out: Vec<usize>,
    /// Fields that stay, since the plugin may not write or cannot see them.
    pub(super) kept: Vec<Field>,
}

impl<'a> Replacement<'a> {
    /// What becomes of it, where `current` is what stands there.
    pub(super) fn outcome(&self, current: &Headers) -> Outcome {
        let mut outcome = Outcome::default();
        for (place, (name, _value)) in self.pairs.iter().enumerate() {
            if self.may_write(name, current) {
                continue;
            }
            let is_denied = || !self.sees(name) || self.is_changed(name, current);
            if outcome.denied.is_none() && is_denied() {
                outcome.denied = Some(place);
            }
            if is_pseudo(self.canonical(name)) {
                outcome.left_out.push(place);
            }
        }
        // Pseudo-header fields that no pair names stay by themselves.
        let fields = current.iter().filter(|(name, _value)| !is_pseudo(name));
        for (name, value) in fields {
            let stays = !self.may_write(name, current) || !self.sees(name);
            if stays && !self.names(name) {
                outcome.kept.push((name.into(), value.into()));
            }
        }
        outcome
    }

    /// The names that it changes, in no order, some more than once.
    pub(super) fn changes(&self, current: &Headers) -> Vec<Box<[u8]>> {
        let named = self.pairs.iter().map(|(name, _value)| *name);
        let gone = current.iter().map(|(name, _value)| name).filter(|name| !is_pseudo(name));
        let changed = named.chain(gone).filter(|name| self.is_changed(name, current));
        changed.map(Into::into).collect()
    }

    /// The pairs to write, in place of those that the plugin gave.
    pub(super) fn pairs<'o>(&self, outcome: &'o Outcome) -> Vec<Pair<'o>>
    where
        'a: 'o,
    {
        let own = self.pairs.iter().enumerate();
        let own = own.filter(|(place, _pair)| !outcome.left_out.contains(place));
        let kept = outcome.kept.iter().map(|(name, value)| (&**name, &**value));
        own.map(|(_place, pair)| *pair).chain(kept).collect()
    }

    fn may_write(&self, name: &[u8], current: &Headers) -> bool {
        let write = Access::to(needs::fields_write(self.map), name);
        self.rights.allows(write.of_frame(current.list().is_some()))
    }

    fn sees(&self, name: &[u8]) -> bool {
        self.rights.allows(Access::to(needs::fields_read(self.map), name))
    }

    fn names(&self, wanted: &[u8]) -> bool {
        self.pairs.iter().any(|(name, _value)| self.canonical(name).eq_ignore_ascii_case(wanted))
    }

    /// Whether a name would have other values than it has, or be spelled otherwise in a frame,
    /// where case counts.
    fn is_changed(&self, name: &[u8], current: &Headers) -> bool {
        let wanted = self.canonical(name);
        let same = |name: &[u8]| name.eq_ignore_ascii_case(wanted);
        let next = self.pairs.iter().filter(|(name, _)| same(self.canonical(name)));
        let now = current.iter().filter(|(name, _)| same(name));
        if current.list().is_some() {
            return !next.map(|(name, value)| (self.canonical(name), *value)).eq(now);
        }
        !next.map(|(_, value)| *value).eq(now.map(|(_, value)| value))
    }

    /// `host` of a request is its `:authority`.
    fn canonical<'n>(&self, name: &'n [u8]) -> &'n [u8] {
        let is_host =
            self.map == HeaderMapKind::RequestHeaders && name.eq_ignore_ascii_case(b"host");
        if is_host { b":authority" } else { name }
    }
}

impl Outcome {
    /// True where the pairs can be written as they are.
    pub(super) fn changes_nothing(&self) -> bool {
        self.left_out.is_empty() && self.kept.is_empty()
    }
}

fn is_pseudo(name: &[u8]) -> bool {
    name.first() == Some(&b':')
}
