//! A connection behind network filters.
//!
//! ```text
//! client -> filter 1 -> filter 2 -> whatever the listener speaks (HTTP, or bytes to a cluster)
//! client <- filter 1 <- filter 2 <- whatever the listener speaks
//! ```
//!
//! What the listener speaks gets one end of a pipe in memory in the place of the client's
//! socket; the [`Pump`] moves bytes between the socket and the pipe's other end, through the
//! filters. A listener without network filters has none of this.
//!
//! Nothing here knows what the bytes mean, and nothing here opens sockets. Start reading at
//! [`run`]; the order of hooks is in `passage.rs`, one hook's call in `chain.rs`.

mod chain;
mod passage;
mod pipe;
mod pump;

use std::rc::Rc;

use futures_util::future::join;
use host_extension::{Connection, Flow, Peer, Protocol};
use tokio::net::TcpStream;

pub(crate) use self::pipe::FilteredIo;
use self::{chain::NetworkChain, pump::Pump};
use crate::connection::{Accepted, ClientIo, ConnectionRecord, Served, serve};

/// Serves a connection behind the listener's network filters to its end.
pub(crate) async fn run(accepted: Accepted, client: TcpStream) {
    let state = &accepted.state;
    let limits = &state.plan.limits;
    let facts = Rc::new(accepted.facts(Protocol::Tcp));
    let connection = Rc::new(Connection::new(facts, accepted.began.time()));
    connection.held_bytes_max.set(limits.held_body_bytes_max);
    let clock = state.worker.clock.clone();
    let chain = NetworkChain::new(&state.network, &connection, clock, limits.stall_timeout);
    if opened(&accepted, &chain).await {
        let (io, service) = pipe::pair();
        let pump = Pump { chain: &chain, worker: &state.worker, stall: limits.stall_timeout };
        let served = serve(&accepted, ClientIo::Filtered(io), Some(&connection));
        let (served, moved) = join(served, pump.run(client, service)).await;
        if let Some(by) = upstream_closed_by(&served, moved.service_ended) {
            chain.close(Flow::Upstream, by);
        }
        let by = if moved.client_closed { Peer::Remote } else { Peer::Local };
        chain.close(Flow::Downstream, by);
        write_record(&accepted, &chain, served, moved.sent);
    } else {
        drop(client);
        chain.close(Flow::Downstream, Peer::Local);
        write_record(&accepted, &chain, Served::nothing(), 0);
    }
}

/// Makes the filters' beginnings; false where the connection does not go on.
///
/// Nothing is read meanwhile, so a client that goes away is noticed only once the filters are
/// through with it, or have waited for `stall_timeout`; and one whose bytes nobody read is reset,
/// not ended, where a filter refuses it or a drain comes first.
async fn opened(accepted: &Accepted, chain: &NetworkChain) -> bool {
    tokio::select! {
        biased;
        opened = chain.open() => opened.is_ok(),
        () = accepted.listener.until_drain() => false,
        () = accepted.state.worker.abort.wait() => false,
    }
}

/// Who closed the far side; `None` where there never was one.
fn upstream_closed_by(served: &Served<'_>, ended: bool) -> Option<Peer> {
    match &served.record {
        Some(record) if record.upstream.is_none() => None,
        Some(record) if ended || record.upstream_failed => Some(Peer::Remote),
        Some(_) | None => Some(Peer::Local),
    }
}

/// Ends the filters, and writes the line of a connection that passed bytes on or that a filter
/// closed. The client was `sent` so many bytes.
fn write_record(accepted: &Accepted, chain: &NetworkChain, served: Served<'_>, sent: u64) {
    chain.complete();
    let state = &accepted.state;
    let closed = chain.connection().close_reason();
    let record = match (served.record, closed) {
        (Some(mut record), Some(reason)) => {
            record.ended_by(reason, chain.details());
            Some(record)
        }
        (None, Some(reason)) => {
            let mut record = ConnectionRecord::new(accepted.began, reason.clone());
            record.ended_by(reason, chain.details());
            Some(record)
        }
        (record, None) => record,
    };
    if chain.connection().close_reason().is_some() {
        state.metrics.connections_closed_by_filters_total.increment();
    }
    if let Some(mut record) = record {
        record.bytes = (chain.connection().downstream.bytes_seen.get(), sent);
        record.plugins = chain.times();
        record.write(state, &accepted.facts(served.protocol));
    }
}

#[cfg(test)]
mod tests;
