//! Plays the cases of the codecs: a listener for each case, one proxy for all of them, clients and
//! upstreams that speak Courier played by the table.

use futures_util::{
    FutureExt,
    future::{pending, select_all},
};
use serde_json::{Value, json};
use tests_support::{Config, Metrics, Proxy, RawPeer, RawUpstream};
use tokio::time::timeout;

use super::{
    backend::Backend,
    case::Outcome,
    golden::{Golden, LATER_MAX},
    settings,
};
use crate::courier::{self, Frame};

/// One case: what the listener is, and what is said over it.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) name: &'static str,
    /// Which of the codecs of the artifact.
    root_id: &'static str,
    /// What it is configured with.
    config: Value,
    /// What stands beside the codec on the listener, behind a comma.
    beside: &'static str,
    /// The steps of each stream filter.
    filters: Vec<Value>,
    /// The routes; `CASE` stands for the cluster.
    routes: &'static str,
    /// More lines of the listener, and of the cluster.
    listener: &'static str,
    cluster: &'static str,
    /// The upstream is not there.
    is_dead: bool,
    /// It has a proxy of its own.
    is_alone: bool,
    turns: Vec<Turn>,
}

/// One turn. Clients and upstream connections are counted from 0, in the order in which they
/// come.
#[derive(Clone, Debug)]
pub(crate) enum Turn {
    /// A client sends.
    Sends(usize, Vec<u8>),
    /// A client sends, one byte at a time.
    Drips(usize, Vec<u8>),
    /// A client reads a frame.
    Hears(usize),
    /// A client reads so many bytes.
    HearsBytes(usize, usize),
    /// A client ends its direction.
    ClientEnds(usize),
    /// A client reads to the end.
    ClientSeesEnd(usize),
    /// An upstream connection reads a frame.
    Reads(usize),
    /// An upstream connection reads so many bytes.
    ReadsBytes(usize, usize),
    /// An upstream connection answers the request that it read at this place; the frame's id is
    /// not its own.
    Answers(usize, usize, Frame),
    /// An upstream connection answers, one byte at a time.
    AnswersInDrips(usize, usize, Frame),
    /// An upstream connection sends.
    Says(usize, Vec<u8>),
    /// An upstream connection ends its direction.
    UpstreamEnds(usize),
    /// An upstream connection reads to the end.
    UpstreamSeesEnd(usize),
    /// Whichever upstream connection reads a frame, one that is there or a new one.
    ReadsAnywhere,
    /// The upstream connection that read it answers.
    AnswersThere(Frame),
    /// The cluster has counted this.
    Counted(&'static str),
}

impl Call {
    /// A case with the multiplexed codec, and a route to the upstream.
    pub(crate) fn new(name: &'static str, turns: Vec<Turn>) -> Self {
        Self {
            name,
            root_id: "multiplexed",
            config: json!({}),
            beside: "",
            filters: Vec::new(),
            routes: "[{ match: { prefix: / }, cluster: CASE }]",
            listener: "",
            cluster: "",
            is_dead: false,
            is_alone: false,
            turns,
        }
    }

    /// With another codec of the artifact.
    pub(crate) fn root(mut self, root_id: &'static str) -> Self {
        self.root_id = root_id;
        self
    }

    /// With a configuration of the codec.
    pub(crate) fn config(mut self, config: Value) -> Self {
        self.config = config;
        self
    }

    /// With other protocols on the listener.
    pub(crate) fn beside(mut self, names: &'static str) -> Self {
        self.beside = names;
        self
    }

    /// With one more stream filter.
    pub(crate) fn filter(mut self, steps: Value) -> Self {
        self.filters.push(steps);
        self
    }

    /// With other routes.
    pub(crate) fn routes(mut self, routes: &'static str) -> Self {
        self.routes = routes;
        self
    }

    /// With more lines of the listener.
    pub(crate) fn listener(mut self, lines: &'static str) -> Self {
        self.listener = lines;
        self
    }

    /// With more lines of the cluster.
    pub(crate) fn cluster(mut self, lines: &'static str) -> Self {
        self.cluster = lines;
        self
    }

    /// Whose upstream refuses connections.
    pub(crate) fn dead(mut self) -> Self {
        self.is_dead = true;
        self
    }

    /// In a proxy of its own.
    pub(crate) fn alone(mut self) -> Self {
        self.is_alone = true;
        self
    }

    /// The lines of its listener.
    fn lines(&self) -> String {
        let (name, root, config) = (self.name, self.root_id, &self.config);
        let filters: Vec<String> = self
            .filters
            .iter()
            .map(|steps| {
                let mut config = steps.clone();
                config["case"] = name.into();
                format!("{{ plugin: it, root_id: matrix, config: {config} }}")
            })
            .collect();
        format!(
            "protocol: [{{ name: it, root_id: {root}, config: {config} }}{}]\n\
             stream_filters: [{}]\nroutes: {}\n{}",
            self.beside,
            filters.join(", "),
            self.routes.replace("CASE", name),
            self.listener.replace("CASE", name),
        )
    }
}

/// Plays all cases: those that may in one proxy, then the others.
pub(crate) async fn calls(backend: Backend, cases: Vec<Call>, golden: &Golden) -> Vec<Outcome> {
    let (alone, together): (Vec<_>, Vec<_>) = cases.into_iter().partition(|case| case.is_alone);
    let mut outcomes = beside_each_other(backend, &together, golden).await;
    for case in alone {
        outcomes.extend(beside_each_other(backend, &[case], golden).await);
    }
    outcomes
}

/// Plays cases in one proxy, one after the other.
async fn beside_each_other(backend: Backend, cases: &[Call], golden: &Golden) -> Vec<Outcome> {
    let mut config = Config::new().top("workers: 1\nlog: { level: info }");
    // An upstream of its own for each, so that none meets a connection of another case.
    let mut upstreams = Vec::new();
    for case in cases {
        let upstream = RawUpstream::bind().await;
        let address = if case.is_dead { RawUpstream::refused().await } else { upstream.address() };
        config = config.listener(case.name, &case.lines());
        config = config.cluster(case.name, address, case.cluster);
        upstreams.push(upstream);
    }
    let config = backend.plugin(backend.prepare(config), "it");
    let proxy = backend.start(&config).await;
    let mut outcomes = Vec::new();
    for (case, upstream) in cases.iter().zip(upstreams) {
        let before = proxy.metrics().await;
        let (clients, peers) = (Vec::new(), Vec::new());
        let mut ends = Ends { proxy: &proxy, case, upstream, clients, peers, last: (0, 0) };
        let said = ends.play().await;
        // Who is still there must not break off what is looked at next.
        let text = golden.settled(case.name, async || ends.text(&said, &before).await).await;
        outcomes.push(Outcome { name: case.name, text });
    }
    outcomes
}

/// All ends of one case.
struct Ends<'a> {
    proxy: &'a Proxy,
    case: &'a Call,
    upstream: RawUpstream,
    clients: Vec<RawPeer>,
    peers: Vec<Peer>,
    /// The upstream connection that read a frame last, wherever it was, and the frame's id.
    last: (usize, u32),
}

/// An upstream connection, with the ids of the requests that it read.
struct Peer {
    raw: RawPeer,
    ids: Vec<u32>,
    is_over: bool,
}

impl Ends<'_> {
    /// What was said, as text. The first turn that does not come about in time ends it.
    async fn play(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        for turn in self.case.turns.clone() {
            let shown = format!("{turn:?}");
            match timeout(LATER_MAX, self.take(turn)).await {
                Ok(line) => lines.extend(line),
                Err(_elapsed) => {
                    let shown: String = shown.chars().take(80).collect();
                    lines.push(format!("nothing came: {shown}"));
                    break;
                }
            }
        }
        lines
    }

    /// Who is gone does not read what is sent, which the next turns show.
    async fn take(&mut self, turn: Turn) -> Option<String> {
        match turn {
            Turn::Sends(who, bytes) => drop(self.client(who).await.try_send(bytes).await),
            Turn::Drips(who, bytes) => drip(self.client(who).await, &bytes).await,
            Turn::ClientEnds(who) => self.client(who).await.finish().await,
            Turn::Says(who, bytes) => drop(self.peer(who).await.raw.try_send(bytes).await),
            Turn::UpstreamEnds(who) => self.peer(who).await.raw.finish().await,
            Turn::Answers(who, place, frame) => {
                let bytes = self.answer(who, place, frame).await;
                drop(self.peer(who).await.raw.try_send(bytes).await);
            }
            Turn::AnswersInDrips(who, place, frame) => {
                let bytes = self.answer(who, place, frame).await;
                drip(&mut self.peer(who).await.raw, &bytes).await;
            }
            Turn::AnswersThere(frame) => {
                let (who, id) = self.last;
                let bytes = Frame { id, ..frame }.bytes();
                drop(self.peer(who).await.raw.try_send(bytes).await);
            }
            Turn::Counted(name) => self.until_counted(name).await,
            Turn::Hears(who) => {
                let frame = Frame::read(self.client(who).await).await;
                return Some(format!("client {who} hears {}", shown(&frame)));
            }
            Turn::HearsBytes(who, count) => {
                let read = self.client(who).await.try_read_exact(count).await;
                return Some(format!("client {who} hears {}", shown_read(read)));
            }
            Turn::ClientSeesEnd(who) => {
                let rest = settings::shown_bytes(&self.client(who).await.read_to_end().await);
                return Some(format!("client {who} hears to the end {rest}"));
            }
            Turn::Reads(who) => return Some(self.read(who).await),
            Turn::ReadsAnywhere => return Some(self.read_anywhere().await),
            Turn::ReadsBytes(who, count) => {
                let read = self.peer(who).await.raw.try_read_exact(count).await;
                return Some(format!("upstream {who} reads {}", shown_read(read)));
            }
            Turn::UpstreamSeesEnd(who) => {
                let rest = settings::shown_bytes(&self.peer(who).await.raw.read_to_end().await);
                return Some(format!("upstream {who} reads to the end {rest}"));
            }
        }
        None
    }

    async fn read(&mut self, who: usize) -> String {
        let peer = self.peer(who).await;
        let frame = Frame::read(&mut peer.raw).await;
        let asked = frame.iter().filter(|frame| frame.kind == courier::REQUEST);
        peer.ids.extend(asked.map(|frame| frame.id));
        format!("upstream {who} reads {}", shown(&frame))
    }

    async fn read_anywhere(&mut self) -> String {
        let (who, frame) = self.next_anywhere().await;
        self.last = (who, frame.id);
        // Where it is, and which id it has there, is left open.
        format!("an upstream reads {}", Frame { id: 0, ..frame })
    }

    async fn client(&mut self, who: usize) -> &mut RawPeer {
        while self.clients.len() <= who {
            let address = self.proxy.address(self.case.name);
            self.clients.push(RawPeer::connect(address).await);
        }
        &mut self.clients[who]
    }

    async fn peer(&mut self, who: usize) -> &mut Peer {
        while self.peers.len() <= who {
            let raw = self.upstream.accept().await;
            self.peers.push(Peer { raw, ids: Vec::new(), is_over: false });
        }
        &mut self.peers[who]
    }

    /// The next frame of any upstream connection, and which one it is.
    async fn next_anywhere(&mut self) -> (usize, Frame) {
        loop {
            let next = tokio::select! {
                who = readable(&self.peers) => Ok(who),
                new = self.upstream.accept() => Err(new),
            };
            match next {
                Err(raw) => self.peers.push(Peer { raw, ids: Vec::new(), is_over: false }),
                Ok(who) => match Frame::read(&mut self.peers[who].raw).await {
                    Ok(frame) => return (who, frame),
                    Err(_the_end) => self.peers[who].is_over = true,
                },
            }
        }
    }

    /// The bytes of an answer, with the id of the request.
    async fn answer(&mut self, who: usize, place: usize, frame: Frame) -> Vec<u8> {
        let id = self.peer(who).await.ids.get(place).copied().unwrap_or_default();
        Frame { id, ..frame }.bytes()
    }

    async fn until_counted(&self, name: &str) {
        let labels = [("cluster", self.case.name)];
        self.proxy.until_metric(name, &labels, |value| value > 0.0).await;
    }

    /// All that came of the case, by now.
    async fn text(&self, said: &[String], before: &Metrics) -> String {
        let mut lines = said.to_vec();
        let log = settings::logged(&self.proxy.stderr(), self.case.name);
        lines.extend(log.into_iter().map(|line| format!("log: {line}")));
        let now = self.proxy.metrics().await;
        lines.extend(counted(&now, self.case.name));
        lines.extend(settings::faults(before, &now, self.case.name));
        lines.extend(self.ended().await);
        lines.join("\n")
    }

    /// How the access log names the ends of the case's streams.
    async fn ended(&self) -> Vec<String> {
        let records = self.proxy.access_log(0).await;
        let ours = records.iter().filter(|record| record["listener"] == self.case.name);
        let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let mut ends: Vec<String> = ours
            .map(|record| {
                let [path, status, reason] = ["path", "status", "reason"].map(|key| &record[key]);
                format!("end: {} {} {}", word(path), word(status), word(reason))
            })
            .collect();
        ends.sort();
        ends
    }
}

/// The first upstream connection on which there is something; never, where none is left.
async fn readable(peers: &[Peer]) -> usize {
    let there = peers.iter().enumerate().filter(|(_who, peer)| !peer.is_over);
    let mut any: Vec<_> = there
        .map(|(who, peer)| peer.raw.stream().readable().map(move |_whatever| who).boxed_local())
        .collect();
    any.push(pending().boxed_local());
    select_all(any).await.0
}

fn shown_read(bytes: Option<Vec<u8>>) -> String {
    bytes.map_or_else(|| "the end".to_owned(), |bytes| settings::shown_bytes(&bytes))
}

async fn drip(peer: &mut RawPeer, bytes: &[u8]) {
    for byte in bytes {
        if peer.try_send([*byte]).await.is_err() {
            return;
        }
        tokio::task::yield_now().await;
    }
}

fn shown(frame: &Result<Frame, String>) -> String {
    frame.as_ref().map_or_else(String::clone, ToString::to_string)
}

/// What the proxy counted of frames: nothing of it is of another case.
fn counted(metrics: &Metrics, case: &str) -> Vec<String> {
    let names = [
        ("mortise_rpc_frames_total", "listener"),
        ("mortise_rpc_malformed_total", "listener"),
        ("mortise_cluster_retries_total", "cluster"),
        ("mortise_cluster_rpc_late_total", "cluster"),
        ("mortise_cluster_rpc_unknown_total", "cluster"),
        ("mortise_cluster_rpc_heartbeats_missed_total", "cluster"),
        ("mortise_cluster_rpc_go_aways_total", "cluster"),
    ];
    let ours = |(name, label): (&'static str, &'static str)| {
        let of_case = move |sample: &&tests_support::Sample| {
            sample.name == name && sample.labels.get(label).is_some_and(|value| value == case)
        };
        metrics.samples.iter().filter(of_case).filter(|sample| sample.value != 0.0)
    };
    let samples = names.into_iter().flat_map(ours);
    let shown = samples.map(|sample| {
        let name = sample.name.trim_start_matches("mortise_").trim_end_matches("_total");
        let kind = sample.labels.get("kind").map(|kind| format!(" {kind}")).unwrap_or_default();
        format!("counted {name}{kind} {}", sample.value)
    });
    shown.collect()
}
