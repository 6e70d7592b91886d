//! A listener on one worker: it accepts, counts, and starts connections.

use std::{cell::RefCell, fmt, io, net::SocketAddr, rc::Rc, sync::Arc};

use futures_util::FutureExt as _;
use host_extension::{ConnectionFacts, FilterFactory, FilterUse, Interrupt};
use host_net::Listener as Socket;
use host_telemetry::{ListenerMetrics, PluginMetrics};
use host_types::{ProtocolName, ReplyReason};
use tokio::net::TcpStream;

use crate::{
    alarm::Alarm,
    chain::ChainEntry,
    connection::{self, Began, ConnectionRecord},
    plan::{
        CodecSource, CodecUse, Forwarding, ListenerPlan, ListenerProtocol, StreamPlan, TcpPlan,
    },
    stop,
    worker::Worker,
};

/// Connections that are still taken from the kernel's line when a listener closes.
const LINE_MAX: usize = 4096;

/// A listener of one worker. Its state is swapped whole on reload: connections stay, and
/// their next streams are served by the new state.
#[derive(Debug)]
pub struct Listener {
    state: RefCell<Rc<ListenerState>>,
    closed: Alarm,
}

/// A plan with what one worker made of it.
pub struct ListenerState {
    pub(crate) plan: Arc<ListenerPlan>,
    pub(crate) worker: Rc<Worker>,
    pub(crate) metrics: Arc<ListenerMetrics>,
    /// The filters of all connections.
    pub(crate) network: Vec<ChainEntry>,
    /// The filters of all streams.
    pub(crate) chain: Vec<ChainEntry>,
    /// The filters of each route, by `RouteId`.
    pub(crate) route_chains: Vec<Vec<ChainEntry>>,
    /// The codecs, in the order in which they are asked.
    pub(crate) codecs: Vec<CodecEntry>,
}

/// One protocol of a listener, on one worker.
#[derive(Clone, Debug)]
pub(crate) struct CodecEntry {
    pub(crate) name: ProtocolName,
    /// Makes its codecs.
    pub(crate) factory: Rc<dyn FilterFactory>,
    /// The counters of the plugin, where it is one's.
    pub(crate) metrics: Option<Arc<PluginMetrics>>,
}

/// Where a worker gets the filters of a use from, with the plugin's counters.
pub type FilterSource<'a> =
    dyn FnMut(&FilterUse) -> (Rc<dyn FilterFactory>, Arc<PluginMetrics>) + 'a;

impl ListenerState {
    /// Makes the chains of a plan.
    pub fn new(
        plan: Arc<ListenerPlan>,
        worker: Rc<Worker>,
        metrics: Arc<ListenerMetrics>,
        filters: &mut FilterSource<'_>,
    ) -> Rc<Self> {
        let mut entries = |uses: &[FilterUse]| -> Vec<ChainEntry> {
            let entry = |entry: &FilterUse| {
                let (factory, metrics) = filters(entry);
                let FilterUse { plugin, on_error, .. } = entry;
                ChainEntry { plugin: plugin.clone(), on_error: *on_error, factory, metrics }
            };
            uses.iter().map(entry).collect()
        };
        let network = entries(&plan.network_filters);
        let (chain, route_chains) = match plan.protocol.streams() {
            Some(streams) => {
                let routes = streams.route_filters.iter();
                (entries(&streams.stream_filters), routes.map(|uses| entries(uses)).collect())
            }
            None => (Vec::new(), Vec::new()),
        };
        let codecs = plan.protocol.codecs().iter();
        let codecs = codecs.map(|codec| codec_entry(codec, &worker, filters)).collect();
        Rc::new(Self { plan, worker, metrics, network, chain, route_chains, codecs })
    }

    pub(crate) fn streams(&self) -> Result<Arc<StreamPlan>, Interrupt> {
        self.plan.protocol.streams().cloned().ok_or_else(|| {
            stop::because(ReplyReason::NoRoute, "this listener no longer has streams\n")
        })
    }

    pub(crate) fn forwarding(&self) -> &Forwarding {
        static NOTHING: Forwarding = Forwarding { trust_client: false, via: None };
        self.plan.protocol.streams().map_or(&NOTHING, |streams| &streams.forwarding)
    }

    /// Counts and logs bytes that never became a request; `status` is what the client was told.
    pub(crate) fn refused_bytes(
        &self,
        connection: &ConnectionFacts,
        began: Began,
        status: Option<u16>,
        details: &str,
    ) {
        self.metrics.malformed_total.increment();
        if let Some(status) = status {
            self.metrics.response(status);
        }
        let mut record = ConnectionRecord::new(began, ReplyReason::Malformed);
        record.ended_by(ReplyReason::Malformed, details);
        record.status = status;
        record.write(self, connection);
    }
}

fn codec_entry(codec: &CodecUse, worker: &Worker, filters: &mut FilterSource<'_>) -> CodecEntry {
    let (factory, metrics) = match &codec.source {
        CodecSource::Builtin(builtin) => (worker.codec_factory(*builtin), None),
        CodecSource::Plugin(plugin) => {
            let (factory, metrics) = filters(plugin);
            (factory, Some(metrics))
        }
    };
    CodecEntry { name: codec.name.clone(), factory, metrics }
}

impl fmt::Debug for ListenerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListenerState").field("plan", &self.plan).finish_non_exhaustive()
    }
}

impl Listener {
    /// A listener with its first state.
    #[must_use]
    pub fn new(state: Rc<ListenerState>) -> Rc<Self> {
        Rc::new(Self { state: RefCell::new(state), closed: Alarm::default() })
    }

    /// The state that serves new streams.
    #[must_use]
    pub fn state(&self) -> Rc<ListenerState> {
        Rc::clone(&self.state.borrow())
    }

    /// Serves new streams by another state. Open connections keep their network filters, which
    /// may be in the middle of what they read.
    pub fn update(&self, state: Rc<ListenerState>) {
        self.state.replace(state);
    }

    /// Stops accepting. Connections end as soon as their streams have.
    pub fn close(&self) {
        self.closed.raise();
    }

    /// Waits until connections of this listener should end.
    pub(crate) async fn until_drain(&self) {
        let worker = Rc::clone(&self.state().worker);
        tokio::select! {
            () = self.closed.wait() => {}
            () = worker.drain.wait() => {}
        }
    }

    /// Accepts until [`Listener::close`].
    pub async fn accept_forever(self: Rc<Self>, socket: Socket) {
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.closed.wait() => break,
                accepted = socket.accept() => accepted,
            };
            if !self.take(accepted) {
                return;
            }
        }
        // Who stands in the line already would be reset with the socket.
        for _ in 0..LINE_MAX {
            let waiting = socket.accept().now_or_never();
            if !waiting.is_some_and(|accepted| self.take(accepted)) {
                return;
            }
        }
    }

    /// Starts what was accepted; false where nothing more can be.
    fn take(self: &Rc<Self>, accepted: io::Result<(TcpStream, SocketAddr)>) -> bool {
        match accepted {
            Ok((stream, peer)) => self.start(stream, peer),
            Err(error) => {
                let listener = self.state();
                tracing::error!(listener = %listener.plan.name, %error, "cannot accept any more");
                return false;
            }
        }
        true
    }

    /// Starts a connection, or closes it where the listener has too many.
    pub fn start(self: &Rc<Self>, stream: TcpStream, peer: SocketAddr) {
        let state = self.state();
        let open = usize::try_from(state.metrics.connections_active.value()).unwrap_or(0);
        if open >= state.plan.limits.connections_max {
            state.metrics.connections_refused_total.increment();
            return;
        }
        let Ok(local) = stream.local_addr() else { return };
        let listener = Rc::clone(self);
        let counted = Counted::new(state);
        tokio::task::spawn_local(connection::run(listener, stream, peer, local, counted));
    }
}

/// Counts a connection as open until the last clone is dropped, however its task ends: that
/// of the connection itself, or that of the tunnel that it became.
pub(crate) struct Counted(Rc<ListenerState>);

impl Counted {
    /// Of a connection that begins now.
    pub(crate) fn new(state: Rc<ListenerState>) -> Rc<Self> {
        state.metrics.connections_total.increment();
        state.metrics.connections_active.increment();
        state.worker.connection_opened();
        Rc::new(Self(state))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.metrics.connections_active.decrement();
        self.0.worker.connection_closed();
    }
}

impl ListenerProtocol {
    /// Its codecs, in the order in which they are asked.
    #[must_use]
    pub fn codecs(&self) -> &[CodecUse] {
        match self {
            Self::Rpc(rpc) => &rpc.codecs,
            Self::Http(_) | Self::Auto(..) | Self::Tcp(_) => &[],
        }
    }

    /// What happens to its streams, where it has some.
    #[must_use]
    pub fn streams(&self) -> Option<&Arc<StreamPlan>> {
        match self {
            Self::Http(streams) | Self::Auto(streams, _) => Some(streams),
            Self::Rpc(rpc) => Some(&rpc.streams),
            Self::Tcp(_) => None,
        }
    }

    pub(crate) fn tcp(&self) -> Option<&TcpPlan> {
        match self {
            Self::Tcp(tcp) | Self::Auto(_, tcp) => Some(tcp),
            Self::Rpc(rpc) => rpc.tcp.as_ref(),
            Self::Http(_) => None,
        }
    }
}
