//! Metrics: who counts, who reads.
//!
//! Every worker has its own shard of each listener, cluster and plugin; the control thread has
//! one, too. A shard is looked up when a plan is applied and kept, so that counting costs no
//! look-up. [`Metrics::encode`] sums the shards.
//!
//! A name that leaves the configuration keeps its series, so that no counter falls. A worker
//! keeps at most [`SERIES_MAX`] names of a kind; every later one shares the shard called
//! [`OVERFLOW_NAME`].

pub(crate) mod encode;
pub(crate) mod protocol;
mod shards;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use host_types::{ClusterName, ListenerName, PluginName};
use parking_lot::Mutex;

pub use protocol::ProtocolMetrics;
pub use shards::{
    ClusterMetrics, CodecCall, ControlMetrics, HostCallCount, LineCounts, ListenerMetrics,
    PluginMetrics,
};

use crate::{
    DefinedMetrics,
    names::{OVERFLOW_NAME, SERIES_MAX},
};

/// All metrics of the process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    started_seconds: f64,
    control: Arc<ControlMetrics>,
    defined: DefinedMetrics,
    /// By worker; the control thread's has no number.
    shards: Mutex<BTreeMap<Option<u16>, WorkerMetrics>>,
}

/// The shards of one thread. Cheap to clone; only that thread may count in them.
#[derive(Clone, Debug, Default)]
pub struct WorkerMetrics(Arc<WorkerShards>);

type PluginKey = (PluginName, &'static str);

#[derive(Debug, Default)]
struct WorkerShards {
    listeners: Mutex<BTreeMap<ListenerName, Arc<ListenerMetrics>>>,
    clusters: Mutex<BTreeMap<ClusterName, Arc<ClusterMetrics>>>,
    plugins: Mutex<BTreeMap<PluginKey, Arc<PluginMetrics>>>,
}

impl Metrics {
    /// No worker, nothing counted; the start time of the process is now.
    #[must_use]
    pub fn new() -> Self {
        Self::started_at(SystemTime::now())
    }

    fn started_at(time: SystemTime) -> Self {
        let started_seconds =
            time.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        Self(Arc::new(Inner {
            started_seconds,
            control: Arc::default(),
            defined: DefinedMetrics::default(),
            shards: Mutex::default(),
        }))
    }

    /// The shards of a worker; the same number gives the same shards.
    #[must_use]
    pub fn worker(&self, number: u16) -> WorkerMetrics {
        self.0.shards.lock().entry(Some(number)).or_default().clone()
    }

    /// The shards of the control thread: for what it does for clusters and plugins itself.
    #[must_use]
    pub fn control_thread(&self) -> WorkerMetrics {
        self.0.shards.lock().entry(None).or_default().clone()
    }

    /// What is counted once for the whole process.
    #[must_use]
    pub fn control(&self) -> Arc<ControlMetrics> {
        Arc::clone(&self.0.control)
    }

    /// What plugins count themselves, for the whole process.
    #[must_use]
    pub fn defined(&self) -> DefinedMetrics {
        self.0.defined.clone()
    }

    /// How often a plugin was denied what, by the word of the permission that was missing, summed
    /// over the workers; what it was never denied is left out.
    #[must_use]
    pub fn denials(&self, plugin: &PluginName) -> BTreeMap<&'static str, u64> {
        let mut denials = BTreeMap::<&'static str, u64>::new();
        let mut count = |permission, times| *denials.entry(permission).or_default() += times;
        for worker in self.0.shards.lock().values() {
            let plugins = worker.0.plugins.lock();
            for (_key, shard) in plugins.iter().filter(|((name, _backend), _)| name == plugin) {
                shard.for_each_denial(&mut count);
            }
        }
        denials.retain(|_permission, times| *times > 0);
        denials
    }

    /// All metrics in the OpenMetrics text format, summed over the workers.
    #[must_use]
    pub fn encode(&self) -> String {
        encode::encode(self)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl WorkerMetrics {
    /// This thread's shard of a listener.
    #[must_use]
    pub fn listener(&self, name: &ListenerName) -> Arc<ListenerMetrics> {
        shard(&self.0.listeners, name.clone(), || OVERFLOW_NAME.into())
    }

    /// This thread's shard of a cluster.
    #[must_use]
    pub fn cluster(&self, name: &ClusterName) -> Arc<ClusterMetrics> {
        shard(&self.0.clusters, name.clone(), || OVERFLOW_NAME.into())
    }

    /// This thread's shard of a plugin on a backend.
    #[must_use]
    pub fn plugin(&self, name: &PluginName, backend: &'static str) -> Arc<PluginMetrics> {
        shard(&self.0.plugins, (name.clone(), backend), || (OVERFLOW_NAME.into(), backend))
    }
}

fn shard<K: Ord, V: Default>(
    shards: &Mutex<BTreeMap<K, Arc<V>>>,
    key: K,
    overflow: impl FnOnce() -> K,
) -> Arc<V> {
    let mut shards = shards.lock();
    let is_full = shards.len() >= SERIES_MAX && !shards.contains_key(&key);
    Arc::clone(shards.entry(if is_full { overflow() } else { key }).or_default())
}

#[cfg(test)]
mod tests;
