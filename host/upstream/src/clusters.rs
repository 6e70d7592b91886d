//! All clusters of one worker.

use std::{cell::RefCell, collections::HashMap, rc::Rc, sync::Arc};

use host_telemetry::WorkerMetrics;
use host_types::ClusterName;

use crate::{Cluster, ClusterPlan, Discovery};

/// The clusters of one worker, by name.
#[derive(Debug)]
pub struct Clusters {
    metrics: WorkerMetrics,
    clusters: RefCell<HashMap<ClusterName, Rc<Cluster>>>,
}

impl Clusters {
    /// No clusters yet.
    #[must_use]
    pub fn new(metrics: WorkerMetrics) -> Self {
        Self { metrics, clusters: RefCell::default() }
    }

    /// Takes the clusters of a new plan. One whose plan did not change keeps its
    /// connections; one that changed or is gone closes its idle connections, and those who
    /// hold it finish on it.
    pub fn apply(&self, plans: &[Arc<ClusterPlan>], discovery: &Discovery) {
        let mut old = self.clusters.take();
        let mut next = HashMap::with_capacity(plans.len());
        for plan in plans {
            let kept = match old.remove(&plan.name) {
                Some(cluster) if cluster.plan() == &**plan => Some(cluster),
                Some(cluster) => {
                    cluster.drain();
                    None
                }
                None => None,
            };
            let cluster = kept.unwrap_or_else(|| {
                let metrics = self.metrics.cluster(&plan.name);
                let endpoints = discovery.subscribe(plan);
                Rc::new(Cluster::new(Arc::clone(plan), metrics, endpoints))
            });
            next.insert(plan.name.clone(), cluster);
        }
        for cluster in old.values() {
            cluster.drain();
        }
        self.clusters.replace(next);
    }

    /// The cluster of that name. Holding it keeps it usable, also when it is replaced.
    #[must_use]
    pub fn get(&self, name: &ClusterName) -> Option<Rc<Cluster>> {
        self.clusters.borrow().get(name).cloned()
    }

    /// Closes idle connections and keeps none from now on; running requests finish.
    pub fn drain(&self) {
        let clusters: Vec<Rc<Cluster>> = self.clusters.borrow().values().cloned().collect();
        for cluster in clusters {
            cluster.drain();
        }
    }
}
