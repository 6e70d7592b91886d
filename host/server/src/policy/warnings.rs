//! Warnings of plugins as lines, few enough to be read.
//!
//! The code of a plugin that was made with an SDK may use most of what there is, whether it does
//! or not; so all that it may use and may not do becomes one line.

use std::collections::BTreeSet;

use host_types::PluginName;
use plugins_catalog::{LoadWarning, Oddity};
use plugins_policy::GrantsOf;

/// The lines, each with its plugin.
pub(crate) fn told(warnings: &[LoadWarning]) -> Vec<(PluginName, String)> {
    let mut lines = Vec::new();
    let mut done = BTreeSet::new();
    for warning in warnings {
        let Oddity::MayUse { is_asked, .. } = warning.oddity else {
            lines.push((warning.plugin.clone(), warning.to_string()));
            continue;
        };
        if !done.insert((warning.plugin.clone(), is_asked)) {
            continue;
        }
        let words = words(warnings, &warning.plugin, is_asked);
        let line = if words.len() == 1 {
            warning.to_string()
        } else {
            together(warning, &words, is_asked)
        };
        lines.push((warning.plugin.clone(), line));
    }
    lines
}

/// What a plugin may use, of what it asks for, or of the rest.
fn words(warnings: &[LoadWarning], plugin: &PluginName, asked: bool) -> Vec<String> {
    let own = warnings.iter().filter(|warning| warning.plugin == *plugin);
    let words = own.filter_map(|warning| {
        let Oddity::MayUse { capability, is_asked } = warning.oddity else { return None };
        (is_asked == asked).then(|| format!("`{}`", capability.word()))
    });
    words.collect()
}

fn together(warning: &LoadWarning, words: &[String], is_asked: bool) -> String {
    let (plugin, words) = (&warning.plugin, words.join(", "));
    if is_asked {
        let grants = GrantsOf(&warning.policy);
        format!(
            "plugin `{plugin}` may use {words}, which are not allowed: to grant one, add it to {grants}"
        )
    } else {
        format!(
            "plugin `{plugin}` may use {words}, which its plugin.toml does not ask for \
             (`permissions`)"
        )
    }
}

#[cfg(test)]
mod tests;
