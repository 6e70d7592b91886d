//! The grant that something takes, as an operator writes it.
//!
//! Plugins and clients choose names, and a name may look like a pattern. A grant that is offered
//! here lets through what was done and nothing else, wherever it is pasted; where no grant does
//! that, none is offered. Start reading at [`grant_for`] and [`advice`].

use std::fmt;

use abi_manifest::{Argument, Capability, Permission};

use crate::{Access, Preset, Rule};

/// The grant of exactly this; `None` where no grant can name it.
pub(crate) fn grant_for(access: Access<'_>) -> Option<Permission> {
    let capability = access.capability;
    if capability.argument() == Argument::None || is_whole_section(access) {
        return Some(Permission::whole(capability));
    }
    let name = str::from_utf8(access.name).ok()?;
    if !name.chars().all(is_plain) {
        return None;
    }
    let grant = format!("{}:{name}", capability.word());
    let grant =
        if capability.argument() == Argument::Header { grant.to_lowercase() } else { grant };
    grant.parse().ok()
}

/// True where all fields were wanted, and none in particular.
fn is_whole_section(access: Access<'_>) -> bool {
    let reads = [Capability::HeadersRequestRead, Capability::HeadersResponseRead];
    access.name.is_empty() && reads.contains(&access.capability)
}

/// False for what a pattern has another meaning for, and for what would end a text or turn it
/// around where a grant is pasted.
fn is_plain(one: char) -> bool {
    one.is_ascii_graphic() && !matches!(one, '*' | '"' | '\\' | '`')
}

/// What to do so that something is allowed, for a line that said what is not: by which rule it is
/// not, the permission that it takes (`http_call:auth`), and the name of the policy.
///
/// Where a rule allows it, this says how to grant it all the same.
#[must_use]
pub fn advice(rule: Rule<'_>, permission: &str, policy: &str) -> String {
    match rule {
        Rule::Denial(denial) => {
            format!(
                "`denials` of the policy `{policy}` has `{denial}`: take it out, or narrow it down"
            )
        }
        Rule::NotAsked => format!(
            "the plugin's plugin.toml does not ask for it: its author adds \"{permission}\" to \
             `permissions`"
        ),
        Rule::Framing => format!(
            "the field frames messages, which takes its name without a `*`: {}",
            to_grant(permission, policy)
        ),
        Rule::Limit(_) if Preset::named(policy).is_some() => {
            "raise it in `limits` of a policy that begins with this preset".to_owned()
        }
        Rule::Limit(_) => "raise it in `limits` of the policy".to_owned(),
        Rule::NotGranted | Rule::Routing | Rule::Preset | Rule::Grant(_) => {
            to_grant(permission, policy)
        }
    }
}

/// A preset has no grants to add to, so that a plugin that runs under one needs a policy.
fn to_grant(permission: &str, policy: &str) -> String {
    if Preset::named(policy).is_none() {
        return format!("to grant it, add \"{permission}\" to {}", GrantsOf(policy));
    }
    format!(
        "to grant it, add `{{ name: NAME, preset: {policy}, grants: [\"{permission}\"] }}` to \
         `policies`, and `policy: NAME` to the plugin"
    )
}

/// Where grants are added, in words, by the name of the policy.
#[derive(Clone, Copy, Debug)]
pub struct GrantsOf<'a>(pub &'a str);

impl fmt::Display for GrantsOf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let policy = self.0;
        if Preset::named(policy).is_none() {
            return write!(f, "`grants` of the policy `{policy}`");
        }
        write!(f, "`grants` of a policy for the plugin that begins with `preset: {policy}`")
    }
}

#[cfg(test)]
mod tests;
