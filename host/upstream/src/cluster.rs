//! One cluster in one worker: endpoint, connection, request, response's head.
//!
//! Start reading at [`Cluster::send`].
//!
//! `expect: 100-continue` does not come this far: hyper's client asks for the body at once,
//! which makes hyper's server tell our own client to go on. An upstream's interim responses
//! end here.

use std::{cell::RefCell, io, net::SocketAddr, rc::Rc, sync::Arc};

use host_telemetry::ClusterMetrics;
use http::Request;
use hyper::{body::Incoming, client::conn::TrySendError};
use tokio::{
    net::TcpStream,
    sync::watch,
    time::{Instant, timeout},
};

use crate::{
    Body, ClusterPlan, Endpoint, EndpointSource, UpstreamError, UpstreamProtocol,
    balance::{Balancer, Picked},
    pool::{Lease, LeaseKind, Pool, RequestGuard, TcpLease, Turn, Want, connect},
    prepare::prepare,
    repeats::Repeats,
};

/// How many connections from the pool may turn out dead before a request insists on a new
/// one.
const STALE_MAX: u32 = 2;

/// A cluster: where requests go.
#[derive(Debug)]
pub struct Cluster {
    pool: Rc<Pool>,
    balancer: RefCell<Balancer>,
    endpoints: RefCell<watch::Receiver<Arc<[Endpoint]>>>,
    pub(crate) repeats: Repeats,
}

/// An upstream's response: its head, its body as it comes, and its connection.
///
/// For an upgrade call `hyper::upgrade::on(&mut response.message)`.
#[derive(Debug)]
pub struct Response {
    /// Head and body.
    pub message: http::Response<Incoming>,
    /// Who sent it.
    pub endpoint: SocketAddr,
    /// Keep it until the body ended or was given up: see [`Lease`].
    pub lease: Lease,
}

/// The request once more; it has no body.
fn without_body(request: &Request<Body>) -> Request<Body> {
    let mut again = Request::new(Body::Empty);
    *again.method_mut() = request.method().clone();
    *again.uri_mut() = request.uri().clone();
    *again.version_mut() = request.version();
    *again.headers_mut() = request.headers().clone();
    again
}

/// True where the connection ended in place of an answer.
fn ended_silently(error: &hyper::Error) -> bool {
    let broken = |error: &(dyn std::error::Error + 'static)| {
        error.downcast_ref::<io::Error>().is_some_and(|error| {
            matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
        })
    };
    let by_peer = std::error::Error::source(error).is_some_and(broken);
    error.is_incomplete_message() || error.is_canceled() || error.is_closed() || by_peer
}

/// What came of one attempt.
enum Attempt {
    Answered(http::Response<Incoming>),
    /// A connection from the pool was dead already; the request is whole.
    Stale(Request<Body>),
    Failed(hyper::Error),
}

impl Cluster {
    pub(crate) fn new(
        plan: Arc<ClusterPlan>,
        metrics: Arc<ClusterMetrics>,
        endpoints: watch::Receiver<Arc<[Endpoint]>>,
    ) -> Self {
        let mut balancer = Balancer::new(plan.balance, fastrand::Rng::new());
        balancer.update(&endpoints.borrow());
        Self {
            pool: Pool::new(plan, metrics),
            balancer: RefCell::new(balancer),
            endpoints: RefCell::new(endpoints),
            repeats: Repeats::default(),
        }
    }

    /// What the configuration says of it.
    #[must_use]
    pub fn plan(&self) -> &ClusterPlan {
        self.pool.plan()
    }

    /// Its counters on this worker.
    #[must_use]
    pub fn metrics(&self) -> &ClusterMetrics {
        self.pool.metrics()
    }

    pub(crate) fn drain(&self) {
        self.pool.drain();
    }

    pub(crate) fn pool(&self) -> &Rc<Pool> {
        &self.pool
    }

    /// Chooses an endpoint, takes a connection from the pool or makes one, sends the request
    /// and waits for the response's head. `chosen` names the endpoint as soon as it is
    /// known, for the log of requests that fail.
    ///
    /// The URI may be absolute or only a path; the authority is taken from it or from
    /// `host`. The waits for a connection have limits of their own; the wait for the
    /// response has none: it is the caller's deadline. Dropping the future gives the request
    /// up and leaks nothing.
    ///
    /// A request is sent again where a kept connection turned out dead before a byte of the
    /// request was written; and one without a body whose method is idempotent also where such
    /// a connection ended before a byte of the response came (RFC 9110 section 9.2.2).
    ///
    /// # Errors
    /// No endpoint, no connection, or no valid response.
    pub async fn send(
        &self,
        mut request: Request<Body>,
        chosen: &mut Option<SocketAddr>,
    ) -> Result<Response, UpstreamError> {
        let metrics = self.pool.metrics();
        metrics.requests_total.increment();
        let mut stale = 0;
        let replayable = matches!(request.body(), Body::Empty) && request.method().is_idempotent();
        loop {
            let picked = self.pick(&[]).await?;
            *chosen = Some(picked.address);
            let want = if stale < STALE_MAX { Want::Any } else { Want::New };
            let (mut connection, guard) = self.connection(&picked, &want).await?;
            let endpoint = connection.address().unwrap_or(picked.address);
            *chosen = Some(endpoint);
            prepare(&mut request, self.plan().protocol, endpoint).map_err(|what| {
                UpstreamError::Unsendable { cluster: self.plan().name.clone(), what }
            })?;
            if connection.is_reused() {
                metrics.reused_total.increment();
            }
            let again = (replayable && connection.is_reused()).then(|| without_body(&request));
            request = match exchange(&mut connection, request).await {
                Attempt::Answered(message) => {
                    return Ok(Response {
                        message,
                        endpoint,
                        lease: Lease::new(connection, guard),
                    });
                }
                Attempt::Stale(request) => request,
                Attempt::Failed(source) if ended_silently(&source) && again.is_some() => {
                    again.unwrap_or_default()
                }
                Attempt::Failed(source) => {
                    metrics.resets_total.increment();
                    return Err(UpstreamError::exchange(self.plan().name.clone(), source));
                }
            };
            stale += 1;
        }
    }

    /// A TCP connection of its own to an endpoint, counted in the pool's limits. The lease
    /// is to be kept as long as the connection.
    ///
    /// # Errors
    /// No endpoint, or no connection.
    pub async fn connect_tcp(&self) -> Result<(TcpStream, SocketAddr, TcpLease), UpstreamError> {
        self.pool.metrics().requests_total.increment();
        let picked = self.pick(&[]).await?;
        let guard = RequestGuard::new(&picked.active, self.pool.metrics());
        let turn = self.pool.acquire(picked.address, &Want::New).await?;
        let Turn::Open(slot) = turn else {
            return Err(self.unfit_turn());
        };
        let stream = connect::tcp(&slot, picked.address).await?;
        Ok((stream, picked.address, TcpLease::new(slot, guard)))
    }

    async fn connection(
        &self,
        picked: &Picked,
        want: &Want,
    ) -> Result<(LeaseKind, RequestGuard), UpstreamError> {
        let guard = |picked: &Picked| RequestGuard::new(&picked.active, self.pool.metrics());
        // Counted from here, so that those who wait weigh in the choice of others.
        let first = guard(picked);
        let turn = self.pool.acquire(picked.address, want).await?;
        let connection = match (turn, self.plan().protocol) {
            (Turn::Single(checkout), _) => LeaseKind::Single(checkout),
            (Turn::Stream(stream), _) => LeaseKind::Stream(stream),
            (Turn::Rpc(_), _) => return Err(self.unfit_turn()),
            (Turn::Open(slot), UpstreamProtocol::Http1) => {
                LeaseKind::Single(connect::single(slot, picked.address).await?)
            }
            (Turn::Open(slot), UpstreamProtocol::Http2) => {
                LeaseKind::Stream(connect::shared(slot, picked.address).await?)
            }
        };
        let other = connection.address().filter(|address| *address != picked.address);
        let other = other.and_then(|address| self.balancer.borrow().find(address));
        Ok((connection, other.map_or(first, |picked| guard(&picked))))
    }

    /// The next endpoint; one of `tried` only where there is no other. Waits for the first answer
    /// of the name service, but no longer than for a connection.
    pub(crate) async fn pick(&self, tried: &[SocketAddr]) -> Result<Picked, UpstreamError> {
        if let Some(picked) = self.choose(tried) {
            return Ok(picked);
        }
        if matches!(self.plan().endpoints, EndpointSource::Dns(_)) {
            let mut endpoints = self.endpoints.borrow().clone();
            let first = endpoints.wait_for(|endpoints| !endpoints.is_empty());
            // Whether it came or not, the next look tells.
            drop(timeout(self.plan().connect_timeout, first).await);
        }
        self.choose(tried)
            .ok_or_else(|| UpstreamError::NoEndpoint { cluster: self.plan().name.clone() })
    }

    /// A turn of another kind than what was asked for: whoever wants a new connection is only
    /// ever given the right to open one, HTTP's connections go to HTTP, and seats to RPC.
    pub(crate) fn unfit_turn(&self) -> UpstreamError {
        debug_assert!(false, "a turn is of the kind that was asked for");
        let what = "the pool gave something else than what was asked for";
        UpstreamError::Internal { cluster: self.plan().name.clone(), what }
    }

    /// A request under way to the endpoint of that address, as far as it is one of ours.
    pub(crate) fn request_guard(&self, address: SocketAddr) -> RequestGuard {
        let picked = self.balancer.borrow().find(address);
        let active = picked.map(|picked| picked.active).unwrap_or_default();
        RequestGuard::new(&active, self.pool.metrics())
    }

    fn choose(&self, tried: &[SocketAddr]) -> Option<Picked> {
        if self.endpoints.borrow().has_changed().unwrap_or(false) {
            let endpoints = Arc::clone(&self.endpoints.borrow_mut().borrow_and_update());
            self.balancer.borrow_mut().update(&endpoints);
            self.pool.keep_only(endpoints.iter().map(|endpoint| endpoint.address).collect());
        }
        let mut health = self.pool.health.borrow_mut();
        self.balancer.borrow_mut().choose(tried, &mut health, Instant::now())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Connections hold their pool: without this an idle one would keep it for ever.
        self.pool.drain();
    }
}

async fn exchange(connection: &mut LeaseKind, request: Request<Body>) -> Attempt {
    let reused = connection.is_reused();
    let result = match connection {
        LeaseKind::Single(checkout) => match checkout.sender() {
            Some(sender) => sender.try_send_request(request).await,
            None => return Attempt::Stale(request),
        },
        LeaseKind::Stream(stream) => match stream.sender() {
            Some(mut sender) => sender.try_send_request(request).await,
            None => return Attempt::Stale(request),
        },
    };
    result.map_or_else(|error| failed(error, reused), Attempt::Answered)
}

fn failed(mut error: TrySendError<Request<Body>>, reused: bool) -> Attempt {
    match error.take_message() {
        // A new connection that dies at once is a failure like any other.
        Some(request) if reused => Attempt::Stale(request),
        _ => Attempt::Failed(error.into_error()),
    }
}

#[cfg(test)]
mod tests;
