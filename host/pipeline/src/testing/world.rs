//! A worker with one listener, a cluster and an access log, for tests over real sockets.

use std::{cell::Cell, future::Future, net::SocketAddr, rc::Rc, sync::Arc, time::Duration};

use bytes::Bytes;
use host_extension::{FilterUse, InstanceSpec};
use host_router::{
    Forward, HostRewrite, PathMatch, Redirect, Respond, Retry, Route, RouteAction, RouteCondition,
    Router, RouterPlan, VirtualHost, WeightedClusters,
};
use host_telemetry::{
    AccessLog, AccessLogGuard, AccessLogTarget, Clock, Counter, ListenerMetrics, Metrics,
};
use host_types::{Address, Limits};
use host_upstream::{
    Balance, ClusterPlan, Clusters, Discovery, Endpoint, EndpointSource, PoolLimits,
    UpstreamProtocol,
};
use http::{HeaderMap, StatusCode};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    runtime::{Builder, LocalOptions},
    sync::Notify,
};

use super::{Fake, NetworkFake, frames::CodecFake};
use crate::{
    AcceptBalance, ChainEntry, Forwarding, Listener, ListenerPlan, ListenerProtocol, ListenerState,
    RpcPlan, StreamPlan, TcpPlan, Worker,
};

/// No wait of a test takes longer.
const LONG: Duration = Duration::from_secs(20);

/// Runs a test as a worker runs, with a deadline.
pub(crate) fn local<T>(test: impl Future<Output = T>) -> T {
    let runtime =
        Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap();
    runtime.block_on(async { tokio::time::timeout(LONG, test).await.expect("the test hangs") })
}

/// What the listener speaks.
#[derive(Clone, Copy)]
pub(crate) enum Speaks {
    Http,
    Auto,
    Tcp,
    /// Codecs, with what else there is beside them.
    Frames {
        http: bool,
        tcp: bool,
    },
}

/// What a test wants of its proxy.
pub(crate) struct Setup {
    pub(crate) speaks: Speaks,
    pub(crate) upstream: Option<SocketAddr>,
    /// More endpoints of the same cluster.
    pub(crate) others: Vec<SocketAddr>,
    pub(crate) protocol: UpstreamProtocol,
    pub(crate) listener_filters: Vec<Fake>,
    pub(crate) route_filters: Vec<Fake>,
    pub(crate) network_filters: Vec<NetworkFake>,
    pub(crate) limits: Limits,
    pub(crate) timeout: Option<Duration>,
    pub(crate) codecs: Vec<CodecFake>,
    pub(crate) domain: &'static str,
    pub(crate) frame_timeout: Option<Duration>,
    pub(crate) retry: Retry,
    pub(crate) pool: PoolLimits,
}

/// A proxy that runs.
pub(crate) struct World {
    pub(crate) address: SocketAddr,
    pub(crate) metrics: Arc<ListenerMetrics>,
    pub(crate) worker: Rc<Worker>,
    pub(crate) listener: Rc<Listener>,
    directory: TempDir,
    log: AccessLogGuard,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            speaks: Speaks::Http,
            upstream: None,
            others: Vec::new(),
            protocol: UpstreamProtocol::Http1,
            listener_filters: Vec::new(),
            route_filters: Vec::new(),
            network_filters: Vec::new(),
            limits: Limits::default(),
            timeout: Some(LONG),
            codecs: Vec::new(),
            domain: "app.test",
            frame_timeout: None,
            retry: Retry::default(),
            pool: PoolLimits::default(),
        }
    }
}

impl Setup {
    /// Frames of this codec, to this upstream.
    pub(crate) fn frames(codec: &CodecFake, upstream: SocketAddr) -> Self {
        let speaks = Speaks::Frames { http: false, tcp: false };
        let codecs = vec![codec.clone()];
        Self { speaks, codecs, domain: "*", ..Self::to(upstream) }
    }

    /// Everything to this upstream.
    pub(crate) fn to(upstream: SocketAddr) -> Self {
        Self { upstream: Some(upstream), ..Self::default() }
    }

    pub(crate) async fn start(self) -> World {
        let metrics = Metrics::new();
        let directory = TempDir::new().unwrap();
        let target = AccessLogTarget::File(directory.path().join("access.log"));
        let (log, guard) = AccessLog::start(&target, &metrics).unwrap();
        let clock = Clock::new();
        let shard = metrics.worker(0);
        let clusters = Clusters::new(shard.clone());
        clusters.apply(&[Arc::new(self.cluster())], &Discovery::system());
        let worker = Rc::new(Worker::new(0, clusters, Some(log.worker(&clock)), clock));
        let shard = shard.listener(&"main".into());
        let state = self.state(&worker, &shard);
        let socket = host_net::bind("127.0.0.1:0".parse().unwrap(), false, 16).unwrap();
        let socket = host_net::Listener::new(socket).unwrap();
        let address = socket.local_address();
        let listener = Listener::new(state);
        tokio::task::spawn_local(Rc::clone(&listener).accept_forever(socket));
        World { address, metrics: shard, worker, listener, directory, log: guard }
    }

    /// The listener's state that serves so.
    fn state(&self, worker: &Rc<Worker>, shard: &Arc<ListenerMetrics>) -> Rc<ListenerState> {
        let streams = self.listener_filters.iter().chain(&self.route_filters).map(Fake::entry);
        let connections = self.network_filters.iter().map(NetworkFake::entry);
        let codecs = self.codecs.iter().map(CodecFake::entry);
        let fakes: Vec<_> = streams.chain(connections).chain(codecs).collect();
        let (plan, shard) = (Arc::new(self.plan()), Arc::clone(shard));
        ListenerState::new(plan, Rc::clone(worker), shard, &mut |wanted| {
            let entry = fakes.iter().find(|entry| entry.plugin == wanted.plugin).unwrap().clone();
            (entry.factory, entry.metrics)
        })
    }

    pub(crate) fn cluster(&self) -> ClusterPlan {
        let endpoints = self
            .upstream
            .iter()
            .chain(&self.others)
            .map(|address| Endpoint { address: *address, weight: 1 });
        ClusterPlan {
            name: "app".into(),
            endpoints: EndpointSource::Static(endpoints.collect()),
            balance: Balance::RoundRobin,
            protocol: self.protocol,
            connect_timeout: LONG,
            pool: self.pool.clone(),
            rpc: host_upstream::RpcPoolPlan::default(),
        }
    }

    pub(crate) fn plan(&self) -> ListenerPlan {
        let used = |entry: ChainEntry| {
            let spec = InstanceSpec::default();
            FilterUse { plugin: entry.plugin, spec, on_error: entry.on_error }
        };
        let uses = |fakes: &[Fake]| -> Vec<FilterUse> {
            fakes.iter().map(|fake| used(fake.entry())).collect()
        };
        let network_filters = self.network_filters.iter().map(|fake| used(fake.entry())).collect();
        let routes = self.routes();
        let route_filters = routes.iter().map(|_| uses(&self.route_filters)).collect();
        let domains = vec![self.domain.parse().unwrap()];
        let virtual_host = VirtualHost { name: "app".into(), domains, routes };
        let http = StreamPlan {
            router: Router::new(RouterPlan { virtual_hosts: vec![virtual_host] }),
            stream_filters: uses(&self.listener_filters),
            route_filters,
            forwarding: Forwarding::default(),
        };
        let tcp = TcpPlan { cluster: "app".into() };
        ListenerPlan {
            name: "main".into(),
            address: Address::Tcp("127.0.0.1:0".parse().unwrap()),
            balance: AcceptBalance::Kernel,
            limits: self.limits.clone(),
            network_filters,
            protocol: match self.speaks {
                Speaks::Http => ListenerProtocol::Http(Arc::new(http)),
                Speaks::Auto => ListenerProtocol::Auto(Arc::new(http), tcp),
                Speaks::Tcp => ListenerProtocol::Tcp(tcp),
                Speaks::Frames { http: is_http, tcp: is_tcp } => ListenerProtocol::Rpc(RpcPlan {
                    codecs: self.codecs.iter().map(CodecFake::used).collect(),
                    http: is_http,
                    tcp: is_tcp.then_some(tcp),
                    streams: Arc::new(http),
                }),
            },
        }
    }

    /// `/direct` answers, `/moved` redirects, `/nowhere` has no cluster, the rest goes on.
    fn routes(&self) -> Vec<Route> {
        let forward = |cluster: &str| {
            RouteAction::Forward(Forward {
                clusters: WeightedClusters::one(cluster.into()),
                path_rewrite: None,
                host_rewrite: HostRewrite::Keep,
                timeout: self.timeout,
                frame_timeout: self.frame_timeout,
                retry: self.retry.clone(),
            })
        };
        let route = |prefix: &str, action| Route {
            name: Some(prefix.into()),
            condition: RouteCondition::path(PathMatch::Prefix(prefix.into())),
            action,
        };
        let direct = Respond {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: Bytes::from_static(b"direct"),
        };
        let moved = Redirect {
            status: StatusCode::FOUND,
            scheme: None,
            host: None,
            port: Some(81),
            path: None,
            strip_query: false,
        };
        vec![
            route("/direct", RouteAction::Respond(direct)),
            route("/moved", RouteAction::Redirect(moved)),
            route("/nowhere", forward("nowhere")),
            route("/", forward("app")),
        ]
    }
}

impl World {
    /// New streams are served by another plan; the clusters stay.
    pub(crate) fn reload(&self, setup: &Setup) {
        self.listener.update(setup.state(&self.worker, &self.metrics));
    }

    /// A connection that has sent these bytes.
    pub(crate) async fn send(&self, text: &str) -> TcpStream {
        let mut client = TcpStream::connect(self.address).await.unwrap();
        client.write_all(text.as_bytes()).await.unwrap();
        client
    }

    /// What comes back for these bytes until the proxy closes.
    pub(crate) async fn ask(&self, text: &str) -> String {
        let mut client = self.send(text).await;
        let mut answer = Vec::new();
        // A reset behind the answer is as good as an end.
        let _end = client.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    }

    /// Waits until every connection ended, and gives the lines of the access log. Each of
    /// them was counted under its reason, and nothing else was.
    pub(crate) async fn finish(self) -> Vec<String> {
        self.listener.close();
        self.worker.until_idle().await;
        assert_eq!(self.metrics.streams_active.value(), 0);
        assert_eq!(self.metrics.connections_active.value(), 0);
        drop(self.worker.access_log.take());
        drop(self.log);
        let log = std::fs::read_to_string(self.directory.path().join("access.log")).unwrap();
        let lines: Vec<String> = log.lines().map(str::to_owned).collect();
        let counted: u64 = self.metrics.replies.iter().map(Counter::value).sum();
        assert_eq!(counted, lines.len() as u64, "one line each: {lines:?}");
        for line in &lines {
            let reason = field(line, "reason").unwrap();
            let place = host_types::ReplyReason::LABELS.iter().position(|label| *label == reason);
            assert!(self.metrics.replies[place.unwrap()].value() > 0, "{line}");
        }
        lines
    }
}

/// `GET path`, or another method, that asks to close the connection.
pub(crate) fn ask(method: &str, path: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nhost: app.test\r\nconnection: close\r\n\r\n")
}

/// A field of an access log line, without quotes.
pub(crate) fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(&format!("\"{name}\":"))?;
    Some(rest.split([',', '}']).next()?.trim_matches('"'))
}

/// An upstream that serves each connection so; how many it got.
pub(crate) async fn upstream<F>(
    serve: impl Fn(TcpStream) -> F + 'static,
) -> (SocketAddr, Rc<Cell<usize>>)
where
    F: Future<Output = ()> + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Rc::new(Cell::new(0));
    let count = Rc::clone(&connections);
    tokio::task::spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            count.set(count.get() + 1);
            tokio::task::spawn_local(serve(stream));
        }
    });
    (address, connections)
}

/// Reads a head, or what comes of it.
pub(crate) async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

/// An upstream that answers every connection's first request with these bytes and closes.
pub(crate) async fn answering(answer: &'static str) -> Setup {
    let (address, _) = upstream(move |mut stream| async move {
        read_head(&mut stream).await;
        drop(stream.write_all(answer.as_bytes()).await);
    })
    .await;
    Setup::to(address)
}

/// An upstream that takes requests and keeps silent for as long as it is listened to; told
/// when a head has come.
pub(crate) async fn silent() -> (Setup, Rc<Notify>) {
    let came = Rc::new(Notify::new());
    let comes = Rc::clone(&came);
    let (address, _) = upstream(move |mut stream| {
        let comes = Rc::clone(&comes);
        async move {
            read_head(&mut stream).await;
            comes.notify_one();
            let mut sink = Vec::new();
            drop(stream.read_to_end(&mut sink).await);
        }
    })
    .await;
    (Setup::to(address), came)
}

/// The one line of the stream, as reason, status and bytes of the response.
pub(crate) async fn line(world: World) -> (String, Option<u16>, u64) {
    let lines = world.finish().await;
    let [line] = lines.as_slice() else { panic!("one line: {lines:?}") };
    let status = field(line, "status").map(|status| status.parse().unwrap());
    let bytes = field(line, "response_bytes").unwrap().parse().unwrap();
    (field(line, "reason").unwrap().to_owned(), status, bytes)
}
