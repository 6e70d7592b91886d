//! What the configuration says of a listener, checked and complete.

use std::sync::Arc;

use host_codec::BuiltinCodec;
use host_extension::FilterUse;
use host_router::Router;
use host_types::{Address, ClusterName, Limits, ListenerName, ProtocolName};

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
    Http(Arc<StreamPlan>),
    /// As `Http` where the first bytes are HTTP; other connections go to the cluster as bytes.
    Auto(Arc<StreamPlan>, TcpPlan),
    /// Bytes to a cluster.
    Tcp(TcpPlan),
    /// The frames of codecs, and what else is told apart from them.
    Rpc(RpcPlan),
}

/// Protocols with codecs of one listener.
#[derive(Clone, Debug)]
pub struct RpcPlan {
    /// The codecs, in the order in which they are asked whether a connection is theirs. A single
    /// one with nothing beside is not asked.
    pub codecs: Vec<CodecUse>,
    /// HTTP is looked for in what is no codec's.
    pub http: bool,
    /// Where bytes go that are nothing of all this; without it their connection is closed.
    pub tcp: Option<TcpPlan>,
    /// What happens to streams, of HTTP and of frames.
    pub streams: Arc<StreamPlan>,
}

/// One protocol of a listener.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct CodecUse {
    /// Its name, for metrics, the access log and `:scheme`.
    pub name: ProtocolName,
    /// Who reads and writes it.
    pub source: CodecSource,
}

/// Who reads and writes a protocol.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum CodecSource {
    /// The proxy itself.
    Builtin(BuiltinCodec),
    /// A plugin.
    Plugin(FilterUse),
}

/// Streams of one listener.
#[derive(Clone, Debug)]
pub struct StreamPlan {
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
