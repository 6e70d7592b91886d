//! Clusters: their endpoints are all addresses or all names.

use std::net::SocketAddr;

use host_types::ClusterName;
use host_upstream::{
    Balance, ClusterPlan, DnsName, Endpoint, EndpointSource, PoolLimits, RpcPoolPlan,
    UpstreamProtocol,
};

use super::{Seen, milliseconds, size};
use crate::{
    cursor::Cursor,
    model::{
        BalanceWord, ClusterConfig, EndpointConfig, PoolConfig, RpcPoolConfig, UpstreamProtocolWord,
    },
};

pub(super) fn clusters(models: &[ClusterConfig], at: &Cursor<'_>) -> Vec<ClusterPlan> {
    let mut seen = Seen::default();
    let plans = at.zip(models).filter_map(|(at, model)| {
        seen.check(&model.name, "cluster", &at.key("name"));
        cluster(model, &at)
    });
    plans.collect()
}

fn cluster(model: &ClusterConfig, at: &Cursor<'_>) -> Option<ClusterPlan> {
    let balance = match model.balance {
        BalanceWord::RoundRobin => Balance::RoundRobin,
        BalanceWord::LeastRequest => Balance::LeastRequest,
    };
    let protocol = match model.protocol {
        UpstreamProtocolWord::Http1 => UpstreamProtocol::Http1,
        UpstreamProtocolWord::Http2 => UpstreamProtocol::Http2,
    };
    Some(ClusterPlan {
        name: ClusterName::from(model.name.as_str()),
        endpoints: endpoints(&model.endpoints, &at.key("endpoints"))?,
        balance,
        protocol,
        connect_timeout: milliseconds(model.connect_timeout_ms),
        pool: pool(&model.pool),
        rpc: rpc(&model.rpc),
    })
}

/// What one entry of the list names.
enum Target {
    Address(Endpoint),
    Name(DnsName),
}

fn endpoints(models: &[EndpointConfig], at: &Cursor<'_>) -> Option<EndpointSource> {
    let mut seen = Seen::default();
    let mut addresses = Vec::new();
    let mut names = Vec::new();
    let mut whole = true;
    for (at, model) in at.zip(models) {
        let (text, weight, at) = match model {
            EndpointConfig::Address(text) => (text, 1, at),
            EndpointConfig::Weighted(endpoint) => {
                (&endpoint.address, endpoint.weight, at.key("address"))
            }
        };
        seen.check(text, "endpoint", &at);
        match target(text, weight, &at) {
            Some(Target::Address(endpoint)) if names.is_empty() => addresses.push(endpoint),
            Some(Target::Name(name)) if addresses.is_empty() => names.push(name),
            Some(_) => {
                at.refuse_with::<()>(
                    "a cluster cannot have addresses beside names",
                    "the entries before it are of the other kind",
                    "make two clusters, or use one kind",
                );
                whole = false;
            }
            None => whole = false,
        }
    }
    let source = if names.is_empty() {
        EndpointSource::Static(addresses)
    } else {
        EndpointSource::Dns(names)
    };
    whole.then_some(source)
}

fn target(text: &str, weight: u32, at: &Cursor<'_>) -> Option<Target> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return if address.port() == 0 {
            at.refuse("an endpoint cannot have the port 0", "no port")
        } else {
            Some(Target::Address(Endpoint { address, weight }))
        };
    }
    let name = text.rsplit_once(':').and_then(|(host, port)| dns_name(host, port));
    let Some(name) = name else {
        let help = "write `IP:PORT`, `[IPv6]:PORT` or `host:port`";
        return at.refuse_with(format!("`{text}` is no endpoint"), "no address", help);
    };
    if weight != 1 {
        let help = "give the weight to addresses, or to clusters of a route";
        return at.refuse_with("a name that DNS resolves cannot have a weight", "a name", help);
    }
    Some(Target::Name(name))
}

fn dns_name(host: &str, port: &str) -> Option<DnsName> {
    let port = port.parse::<u16>().ok().filter(|port| *port != 0)?;
    let labels = host.strip_suffix('.').unwrap_or(host);
    let named = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let label = |label: &str| !label.is_empty() && label.len() <= 63 && label.chars().all(named);
    // A name that ends in a number is a mistyped address (RFC 1123 section 2.1).
    let last = labels.rsplit('.').next().unwrap_or_default();
    let numeric = last.chars().all(|c| c.is_ascii_digit());
    let valid = labels.len() <= 253 && !numeric && labels.split('.').all(label);
    valid.then(|| DnsName { host: host.to_owned(), port })
}

fn pool(model: &PoolConfig) -> PoolLimits {
    PoolLimits {
        connections_max: size(model.connections_max),
        pending_max: size(model.pending_max),
        pending_timeout: milliseconds(model.pending_timeout_ms),
        idle_max: size(model.idle_max),
        idle_timeout: milliseconds(model.idle_timeout_ms),
        streams_per_connection_max: model.streams_per_connection_max,
    }
}

fn rpc(model: &RpcPoolConfig) -> RpcPoolPlan {
    RpcPoolPlan {
        connections_per_endpoint_max: size(model.connections_per_endpoint_max),
        requests_per_connection_max: size(model.requests_per_connection_max),
        heartbeat_interval: milliseconds(model.heartbeat_interval_ms),
        heartbeat_timeout: milliseconds(model.heartbeat_timeout_ms),
        heartbeat_misses_max: model.heartbeat_misses_max,
    }
}
