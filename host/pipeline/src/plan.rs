//! What the configuration says of a listener, checked and complete.

use std::sync::Arc;

use host_extension::FilterUse;
use host_router::Router;
use host_types::{Address, ClusterName, Limits, ListenerName};

/// One listener with all that happens behind it.
#[derive(Clone, Debug)]
pub struct ListenerPlan {
    /// Its name; unique.
    pub name: ListenerName,
    /// Where it listens; a TCP address.
    pub address: Address,
    /// How connections are spread over the workers.
    pub balance: AcceptBalance,
    /// Its limits.
    pub limits: Limits,
    /// The filters of all connections, in order.
    pub network_filters: Vec<FilterUse>,
    /// What it speaks.
    pub protocol: ListenerProtocol,
}

/// How accepted connections are spread over the workers.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum AcceptBalance {
    /// The kernel spreads them over one socket per worker (`SO_REUSEPORT`).
    #[default]
    Kernel,
    /// One socket; each connection goes to the worker with the fewest.
    Exact,
}

/// What a listener speaks.
#[derive(Clone, Debug)]
pub enum ListenerProtocol {
    /// HTTP/1.1 or HTTP/2, told apart by the connection preface.
    Http(Arc<HttpPlan>),
    /// As `Http` where the first bytes are HTTP; other connections go to the cluster as bytes.
    Auto(Arc<HttpPlan>, TcpPlan),
    /// Bytes to a cluster.
    Tcp(TcpPlan),
}

/// HTTP of one listener.
#[derive(Clone, Debug)]
pub struct HttpPlan {
    /// Where requests go.
    pub router: Router,
    /// The filters of all streams, in order.
    pub stream_filters: Vec<FilterUse>,
    /// The filters of each route, by `RouteId`; they run behind those of the listener, once
    /// the route is known.
    pub route_filters: Vec<Vec<FilterUse>>,
    /// What is told to the upstream about the client.
    pub forwarding: Forwarding,
}

/// What is told to the upstream about the client, and to the client about us.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Forwarding {
    /// Keep the `x-forwarded-for` and `x-forwarded-proto` that the client sent, and add to the
    /// former; without it they are replaced, since anybody can write them.
    pub trust_client: bool,
    /// Add a `via` field with this name to requests and responses.
    pub via: Option<Box<str>>,
}

/// Raw bytes of one listener.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TcpPlan {
    /// Where the bytes go.
    pub cluster: ClusterName,
}
