//! Rights as plain data, for people and programs to read: what is asked, granted, denied and in
//! force, capability by capability.
//!
//! It says for all names at once what [`Rights::explain`] says for one. Nothing decides by it.
//! Start reading at [`Rights::report`].

use std::fmt;

use abi_manifest::{Argument, Capability, Pattern, Permission};

use super::{Access, Entry, Rights, Rule, entries, is_below};
use crate::{
    Preset,
    fields::{FRAMING, ROUTING, writes_fields},
};

/// What becomes of one capability.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CapabilityReport {
    /// Which.
    pub capability: Capability,
    /// For which names the manifest asks; `None` where there is no manifest, and everything is
    /// asked for.
    pub asked: Option<Vec<Names>>,
    /// For which names the policy grants it, each with the rule.
    pub granted: Vec<(Names, Source)>,
    /// What the policy denies of it, whatever grants it.
    pub denied: Vec<Permission>,
    /// For which names it is in force, but for `denied` and `except`; none where it is not.
    pub in_force: Vec<Extent>,
    /// Fields of the host that are not among them: they need `route`, or to be named.
    pub except: Vec<&'static str>,
    /// Why nothing of it is in force; `None` where something is.
    pub why_not: Option<WhyNot>,
}

/// Names that a permission is about.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Names {
    /// All of them, or there are no names to tell apart.
    All,
    /// The plugin's own namespace.
    Own,
    /// Those of a pattern; a path stands for what is below it, too.
    Like(Pattern),
}

/// What grants something.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Source {
    /// The preset of the policy.
    Preset(Preset),
    /// This entry of its `grants`.
    Grant(Permission),
}

/// Names for which a capability is in force.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Extent {
    /// These names...
    pub names: Names,
    /// ...as far as they are among these, too.
    pub within: Option<Names>,
}

/// Why nothing of a capability is in force.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum WhyNot {
    /// The manifest does not ask for it.
    NotAsked,
    /// The policy does not grant it.
    NotGranted,
    /// The manifest asks for other names than the policy grants.
    OtherNames,
    /// The policy denies all of it.
    Denied,
}

impl WhyNot {
    /// A short stable word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::NotAsked => "not_asked",
            Self::NotGranted => "not_granted",
            Self::OtherNames => "other_names",
            Self::Denied => "denied",
        }
    }
}

impl Rights {
    /// Every capability with what is asked, granted, denied and in force of it.
    #[must_use]
    pub fn report(&self) -> Vec<CapabilityReport> {
        Capability::ALL.into_iter().map(|capability| self.report_of(capability)).collect()
    }

    /// What becomes of one capability.
    #[must_use]
    pub fn report_of(&self, capability: Capability) -> CapabilityReport {
        let namer = Namer { rights: self, argument: capability.argument() };
        let names = |entry: &Entry| namer.names(entry);
        let asked = self.asked.as_ref();
        let asked: Option<Vec<_>> =
            asked.map(|asked| entries(asked, capability).iter().map(names).collect());
        let granted: Vec<_> = entries(&self.granted, capability)
            .iter()
            .map(|entry| (names(entry), self.source(entry)))
            .collect();
        let denials = entries(&self.denied, capability);
        let denied = denials.iter().filter_map(|entry| self.policy.denials.get(entry.place?));
        let denied = denied.cloned().collect();
        let all = [Names::All];
        let wanted = asked.as_deref().unwrap_or(&all);
        let mut in_force = namer.extents(wanted, granted.iter().map(|(names, _source)| names));
        let why_not = if wanted.is_empty() {
            Some(WhyNot::NotAsked)
        } else if granted.is_empty() {
            Some(WhyNot::NotGranted)
        } else if in_force.is_empty() {
            Some(WhyNot::OtherNames)
        } else {
            let denials: Vec<_> = denials.iter().map(names).collect();
            in_force.retain(|extent| !namer.is_gone(extent, &denials));
            in_force.is_empty().then_some(WhyNot::Denied)
        };
        let except = self.except(capability, &in_force);
        CapabilityReport { capability, asked, granted, denied, in_force, except, why_not }
    }

    fn source(&self, entry: &Entry) -> Source {
        let grant = entry.place.and_then(|place| self.policy.grants.get(place));
        grant.map_or(Source::Preset(self.policy.preset), |grant| Source::Grant(grant.clone()))
    }

    /// The fields of the host that these names do not reach.
    fn except(&self, capability: Capability, in_force: &[Extent]) -> Vec<&'static str> {
        if in_force.is_empty() || !writes_fields(capability) {
            return Vec::new();
        }
        let is_held_back = |name: &&str| {
            let rule = self.explain(Access::to(capability, name.as_bytes()));
            matches!(rule, Rule::Routing | Rule::Framing)
        };
        ROUTING.into_iter().chain(FRAMING).filter(is_held_back).collect()
    }
}

/// Compares names of one kind.
#[derive(Clone, Copy)]
struct Namer<'a> {
    rights: &'a Rights,
    argument: Argument,
}

impl Namer<'_> {
    fn names(self, entry: &Entry) -> Names {
        match &entry.pattern {
            None if self.argument == Argument::Namespace => Names::Own,
            None => Names::All,
            Some(pattern) if pattern.as_str() == "*" => Names::All,
            Some(pattern) => Names::Like(pattern.clone()),
        }
    }

    /// What is both asked and granted, each once.
    fn extents<'g>(self, asked: &[Names], granted: impl Iterator<Item = &'g Names>) -> Vec<Extent> {
        let pairs = granted.flat_map(|other| asked.iter().map(move |one| (one, other)));
        let mut extents: Vec<Extent> = Vec::new();
        for extent in pairs.filter_map(|(one, other)| self.meet(one, other)) {
            if !extents.iter().any(|known| self.contains(known, &extent)) {
                extents.retain(|known| !self.contains(&extent, known));
                extents.push(extent);
            }
        }
        extents
    }

    /// The names of both; `None` where there can be none.
    fn meet(self, one: &Names, other: &Names) -> Option<Extent> {
        if self.covers(one, other) {
            return Some(Extent { names: other.clone(), within: None });
        }
        if self.covers(other, one) {
            return Some(Extent { names: one.clone(), within: None });
        }
        let (Names::Like(left), Names::Like(right)) = (one, other) else { return None };
        let may_meet = !left.is_exact() && !right.is_exact() && self.argument != Argument::Path;
        (may_meet && starts_alike(left, right))
            .then(|| Extent { names: one.clone(), within: Some(other.clone()) })
    }

    /// Whether all names of one extent are in another for sure.
    fn contains(self, outer: &Extent, inner: &Extent) -> bool {
        outer == inner || (outer.within.is_none() && self.is_in(inner, &outer.names))
    }

    fn is_in(self, extent: &Extent, names: &Names) -> bool {
        let within = extent.within.as_ref();
        self.covers(names, &extent.names) || within.is_some_and(|one| self.covers(names, one))
    }

    /// Whether denials leave nothing of an extent.
    fn is_gone(self, extent: &Extent, denials: &[Names]) -> bool {
        denials.iter().any(|denial| self.is_in(extent, denial))
    }

    /// Whether one stands for all names that another stands for. A pattern covers another
    /// where it matches its text: no other pattern has a `*` as an ordinary byte.
    fn covers(self, outer: &Names, inner: &Names) -> bool {
        let own = self.rights.namespace();
        match (outer, inner) {
            (Names::All, _) | (Names::Own, Names::Own) => true,
            (_, Names::All) => false,
            (Names::Own, Names::Like(inner)) => inner.as_str() == own,
            (Names::Like(outer), Names::Own) => self.matches(outer, own),
            (Names::Like(outer), Names::Like(inner)) => self.matches(outer, inner.as_str()),
        }
    }

    fn matches(self, pattern: &Pattern, text: &str) -> bool {
        if self.argument == Argument::Path {
            return is_below(pattern.as_str(), text.as_bytes());
        }
        pattern.matches(text.as_bytes(), self.argument == Argument::Header)
    }
}

/// False where two patterns begin with different bytes, so that no name is of both.
fn starts_alike(one: &Pattern, other: &Pattern) -> bool {
    let start = |pattern: &Pattern| {
        let (start, _rest) = pattern.as_str().split_once('*').unwrap_or_default();
        start.to_ascii_lowercase()
    };
    let (one, other) = (start(one), start(other));
    one.starts_with(&other) || other.starts_with(&one)
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Own => f.write_str("its own"),
            Self::Like(pattern) => write!(f, "{pattern}"),
        }
    }
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.names)?;
        self.within.as_ref().map_or(Ok(()), |within| write!(f, " within {within}"))
    }
}

impl fmt::Display for WhyNot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAsked => "the manifest does not ask for it",
            Self::NotGranted => "the policy does not grant it",
            Self::OtherNames => "the manifest asks for other names than the policy grants",
            Self::Denied => "the policy denies it",
        })
    }
}

/// The names for which it is in force: `all but cookie`, `x-*, its own`, or why there is none.
impl fmt::Display for CapabilityReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(why_not) = self.why_not {
            return write!(f, "none: {why_not}");
        }
        let list = |names: Vec<String>| names.join(", ");
        f.write_str(&list(self.in_force.iter().map(ToString::to_string).collect()))?;
        let namer = |denial: &Permission| denial.pattern().map(ToString::to_string);
        let denied = self.denied.iter().filter_map(namer);
        let but: Vec<_> = denied.chain(self.except.iter().map(ToString::to_string)).collect();
        if but.is_empty() { Ok(()) } else { write!(f, " but {}", list(but)) }
    }
}

#[cfg(test)]
mod tests;
