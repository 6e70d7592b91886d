//! Filters that ask a cluster over gRPC while their request waits.

use std::net::SocketAddr;

use tests_support::{Config, Http, Proxy, RawUpstream, Reply, Upstream};

use super::module;
use crate::{
    common::{VERSIONS, ask, post, word},
    grpc::serve,
};

/// The letter that stands for a status code.
fn letter(code: u8) -> String {
    char::from(b'a' + code).to_string()
}

/// A request with `x-ask` through `grpc_ask`, which asks `asked`, and its echo.
async fn asking(asked: SocketAddr, speaks: Http, texts: &[&str]) -> (Vec<Reply>, Proxy) {
    let folder = tempfile::tempdir().expect("a folder");
    let upstream = Upstream::echo(Http::One).await;
    let lines = "stream_filters: [{ plugin: it }]\n\
        routes: [{ match: { prefix: / }, cluster: app }]";
    let config = Config::new()
        .top("workers: 1")
        .listener("web", lines)
        .cluster("app", upstream.address(), "")
        .cluster("asked", asked, word(speaks))
        .plugin("it", &module(&folder, "grpc_ask"), "policy: network");
    let proxy = Proxy::start(&config).await;
    let mut replies = Vec::new();
    for text in texts {
        for version in VERSIONS {
            let reply = ask(version, proxy.web(), post("/", &[("x-ask", text)], "a body")).await;
            assert_eq!(reply.status.as_u16(), 200, "{text}");
            assert_eq!(reply.echo("body"), "a body", "it waited whole");
            replies.push(reply);
        }
    }
    (replies, proxy)
}

#[tokio::test]
async fn a_request_waits_for_the_answer_and_takes_it_on() {
    let notes = Upstream::serve(Http::Two, serve).await;
    let (replies, proxy) = asking(notes.address(), Http::Two, &["hello"]).await;
    for reply in replies {
        assert_eq!(reply.echoed("x-answer"), ["HELLO"]);
        assert_eq!(reply.echoed("x-status"), [letter(0)]);
        assert_eq!(reply.echoed("x-why"), [""; 0]);
    }
    let asked = &notes.seen()[0];
    assert_eq!(asked.uri.path(), "/notes.Notes/Shout");
    assert_eq!(asked.headers["content-type"], "application/grpc");
    assert_eq!(asked.headers["te"], "trailers");
    let labels = [("cluster", "asked"), ("outcome", "answered")];
    assert_eq!(proxy.metrics().await.sum("mortise_cluster_plugin_calls_total", &labels), 2.0);
}

#[tokio::test]
async fn an_error_comes_with_its_status_and_trailers() {
    let notes = Upstream::serve(Http::Two, serve).await;
    for reply in asking(notes.address(), Http::Two, &[""]).await.0 {
        assert_eq!(reply.echoed("x-answer"), [""; 0]);
        assert_eq!(reply.echoed("x-status"), [letter(3)], "invalid argument");
        assert_eq!(reply.echoed("x-why"), ["empty"]);
    }
}

#[tokio::test]
async fn a_cluster_that_is_not_there_is_unavailable() {
    let gone = RawUpstream::refused().await;
    for reply in asking(gone, Http::Two, &["hello"]).await.0 {
        assert_eq!(reply.echoed("x-status"), [letter(14)]);
    }
}

#[tokio::test]
async fn a_cluster_that_speaks_http1_cannot_be_asked_and_the_log_says_how_it_could() {
    let notes = Upstream::echo(Http::One).await;
    let (replies, proxy) = asking(notes.address(), Http::One, &["hello"]).await;
    for reply in replies {
        assert_eq!(reply.echoed("x-status"), [""; 0], "it did not wait");
    }
    assert_eq!(notes.requests(), 0);
    let log = proxy.stderr();
    assert!(log.contains("protocol: http2"), "{log}");
}
