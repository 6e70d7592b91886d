//! Rights: what a plugin may do, which is what it asks for and is granted, but for what is denied.
//!
//! Made once for a generation of a plugin, asked at every host call. [`Rights::allows`] answers,
//! [`Rights::explain`] says by which rule; both decide by the same function.

mod report;

use abi_manifest::{Argument, Capability, Pattern, Permission};

pub use self::report::{CapabilityReport, Extent, Names, Source, WhyNot};
use crate::{
    Mode, Policy,
    fields::{FieldClass, class_of, routes_frames, writes_fields},
};

/// One thing that a plugin is about to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Access<'a> {
    /// What kind of thing.
    pub capability: Capability,
    /// To which field, path, cluster, namespace or function; empty where the capability is not
    /// about names.
    pub name: &'a [u8],
    /// True for a field of an RPC frame, of which others route a request than in HTTP.
    pub is_of_frame: bool,
}

/// By which rule something is allowed or not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Rule<'a> {
    /// Allowed: the preset of the policy grants it.
    Preset,
    /// Allowed: by this grant of the policy.
    Grant(&'a Permission),
    /// Not allowed: by this denial of the policy.
    Denial(&'a Permission),
    /// Not allowed: nothing grants it.
    NotGranted,
    /// Not allowed: the plugin's manifest does not ask for it.
    NotAsked,
    /// Not allowed: a field that routes requests takes `route`, which is refused by this rule.
    Routing,
    /// Not allowed: a field that frames messages must be named by a grant, without a `*`.
    Framing,
    /// Allowed, but not as much of it: this limit of the policy was reached.
    Limit(&'static str),
}

/// What one generation of a plugin may do.
#[derive(Clone, Debug)]
pub struct Rights {
    policy: Policy,
    namespace: Box<str>,
    /// What the manifest asks for; `None` where there is none, and everything is asked for.
    asked: Option<Table>,
    granted: Table,
    denied: Table,
    /// Capabilities of which every name is allowed that is not an exception, as bits.
    whole: u32,
    /// Capabilities to read fields that are asked for, and of which nothing is in force, as bits.
    withheld: u32,
}

/// Names longer than this are of no pattern with a `*` that grants something or asks for it, but
/// of `*` itself.
pub(crate) const NAME_BYTES_MAX: usize = 128;

/// Permissions by [`Capability::index`].
type Table = Vec<Vec<Entry>>;

/// One permission, as far as one capability goes.
#[derive(Clone, Debug)]
struct Entry {
    pattern: Option<Pattern>,
    /// Its place in the list of the policy; `None` for those of a preset or a manifest.
    place: Option<usize>,
}

/// A rule by its place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Decision {
    Granted(Option<usize>),
    Denied(Option<usize>),
    NotGranted,
    NotAsked,
    Routing,
    Framing,
}

impl<'a> Access<'a> {
    /// To something that has no name.
    #[must_use]
    pub fn whole(capability: Capability) -> Self {
        Self::to(capability, &[])
    }

    /// To what has this name.
    #[must_use]
    pub fn to(capability: Capability, name: &'a [u8]) -> Self {
        Self { capability, name, is_of_frame: false }
    }

    /// The same, to a field of an RPC frame or not.
    #[must_use]
    pub fn of_frame(self, is_of_frame: bool) -> Self {
        Self { is_of_frame, ..self }
    }

    /// What the field decides that this is about; nothing, where it is not about writing one.
    #[inline]
    pub(crate) fn field_class(self) -> FieldClass {
        if !writes_fields(self.capability) {
            FieldClass::Ordinary
        } else if self.is_of_frame && routes_frames(self.capability, self.name) {
            FieldClass::Routing
        } else {
            class_of(self.name)
        }
    }

    /// True for what a plugin shares in this namespace.
    pub(crate) fn is_of_namespace(self, namespace: &str) -> bool {
        self.capability.argument() == Argument::Namespace && self.name == namespace.as_bytes()
    }

    /// The same thing by its other name: `host` of a request is its `:authority`.
    fn alias(self) -> Option<Self> {
        let is_of_request = matches!(
            self.capability,
            Capability::HeadersRequestRead | Capability::HeadersRequestWrite
        );
        if !is_of_request {
            return None;
        }
        let name: &[u8] = match self.name {
            name if name.eq_ignore_ascii_case(b"host") => b":authority",
            name if name.eq_ignore_ascii_case(b":authority") => b"host",
            _ => return None,
        };
        Some(Self { name, ..self })
    }
}

impl Entry {
    /// True where it is about every name, not only about the own namespace.
    fn is_for_all(&self, argument: Argument) -> bool {
        match &self.pattern {
            None => argument != Argument::Namespace,
            Some(pattern) => pattern.as_str() == "*",
        }
    }

    /// True where a comparison takes no time to speak of, whatever the name is.
    fn is_cheap(&self, argument: Argument) -> bool {
        self.is_for_all(argument) || self.pattern.as_ref().is_none_or(Pattern::is_exact)
    }
}

impl Rule<'_> {
    /// Whether it lets something through.
    #[must_use]
    pub fn allows(self) -> bool {
        matches!(self, Self::Preset | Self::Grant(_))
    }
}

impl Rights {
    /// What a policy leaves of what a manifest asks for. Without a manifest (`None`) everything
    /// is asked for. `namespace` is where the plugin keeps its shared data and queues.
    #[must_use]
    pub fn new(policy: &Policy, asked: Option<&[Permission]>, namespace: &str) -> Self {
        let mut granted = table(policy.preset.grants().iter().map(|one| (one, None)));
        let own = policy.grants.iter().enumerate().map(|(place, one)| (one, Some(place)));
        extend(&mut granted, own);
        let denied = policy.denials.iter().enumerate().map(|(place, one)| (one, Some(place)));
        let mut rights = Self {
            policy: policy.clone(),
            namespace: namespace.into(),
            asked: asked.map(|asked| table(asked.iter().map(|one| (one, None)))),
            granted,
            denied: table(denied),
            whole: 0,
            withheld: 0,
        };
        let bits = |has: &dyn Fn(Capability) -> bool| {
            Capability::ALL.into_iter().filter(|one| has(*one)).fold(0, |bits, one| bits | bit(one))
        };
        (rights.whole, rights.withheld) =
            (bits(&|one| rights.is_whole(one)), bits(&|one| rights.is_withheld(one)));
        rights
    }

    /// Whether a plugin may do this. In permissive mode it may not either, but is let.
    #[must_use]
    #[inline]
    pub fn allows(&self, access: Access<'_>) -> bool {
        let is_whole = self.whole & bit(access.capability) != 0;
        if is_whole && access.field_class() == FieldClass::Ordinary {
            return true;
        }
        matches!(self.decide(access), Decision::Granted(_))
    }

    /// Whether every name of a capability is allowed, so that nothing need be hidden.
    #[must_use]
    pub fn allows_all(&self, capability: Capability) -> bool {
        self.whole & bit(capability) != 0
    }

    /// Whether fields are asked for, and none may be read: a whole section comes empty then, and
    /// a plugin cannot know why.
    pub(crate) fn withholds(&self, capability: Capability) -> bool {
        self.withheld & bit(capability) != 0
    }

    /// Whether the policy denies this by name.
    pub(crate) fn denies(&self, access: Access<'_>) -> bool {
        self.find_denial(access).is_some()
    }

    /// By which rule every name of a capability is allowed, or not.
    pub(crate) fn explain_all(&self, capability: Capability) -> Rule<'_> {
        if !has_all(&self.granted, capability) {
            return Rule::NotGranted;
        }
        if !self.asked.as_ref().is_none_or(|asked| has_all(asked, capability)) {
            return Rule::NotAsked;
        }
        let denial = entries(&self.denied, capability).first();
        let denial = denial.and_then(|entry| self.policy.denials.get(entry.place?));
        denial.map_or(Rule::Preset, Rule::Denial)
    }

    /// By which rule a plugin may do this, or not.
    #[must_use]
    pub fn explain(&self, access: Access<'_>) -> Rule<'_> {
        let denial = |place: Option<usize>| self.policy.denials.get(place?).map(Rule::Denial);
        let grant = |place: Option<usize>| self.policy.grants.get(place?).map(Rule::Grant);
        match self.decide(access) {
            Decision::Granted(place) => grant(place).unwrap_or(Rule::Preset),
            Decision::Denied(place) => denial(place).unwrap_or(Rule::NotGranted),
            Decision::NotGranted => Rule::NotGranted,
            Decision::NotAsked => Rule::NotAsked,
            Decision::Routing => Rule::Routing,
            Decision::Framing => Rule::Framing,
        }
    }

    /// What a permission is about as far as one capability goes, where that is one thing or one
    /// pattern: what it names, the own namespace, what has no names. `None` for every name.
    #[must_use]
    pub fn meant_by<'a>(
        &'a self,
        permission: &'a Permission,
        capability: Capability,
    ) -> Option<Access<'a>> {
        match (permission.pattern(), capability.argument()) {
            (Some(pattern), _) => Some(Access::to(capability, pattern.as_str().as_bytes())),
            (None, Argument::None) => Some(Access::whole(capability)),
            (None, Argument::Namespace) => Some(Access::to(capability, self.namespace.as_bytes())),
            (None, _) => None,
        }
    }

    /// The policy that they come from.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// True where what is not allowed is carried out all the same.
    #[must_use]
    pub fn is_permissive(&self) -> bool {
        self.policy.mode == Mode::Permissive
    }

    /// Where the plugin keeps its shared data and queues.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    fn decide(&self, access: Access<'_>) -> Decision {
        if let Some(entry) = self.find_denial(access) {
            return Decision::Denied(entry.place);
        }
        let class = access.field_class();
        if class == FieldClass::Routing {
            let route = self.decide(Access::whole(Capability::Route));
            return if matches!(route, Decision::Granted(_)) { route } else { Decision::Routing };
        }
        let asks =
            self.asked.as_ref().is_none_or(|asked| self.find_cheaply(asked, access).is_some());
        if !asks {
            return Decision::NotAsked;
        }
        if class == FieldClass::Framing {
            return self.decide_framing(access);
        }
        let grant = self.find_cheaply(&self.granted, access);
        grant.map_or(Decision::NotGranted, |entry| Decision::Granted(entry.place))
    }

    fn decide_framing(&self, access: Access<'_>) -> Decision {
        let entries = entries(&self.granted, access.capability);
        let names = |entry: &&Entry| {
            entry
                .pattern
                .as_ref()
                .is_some_and(|pattern| pattern.is_exact() && self.covers(entry, access))
        };
        match entries.iter().find(names) {
            Some(entry) => Decision::Granted(entry.place),
            None if self.policy.preset.covers_framing() => Decision::Granted(None),
            None => Decision::Framing,
        }
    }

    /// The denial that keeps a plugin from this. Who reads a place reads what is below it, too: it
    /// is denied where something in it is.
    fn find_denial(&self, access: Access<'_>) -> Option<&Entry> {
        if access.capability.argument() != Argument::Path {
            return self.find(&self.denied, access);
        }
        let meets = |entry: &&Entry| match &entry.pattern {
            Some(pattern) if !entry.is_for_all(Argument::Path) => {
                meets(pattern.as_str().as_bytes(), access.name)
            }
            Some(_) | None => true,
        };
        entries(&self.denied, access.capability).iter().find(meets)
    }

    fn find<'t>(&self, table: &'t Table, access: Access<'_>) -> Option<&'t Entry> {
        let by = |access: Access<'_>| {
            entries(table, access.capability).iter().find(|entry| self.covers(entry, access))
        };
        by(access).or_else(|| by(access.alias()?))
    }

    /// As [`Self::find`], but a long name is compared with no `*`: a hostile manifest has many of
    /// them, and a hostile client long names. Denials are the operator's own, and hold for any
    /// name.
    fn find_cheaply<'t>(&self, table: &'t Table, access: Access<'_>) -> Option<&'t Entry> {
        let argument = access.capability.argument();
        if access.name.len() <= NAME_BYTES_MAX || argument == Argument::Path {
            return self.find(table, access);
        }
        let mut cheap =
            entries(table, access.capability).iter().filter(|entry| entry.is_cheap(argument));
        cheap.find(|entry| self.covers(entry, access))
    }

    fn covers(&self, entry: &Entry, access: Access<'_>) -> bool {
        let argument = access.capability.argument();
        match (&entry.pattern, argument) {
            (None, Argument::Namespace) => access.name == self.namespace.as_bytes(),
            (None, _) => true,
            (Some(pattern), Argument::Header) => pattern.matches(access.name, true),
            (Some(_every), _) if entry.is_for_all(argument) => true,
            (Some(pattern), Argument::Path) => is_below(pattern.as_str(), access.name),
            (Some(pattern), _) => pattern.matches(access.name, false),
        }
    }

    fn is_whole(&self, capability: Capability) -> bool {
        entries(&self.denied, capability).is_empty()
            && has_all(&self.granted, capability)
            && self.asked.as_ref().is_none_or(|asked| has_all(asked, capability))
    }

    fn is_withheld(&self, capability: Capability) -> bool {
        let reads =
            matches!(capability, Capability::HeadersRequestRead | Capability::HeadersResponseRead);
        let why_not = || self.report_of(capability).why_not;
        reads && why_not().is_some_and(|why_not| why_not != WhyNot::NotAsked)
    }
}

fn bit(capability: Capability) -> u32 {
    1 << capability.index()
}

/// Whether one of a table is about every name.
fn has_all(table: &Table, capability: Capability) -> bool {
    let argument = capability.argument();
    entries(table, capability).iter().any(|entry| entry.is_for_all(argument))
}

fn entries(table: &Table, capability: Capability) -> &[Entry] {
    table.get(capability.index()).map_or(&[], Vec::as_slice)
}

fn table<'p>(permissions: impl Iterator<Item = (&'p Permission, Option<usize>)>) -> Table {
    let mut table = vec![Vec::new(); Capability::ALL.len()];
    extend(&mut table, permissions);
    table
}

fn extend<'p>(
    table: &mut Table,
    permissions: impl Iterator<Item = (&'p Permission, Option<usize>)>,
) {
    for (permission, place) in permissions {
        for capability in permission.capabilities() {
            if let Some(entries) = table.get_mut(capability.index()) {
                entries.push(Entry { pattern: permission.pattern().cloned(), place });
            }
        }
    }
}

/// Whether a path is that of a directory or file, or below it.
fn is_below(place: &str, path: &[u8]) -> bool {
    let place = place.trim_end_matches('/').as_bytes();
    let Some(rest) = path.strip_prefix(place) else { return false };
    let climbs = path.split(|&byte| byte == b'/').any(|part| part == b"..");
    !climbs && (rest.is_empty() || rest.starts_with(b"/"))
}

/// Whether one of two paths is the other, or below it. Of one that climbs nobody knows.
fn meets(one: &[u8], other: &[u8]) -> bool {
    let (one, other) = (parts(one), parts(other));
    one.clone().chain(other.clone()).any(|part| part == b"..")
        || one.zip(other).all(|(one, other)| one == other)
}

/// The names on a path.
fn parts(path: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    path.split(|&byte| byte == b'/').filter(|part| !matches!(*part, b"" | b"."))
}

#[cfg(test)]
mod tests;
