//! Plays the cases of the network filters: a listener for each case, one proxy for all of them,
//! both ends played by the table.

use std::time::Duration;

use serde_json::Value;
use tests_support::{Config, Metrics, Proxy, RawPeer, RawUpstream, until};
use tokio::time::timeout;

use super::{backend::Backend, case::Outcome, golden::Golden, settings};

/// The longest wait for bytes; more than anything that works takes.
const TURN_MAX: Duration = Duration::from_secs(8);

/// One case: the steps of the filters, and the talk.
#[derive(Clone, Debug)]
pub(crate) struct Talk {
    pub(crate) name: &'static str,
    pub(crate) filters: Vec<Value>,
    pub(crate) on_error: &'static str,
    pub(crate) turns: Vec<Turn>,
}

/// One turn of a talk.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Turn {
    /// The client sends.
    Sends(&'static str),
    /// The upstream reads so many bytes.
    Reads(usize),
    /// The upstream sends.
    Answers(&'static str),
    /// The client reads so many bytes.
    Hears(usize),
    /// The client ends its direction.
    ClientEnds,
    /// The upstream ends its direction.
    UpstreamEnds,
    /// The client reads to the end.
    ClientSeesEnd,
    /// The upstream reads to the end.
    UpstreamSeesEnd,
    /// The plugin has logged this.
    Logged(&'static str),
    /// The client begins a second connection, and ends the first one.
    NewClient,
}

impl Talk {
    pub(crate) fn new(name: &'static str, steps: Value, turns: &[Turn]) -> Self {
        Self { name, filters: vec![steps], on_error: "closed", turns: turns.to_vec() }
    }

    pub(crate) fn then(mut self, steps: Value) -> Self {
        self.filters.push(steps);
        self
    }

    pub(crate) fn on_error(mut self, word: &'static str) -> Self {
        self.on_error = word;
        self
    }
}

/// Plays all cases.
pub(crate) async fn connections(
    backend: Backend,
    cases: Vec<Talk>,
    golden: &Golden,
) -> Vec<Outcome> {
    let asked = settings::asked().await;
    let mut config = Config::new()
        .top("workers: 1\nlog: { level: info }")
        .cluster("asked", asked.address(), "")
        .cluster("dead", RawUpstream::refused().await, "");
    // An upstream of its own for each, so that none meets a connection of another case.
    let mut upstreams = Vec::new();
    for case in &cases {
        let upstream = RawUpstream::bind().await;
        config =
            config.listener(case.name, &lines(case)).cluster(case.name, upstream.address(), "");
        upstreams.push(upstream);
    }
    let config = backend.plugin(backend.prepare(config), "it");
    let proxy = backend.start(&config).await;
    let mut outcomes = Vec::new();
    for (case, upstream) in cases.iter().zip(&upstreams) {
        let before = proxy.metrics().await;
        let talk = play(&proxy, upstream, case).await;
        let text = settle(&proxy, case, &talk, &before, golden).await;
        outcomes.push(Outcome { name: case.name, text });
    }
    outcomes
}

/// The lines of a case's listener.
fn lines(case: &Talk) -> String {
    let filters: Vec<String> = case
        .filters
        .iter()
        .map(|steps| {
            let mut config = steps.clone();
            if config.get("case").is_none() {
                config["case"] = case.name.into();
            }
            let on_error = case.on_error;
            format!("{{ plugin: it, root_id: matrix, on_error: {on_error}, config: {config} }}")
        })
        .collect();
    format!("network_filters: [{}]\nprotocol: tcp\ncluster: {}", filters.join(", "), case.name)
}

/// Both ends of one talk.
struct Ends<'a> {
    upstream: &'a RawUpstream,
    client: RawPeer,
    peer: Option<RawPeer>,
}

impl Ends<'_> {
    async fn peer(&mut self) -> &mut RawPeer {
        if self.peer.is_none() {
            self.peer = Some(self.upstream.accept().await);
        }
        self.peer.as_mut().expect("accepted above")
    }
}

/// The talk as text. The first turn that does not come about in time ends it.
async fn play(proxy: &Proxy, upstream: &RawUpstream, case: &Talk) -> Vec<String> {
    let client = RawPeer::connect(proxy.address(case.name)).await;
    let mut ends = Ends { upstream, client, peer: None };
    let mut lines = Vec::new();
    for turn in &case.turns {
        match timeout(TURN_MAX, take(proxy, case, &mut ends, *turn)).await {
            Ok(line) => lines.extend(line),
            Err(_elapsed) => {
                lines.push(format!("nothing came: {turn:?}"));
                break;
            }
        }
    }
    lines
}

async fn take(proxy: &Proxy, case: &Talk, ends: &mut Ends<'_>, turn: Turn) -> Option<String> {
    let text = |bytes: Option<Vec<u8>>| {
        bytes.map_or_else(|| "the end".to_owned(), |bytes| settings::shown_bytes(&bytes))
    };
    match turn {
        // Who is gone does not read it, which the next turns show.
        Turn::Sends(bytes) => drop(ends.client.try_send(bytes).await),
        Turn::Answers(bytes) => drop(ends.peer().await.try_send(bytes).await),
        Turn::ClientEnds => ends.client.finish().await,
        Turn::UpstreamEnds => ends.peer().await.finish().await,
        Turn::Reads(length) => {
            let read = ends.peer().await.try_read_exact(length).await;
            return Some(format!("upstream read: {}", text(read)));
        }
        Turn::Hears(length) => {
            let read = ends.client.try_read_exact(length).await;
            return Some(format!("client read: {}", text(read)));
        }
        Turn::ClientSeesEnd => {
            let rest = ends.client.read_to_end().await;
            return Some(format!("client read to the end: {}", settings::shown_bytes(&rest)));
        }
        Turn::UpstreamSeesEnd => {
            let rest = ends.peer().await.read_to_end().await;
            return Some(format!("upstream read to the end: {}", settings::shown_bytes(&rest)));
        }
        Turn::Logged(line) => {
            until(line, async || {
                let lines = settings::logged(&proxy.stderr(), case.name);
                lines.iter().any(|logged| logged.ends_with(line)).then_some(())
            })
            .await;
        }
        Turn::NewClient => {
            ends.client = RawPeer::connect(proxy.address(case.name)).await;
            ends.peer = None;
        }
    }
    None
}

/// What came of a talk, when nothing more does.
async fn settle(
    proxy: &Proxy,
    case: &Talk,
    talk: &[String],
    before: &Metrics,
    golden: &Golden,
) -> String {
    golden
        .settled(case.name, async || {
            let mut lines = talk.to_vec();
            let log = settings::logged(&proxy.stderr(), case.name);
            lines.extend(log.into_iter().map(|line| format!("log: {line}")));
            let metrics = proxy.metrics().await;
            lines.extend(settings::counted(&metrics, case.name));
            lines.extend(settings::faults(before, &metrics, case.name));
            lines.join("\n")
        })
        .await
}
