//! One downstream connection: what it speaks is found out, then it is served.

mod record;
mod sniff;

use std::{net::SocketAddr, rc::Rc, sync::Arc};

use host_extension::{ConnectionFacts, Protocol};
use host_net::{PrefixedIo, TunnelHow, tunnel};
use host_types::ReplyReason;
use host_upstream::UpstreamError;
use tokio::net::TcpStream;

pub(crate) use self::record::{Began, ConnectionRecord};
use self::sniff::{Sniffed, sniff};
use crate::{
    http::{HttpConnection, serve_http1, serve_http2},
    listener::{Counted, Listener, ListenerState},
    plan::ListenerProtocol,
};

/// Serves a connection to its end.
pub(crate) async fn run(
    listener: Rc<Listener>,
    stream: TcpStream,
    peer: SocketAddr,
    local: SocketAddr,
    counted: Rc<Counted>,
) {
    let state = listener.state();
    let worker = Rc::clone(&state.worker);
    let began = Began::now(&worker.clock);
    let facts = |protocol| ConnectionFacts {
        id: worker.next_connection(),
        listener: state.plan.name.clone(),
        peer,
        local,
        protocol,
    };
    let mut io = PrefixedIo::new(stream);
    let sniffed = match state.plan.protocol {
        ListenerProtocol::Tcp(_) => Sniffed::Other,
        ListenerProtocol::Http(_) | ListenerProtocol::Auto(..) => {
            let may_be_bytes = state.plan.protocol.tcp().is_some();
            let sniffing = sniff(&mut io, may_be_bytes, &state.plan.limits);
            let sniffed = tokio::select! {
                biased; // what has come already is served, also while draining
                sniffed = sniffing => sniffed,
                () = listener.until_drain() => return,
                () = worker.abort.wait() => return,
            };
            match sniffed {
                Some(sniffed) => sniffed,
                None => return, // it went away, or kept us waiting
            }
        }
    };
    match sniffed {
        Sniffed::Http1 => {
            Box::pin(serve_http1(http(listener, facts(Protocol::Http11), began, &counted), io))
                .await;
        }
        Sniffed::Http2 => {
            Box::pin(serve_http2(http(listener, facts(Protocol::Http2), began, &counted), io))
                .await;
        }
        Sniffed::Other => pass_bytes(&state, &facts(Protocol::Tcp), began, io).await,
    }
}

fn http(
    listener: Rc<Listener>,
    facts: ConnectionFacts,
    began: Began,
    counted: &Rc<Counted>,
) -> HttpConnection {
    HttpConnection {
        listener,
        facts: Rc::new(facts),
        open_streams: Arc::default(),
        abort: Rc::default(),
        began,
        counted: Rc::clone(counted),
    }
}

/// Raw bytes, to an endpoint of the listener's cluster and back.
async fn pass_bytes(
    state: &Rc<ListenerState>,
    facts: &ConnectionFacts,
    began: Began,
    mut downstream: PrefixedIo<TcpStream>,
) {
    let Some(plan) = state.plan.protocol.tcp() else { return };
    let worker = &state.worker;
    let mut record = ConnectionRecord::new(began, ReplyReason::Upstream);
    record.cluster = Some(&plan.cluster);
    let Some(cluster) = worker.clusters.get(&plan.cluster) else {
        record.ended_by(ReplyReason::NoEndpoint, "the cluster does not exist");
        return record.write(state, facts);
    };
    let connected = tokio::select! {
        connected = cluster.connect_tcp() => connected,
        () = worker.abort.wait() => {
            record.ended_by(ReplyReason::Drain, "the proxy stopped");
            return record.write(state, facts);
        }
    };
    let (mut upstream, endpoint, lease) = match connected {
        Ok(connected) => connected,
        Err(error) => {
            record.ended_by(error.reason(), tcp_details(&error));
            return record.write(state, facts);
        }
    };
    record.upstream = Some(endpoint);
    let idle = state.plan.limits.idle_timeout;
    let end = tokio::select! {
        end = tunnel(&mut downstream, &mut upstream, idle) => end,
        () = worker.abort.wait() => {
            record.ended_by(ReplyReason::Drain, "the proxy stopped");
            return record.write(state, facts);
        }
    };
    drop(lease);
    match end.how {
        TunnelHow::Closed => {}
        TunnelHow::Idle => record.ended_by(ReplyReason::Timeout, "idle"),
        TunnelHow::FailedA(_) => record.ended_by(ReplyReason::ClientGone, "the client broke off"),
        TunnelHow::FailedB(_) | _ => {
            record.ended_by(ReplyReason::UpstreamFailed, "the upstream broke off")
        }
    }
    record.bytes = (end.a_to_b, end.b_to_a);
    record.write(state, facts);
}

fn tcp_details(error: &UpstreamError) -> &'static str {
    if error.nothing_sent() { "no connection to the upstream" } else { "the upstream broke off" }
}

#[cfg(test)]
mod tests;
