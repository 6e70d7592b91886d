//! What the tests of this crate share: a worker's runtime, small servers, clusters.

#![expect(clippy::excessive_nesting, reason = "a small server is a closure in a closure")]

pub(crate) mod rpc;

use std::{
    cell::Cell, convert::Infallible, future::Future, net::SocketAddr, rc::Rc, sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use host_telemetry::{ClusterMetrics, Metrics};
use http::{Request, Response as HttpResponse};
use http_body_util::BodyExt as _;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    runtime::{Builder, Handle, LocalOptions},
};

use crate::{
    Balance, Body, Cluster, ClusterPlan, Clusters, Discovery, Endpoint, EndpointSource, PoolLimits,
    Response, RpcPoolPlan, SystemResolver, UpstreamError, UpstreamProtocol,
};

pub(crate) const LONG: Duration = Duration::from_secs(20);

/// Runs `test` as a worker does, with a deadline.
pub(crate) fn worker<T>(test: impl Future<Output = T>) -> T {
    let runtime =
        Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap();
    runtime.block_on(async { tokio::time::timeout(LONG, test).await.expect("the test hangs") })
}

/// The same by a clock that stands still while there is something to do, and jumps to the next
/// timer where there is nothing.
pub(crate) fn jumping_worker<T>(test: impl Future<Output = T>) -> T {
    let mut builder = Builder::new_current_thread();
    let runtime =
        builder.enable_all().start_paused(true).build_local(LocalOptions::default()).unwrap();
    let hour = Duration::from_secs(3600);
    runtime.block_on(async { tokio::time::timeout(hour, test).await.expect("the test hangs") })
}

/// So much time passes by the clock of a [`jumping_worker`].
pub(crate) async fn pass(time: Duration) {
    tokio::time::sleep_until(tokio::time::Instant::now() + time).await;
}

pub(crate) fn plan(endpoints: &[SocketAddr]) -> ClusterPlan {
    let endpoints = endpoints.iter().map(|address| Endpoint { address: *address, weight: 1 });
    ClusterPlan {
        name: "app".into(),
        endpoints: EndpointSource::Static(endpoints.collect()),
        balance: Balance::RoundRobin,
        protocol: UpstreamProtocol::Http1,
        connect_timeout: LONG,
        pool: PoolLimits { pending_timeout: LONG, idle_timeout: LONG, ..PoolLimits::default() },
        rpc: RpcPoolPlan::default(),
    }
}

pub(crate) fn discovery() -> Discovery {
    Discovery::new(Handle::current(), Arc::new(SystemResolver::new()))
}

/// One cluster with its metrics; the rest keeps it alive.
pub(crate) struct Bench {
    pub(crate) cluster: Rc<Cluster>,
    pub(crate) metrics: Arc<ClusterMetrics>,
    pub(crate) clusters: Clusters,
}

pub(crate) fn bench(plan: ClusterPlan) -> Bench {
    bench_with(plan, &discovery())
}

pub(crate) fn bench_with(plan: ClusterPlan, discovery: &Discovery) -> Bench {
    let worker = Metrics::new().worker(0);
    let metrics = worker.cluster(&plan.name);
    let clusters = Clusters::new(worker);
    let name = plan.name.clone();
    clusters.apply(&[Arc::new(plan)], discovery);
    Bench { cluster: clusters.get(&name).unwrap(), metrics, clusters }
}

pub(crate) fn get(path: &str) -> Request<Body> {
    Request::get(path).header("host", "app.test").body(Body::Empty).unwrap()
}

impl Bench {
    pub(crate) async fn send(&self, request: Request<Body>) -> Result<Response, UpstreamError> {
        self.cluster.send(request, &mut None).await
    }

    /// A whole exchange: the response's body as text.
    pub(crate) async fn fetch(&self, path: &str) -> Result<String, UpstreamError> {
        let Response { message, lease, .. } = self.send(get(path)).await?;
        let body = message.into_body().collect().await.expect("the body is whole");
        drop(lease);
        Ok(String::from_utf8(body.to_bytes().to_vec()).unwrap())
    }
}

/// A server of this thread; the number of connections that it got.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) connections: Rc<Cell<usize>>,
}

/// Calls `serve` for each connection with its number, from 1.
pub(crate) async fn server<F>(serve: impl Fn(TcpStream, usize) -> F + 'static) -> Server
where
    F: Future<Output = ()> + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Rc::new(Cell::new(0));
    let count = Rc::clone(&connections);
    tokio::task::spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            count.set(count.get() + 1);
            tokio::task::spawn_local(serve(stream, count.get()));
        }
    });
    Server { address, connections }
}

/// Answers with what `answer` makes of a request.
pub(crate) async fn http1_server<F>(answer: impl Fn(Request<Incoming>) -> F + 'static) -> Server
where
    F: Future<Output = HttpResponse<Body>> + 'static,
{
    let answer = Rc::new(answer);
    server(move |stream, _| {
        let answer = Rc::clone(&answer);
        async move {
            let service = service_fn(move |request| {
                let answer = Rc::clone(&answer);
                async move { Ok::<_, Infallible>(answer(request).await) }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service);
            drop(connection.await);
        }
    })
    .await
}

/// Answers with the path.
pub(crate) async fn echo_path(request: Request<Incoming>) -> HttpResponse<Body> {
    let path = request.uri().path().to_owned();
    drop(request.into_body().collect().await);
    HttpResponse::new(Body::full(Bytes::from(path)))
}

/// Reads one request head without a body.
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

pub(crate) async fn write(stream: &mut TcpStream, text: &str) {
    drop(stream.write_all(text.as_bytes()).await);
}
