//! Clients that ask without a pause, and count what they are told.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tests_support::{Client, Http, Reply};
use tokio::{
    task::JoinHandle,
    time::{Instant, timeout},
};

use crate::common::get;

/// The longest wait for one reply; past it the request is lost.
const REPLY_MAX: Duration = Duration::from_secs(10);

/// What a storm was told.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Replies by status.
    pub(crate) statuses: BTreeMap<u16, usize>,
    /// Replies of 200 that the filter had its hand in.
    pub(crate) filtered: usize,
    /// Requests without a whole reply, and why.
    pub(crate) lost: Vec<String>,
}

/// Clients under way.
pub(crate) struct Storm {
    stop: Arc<AtomicBool>,
    tally: Arc<Mutex<Tally>>,
    clients: Vec<JoinHandle<()>>,
}

impl Storm {
    /// Starts `clients` of them, each on a connection of its own.
    pub(crate) fn start(clients: usize, to: SocketAddr, path: &'static str) -> Self {
        let (stop, tally) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let clients = (0..clients)
            .map(|_| tokio::spawn(ask_on(to, path, Arc::clone(&stop), Arc::clone(&tally))));
        Self { clients: clients.collect(), stop, tally }
    }

    /// Waits for `more` replies from now.
    pub(crate) async fn replies(&self, more: usize) {
        let target = self.tally.lock().count() + more;
        tests_support::until("replies under load", async || {
            (self.tally.lock().count() >= target).then_some(())
        })
        .await;
    }

    /// Lets the requests under way end: what was told.
    pub(crate) async fn finish(self) -> Tally {
        self.stop.store(true, Ordering::SeqCst);
        for client in self.clients {
            client.await.expect("a client runs to its end");
        }
        std::mem::take(&mut self.tally.lock())
    }
}

impl Tally {
    /// How many requests.
    pub(crate) fn count(&self) -> usize {
        self.statuses.values().sum::<usize>() + self.lost.len()
    }

    /// How many were not answered with one of these.
    pub(crate) fn other_than(&self, right: &[u16]) -> usize {
        let others = self.statuses.iter().filter(|(status, _count)| !right.contains(status));
        others.map(|(_status, count)| count).sum::<usize>() + self.lost.len()
    }
}

async fn ask_on(
    to: SocketAddr,
    path: &'static str,
    stop: Arc<AtomicBool>,
    tally: Arc<Mutex<Tally>>,
) {
    let mut client = Client::connect(Http::One, to).await;
    while !stop.load(Ordering::SeqCst) {
        if !client.is_open() {
            client = Client::connect(Http::One, to).await;
        }
        let outcome = timeout(REPLY_MAX, one(&mut client, path)).await;
        if outcome.is_err() {
            client = Client::connect(Http::One, to).await;
        }
        let mut tally = tally.lock();
        match outcome {
            Ok(Ok(reply)) => {
                *tally.statuses.entry(reply.status.as_u16()).or_default() += 1;
                tally.filtered += usize::from(is_filtered(&reply));
            }
            Ok(Err(error)) => tally.lost.push(format!("{error:?}")),
            Err(_elapsed) => tally.lost.push("no reply in time".to_owned()),
        }
    }
}

async fn one(client: &mut Client, path: &str) -> hyper::Result<Reply> {
    Reply::try_read(client.try_send(get(path, &[])).await?).await
}

/// True where the filter set its field.
pub(crate) fn is_filtered(reply: &Reply) -> bool {
    reply.status.as_u16() == 200 && reply.header("x-matrix") == "seen"
}

/// Asks again and again until the filter had its hand in a reply: how long that took.
pub(crate) async fn until_filtered(to: SocketAddr, path: &str) -> Duration {
    let begun = Instant::now();
    tests_support::until("a filtered reply", async || {
        let mut client = Client::connect(Http::One, to).await;
        let reply = one(&mut client, path).await.ok()?;
        is_filtered(&reply).then_some(())
    })
    .await;
    begun.elapsed()
}

/// Milliseconds, as a figure.
pub(crate) fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
