//! A neighbour: clients that ask at a bounded pace, and note how long each answer took.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tests_support::{Client, Http, Reply, until};
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, timeout},
};

use crate::common::get;

const CLIENTS: usize = 2;
const PERIOD: Duration = Duration::from_millis(4);
/// The longest wait for one reply; past it the request has failed.
const REPLY_MAX: Duration = Duration::from_secs(10);

/// A neighbour under way.
pub(crate) struct Pace {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    clients: JoinSet<(Vec<Duration>, usize)>,
}

/// What it was told.
#[derive(Debug)]
pub(crate) struct Paced {
    pub(crate) requests: usize,
    pub(crate) failed: usize,
    pub(crate) p99: Duration,
    pub(crate) longest: Duration,
}

impl Pace {
    pub(crate) fn start(to: SocketAddr, path: &'static str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let answered = Arc::new(AtomicUsize::new(0));
        let mut clients = JoinSet::new();
        for _each in 0..CLIENTS {
            clients.spawn(client(to, path, Arc::clone(&stop), Arc::clone(&answered)));
        }
        Self { stop, answered, clients }
    }

    /// Waits for `more` replies from now.
    pub(crate) async fn replies(&self, more: usize) {
        let target = self.answered.load(Ordering::SeqCst) + more;
        until("replies at a pace", async || {
            (self.answered.load(Ordering::SeqCst) >= target).then_some(())
        })
        .await;
    }

    pub(crate) async fn finish(self) -> Paced {
        self.stop.store(true, Ordering::SeqCst);
        let all = self.clients.join_all().await;
        let failed = all.iter().map(|(_times, failed)| failed).sum();
        let mut times: Vec<_> = all.into_iter().flat_map(|(times, _failed)| times).collect();
        times.sort_unstable();
        let at = |place: usize| times.get(place).copied().unwrap_or_default();
        let (p99, longest) = (at(times.len() * 99 / 100), at(times.len().saturating_sub(1)));
        Paced { requests: times.len() + failed, failed, p99, longest }
    }
}

async fn client(
    to: SocketAddr,
    path: &'static str,
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
) -> (Vec<Duration>, usize) {
    let (mut times, mut failed) = (Vec::new(), 0);
    let mut client = Client::connect(Http::One, to).await;
    let mut timer = interval(PERIOD);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !stop.load(Ordering::SeqCst) {
        timer.tick().await;
        if !client.is_open() {
            client = Client::connect(Http::One, to).await;
        }
        let begun = Instant::now();
        let reply = async { Reply::try_read(client.try_send(get(path, &[])).await?).await };
        match timeout(REPLY_MAX, reply).await {
            Ok(Ok(reply)) if reply.status.is_success() => {
                times.push(begun.elapsed());
                answered.fetch_add(1, Ordering::SeqCst);
            }
            Ok(_) => failed += 1,
            Err(_late) => {
                failed += 1;
                client = Client::connect(Http::One, to).await;
            }
        }
    }
    (times, failed)
}
