//! What a plugin needs and has not: said when it is loaded, not at the first request.

use std::{collections::HashSet, slice};

use plugins_policy::{
    Access, Capability, Pattern, Permission, Rights, Rule, WhyNot, advice as advise,
};

use crate::Oddity;

/// What of the permissions that a manifest asks for, or that code can be seen to use, is not
/// allowed at all. Each permission of each capability is told once; of what code uses, only what
/// no permission told.
pub(crate) fn missing(
    uses: &[Capability],
    asked: Option<&[Permission]>,
    rights: &Rights,
) -> Vec<Oddity> {
    if rights.is_permissive() {
        return Vec::new();
    }
    let (mut seen, mut told) = (HashSet::new(), HashSet::new());
    let mut oddities = Vec::new();
    let asked = asked.unwrap_or_default().iter();
    for (capability, whole) in
        asked.flat_map(|one| one.capabilities().map(move |capability| (capability, one)))
    {
        let permission = narrowed(whole, capability);
        if !seen.insert(permission.clone()) {
            continue;
        }
        if let Some(advice) = advice(&permission, capability, rights) {
            told.insert(capability);
            oddities.push(Oddity::NotAllowed { permission, advice });
        }
    }
    for capability in uses.iter().copied().filter(|one| !told.contains(one)) {
        if let Some(why_not) = rights.report_of(capability).why_not {
            oddities.push(Oddity::MayUse { capability, why_not });
        }
    }
    oddities
}

/// What to do where nothing of a permission is in force; `None` where something is.
fn advice(permission: &Permission, capability: Capability, rights: &Rights) -> Option<String> {
    let policy = rights.policy();
    let tell = |rule, permission: &str| Some(advise(rule, permission, &policy.name));
    let is_one = permission.pattern().is_none_or(Pattern::is_exact);
    if let Some(access) = rights.meant_by(permission, capability).filter(|_access| is_one) {
        let rule = rights.explain(access);
        if rule.allows() {
            return None;
        }
        if rule == Rule::Routing {
            let route = Capability::Route;
            return tell(rights.explain(Access::whole(route)), route.word());
        }
        return tell(rule, &permission.to_string());
    }
    let alone = Rights::new(policy, Some(slice::from_ref(permission)), rights.namespace());
    let report = alone.report_of(capability);
    let why_not = report.why_not?;
    let is_whole =
        |denial: &&Permission| denial.pattern().is_none_or(|pattern| pattern.as_str() == "*");
    let denial = report.denied.iter().find(is_whole).or_else(|| report.denied.first());
    let rule = match denial {
        Some(denial) if why_not == WhyNot::Denied => Rule::Denial(denial),
        _ => Rule::NotGranted,
    };
    tell(rule, &permission.to_string())
}

/// The part of a permission that is about one capability.
fn narrowed(permission: &Permission, capability: Capability) -> Permission {
    match permission.pattern() {
        Some(pattern) => Permission::narrow(capability, pattern.clone()),
        None => Permission::whole(capability),
    }
}

#[cfg(test)]
mod tests;
