//! The names on the page.
//!
//! A plugin may call its metrics as it likes; the page must be one that a scraper accepts: a
//! name has one kind, and a series is there once. So what is not legal in a name becomes `_`;
//! where names of two kinds fall together, the later one has its kind behind it; and where two
//! names of one plugin fall together, the later series carries the name in a label.

use std::collections::{BTreeMap, HashMap, HashSet};

use host_extension::{MetricId, MetricKind};

use crate::{
    metrics::encode::Labels,
    names::{DEFINED_NAME_LABEL, DEFINED_PREFIX, PLUGIN_LABEL},
};

/// All names that metrics of plugins have on the page.
#[derive(Debug, Default)]
pub(super) struct Families {
    /// By the name on the page.
    families: BTreeMap<String, Family>,
    /// The name on the page by the cleaned name and the kind.
    names: HashMap<(String, MetricKind), String>,
    /// Names that a line of the page may begin with, and those of the families themselves.
    taken: HashSet<String>,
    /// Plugins with their families of which they have the series without a name in it.
    plain: HashSet<(Box<str>, String)>,
}

/// The series under one name.
#[derive(Clone, Debug)]
pub(super) struct Family {
    pub(super) kind: MetricKind,
    pub(super) members: Vec<MetricId>,
}

impl Families {
    /// Puts a metric under its name; gives the labels that it is shown with.
    pub(super) fn join(
        &mut self,
        plugin: &str,
        kind: MetricKind,
        name: &str,
        id: MetricId,
    ) -> Labels {
        let shown = self.name(kind, name);
        let family = self.families.entry(shown.clone());
        family.or_insert_with(|| Family { kind, members: Vec::new() }).members.push(id);
        let mut labels = vec![(PLUGIN_LABEL, plugin.to_owned())];
        if !self.plain.insert((plugin.into(), shown)) {
            labels.push((DEFINED_NAME_LABEL, name.to_owned()));
        }
        labels
    }

    /// All of them, in the order of the page.
    pub(super) fn list(&self) -> Vec<(String, Family)> {
        self.families.iter().map(|(name, family)| (name.clone(), family.clone())).collect()
    }

    fn name(&mut self, kind: MetricKind, name: &str) -> String {
        let base = clean(kind, name);
        let key = (base, kind);
        if let Some(known) = self.names.get(&key) {
            return known.clone();
        }
        let (base, _kind) = &key;
        let word = word(kind);
        let later = (2_u32..).map(|number| format!("{base}_{word}_{number}"));
        let mut candidates = [base.clone(), format!("{base}_{word}")].into_iter().chain(later);
        let is_free =
            |name: &String| lines(kind, name).iter().all(|line| !self.taken.contains(line));
        let chosen = candidates.find(is_free).unwrap_or_default();
        self.taken.extend(lines(kind, &chosen));
        self.names.insert(key, chosen.clone());
        chosen
    }
}

/// A legal name. The page adds `_total` to every counter.
fn clean(kind: MetricKind, name: &str) -> String {
    let stem = name.strip_suffix("_total").filter(|stem| !stem.is_empty());
    let stem = stem.filter(|_stem| kind == MetricKind::Counter).unwrap_or(name);
    let legal = |character: char| if character.is_ascii_alphanumeric() { character } else { '_' };
    DEFINED_PREFIX.chars().chain(stem.chars().map(legal)).collect()
}

/// What lines of a family may begin with.
fn lines(kind: MetricKind, name: &str) -> Vec<String> {
    let suffixes: &[&str] = match kind {
        MetricKind::Counter => &["", "_total", "_created"],
        MetricKind::Gauge => &[""],
        MetricKind::Histogram => &["", "_bucket", "_sum", "_count", "_created"],
    };
    suffixes.iter().map(|suffix| format!("{name}{suffix}")).collect()
}

fn word(kind: MetricKind) -> &'static str {
    match kind {
        MetricKind::Counter => "counter",
        MetricKind::Gauge => "gauge",
        MetricKind::Histogram => "histogram",
    }
}

#[cfg(test)]
mod tests;
