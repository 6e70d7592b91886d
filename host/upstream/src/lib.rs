//! Clusters, balancing, discovery and connection pools of one worker.
//!
//! A worker hands over a request that is ready to go; this crate chooses an endpoint, takes
//! a connection that is already open or makes one, and comes back with the response's head, or
//! with the frame that answers. It never looks into a body, never reads configuration and never
//! answers in the upstream's place: what went wrong is an [`UpstreamError`].
//!
//! Start reading at [`Cluster::send`] for HTTP and at [`Cluster::rpc`] for frames of RPC
//! protocols; [`Discovery`] is the part on the control runtime.

mod balance;
mod body;
mod cluster;
mod clusters;
mod discovery;
mod error;
mod plan;
mod pool;
mod prepare;
mod repeats;
mod rpc;
#[cfg(test)]
mod testing;

pub use body::{Body, BodyError, BodyStream};
pub use cluster::{Cluster, Response};
pub use clusters::Clusters;
pub use discovery::{
    ClusterStatus, Discovery, EndpointStatus, Resolve, ResolveError, Resolved, SourceKind,
    SystemResolver,
};
pub use error::UpstreamError;
pub use plan::{
    Balance, ClusterPlan, DnsName, Endpoint, EndpointSource, PoolLimits, RpcPoolPlan,
    UpstreamProtocol,
};
pub use pool::{Lease, TcpLease};
pub use repeats::Repeat;
pub use rpc::{
    ConnectionEnd, RpcError, RpcExchange, RpcProtocol, RpcResponse, RpcSession, RpcTried,
};
