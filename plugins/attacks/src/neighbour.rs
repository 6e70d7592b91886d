//! The neighbour: a route without plugins under a bounded load, on a thread of its own.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    runtime::Builder,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, timeout},
};

const CLIENTS: usize = 2;
/// Between two requests of a client, where the first was answered in time.
const PERIOD: Duration = Duration::from_millis(4);
/// The longest wait for one response; past it the request has failed.
const PATIENCE: Duration = Duration::from_secs(5);
/// Times that are kept of each client.
const TIMES_MAX: usize = 100_000;

/// The load's figures.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Figures {
    /// Requests that were sent.
    pub requests: usize,
    /// Requests that were not answered with a whole 200.
    pub failed: usize,
    /// The time that 99 of a hundred were answered within.
    pub p99: Duration,
    /// The longest of all.
    pub longest: Duration,
}

/// A load under way.
#[derive(Debug)]
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    thread: thread::JoinHandle<Figures>,
}

impl Load {
    /// Starts it.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub(crate) fn start(to: SocketAddr) -> io::Result<Self> {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (own_stop, own_answered) = (Arc::clone(&stop), Arc::clone(&answered));
        let thread = thread::Builder::new().name("neighbour".to_owned()).spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build();
            // Nothing sent is nothing lost: the run sees that there were no requests.
            runtime.map_or_else(
                |_none| Figures::default(),
                |runtime| runtime.block_on(load(to, own_stop, own_answered)),
            )
        })?;
        Ok(Self { stop, answered, thread })
    }

    /// Waits until so many more were answered.
    pub(crate) async fn answers(&self, more: usize) {
        let target = self.answered.load(Ordering::Relaxed) + more;
        let mut timer = interval(PERIOD);
        while self.answered.load(Ordering::Relaxed) < target && !self.thread.is_finished() {
            timer.tick().await;
        }
    }

    /// Ends it: its figures.
    pub(crate) fn finish(self) -> Figures {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}

async fn load(to: SocketAddr, stop: Arc<AtomicBool>, answered: Arc<AtomicUsize>) -> Figures {
    let mut clients = JoinSet::new();
    for _each in 0..CLIENTS {
        clients.spawn(client(to, Arc::clone(&stop), Arc::clone(&answered)));
    }
    let all = clients.join_all().await;
    let failed = all.iter().map(|client| client.failed).sum();
    let mut times: Vec<Duration> = all.into_iter().flat_map(|client| client.times).collect();
    times.sort_unstable();
    let p99 = times.get(times.len() * 99 / 100).copied().unwrap_or_default();
    let longest = times.last().copied().unwrap_or_default();
    Figures { requests: times.len() + failed, failed, p99, longest }
}

#[derive(Default)]
struct Client {
    times: Vec<Duration>,
    failed: usize,
}

async fn client(to: SocketAddr, stop: Arc<AtomicBool>, answered: Arc<AtomicUsize>) -> Client {
    let mut client = Client::default();
    let mut connection = None;
    let mut timer = interval(PERIOD);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !stop.load(Ordering::Relaxed) && client.times.len() < TIMES_MAX {
        timer.tick().await;
        let begun = Instant::now();
        match timeout(PATIENCE, one(&mut connection, to)).await {
            Ok(Some(())) => {
                client.times.push(begun.elapsed());
                answered.fetch_add(1, Ordering::Relaxed);
            }
            Ok(None) | Err(_) => {
                client.failed += 1;
                connection = None;
            }
        }
    }
    client
}

type Sender = SendRequest<Empty<Bytes>>;

/// One request over the connection, which is made where there is none.
async fn one(connection: &mut Option<Sender>, to: SocketAddr) -> Option<()> {
    let mut sender = match connection.take().filter(|sender| !sender.is_closed()) {
        Some(sender) => sender,
        None => connect(to).await?,
    };
    sender.ready().await.ok()?;
    let request = Request::get("/").header("host", "neighbour.example").body(Empty::new()).ok()?;
    let response = sender.send_request(request).await.ok()?;
    let good = response.status() == StatusCode::OK;
    response.into_body().collect().await.ok()?;
    *connection = Some(sender);
    good.then_some(())
}

async fn connect(to: SocketAddr) -> Option<Sender> {
    let stream = TcpStream::connect(to).await.ok()?;
    stream.set_nodelay(true).ok()?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    drop(tokio::spawn(connection));
    Some(sender)
}
