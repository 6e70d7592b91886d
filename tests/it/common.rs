//! What several journeys need.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{Request, StatusCode};
use tests_support::{Client, Http, Proxy, Reply, TestBody, empty, full, request, until};
use tokio::task::JoinHandle;

pub(crate) use std::net::SocketAddr;

/// Both versions.
pub(crate) const VERSIONS: [Http; 2] = [Http::One, Http::Two];

/// All four combinations of downstream and upstream.
pub(crate) const COMBINATIONS: [(Http, Http); 4] = [
    (Http::One, Http::One),
    (Http::One, Http::Two),
    (Http::Two, Http::One),
    (Http::Two, Http::Two),
];

/// The configuration's word for a version.
pub(crate) fn word(version: Http) -> &'static str {
    match version {
        Http::One => "protocol: http1",
        Http::Two => "protocol: http2",
    }
}

/// A `GET` with fields.
pub(crate) fn get(path: &str, fields: &[(&str, &str)]) -> Request<TestBody> {
    with(request("GET", path), fields, empty())
}

/// A `POST` with fields and a body.
pub(crate) fn post(path: &str, fields: &[(&str, &str)], body: &str) -> Request<TestBody> {
    with(request("POST", path), fields, full(body.to_owned()))
}

/// A request with fields and a body.
pub(crate) fn with(
    mut builder: http::request::Builder,
    fields: &[(&str, &str)],
    body: TestBody,
) -> Request<TestBody> {
    for (name, value) in fields {
        builder = builder.header(*name, *value);
    }
    builder.body(body).expect("a request of a test is well formed")
}

/// One request on a connection of its own.
pub(crate) async fn ask(version: Http, address: SocketAddr, request: Request<TestBody>) -> Reply {
    Client::connect(version, address).await.ask(request).await
}

/// `GET path` over HTTP/1.1 on a connection of its own: the status.
pub(crate) async fn status(address: SocketAddr, path: &str) -> StatusCode {
    ask(Http::One, address, get(path, &[])).await.status
}

/// Waits until a number that others count up stays as it is, and yields it.
pub(crate) async fn settled(count: &AtomicUsize) -> usize {
    const LOOKS: u32 = 60;
    let (mut last, mut same) = (usize::MAX, 0);
    until("a number that stays", async || {
        let now = count.load(Ordering::SeqCst);
        same = if now == last { same + 1 } else { 0 };
        last = now;
        (now > 0 && same >= LOOKS).then_some(now)
    })
    .await
}

/// Clients that ask for one path again and again, each over connections of its own.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    /// Starts `clients` of them. `right` judges a reply; what it does not like is a failure.
    pub(crate) fn start(
        clients: usize,
        address: SocketAddr,
        path: &'static str,
        right: fn(&Reply) -> bool,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let done = Arc::new(AtomicUsize::new(0));
        let clients = (0..clients)
            .map(|at| {
                let version = VERSIONS[at % 2];
                let (stop, done) = (stop.clone(), done.clone());
                tokio::spawn(ask_on(version, address, path, right, stop, done))
            })
            .collect();
        Self { stop, done, clients }
    }

    /// Waits for `more` replies from now.
    pub(crate) async fn replies(&self, more: usize) {
        let target = self.done.load(Ordering::SeqCst) + more;
        until("replies under load", async || {
            (self.done.load(Ordering::SeqCst) >= target).then_some(())
        })
        .await;
    }

    /// Ends the load: how many replies there were. Fails where one was not right.
    pub(crate) async fn finish(self) -> usize {
        self.stop.store(true, Ordering::SeqCst);
        let mut failures = Vec::new();
        for client in self.clients {
            failures.extend(client.await.expect("a client of the load runs to its end"));
        }
        let done = self.done.load(Ordering::SeqCst);
        assert!(failures.is_empty(), "{} of {done}: {failures:#?}", failures.len());
        done
    }
}

async fn ask_on(
    version: Http,
    address: SocketAddr,
    path: &'static str,
    right: fn(&Reply) -> bool,
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
) -> Vec<String> {
    const FAILURES_SHOWN: usize = 5;
    let mut failures = Vec::new();
    let mut client = Client::connect(version, address).await;
    while !stop.load(Ordering::SeqCst) && failures.len() < FAILURES_SHOWN {
        // A proxy may close a connection between requests after it said so.
        if !client.is_open() {
            client = Client::connect(version, address).await;
        }
        match one_reply(&mut client, path).await {
            Ok(reply) if right(&reply) => {
                done.fetch_add(1, Ordering::SeqCst);
            }
            Ok(reply) => failures.push(format!("{version:?} {} {}", reply.status, reply.text())),
            Err(error) => failures.push(format!("{version:?} {error:?}")),
        }
    }
    failures
}

async fn one_reply(client: &mut Client, path: &str) -> hyper::Result<Reply> {
    Reply::try_read(client.try_send(get(path, &[])).await?).await
}

/// True for a plain 200.
pub(crate) fn is_ok(reply: &Reply) -> bool {
    reply.status == StatusCode::OK
}

/// Waits for `name` to be exactly `value`.
pub(crate) async fn until_equals(proxy: &Proxy, name: &str, labels: &[(&str, &str)], value: f64) {
    proxy.until_metric(name, labels, |now| now == value).await;
}

/// A time that is short for a person and long for a machine.
pub(crate) const SOON: Duration = Duration::from_secs(10);
