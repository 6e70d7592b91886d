//! Listeners: an address, what is spoken there, and the routes or the cluster behind it.

use std::{net::SocketAddr, sync::Arc};

use host_extension::{ExtensionPoint, FilterUse};
use host_pipeline::{
    AcceptBalance, Forwarding, ListenerPlan, ListenerProtocol, RpcPlan, StreamPlan, TcpPlan,
};
use host_router::{Router, RouterPlan, VirtualHost};
use host_types::{Address, ClusterName, Limits, ListenerName};

use super::{
    Scope, Seen,
    instance::filters,
    milliseconds,
    protocol::{Spoken, Streams},
    route, size,
};
use crate::{
    cursor::Cursor,
    model::{AcceptBalanceWord, ForwardingConfig, LimitsConfig, ListenerConfig, VirtualHostConfig},
};

/// Bytes under way on a connection with frames, where a single frame may not be more.
const RPC_BYTES_MAX: u32 = 16_777_216;

pub(super) fn listeners(
    models: &[ListenerConfig],
    at: &Cursor<'_>,
    scope: &Scope<'_>,
) -> Vec<ListenerPlan> {
    let mut names = Seen::default();
    let mut addresses = Seen::default();
    let plans = at.zip(models).filter_map(|(at, model)| {
        let address = address(&model.address, &at.key("address"));
        // Every listener on port 0 gets a port of its own.
        let fixed = address.filter(|address| address.port() != 0);
        if let Some(address) = fixed {
            addresses.check(&address.to_string(), "address", &at.key("address"));
        }
        let name = model.name.as_deref().unwrap_or(&model.address);
        // One name for two equal addresses would be a second error for the same mistake.
        if name != model.address {
            names.check(name, "listener", &at.key("name"));
        }
        let protocol = protocol(model, &at, scope);
        Some(ListenerPlan {
            name: ListenerName::from(name),
            address: Address::Tcp(address?),
            balance: match model.balance {
                AcceptBalanceWord::Kernel => AcceptBalance::Kernel,
                AcceptBalanceWord::Exact => AcceptBalance::Exact,
            },
            limits: limits(&model.limits, &at.key("limits")),
            network_filters: filters(
                &model.network_filters,
                ExtensionPoint::NetworkFilter,
                &at.key("network_filters"),
                scope,
            ),
            protocol: protocol?,
        })
    });
    plans.collect()
}

fn address(text: &str, at: &Cursor<'_>) -> Option<SocketAddr> {
    match text.parse() {
        Ok(address) => Some(address),
        Err(_) if text.starts_with("unix:") => {
            at.refuse("a listener cannot listen on a Unix socket", "write `IP:PORT`")
        }
        Err(_) => {
            let message = format!("`{text}` is no address to listen on");
            let help = "write `IP:PORT` or `[IPv6]:PORT`, as in `127.0.0.1:8080`";
            at.refuse_with(message, "no address", help)
        }
    }
}

fn protocol(
    model: &ListenerConfig,
    at: &Cursor<'_>,
    scope: &Scope<'_>,
) -> Option<ListenerProtocol> {
    let Some(spoken) = Spoken::of(&model.protocol, &at.key("protocol"), scope) else {
        // What is wrong beside it is told all the same.
        if let Some(cluster) = &model.cluster {
            scope.cluster::<ClusterName>(cluster, &at.key("cluster"));
        }
        if !model.routes.is_empty() || !model.virtual_hosts.is_empty() {
            streams(model, Streams::Unknown, at, scope);
        }
        return None;
    };
    let tcp = spoken.tcp.then(|| tcp(model, at, scope));
    let Some(kind) = spoken.streams() else {
        check_no_streams(model, at);
        return tcp.flatten().map(ListenerProtocol::Tcp);
    };
    check_keys(model, (kind, spoken.tcp), at);
    let streams = streams(model, kind, at, scope);
    let (http, codecs) = (spoken.http, spoken.codecs);
    match (kind, tcp) {
        (Streams::Http, None) => streams.map(ListenerProtocol::Http),
        (Streams::Http, Some(tcp)) => Some(ListenerProtocol::Auto(streams?, tcp?)),
        (_, None) => {
            Some(ListenerProtocol::Rpc(RpcPlan { codecs, http, tcp: None, streams: streams? }))
        }
        (_, Some(tcp)) => {
            let (tcp, streams) = (Some(tcp?), streams?);
            Some(ListenerProtocol::Rpc(RpcPlan { codecs, http, tcp, streams }))
        }
    }
}

/// Refuses the keys that have no meaning where there are bytes only.
fn check_no_streams(model: &ListenerConfig, at: &Cursor<'_>) {
    let used = [
        ("routes", !model.routes.is_empty()),
        ("virtual_hosts", !model.virtual_hosts.is_empty()),
        ("stream_filters", !model.stream_filters.is_empty()),
        ("forwarding", model.forwarding != ForwardingConfig::default()),
    ];
    for (key, _) in used.iter().filter(|(_, used)| *used) {
        let message = format!("a listener with `protocol: tcp` has no `{key}`");
        at.name(key).refuse::<()>(message, "only HTTP and codecs have them");
    }
}

/// Refuses the keys that have no meaning for the streams of a listener, and for the bytes beside
/// them where there are none.
fn check_keys(model: &ListenerConfig, (streams, tcp): (Streams, bool), at: &Cursor<'_>) {
    if streams == Streams::Frames && model.forwarding != ForwardingConfig::default() {
        let message = "a listener without `http` in its `protocol` has no `forwarding`";
        at.name("forwarding").refuse::<()>(message, "frames tell nothing of the client");
    }
    if model.cluster.is_some() && !tcp {
        let message = if streams.has_frames() {
            "a listener without `tcp` in its `protocol` has no `cluster`"
        } else {
            "a listener with `protocol: http` has no `cluster`"
        };
        at.name("cluster").refuse_with::<()>(
            message,
            "routes name the clusters",
            "name the cluster in a route: `routes: [{ match: { prefix: / }, cluster: … }]`",
        );
    }
    let serves_all = |host: &VirtualHostConfig| host.domains.iter().any(|domain| domain == "*");
    let hosts = &model.virtual_hosts;
    if streams.has_frames() && !hosts.is_empty() && !hosts.iter().any(serves_all) {
        let message = "a listener with codecs needs a virtual host with the domain `*`";
        at.name("virtual_hosts").refuse::<()>(message, "frames name no host");
    }
}

fn tcp(model: &ListenerConfig, at: &Cursor<'_>, scope: &Scope<'_>) -> Option<TcpPlan> {
    match &model.cluster {
        Some(cluster) => {
            scope.cluster(cluster, &at.key("cluster")).map(|cluster| TcpPlan { cluster })
        }
        None if at.is_whole() => at.name("protocol").refuse_with(
            "the listener has no `cluster`",
            "bytes would have nowhere to go",
            "add `cluster: …` to the listener",
        ),
        None => None,
    }
}

fn streams(
    model: &ListenerConfig,
    streams: Streams,
    at: &Cursor<'_>,
    scope: &Scope<'_>,
) -> Option<Arc<StreamPlan>> {
    let stream_filters = filters(
        &model.stream_filters,
        ExtensionPoint::StreamFilter,
        &at.key("stream_filters"),
        scope,
    );
    let mut route_filters = Vec::new();
    let virtual_hosts = match (model.routes.is_empty(), model.virtual_hosts.is_empty()) {
        (false, true) => {
            let at = at.key("routes");
            let routes = route::routes(&model.routes, streams, &at, scope, &mut route_filters);
            let any = "*".parse().expect("`*` is a domain");
            vec![VirtualHost { name: "*".into(), domains: vec![any], routes }]
        }
        (true, false) => {
            let at = at.key("virtual_hosts");
            virtual_hosts(&model.virtual_hosts, streams, &at, scope, &mut route_filters)
        }
        (false, false) => {
            return at.name("virtual_hosts").refuse_with(
                "a listener has either `routes` or `virtual_hosts`",
                "beside `routes`",
                "put the routes into a virtual host with `domains: [\"*\"]`",
            );
        }
        (true, true) if at.is_whole() => {
            return at.refuse_with(
                "the listener has no routes",
                "`routes` or `virtual_hosts` must be given here",
                "for example `routes: [{ match: { prefix: / }, cluster: … }]`",
            );
        }
        (true, true) => return None,
    };
    Some(Arc::new(StreamPlan {
        router: Router::new(RouterPlan { virtual_hosts }),
        stream_filters,
        route_filters,
        forwarding: forwarding(&model.forwarding, &at.key("forwarding"))?,
    }))
}

fn virtual_hosts(
    models: &[VirtualHostConfig],
    streams: Streams,
    at: &Cursor<'_>,
    scope: &Scope<'_>,
    route_filters: &mut Vec<Vec<FilterUse>>,
) -> Vec<VirtualHost> {
    let mut names = Seen::default();
    let mut seen_domains = Seen::default();
    let hosts = at.zip(models).map(|(at, model)| {
        let mut domains = Vec::new();
        for (at, text) in at.key("domains").zip(&model.domains) {
            match text.parse::<host_router::Domain>() {
                Ok(domain) => {
                    seen_domains.check(&domain.to_string(), "domain", &at);
                    domains.push(domain);
                }
                Err(error) => at.add(at.problem(error.to_string(), "no domain")),
            }
        }
        if let Some(name) = &model.name {
            names.check(name, "virtual host", &at.key("name"));
        }
        let name = model.name.as_ref().or_else(|| model.domains.first());
        let at = at.key("routes");
        let routes = route::routes(&model.routes, streams, &at, scope, route_filters);
        let name = name.map_or_else(Box::default, |name| name.as_str().into());
        VirtualHost { name, domains, routes }
    });
    hosts.collect()
}

fn forwarding(model: &ForwardingConfig, at: &Cursor<'_>) -> Option<Forwarding> {
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~:".contains(c);
    match &model.via {
        Some(via) if !via.chars().all(token) => {
            let message = format!("`{via}` cannot stand in a `via` field");
            at.key("via").refuse_with(message, "no name", "write a host name or a single word")
        }
        via => Some(Forwarding {
            trust_client: model.trust_client,
            via: via.as_deref().map(Into::into),
        }),
    }
}

/// What `rpc_bytes_max` is where nothing is said of it.
pub(super) fn rpc_bytes_max(model: &LimitsConfig) -> u32 {
    model.frame_bytes_max.max(RPC_BYTES_MAX)
}

fn limits(model: &LimitsConfig, at: &Cursor<'_>) -> Limits {
    if model.rpc_bytes_max.is_some_and(|bytes| bytes < model.frame_bytes_max) {
        at.key("rpc_bytes_max").refuse_with::<()>(
            "`rpc_bytes_max` is less than `frame_bytes_max`",
            "one frame may be more than all of them",
            "raise it to `frame_bytes_max` at least, or lower that one",
        );
    }
    Limits {
        connections_max: size(model.connections_max),
        streams_per_connection_max: model.streams_per_connection_max,
        header_count_max: size(model.header_count_max),
        header_bytes_max: size(model.header_bytes_max),
        held_body_bytes_max: size(model.held_body_bytes_max),
        frame_bytes_max: size(model.frame_bytes_max),
        rpc_bytes_max: size(model.rpc_bytes_max.unwrap_or_else(|| rpc_bytes_max(model))),
        frame_timeout_max: milliseconds(model.frame_timeout_max_ms),
        header_timeout: milliseconds(model.header_timeout_ms),
        idle_timeout: milliseconds(model.idle_timeout_ms),
        stall_timeout: milliseconds(model.stall_timeout_ms),
    }
}
