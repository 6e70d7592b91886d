//! What a plugin needs and has not: said when it is loaded, not at the first request.

use plugins_policy::{Access, Argument, Capability, Permission, Rights};

use crate::Oddity;

/// What of the permissions that a manifest asks for, or that code can be seen to use, is not
/// allowed at all. Each capability is named once.
pub(crate) fn missing(
    uses: &[Capability],
    asked: Option<&[Permission]>,
    rights: &Rights,
) -> Vec<Oddity> {
    if rights.is_permissive() {
        return Vec::new();
    }
    let asks = asked.unwrap_or_default();
    let preset = rights.policy().preset.grants();
    // What may be done is granted and asked for: one of these names it.
    let known: Vec<_> = preset.iter().chain(&rights.policy().grants).chain(asks).collect();
    let is_in_force = |wanted: &Permission, capability: Capability| {
        let mut names = known.iter().filter_map(|one| name_of(one, capability, rights));
        names.any(|name| is_for(wanted, name) && allows(rights, capability, name))
    };
    let mut named = Vec::new();
    let mut oddities = Vec::new();
    for permission in asks {
        for capability in permission.capabilities() {
            if !is_in_force(permission, capability) && !named.contains(&capability) {
                named.push(capability);
                oddities.push(Oddity::NotGranted(narrowed(permission, capability)));
            }
        }
    }
    for capability in uses.iter().copied().filter(|one| !named.contains(one)) {
        if !is_in_force(&Permission::whole(capability), capability) {
            let is_asked =
                asked.is_none_or(|asked| asked.iter().any(|one| is_about(one, capability)));
            oddities.push(Oddity::MayUse { capability, is_asked });
        }
    }
    oddities
}

fn allows(rights: &Rights, capability: Capability, name: &str) -> bool {
    rights.allows(Access::to(capability, name.as_bytes()))
}

fn is_for(permission: &Permission, name: &str) -> bool {
    permission
        .pattern()
        .is_none_or(|pattern| pattern.as_str() == name || pattern.matches(name.as_bytes(), true))
}

fn is_about(permission: &Permission, capability: Capability) -> bool {
    permission.capabilities().any(|one| one == capability)
}

/// A name that a permission is about: its pattern as it is written, since a `*` matches itself.
fn name_of<'a>(
    permission: &'a Permission,
    capability: Capability,
    rights: &'a Rights,
) -> Option<&'a str> {
    if !is_about(permission, capability) {
        return None;
    }
    Some(match permission.pattern() {
        Some(pattern) => pattern.as_str(),
        None if capability.argument() == Argument::Namespace => rights.namespace(),
        None => ANY_NAME,
    })
}

/// The part of a permission that is about one capability.
fn narrowed(permission: &Permission, capability: Capability) -> Permission {
    match permission.pattern() {
        Some(pattern) => Permission::narrow(capability, pattern.clone()),
        None => Permission::whole(capability),
    }
}

/// A name like any other, for what is granted whatever its name is.
const ANY_NAME: &str = "x";

#[cfg(test)]
mod tests;
