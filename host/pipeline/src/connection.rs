//! One downstream connection: what it speaks is found out, then it is served.

mod client_io;
mod record;
mod sniff;

use std::{
    net::SocketAddr,
    rc::Rc,
    sync::{Arc, atomic::AtomicUsize},
};

use host_extension::{Codec, Connection, ConnectionFacts, PluginFault, Protocol, Signal};
use host_net::{PrefixedIo, TunnelHow, tunnel};
use host_types::{ConnectionId, ReplyReason};
use host_upstream::UpstreamError;
use tokio::net::TcpStream;

use self::sniff::{Asked, Sniffed, ask_codecs, sniff};
pub(crate) use self::{
    client_io::ClientIo,
    record::{Began, ConnectionRecord},
};
use crate::{
    http::{HttpConnection, serve_http1, serve_http2},
    listener::{CodecEntry, Counted, Listener, ListenerState},
    network,
    plan::{ListenerProtocol, RpcPlan},
    rpc::{RpcConnection, serve_rpc},
};

/// A connection that was accepted.
pub(crate) struct Accepted {
    pub(crate) listener: Rc<Listener>,
    /// The state that accepted it.
    pub(crate) state: Rc<ListenerState>,
    pub(crate) began: Began,
    id: ConnectionId,
    peer: SocketAddr,
    local: SocketAddr,
    counted: Rc<Counted>,
}

/// What a connection gives to its streams.
#[derive(Clone)]
pub(crate) struct Carried {
    /// The connection as its network filters see it, where it has some.
    pub(crate) carrier: Option<Rc<Connection>>,
    /// Streams that are open on it; the idle clock stands still meanwhile.
    /// (hyper wants the socket `Send`, hence no plain cell.)
    pub(crate) open_streams: Arc<AtomicUsize>,
    /// Raised to close it at once.
    pub(crate) abort: Rc<Signal>,
    /// Keeps it counted, for as long as any of its streams lives.
    _counted: Rc<Counted>,
}

impl Carried {
    /// By a connection without streams.
    pub(crate) fn new(counted: Rc<Counted>, carrier: Option<Rc<Connection>>) -> Self {
        let (open_streams, abort) = (Arc::default(), Rc::default());
        Self { carrier, open_streams, abort, _counted: counted }
    }
}

/// What became of a connection.
pub(crate) struct Served<'a> {
    /// What it spoke, as far as that was known.
    pub(crate) protocol: Protocol,
    /// Its line of the access log, where it has no streams that have theirs.
    pub(crate) record: Option<ConnectionRecord<'a>>,
}

impl Served<'_> {
    /// Nothing came of it.
    pub(crate) fn nothing() -> Self {
        Self { protocol: Protocol::Tcp, record: None }
    }

    fn streams(protocol: Protocol) -> Self {
        Self { protocol, record: None }
    }
}

impl Accepted {
    /// What is known of the connection.
    pub(crate) fn facts(&self, protocol: Protocol) -> ConnectionFacts {
        ConnectionFacts {
            id: self.id,
            listener: self.state.plan.name.clone(),
            peer: self.peer,
            local: self.local,
            protocol,
        }
    }

    fn carried(&self, carrier: Option<&Rc<Connection>>) -> Carried {
        Carried::new(Rc::clone(&self.counted), carrier.map(Rc::clone))
    }

    fn rpc(
        &self,
        entry: CodecEntry,
        codec: Rc<dyn Codec>,
        carrier: Option<&Rc<Connection>>,
    ) -> RpcConnection {
        let facts = Rc::new(self.facts(Protocol::Rpc(entry.name.clone())));
        let on = (Rc::clone(&self.listener), facts);
        RpcConnection::new(on, self.carried(carrier), self.began, entry, codec)
    }

    fn http(&self, protocol: Protocol, carrier: Option<&Rc<Connection>>) -> HttpConnection {
        HttpConnection {
            listener: Rc::clone(&self.listener),
            facts: Rc::new(self.facts(protocol)),
            carried: self.carried(carrier),
            began: self.began,
        }
    }
}

/// Serves a connection to its end.
pub(crate) async fn run(
    listener: Rc<Listener>,
    stream: TcpStream,
    peer: SocketAddr,
    local: SocketAddr,
    counted: Rc<Counted>,
) {
    let state = listener.state();
    let began = Began::now(&state.worker.clock);
    let id = state.worker.next_connection();
    let accepted = Accepted { listener, state, began, id, peer, local, counted };
    if !accepted.state.network.is_empty() {
        return Box::pin(network::run(accepted, stream)).await;
    }
    let served = serve(&accepted, ClientIo::Plain(stream), None).await;
    if let Some(record) = served.record {
        record.write(&accepted.state, &accepted.facts(served.protocol));
    }
}

/// Finds out what the client speaks, and serves it. `carrier` is the connection as its network
/// filters see it, where it has some.
pub(crate) async fn serve<'a>(
    accepted: &'a Accepted,
    io: ClientIo,
    carrier: Option<&Rc<Connection>>,
) -> Served<'a> {
    let state = &accepted.state;
    let mut io = PrefixedIo::new(io);
    let spoken = tokio::select! {
        biased; // what has come already is served, also while draining
        spoken = find_out(state, &mut io) => spoken,
        () = accepted.listener.until_drain() => Spoken::Nothing,
        () = state.worker.abort.wait() => Spoken::Nothing,
    };
    match spoken {
        Spoken::Http(Protocol::Http2) => {
            Box::pin(serve_http2(accepted.http(Protocol::Http2, carrier), io)).await;
            Served::streams(Protocol::Http2)
        }
        Spoken::Http(protocol) => {
            Box::pin(serve_http1(accepted.http(protocol.clone(), carrier), io)).await;
            Served::streams(protocol)
        }
        Spoken::Frames(entry, codec) => {
            let protocol = Protocol::Rpc(entry.name.clone());
            Box::pin(serve_rpc(accepted.rpc(entry, codec, carrier), io)).await;
            Served::streams(protocol)
        }
        Spoken::Bytes => {
            let record = pass_bytes(state, accepted.began, io, carrier).await;
            Served { protocol: Protocol::Tcp, record }
        }
        Spoken::Unknown => {
            let details = "the first bytes are of no protocol of this listener";
            let facts = accepted.facts(Protocol::Tcp);
            state.refused_bytes(&facts, accepted.began, None, details);
            Served::nothing()
        }
        Spoken::Failed(entry, fault) => {
            let reason = entry.failed(&fault);
            let mut record = ConnectionRecord::new(accepted.began, reason.clone());
            record.ended_by(reason, fault.kind.label());
            Served { protocol: Protocol::Rpc(entry.name), record: Some(record) }
        }
        Spoken::Nothing => Served::nothing(),
    }
}

/// What a connection speaks.
enum Spoken {
    Http(Protocol),
    /// The frames of a codec.
    Frames(CodecEntry, Rc<dyn Codec>),
    Bytes,
    /// Nothing that the listener knows.
    Unknown,
    /// The codec of its listener failed before that was known.
    Failed(CodecEntry, PluginFault),
    /// It went away, or kept us waiting.
    Nothing,
}

/// Finds out what a connection speaks, from its first bytes where they must tell.
async fn find_out(state: &ListenerState, io: &mut PrefixedIo<ClientIo>) -> Spoken {
    let limits = &state.plan.limits;
    match &state.plan.protocol {
        ListenerProtocol::Tcp(_) => Spoken::Bytes,
        ListenerProtocol::Http(_) => told(sniff(io, false, limits).await, true),
        ListenerProtocol::Auto(..) => told(sniff(io, true, limits).await, true),
        ListenerProtocol::Rpc(rpc) => match asked(state, rpc, io).await {
            Asked::Codec(entry, codec) => Spoken::Frames(entry, codec),
            Asked::Failed(entry, fault) => Spoken::Failed(entry, fault),
            Asked::Silent => Spoken::Nothing,
            Asked::None if io.prefix().is_empty() && rpc.tcp.is_none() => Spoken::Nothing,
            Asked::None if rpc.http && !io.prefix().is_empty() => {
                told(sniff(io, true, limits).await, rpc.tcp.is_some())
            }
            Asked::None => told(Some(Sniffed::Other), rpc.tcp.is_some()),
        },
    }
}

/// Who of the listener's codecs has the connection. A single one with nothing beside need not
/// know its frames by their first bytes.
async fn asked(state: &ListenerState, rpc: &RpcPlan, io: &mut PrefixedIo<ClientIo>) -> Asked {
    if let ([only], false, None) = (state.codecs.as_slice(), rpc.http, &rpc.tcp) {
        return match only.factory.codec() {
            Ok(codec) => Asked::Codec(only.clone(), codec),
            Err(fault) => Asked::Failed(only.clone(), fault),
        };
    }
    ask_codecs(io, &state.codecs, &state.plan.limits).await
}

fn told(sniffed: Option<Sniffed>, may_be_bytes: bool) -> Spoken {
    match sniffed {
        Some(Sniffed::Http1) => Spoken::Http(Protocol::Http11),
        Some(Sniffed::Http2) => Spoken::Http(Protocol::Http2),
        Some(Sniffed::Other) if may_be_bytes => Spoken::Bytes,
        Some(Sniffed::Other) => Spoken::Unknown,
        None => Spoken::Nothing,
    }
}

/// Raw bytes, to an endpoint of the listener's cluster and back.
async fn pass_bytes<'a>(
    state: &'a ListenerState,
    began: Began,
    mut downstream: PrefixedIo<ClientIo>,
    carrier: Option<&Rc<Connection>>,
) -> Option<ConnectionRecord<'a>> {
    let plan = state.plan.protocol.tcp()?;
    let worker = &state.worker;
    let mut record = ConnectionRecord::new(began, ReplyReason::Upstream);
    record.cluster = Some(&plan.cluster);
    if let Some(carrier) = carrier {
        carrier.cluster.get_or_init(|| plan.cluster.clone());
    }
    let Some(cluster) = worker.clusters.get(&plan.cluster) else {
        record.ended_by(ReplyReason::NoEndpoint, "the cluster does not exist");
        return Some(record);
    };
    let connected = tokio::select! {
        connected = cluster.connect_tcp() => connected,
        () = worker.abort.wait() => {
            record.ended_by(ReplyReason::Drain, "the proxy stopped");
            return Some(record);
        }
    };
    let (mut upstream, endpoint, lease) = match connected {
        Ok(connected) => connected,
        Err(error) => {
            record.ended_by(error.reason(), tcp_details(&error));
            return Some(record);
        }
    };
    record.upstream = Some(endpoint);
    if let Some(carrier) = carrier {
        carrier.upstream_address.set(Some(endpoint));
        carrier.upstream_local.set(upstream.local_addr().ok());
    }
    let idle = state.plan.limits.idle_timeout;
    let end = tokio::select! {
        end = tunnel(&mut downstream, &mut upstream, idle) => end,
        () = worker.abort.wait() => {
            record.ended_by(ReplyReason::Drain, "the proxy stopped");
            return Some(record);
        }
    };
    drop(lease);
    match end.how {
        TunnelHow::Closed => {}
        TunnelHow::Idle => record.ended_by(ReplyReason::Timeout, "idle"),
        TunnelHow::FailedA(_) => record.ended_by(ReplyReason::ClientGone, "the client broke off"),
        TunnelHow::FailedB(_) | _ => {
            record.upstream_failed = true;
            record.ended_by(ReplyReason::UpstreamFailed, "the upstream broke off");
        }
    }
    record.bytes = (end.a_to_b, end.b_to_a);
    Some(record)
}

fn tcp_details(error: &UpstreamError) -> &'static str {
    if error.nothing_sent() { "no connection to the upstream" } else { "the upstream broke off" }
}

#[cfg(test)]
mod tests;
