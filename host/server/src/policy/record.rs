//! `mortise policy record`: what plugins were seen to do, as policies that can be pasted into a
//! configuration.

use std::fmt::Write as _;

use host_types::PluginName;
use plugins_policy::{Access, Capability, LeftOut, Permission, Preset, Rule};
use serde_json::{Value, json};

use super::survey::{Subject, Surveyed};
use crate::cli::CheckReport;

const HEAD: &str = "\
# What plugins did while they were watched. Name its policy at each plugin (`policy: NAME`);
# limits and denials of the policies in use are not repeated.
policies:
";

/// The policies that plugins need. What they did is by plugin.
pub(super) fn policies(
    surveyed: &Surveyed,
    records: &[(PluginName, Vec<Permission>)],
) -> CheckReport {
    let mut text = HEAD.to_owned();
    if records.is_empty() {
        text = text.replace("policies:\n", "policies: []\n");
    }
    let mut entries = Vec::new();
    for (plugin, grants) in records {
        let subject = surveyed.plugins.iter().find(|one| one.plan.name == *plugin);
        let name = policy_name(surveyed, plugin);
        describe(&mut text, plugin, &name, grants, subject);
        let grants: Vec<_> = grants.iter().map(ToString::to_string).collect();
        entries.push(json!({ "plugin": plugin.as_str(), "name": name, "grants": grants }));
    }
    CheckReport { is_clean: true, text, json: json!({ "policies": entries }) }
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

fn describe(
    text: &mut String,
    plugin: &PluginName,
    name: &str,
    grants: &[Permission],
    subject: Option<&Subject>,
) {
    let shown = plugin.as_str().escape_debug();
    let did = if grants.is_empty() { " did nothing that takes a permission" } else { "" };
    // Writing to a string does not fail.
    let _always = write!(text, "  # plugin `{shown}`{did}");
    if let Some(subject) = subject {
        let policy = subject.plan.policy.name.escape_debug();
        let _always = write!(text, "; it runs under `{policy}`");
    }
    let _always = writeln!(text, "\n  - name: {}", quoted(name));
    if grants.is_empty() {
        text.push_str("    grants: []\n");
        return;
    }
    text.push_str("    grants:\n");
    for grant in grants {
        let is_asked = subject.is_none_or(|subject| is_asked(subject, grant));
        let note = if is_asked { "" } else { " # its plugin.toml does not ask for this" };
        let _always = writeln!(text, "      - {}{note}", quoted(&grant.to_string()));
    }
}

/// JSON's strings are YAML's.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// Without asking no grant helps.
fn is_asked(subject: &Subject, grant: &Permission) -> bool {
    let name = match grant.pattern() {
        Some(pattern) => pattern.as_str(),
        None => subject.plan.shared_namespace(),
    };
    let asked = |capability: Capability| {
        let rule = subject.survey.rights.explain(Access::to(capability, name.as_bytes()));
        !matches!(rule, Rule::NotAsked)
    };
    grant.capabilities().all(asked)
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
