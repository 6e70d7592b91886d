//! Clusters, balancing, discovery and connection pools of one worker.

mod plan;

pub use plan::{
    Balance, ClusterPlan, DnsName, Endpoint, EndpointSource, PoolLimits, UpstreamProtocol,
};
