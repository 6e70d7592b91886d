//! Entries of policies that do nothing: likely somebody meant something else.

use host_config::{Loaded, Place};
use plugins_policy::{Argument, Capability, Pattern, Permission, Policy, ROUTING};

/// One such entry. Its line says what to do.
#[derive(Debug)]
pub(crate) struct Useless {
    /// The name of the policy.
    pub(crate) policy: String,
    /// Where it stands.
    pub(crate) place: Option<Place>,
    pub(crate) line: String,
}

/// Those of a configuration, in the order of its policies.
pub(crate) fn useless(loaded: &Loaded) -> Vec<Useless> {
    let policies = loaded.effective.get("policies").and_then(|all| all.as_array());
    let names = policies.into_iter().flatten().filter_map(|one| one.get("name")?.as_str());
    names.flat_map(|name| of_policy(loaded, name)).collect()
}

fn of_policy(loaded: &Loaded, name: &str) -> Vec<Useless> {
    let useless = |place, line| Useless { policy: name.to_owned(), place, line };
    let mut plugins = loaded.plan.plugins.iter();
    let Some(plugin) = plugins.find(|plugin| &*plugin.policy.name == name) else {
        let line = format!("no plugin has the policy `{name}`");
        return vec![useless(loaded.places.policy(name), line)];
    };
    let policy = &plugin.policy;
    let reasons = policy.grants.iter().filter_map(|grant| {
        let why = why_useless(loaded, policy, grant)?;
        let line = format!("the grant `{grant}` of the policy `{name}` grants nothing: {why}");
        Some(useless(loaded.places.grant(name, grant), line))
    });
    reasons.collect()
}

fn why_useless(loaded: &Loaded, policy: &Policy, grant: &Permission) -> Option<String> {
    let is_denied = |denial: &&Permission| {
        grant.capabilities().all(|capability| {
            denial.capabilities().any(|one| one == capability) && takes(denial, grant, capability)
        })
    };
    if let Some(denial) = policy.denials.iter().find(is_denied) {
        return Some(format!("`denials` has `{denial}`"));
    }
    let name = grant.pattern().filter(|pattern| pattern.is_exact())?.as_str();
    let are = |known: &[Capability]| grant.capabilities().all(|one| known.contains(&one));
    let writes = [Capability::HeadersRequestWrite, Capability::HeadersResponseWrite];
    if are(&writes) && ROUTING.iter().any(|field| field.eq_ignore_ascii_case(name)) {
        return Some("the field routes requests, which takes `route`".to_owned());
    }
    let has_cluster = || loaded.plan.clusters.iter().any(|cluster| cluster.name.as_str() == name);
    if are(&[Capability::HttpCall, Capability::GrpcCall]) && !has_cluster() {
        return Some(format!("there is no cluster `{name}`"));
    }
    None
}

/// Whether a denial takes everything away that a grant is for, of one capability.
fn takes(denial: &Permission, grant: &Permission, capability: Capability) -> bool {
    let argument = capability.argument();
    let is_one = |pattern: &&Pattern| pattern.is_exact() && argument != Argument::Path;
    match (denial.pattern(), grant.pattern()) {
        // Without a name the own namespace is meant, and elsewhere all.
        (None, given) => argument != Argument::Namespace || given.is_none(),
        (Some(all), _) if all.as_str() == "*" => true,
        (Some(_some), None) => false,
        (Some(some), Some(given)) => {
            let is_within = |name: &Pattern| {
                some.matches(name.as_str().as_bytes(), argument == Argument::Header)
            };
            some == given || Some(given).filter(is_one).is_some_and(is_within)
        }
    }
}

#[cfg(test)]
mod tests;
