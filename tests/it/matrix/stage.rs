//! Plays the cases of the stream filters: one proxy of one worker for all of them, one case
//! after the other.

use std::time::Duration;

use http::HeaderMap;
use hyper::body::Frame;
use serde_json::Value;
use tests_support::{
    Client, Config, Http, Metrics, Proxy, RawUpstream, Reply, TestBody, empty, frames, request,
    until,
};
use tokio::{task::JoinHandle, time::timeout};

use super::{
    backend::Backend,
    case::{Ask, Case, Outcome},
    golden::{Golden, LATER_MAX},
    settings::{self, Sightings},
};

/// The longest wait for a reply; more than anything that works takes.
const REPLY_MAX: Duration = Duration::from_secs(15);

/// A proxy with all cases, and its peers.
struct Stage {
    proxy: Proxy,
    sightings: Sightings,
    _peers: [tests_support::Upstream; 2],
}

/// Plays all cases.
pub(crate) async fn streams(backend: Backend, cases: Vec<Case>, golden: &Golden) -> Vec<Outcome> {
    let stage = Stage::start(backend, &cases).await;
    let mut outcomes = Vec::new();
    for case in &cases {
        outcomes.push(Outcome { name: case.name, text: stage.play(case, golden).await });
    }
    outcomes
}

impl Stage {
    async fn start(backend: Backend, cases: &[Case]) -> Self {
        let sightings = Sightings::default();
        let (app, asked) = (settings::app(&sightings).await, settings::asked().await);
        let mut routes = String::from("routes:\n");
        for case in cases {
            routes.push_str(&route(case));
        }
        let config = Config::new()
            .top("workers: 1\nlog: { level: info }")
            .listener("web", &routes)
            .cluster("app", app.address(), "protocol: http2")
            .cluster("asked", asked.address(), "")
            .cluster("dead", RawUpstream::refused().await, "");
        let config = backend.plugin(backend.prepare(config), "it");
        let proxy = backend.start(&config).await;
        Self { proxy, sightings, _peers: [app, asked] }
    }

    async fn play(&self, case: &Case, golden: &Golden) -> String {
        let before = self.proxy.metrics().await;
        let mut pending: Vec<JoinHandle<String>> = Vec::new();
        let mut replies = Vec::new();
        for ask in &case.asks {
            let asked = tokio::spawn(reply(self.proxy.web(), case.name, ask.clone()));
            match ask.until_logged {
                None => replies.push(asked.await.unwrap_or_else(|error| error.to_string())),
                Some(line) => {
                    self.until_logged(case.name, line).await;
                    pending.push(asked);
                }
            }
        }
        for asked in pending {
            replies.push(asked.await.unwrap_or_else(|error| error.to_string()));
        }
        self.settle(case, &replies, &before, golden).await
    }

    /// Waits for a line of the plugin; the case shows where it did not come.
    async fn until_logged(&self, case: &str, line: &str) {
        let find = until(line, async || {
            let lines = settings::logged(&self.proxy.stderr(), case);
            lines.iter().any(|logged| logged.ends_with(line)).then_some(())
        });
        drop(timeout(LATER_MAX, find).await);
    }

    /// What came of a case, when nothing more does.
    async fn settle(
        &self,
        case: &Case,
        replies: &[String],
        before: &Metrics,
        golden: &Golden,
    ) -> String {
        golden.settled(case.name, async || self.text(case, replies, before).await).await
    }

    async fn text(&self, case: &Case, replies: &[String], before: &Metrics) -> String {
        let mut lines: Vec<String> = replies.to_vec();
        let mut seen = self.sightings.lock().get(case.name).cloned().unwrap_or_default();
        // Which of two that run side by side is first is a matter of timing.
        seen.sort();
        lines.extend(seen.into_iter().map(|seen| format!("upstream: {seen}")));
        let log = settings::logged(&self.proxy.stderr(), case.name);
        lines.extend(log.into_iter().map(|line| format!("log: {line}")));
        let now = self.proxy.metrics().await;
        lines.extend(settings::counted(&now, case.name));
        lines.extend(settings::faults(before, &now, case.name));
        lines.extend(self.reasons(case.name).await);
        lines.join("\n")
    }

    /// How the access log names the ends of a case's streams.
    async fn reasons(&self, case: &str) -> Vec<String> {
        let path = format!("/{case}/");
        let records = self.proxy.access_log(0).await;
        let ours = records.iter().filter(|record| record["path"] == path.as_str());
        let mut ends: Vec<String> = ours
            .map(|record| format!("end: {} {}", word(&record["status"]), word(&record["reason"])))
            .collect();
        ends.sort();
        ends
    }
}

fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The route of a case, with its chain.
fn route(case: &Case) -> String {
    let filters: Vec<String> = case
        .filters
        .iter()
        .map(|steps| {
            let mut config = steps.clone();
            if config.get("case").is_none() {
                config["case"] = case.name.into();
            }
            let (root, on_error) = (case.root_id, case.on_error);
            format!("{{ plugin: it, root_id: {root}, on_error: {on_error}, config: {config} }}")
        })
        .collect();
    format!(
        "- {{ match: {{ prefix: /{}/ }}, cluster: app, stream_filters: [{}] }}\n",
        case.name,
        filters.join(", ")
    )
}

/// Asks once, over a connection of its own: the reply as text.
pub(crate) async fn reply(to: std::net::SocketAddr, case: &str, ask: Ask) -> String {
    match timeout(REPLY_MAX, ask_once(to, case, &ask)).await {
        Ok(Ok(reply)) => shown(&reply),
        Ok(Err(text)) => text,
        Err(_elapsed) => "reply: none in time".to_owned(),
    }
}

async fn ask_once(to: std::net::SocketAddr, case: &str, ask: &Ask) -> Result<Reply, String> {
    let method = if ask.post { "POST" } else { "GET" };
    let mut builder =
        request(method, &format!("/{case}/")).header("x-case", case).header("te", "trailers");
    for (name, value) in &ask.fields {
        builder = builder.header(*name, *value);
    }
    let request = builder.body(body(ask)).map_err(|error| error.to_string())?;
    let mut client = Client::connect(Http::Two, to).await;
    // Whether the head comes before a break is a matter of timing.
    let broken = |_error: hyper::Error| "reply: broken off".to_owned();
    let response = client.try_send(request).await.map_err(broken)?;
    Reply::try_read(response).await.map_err(broken)
}

fn body(ask: &Ask) -> TestBody {
    if ask.body.is_empty() && ask.trailers.is_empty() {
        return empty();
    }
    let mut list: Vec<_> = ask.body.iter().map(|piece| Frame::data((*piece).into())).collect();
    if !ask.trailers.is_empty() {
        let mut trailers = HeaderMap::new();
        for (name, value) in &ask.trailers {
            trailers.insert(*name, value.parse().expect("a value"));
        }
        list.push(Frame::trailers(trailers));
    }
    frames(list)
}

fn shown(reply: &Reply) -> String {
    let mut text = format!("reply: {}", reply.status.as_u16());
    text.push_str(&settings::shown_fields(&reply.headers));
    text.push_str(&format!(" body={}", settings::shown_bytes(&reply.body)));
    if !reply.trailers.is_empty() {
        text.push_str(&format!(" trailers:{}", settings::shown_fields(&reply.trailers)));
    }
    text
}
