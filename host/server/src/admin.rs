//! The admin server: what the proxy says about itself over HTTP.
//!
//! It runs on the control runtime and only reads: there is no request that changes anything.
//! It is reached over the loopback or over a Unix socket that only its owner may use, and
//! never from outside. Start reading at [`serve`]; the pages are in `pages`.

mod guard;
mod pages;
mod socket;

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::Router;
use host_telemetry::Metrics;
use host_types::Address;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::{JoinHandle, JoinSet},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

pub use socket::AdminError;
use socket::{Connection, Socket};

/// Connections served at a time; further ones wait to be accepted.
const CONNECTIONS_MAX: usize = 256;
/// Longest wait for a whole request head.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest life of a connection, whatever it does.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes of a request head.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// How long connections may go on after the stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);
/// The pause after the system refused to accept, as it does without free file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Makes the content of a page whenever the page is read.
pub type Page = Arc<dyn Fn() -> serde_json::Value + Send + Sync>;

/// What the admin server shows.
#[derive(Clone)]
pub struct AdminState {
    /// What `/metrics` shows.
    pub metrics: Metrics,
    /// The configuration in use.
    pub view: watch::Receiver<Arc<AdminView>>,
    /// What `/plugins` shows.
    pub plugins: Page,
    /// What `/clusters` shows.
    pub clusters: Page,
    /// Whether the proxy takes traffic: it has started and is not draining.
    pub ready: watch::Receiver<bool>,
}

/// The configuration in use, as the admin server shows it.
#[derive(Clone, Debug)]
pub struct AdminView {
    /// The whole configuration.
    pub config: serde_json::Value,
    /// Its number; the first one is 1.
    pub generation: u64,
    /// When it was taken into use.
    pub loaded_at: SystemTime,
    /// Why the last reload was refused, if it was.
    pub last_error: Option<String>,
    /// The listeners as they are bound.
    pub listeners: Vec<ListenerView>,
}

/// One listener as the admin server shows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListenerView {
    /// Its name.
    pub name: String,
    /// Its address with the port that it got.
    pub address: String,
    /// What it speaks.
    pub protocol: String,
}

/// An admin server that runs.
#[derive(Debug)]
pub struct Bound {
    address: Address,
    task: JoinHandle<()>,
}

/// Binds the address and serves in a task of the calling runtime until `shutdown` is
/// cancelled.
///
/// # Errors
/// The address is not a local one, is taken, or cannot be bound.
pub async fn serve(
    address: &Address,
    state: AdminState,
    shutdown: CancellationToken,
) -> Result<Bound, AdminError> {
    let socket = Socket::bind(address).await?;
    let address = socket.address().clone();
    let origin = if address.as_tcp().is_some() { guard::Origin::Tcp } else { guard::Origin::Unix };
    let router = pages::router(state, origin);
    let task = tokio::spawn(accept(socket, router, shutdown));
    Ok(Bound { address, task })
}

impl Bound {
    /// Where it listens; with the port that it got.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Waits until it has stopped and its socket is gone.
    pub async fn stopped(self) {
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the admin server broke off");
        }
    }
}

async fn accept(socket: Socket, router: Router, shutdown: CancellationToken) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    while let Some((slot, connection)) = next(&socket, &slots, &shutdown).await {
        while connections.try_join_next().is_some() {}
        let (router, shutdown) = (router.clone(), shutdown.clone());
        connections.spawn(async move {
            let served = serve_connection(connection, router, HEADER_TIMEOUT, &shutdown);
            if timeout(CONNECTION_TIMEOUT, served).await.is_err() {
                tracing::debug!("an admin connection took too long");
            }
            drop(slot);
        });
    }
    socket.close();
    if timeout(STOP_TIMEOUT, connections.join_all()).await.is_err() {
        tracing::debug!("admin connections were still open at the stop");
    }
}

/// The next connection with its slot; `None` at the stop.
async fn next(
    socket: &Socket,
    slots: &Arc<Semaphore>,
    shutdown: &CancellationToken,
) -> Option<(OwnedSemaphorePermit, Connection)> {
    let accepted = async {
        let slot = Arc::clone(slots).acquire_owned().await.ok()?;
        loop {
            match socket.accept().await {
                Ok(connection) => return Some((slot, connection)),
                Err(error) => {
                    tracing::warn!(%error, "the admin server cannot accept");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        accepted = accepted => accepted,
        () = shutdown.cancelled() => None,
    }
}

async fn serve_connection(
    connection: Connection,
    router: Router,
    header_timeout: Duration,
    shutdown: &CancellationToken,
) {
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(connection), TowerToHyperService::new(router));
    let mut serving = std::pin::pin!(serving);
    let result = tokio::select! {
        result = serving.as_mut() => result,
        () = shutdown.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "an admin connection broke off");
    }
}

impl fmt::Debug for AdminState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminState").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
