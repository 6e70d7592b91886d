//! Warnings of plugins as lines, few enough to be read.
//!
//! The code of a plugin that was made with an SDK may use most of what there is, whether it does
//! or not; so all that it may use and may not do becomes one line.

use std::collections::HashSet;

use host_types::PluginName;
use plugins_catalog::{LoadWarning, Oddity};
use plugins_policy::{GrantsOf, WhyNot};

/// The lines, each with its plugin.
pub(crate) fn told(warnings: &[LoadWarning]) -> Vec<(PluginName, String)> {
    let mut lines = Vec::new();
    let mut done = HashSet::new();
    for warning in warnings {
        let Oddity::MayUse { why_not, .. } = warning.oddity else {
            lines.push((warning.plugin.clone(), warning.to_string()));
            continue;
        };
        if !done.insert((warning.plugin.clone(), why_not)) {
            continue;
        }
        let words = words(warnings, &warning.plugin, why_not);
        let line =
            if words.len() == 1 { warning.to_string() } else { together(warning, &words, why_not) };
        lines.push((warning.plugin.clone(), line));
    }
    lines
}

/// What a plugin may use and may not do, for one reason.
fn words(warnings: &[LoadWarning], plugin: &PluginName, reason: WhyNot) -> Vec<String> {
    let own = warnings.iter().filter(|warning| warning.plugin == *plugin);
    let words = own.filter_map(|warning| {
        let Oddity::MayUse { capability, why_not } = warning.oddity else { return None };
        (why_not == reason).then(|| format!("`{}`", capability.word()))
    });
    words.collect()
}

fn together(warning: &LoadWarning, words: &[String], why_not: WhyNot) -> String {
    let (plugin, policy, words) = (&warning.plugin, &warning.policy, words.join(", "));
    let which = match why_not {
        WhyNot::NotAsked => "its plugin.toml does not ask for (`permissions`)".to_owned(),
        WhyNot::Denied => format!("`denials` of the policy `{policy}` take away"),
        WhyNot::NotGranted | WhyNot::OtherNames | _ => {
            format!("are not allowed: to grant one, add it to {}", GrantsOf(policy))
        }
    };
    format!("plugin `{plugin}` may use {words}, which {which}")
}

#[cfg(test)]
mod tests;
