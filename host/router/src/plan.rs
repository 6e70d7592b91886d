//! What the configuration says of routes, checked and complete.
//!
//! Values that could be wrong (patterns, domains, weights) can only be made by constructors
//! that check them, so a plan that exists can be served.

use std::time::Duration;

use bytes::Bytes;
use host_types::ClusterName;
use http::{HeaderMap, StatusCode, uri::Authority};

use crate::{Domain, PathRewrite, Redirect, RouteCondition};

/// All routes of one listener.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RouterPlan {
    /// The virtual hosts; their order means nothing but for the numbers of the routes.
    pub virtual_hosts: Vec<VirtualHost>,
}

/// The routes of some domains.
#[derive(Clone, Debug, PartialEq)]
pub struct VirtualHost {
    /// Its name, for people.
    pub name: Box<str>,
    /// The domains that it serves. One domain belongs to one virtual host: where two name it,
    /// the earlier has it.
    pub domains: Vec<Domain>,
    /// Its routes; the first that matches wins.
    pub routes: Vec<Route>,
}

/// One route.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Its name, for people.
    pub name: Option<Box<str>>,
    /// Which requests it takes.
    pub condition: RouteCondition,
    /// What happens to them.
    pub action: RouteAction,
}

/// What happens to a request.
#[derive(Clone, Debug, PartialEq)]
pub enum RouteAction {
    /// It goes to a cluster.
    Forward(Forward),
    /// The client is sent elsewhere.
    Redirect(Redirect),
    /// The proxy answers.
    Respond(Respond),
}

/// How a request goes to a cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Forward {
    /// The cluster, or several that share the requests.
    pub clusters: WeightedClusters,
    /// What becomes of the path.
    pub path_rewrite: Option<PathRewrite>,
    /// What becomes of the authority.
    pub host_rewrite: HostRewrite,
    /// Longest wait for the head of the response, from the end of the request; `None` waits for
    /// as long as the connections live. Bodies have the listener's stall timeout. Of HTTP only.
    pub timeout: Option<Duration>,
    /// Longest wait for the response to a frame, where the route says; `None` leaves it to the
    /// frame and its protocol.
    pub frame_timeout: Option<Duration>,
    /// When a frame is sent again.
    pub retry: Retry,
}

/// When a frame is sent again, on another connection or to another endpoint.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Retry {
    /// How often one frame is sent again at most; within that, always where nothing of it was
    /// sent.
    pub max: u32,
    /// Also where the upstream ended the connection after it was sent.
    pub on_reset: bool,
    /// Also where it was answered with one of these, as HTTP would say it.
    pub on_statuses: Vec<u16>,
}

impl Default for Retry {
    fn default() -> Self {
        Self { max: 1, on_reset: false, on_statuses: Vec::new() }
    }
}

/// What becomes of the authority of a forwarded request.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum HostRewrite {
    /// The client's is sent.
    #[default]
    Keep,
    /// This one is sent.
    Fixed(Authority),
    /// The name or address of the endpoint is sent.
    Endpoint,
}

/// A reply that a route gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Respond {
    /// A final status.
    pub status: StatusCode,
    /// The fields; framing fields are the pipeline's.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// Clusters that share requests by weight.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WeightedClusters {
    clusters: Vec<(ClusterName, u32)>,
    total: u64,
}

/// No cluster could ever be picked.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("at least one cluster needs a weight above zero")]
pub struct ClusterWeightError;

impl WeightedClusters {
    /// Clusters with their weights; one of weight zero gets nothing.
    ///
    /// # Errors
    /// No weight is above zero.
    pub fn new(clusters: Vec<(ClusterName, u32)>) -> Result<Self, ClusterWeightError> {
        let total = clusters.iter().map(|(_, weight)| u64::from(*weight)).sum();
        if total == 0 { Err(ClusterWeightError) } else { Ok(Self { clusters, total }) }
    }

    /// One cluster for all.
    #[must_use]
    pub fn one(cluster: ClusterName) -> Self {
        Self { clusters: vec![(cluster, 1)], total: 1 }
    }

    /// The cluster for a random number.
    #[must_use]
    pub fn pick(&self, pick: u64) -> &ClusterName {
        let mut left = pick % self.total;
        for (cluster, weight) in &self.clusters {
            let weight = u64::from(*weight);
            if left < weight {
                return cluster;
            }
            left -= weight;
        }
        unreachable!("the remainder is below the sum of the weights")
    }

    /// All clusters with their weights.
    pub fn iter(&self) -> impl Iterator<Item = (&ClusterName, u32)> {
        self.clusters.iter().map(|(cluster, weight)| (cluster, *weight))
    }
}

#[cfg(test)]
mod tests;
