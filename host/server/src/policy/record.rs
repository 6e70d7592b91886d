//! `mortise policy record`: what plugins were seen to do, as policies that can be pasted into a
//! configuration.

use std::fmt::Write as _;

use host_types::{PluginLimits, PluginName};
use plugins_policy::{Access, Capability, LeftOut, Permission, Preset, Rule, Runs};
use serde_json::{Map, Value, json};

use super::{
    survey::{Subject, Surveyed},
    words::{limits, restriction},
};
use crate::cli::CheckReport;

const HEAD: &str = "\
# What plugins did while they were watched. Name its policy at each plugin (`policy: NAME`);
# denials and limits are those of the policies in use.
policies:
";

/// What a run has shown.
pub(super) struct Seen<'a> {
    /// What plugins did, as the grants that it takes.
    pub(super) grants: &'a [(PluginName, Vec<Permission>)],
    /// The plugins that never served, with the reason.
    pub(super) not_loaded: &'a [(PluginName, String)],
}

/// The policies that plugins need. Of one that was not loaded nothing is known.
pub(super) fn policies(surveyed: &Surveyed, seen: &Seen<'_>) -> CheckReport {
    let mut text = HEAD.to_owned();
    let is_loaded =
        |plugin: &PluginName| seen.not_loaded.iter().all(|(failed, _why)| failed != plugin);
    let loaded: Vec<_> = seen.grants.iter().filter(|(plugin, _)| is_loaded(plugin)).collect();
    if loaded.is_empty() {
        text = text.replace("policies:\n", "policies: []\n");
    }
    let mut entries = Vec::new();
    for (plugin, grants) in loaded {
        let subject = surveyed.plugins.iter().find(|one| one.plan.name == *plugin);
        let entry = Entry::new(policy_name(surveyed, plugin), grants, subject);
        entry.describe(&mut text, plugin);
        entries.push(entry.json(plugin));
    }
    let mut not_loaded = Vec::new();
    for (plugin, why) in seen.not_loaded {
        let (shown, why) = (plugin.as_str().escape_debug(), why.escape_debug().to_string());
        // Writing to a string does not fail.
        let _always = writeln!(
            text,
            "  # plugin `{shown}` was not loaded, and nothing is known of what it needs: {why}"
        );
        not_loaded.push(json!({ "plugin": plugin.as_str(), "reason": why }));
    }
    let json = json!({ "policies": entries, "not_loaded": not_loaded });
    CheckReport { is_clean: true, text, json }
}

/// Adds what no grant is offered for: a wider one would let through what nobody saw.
pub(super) fn tell_left_out(report: &mut CheckReport, left_out: &[(PluginName, LeftOut)]) {
    let lines: Vec<_> = left_out
        .iter()
        .map(|(plugin, what)| format!("plugin `{}`: {what}", plugin.as_str().escape_debug()))
        .collect();
    for line in &lines {
        // Writing to a string does not fail.
        let _always = writeln!(report.text, "# {line}");
    }
    if let Some(map) = report.json.as_object_mut() {
        map.insert("left_out".to_owned(), json!(lines));
    }
}

/// A policy to be pasted.
struct Entry<'a> {
    name: String,
    subject: Option<&'a Subject>,
    grants: Vec<&'a Permission>,
    /// What the plugin did, and the policy in use denies.
    denied: Vec<&'a Permission>,
    /// The limits that the policy in use has, by their keys.
    limits: Vec<(&'static str, u128)>,
}

impl<'a> Entry<'a> {
    fn new(name: String, done: &'a [Permission], subject: Option<&'a Subject>) -> Self {
        let is_denied = |grant: &&Permission| subject.is_some_and(|one| is_denied(one, grant));
        let (denied, grants) = done.iter().partition(is_denied);
        let limits = subject.map_or_else(Vec::new, own_limits);
        Self { name, subject, grants, denied, limits }
    }

    fn describe(&self, text: &mut String, plugin: &PluginName) {
        let shown = plugin.as_str().escape_debug();
        let is_idle = self.grants.is_empty() && self.denied.is_empty();
        let did = if is_idle { " did nothing that takes a permission" } else { "" };
        // Writing to a string does not fail.
        let _always = write!(text, "  # plugin `{shown}`{did}");
        if let Some(subject) = self.subject {
            let policy = subject.plan.policy.name.escape_debug();
            let _always = write!(text, "; it runs under `{policy}`");
        }
        let _always = writeln!(text, "\n  - name: {}", quoted(&self.name));
        if self.grants.is_empty() {
            text.push_str("    grants: []\n");
        } else {
            text.push_str("    grants:\n");
        }
        for grant in &self.grants {
            let is_asked = self.subject.is_none_or(|subject| is_asked(subject, grant));
            let note = if !is_asked {
                " # its plugin.toml does not ask for this"
            } else if self.subject.is_some_and(|subject| is_shown_unasked(subject, grant)) {
                " # a child is shown all, whether it looks or not: list what it needs"
            } else {
                ""
            };
            let _always = writeln!(text, "      - {}{note}", quoted(&grant.to_string()));
        }
        self.describe_restrictions(text);
    }

    /// What the policy in use keeps the plugin from.
    fn describe_restrictions(&self, text: &mut String) {
        let Some(policy) = self.subject.map(|subject| &subject.plan.policy) else { return };
        if !policy.denials.is_empty() {
            text.push_str("    denials:\n");
        }
        for denial in &policy.denials {
            let _always = writeln!(text, "      - {}", quoted(&denial.to_string()));
        }
        for denied in &self.denied {
            let denied = quoted(&denied.to_string());
            let name = policy.name.escape_debug();
            let _always = writeln!(text, "    # it did {denied}, which `{name}` denies");
        }
        let words: Vec<_> = policy.allow_unenforced.iter().map(|one| one.word()).collect();
        if !words.is_empty() {
            let _always = writeln!(text, "    allow_unenforced: [{}]", words.join(", "));
        }
        let limits: Vec<_> =
            self.limits.iter().map(|(key, number)| format!("{key}: {number}")).collect();
        if !limits.is_empty() {
            let _always = writeln!(text, "    limits: {{ {} }}", limits.join(", "));
        }
    }

    fn json(&self, plugin: &PluginName) -> Value {
        let texts = |permissions: &[&Permission]| -> Vec<_> {
            permissions.iter().map(ToString::to_string).collect()
        };
        let denials = self.subject.map_or(&[][..], |subject| &subject.plan.policy.denials);
        let limits = self.limits.iter().map(|(key, number)| {
            ((*key).to_owned(), Value::from(u64::try_from(*number).unwrap_or(u64::MAX)))
        });
        json!({
            "plugin": plugin.as_str(),
            "name": self.name,
            "grants": texts(&self.grants),
            "denials": texts(&denials.iter().collect::<Vec<_>>()),
            "denied": texts(&self.denied),
            "limits": limits.collect::<Map<_, _>>(),
        })
    }
}

/// The limits that a policy has of its own: those that it states, and those that are not the
/// default.
fn own_limits(subject: &Subject) -> Vec<(&'static str, u128)> {
    let plan = &subject.plan;
    let defaults = limits(&PluginLimits::default());
    let is_own = |key: &str, number: u128| match restriction(key) {
        Some(restriction) => plan.policy.stated.contains(&restriction),
        None => !defaults.iter().any(|(one, default, _)| *one == key && *default == number),
    };
    let all = limits(&plan.limits).into_iter().map(|(key, number, _words)| (key, number));
    all.filter(|(key, number)| is_own(key, *number)).collect()
}

/// JSON's strings are YAML's.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// Without asking no grant helps.
fn is_asked(subject: &Subject, grant: &Permission) -> bool {
    rules(subject, grant).all(|rule| rule != Rule::NotAsked)
}

/// Nor where it is denied.
fn is_denied(subject: &Subject, grant: &Permission) -> bool {
    rules(subject, grant).all(|rule| matches!(rule, Rule::Denial(_)))
}

/// Whether a plugin may have been given something without having asked: children are shown whole
/// sections, bodies and bytes.
fn is_shown_unasked(subject: &Subject, grant: &Permission) -> bool {
    let is_child = matches!(subject.survey.enforcement.runs, Runs::Child { .. });
    let shown = [
        Capability::HeadersRequestRead,
        Capability::HeadersResponseRead,
        Capability::BodyRequestRead,
        Capability::BodyResponseRead,
        Capability::TcpDownstreamRead,
        Capability::TcpUpstreamRead,
    ];
    is_child && grant.pattern().is_none() && grant.capabilities().any(|one| shown.contains(&one))
}

/// By which rules the plugin may do what a grant is for, or not.
fn rules<'a>(subject: &'a Subject, grant: &'a Permission) -> impl Iterator<Item = Rule<'a>> {
    let rights = &subject.survey.rights;
    grant.capabilities().map(|capability| {
        let access = rights.meant_by(grant, capability);
        rights.explain(access.unwrap_or_else(|| Access::whole(capability)))
    })
}

/// The name of the plugin, unless something else has it.
fn policy_name(surveyed: &Surveyed, plugin: &PluginName) -> String {
    let is_taken =
        |name: &str| Preset::named(name).is_some() || surveyed.places.policy(name).is_some();
    let mut name = plugin.to_string();
    while is_taken(&name) {
        name.push_str("-recorded");
    }
    name
}

#[cfg(test)]
mod tests;
