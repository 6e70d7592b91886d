//! Filters that ask a cluster over HTTP, and what happens around the answer.

use std::sync::Arc;

use http::{HeaderValue, Response};
use tests_support::{
    Client, Config, Http, Proxy, Reply, Signal, Upstream, channel, full, request, until, within,
};
use tokio::sync::Semaphore;

use super::module;
use crate::common::{VERSIONS, get, with};

/// A server that knows everybody, and answers when it is let.
async fn gated(gate: &Arc<Semaphore>) -> Upstream {
    let gate = Arc::clone(gate);
    Upstream::serve(Http::One, move |_request| {
        let gate = Arc::clone(&gate);
        async move {
            gate.acquire().await?.forget();
            let mut response = Response::new(full("seen"));
            response.headers_mut().insert("x-auth-user", HeaderValue::from_static("ada"));
            Ok(response)
        }
    })
    .await
}

/// One filter in front of an echoing upstream, which may ask the cluster `asked`.
fn config(source: &std::path::Path, filter: &str, upstream: &Upstream, asked: &Upstream) -> Config {
    let lines = format!(
        "stream_filters: [{{ plugin: it{filter} }}]\n\
         routes: [{{ match: {{ prefix: / }}, cluster: app }}]"
    );
    Config::new()
        .top("workers: 1")
        .listener("web", &lines)
        .cluster("app", upstream.address(), "")
        .cluster("asked", asked.address(), "")
        .plugin("it", source, "policy: network")
}

const AUTH: &str = ", config: { cluster: asked, path: /verify, timeout_ms: 20000 }";

async fn start_auth(upstream: &Upstream, asked: &Upstream) -> Proxy {
    Proxy::start(&config(tests_fixtures::http_auth(), AUTH, upstream, asked)).await
}

#[tokio::test]
async fn the_answer_to_a_call_changes_a_held_body_and_lets_it_go() {
    let folder = tempfile::tempdir().expect("a folder");
    let gate = Arc::new(Semaphore::new(0));
    for version in VERSIONS {
        let (upstream, asked) = (Upstream::echo(Http::One).await, gated(&gate).await);
        let source = module(&folder, "edit_held");
        let proxy = Proxy::start(&config(&source, "", &upstream, &asked)).await;
        let mut client = Client::connect(version, proxy.web()).await;
        let (body, fed) = channel();
        let reply = client.start(with(request("POST", "/"), &[], fed)).await;
        assert!(body.data("first").await);
        until("the question", async || (asked.requests() == 1).then_some(())).await;
        gate.add_permits(1);
        until("the answer", async || {
            let answered = [("cluster", "asked")];
            let active = proxy.metrics().await.sum("mortise_cluster_requests_active", &answered);
            (active == 0.0).then_some(())
        })
        .await;
        assert!(body.data(" last").await);
        drop(body);
        let reply = within("the reply", reply).await.expect("no panic").expect("a response");
        assert_eq!(Reply::read(reply).await.echo("body"), "first! last", "{version:?}");
    }
}

#[tokio::test]
async fn many_requests_wait_for_their_own_answers_side_by_side() {
    const MANY: usize = 50;
    let gate = Arc::new(Semaphore::new(0));
    let (upstream, asked) = (Upstream::echo(Http::One).await, gated(&gate).await);
    let proxy = start_auth(&upstream, &asked).await;
    let mut client = Client::connect(Http::Two, proxy.web()).await;
    let mut waiting = Vec::new();
    for at in 0..MANY {
        waiting.push(client.start(get(&format!("/{at}"), &[])).await);
    }
    until("all questions", async || (asked.requests() == MANY).then_some(())).await;
    assert_eq!(upstream.requests(), 0);
    gate.add_permits(MANY);
    for (at, reply) in waiting.into_iter().enumerate() {
        let reply = within("a reply", reply).await.expect("no panic").expect("a response");
        let reply = Reply::read(reply).await;
        assert_eq!(reply.echo("path"), format!("/{at}"));
        assert_eq!(reply.echoed("x-auth-user"), ["ada"]);
    }
}

#[tokio::test]
async fn a_call_whose_stream_is_gone_harms_nobody() {
    let gate = Arc::new(Semaphore::new(0));
    let (upstream, asked) = (Upstream::echo(Http::One).await, gated(&gate).await);
    let proxy = start_auth(&upstream, &asked).await;
    for version in VERSIONS {
        let before = asked.requests();
        let mut client = Client::connect(version, proxy.web()).await;
        let waiting = client.start(get("/gone", &[])).await;
        until("the question", async || (asked.requests() > before).then_some(())).await;
        waiting.abort();
        drop(client);
        let active = "mortise_listener_streams_active";
        proxy.until_metric(active, &[], |now| now == 0.0).await;
    }
    gate.add_permits(3);
    let reply = Client::connect(Http::One, proxy.web()).await.get("/here").await;
    assert_eq!(reply.echoed("x-auth-user"), ["ada"]);
    assert_eq!(upstream.requests(), 1, "who left was not let in");
}

#[tokio::test]
async fn a_proxy_that_stops_waits_for_the_answer() {
    let gate = Arc::new(Semaphore::new(0));
    let (upstream, asked) = (Upstream::echo(Http::One).await, gated(&gate).await);
    let mut proxy = start_auth(&upstream, &asked).await;
    let mut client = Client::connect(Http::One, proxy.web()).await;
    let waiting = client.start(get("/", &[])).await;
    until("the question", async || (asked.requests() == 1).then_some(())).await;
    proxy.signal(Signal::Term);
    until("the drain", async || (proxy.admin("/readyz").await.0.as_u16() == 503).then_some(()))
        .await;
    gate.add_permits(1);
    let reply = within("the reply", waiting).await.expect("no panic").expect("a response");
    assert_eq!(Reply::read(reply).await.echoed("x-auth-user"), ["ada"]);
    assert!(proxy.exited().await.success());
}

#[tokio::test]
async fn a_reload_lets_those_who_wait_finish() {
    let gate = Arc::new(Semaphore::new(0));
    let (upstream, asked) = (Upstream::echo(Http::One).await, gated(&gate).await);
    let mut proxy = start_auth(&upstream, &asked).await;
    let mut client = Client::connect(Http::Two, proxy.web()).await;
    let waiting = client.start(get("/old", &[])).await;
    until("the question", async || (asked.requests() == 1).then_some(())).await;
    let free = Config::new()
        .top("workers: 1")
        .listener("web", "routes: [{ match: { prefix: / }, cluster: app }]")
        .cluster("app", upstream.address(), "");
    proxy.reload(&free).await;
    assert_eq!(client.get("/new").await.echo("path"), "/new", "no filter, no cluster to ask");
    gate.add_permits(1);
    let reply = within("the reply", waiting).await.expect("no panic").expect("a response");
    assert_eq!(Reply::read(reply).await.echoed("x-auth-user"), ["ada"]);
}
