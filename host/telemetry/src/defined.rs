//! Metrics that plugins define: what they count themselves.
//!
//! There is one value for the whole process, and all workers count into it. Values live as
//! long as the process: an instance that is started again, on whatever worker, defines its
//! metrics again and counts on. How many there may be, for each plugin and in all, is limited.
//!
//! | kind | `increment` | `record` | `value` |
//! |---|---|---|---|
//! | counter | adds, only upwards | adds | yes |
//! | gauge | adds | sets | yes |
//! | histogram | refused | observes | refused |
//!
//! A gauge is a signed number: one below zero is shown as such on the page, and a plugin, which
//! reads an unsigned number, finds 2^64 added to it. Counters wrap around past 2^64.
//!
//! On the page a metric has the name that the plugin gave it, behind a prefix and with a label
//! that names the plugin; see `families` for names that are not legal, or fall together.

mod families;
mod table;
mod value;

use std::{collections::HashMap, fmt, sync::Arc};

use host_extension::{CallError, CallResult, MetricId, MetricKind};
use parking_lot::Mutex;
use prometheus_client::encoding::DescriptorEncoder;

use self::{families::Families, table::Table, value::Value};
use crate::{
    metrics::encode::Labels,
    names::{DEFINED_METRICS_MAX, DEFINED_NAME_BYTES_MAX},
};

/// The metrics that plugins define. Cheap to clone; all clones count into the same values.
#[derive(Clone, Debug, Default)]
pub struct DefinedMetrics(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Read without a lock: plugins count on the request path.
    series: Table,
    definitions: Mutex<Definitions>,
}

#[derive(Debug, Default)]
struct Definitions {
    /// By plugin, then by the name that it gave.
    known: HashMap<Box<str>, HashMap<Box<str>, MetricId>>,
    families: Families,
    /// How many a plugin may have, where it is less than any may.
    limits: HashMap<Box<str>, usize>,
}

impl Definitions {
    /// True where a plugin has as many as it may.
    fn has_enough(&self, plugin: &str) -> bool {
        let max = self.limits.get(plugin).map_or(DEFINED_METRICS_MAX, |max| *max);
        self.known.get(plugin).map_or(0, HashMap::len) >= max.min(DEFINED_METRICS_MAX)
    }
}

/// One metric of one plugin.
#[derive(Debug)]
struct Series {
    plugin: Box<str>,
    labels: Labels,
    value: Value,
}

impl DefinedMetrics {
    /// Makes a metric of a plugin, or finds it.
    ///
    /// # Errors
    /// `BadArgument` for a name that is empty or has control characters, and where the plugin
    /// has a metric of that name and another kind; `LimitReached` for a name that is too long,
    /// and where the plugin, or all of them, have enough metrics.
    pub fn define(&self, plugin: &str, kind: MetricKind, name: &str) -> CallResult<MetricId> {
        if name.is_empty() || name.contains(char::is_control) {
            return Err(CallError::BadArgument);
        }
        if name.len() > DEFINED_NAME_BYTES_MAX {
            return Err(CallError::LimitReached);
        }
        let mut definitions = self.0.definitions.lock();
        if let Some(id) = definitions.known.get(plugin).and_then(|names| names.get(name)) {
            let series = self.0.series.get(*id).ok_or(CallError::NotFound)?;
            let is_same = series.value.kind() == kind;
            return if is_same { Ok(*id) } else { Err(CallError::BadArgument) };
        }
        if definitions.has_enough(plugin) {
            return Err(CallError::LimitReached);
        }
        let Definitions { known, families, .. } = &mut *definitions;
        let id = self.0.series.next().ok_or(CallError::LimitReached)?;
        let labels = families.join(plugin, kind, name, id);
        let series = Series { plugin: plugin.into(), labels, value: Value::new(kind) };
        self.0.series.push(series);
        known.entry(plugin.into()).or_default().insert(name.into(), id);
        Ok(id)
    }

    /// Says how many metrics each plugin may have, over all its uses, workers and generations, in
    /// place of what was said before. Those that it has it keeps, and they count.
    pub fn limit<'a>(&self, limits: impl IntoIterator<Item = (&'a str, usize)>) {
        let limits = limits.into_iter().map(|(plugin, max)| (plugin.into(), max)).collect();
        self.0.definitions.lock().limits = limits;
    }

    /// Sets a gauge, adds to a counter, or observes a value of a histogram.
    ///
    /// # Errors
    /// `NotFound` for a number that is not the plugin's.
    pub fn record(&self, plugin: &str, metric: MetricId, value: u64) -> CallResult<()> {
        self.of(plugin, metric)?.value.record(value);
        Ok(())
    }

    /// Moves a gauge, or a counter upwards.
    ///
    /// # Errors
    /// `NotFound` as above, `BadArgument` for a histogram, or for a counter and a number below
    /// one.
    pub fn increment(&self, plugin: &str, metric: MetricId, by: i64) -> CallResult<()> {
        self.of(plugin, metric)?.value.increment(by)
    }

    /// The value of a counter or gauge.
    ///
    /// # Errors
    /// `NotFound` as above, `BadArgument` for a histogram.
    pub fn value(&self, plugin: &str, metric: MetricId) -> CallResult<u64> {
        self.of(plugin, metric)?.value.read()
    }

    /// A metric, where it is of this plugin.
    fn of(&self, plugin: &str, metric: MetricId) -> CallResult<&Series> {
        let found = self.0.series.get(metric).filter(|series| *series.plugin == *plugin);
        found.ok_or(CallError::NotFound)
    }

    /// Writes all metrics to the page.
    pub(crate) fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        // A copy, since who defines a metric should not wait for the page.
        let families = self.0.definitions.lock().families.list();
        families.iter().try_for_each(|(name, family)| {
            let (kind, help) = value::shown(family.kind);
            let mut encoder = encoder.encode_descriptor(name, help, None, kind)?;
            let mut series = family.members.iter().filter_map(|id| self.0.series.get(*id));
            series.try_for_each(|series| series.value.encode(&mut encoder, &series.labels))
        })
    }
}

#[cfg(test)]
mod tests;
