//! HTTP in, HTTP out: versions, bodies, trailers, fields.

mod bodies;
mod fields;
mod semantics;

use http::{StatusCode, Version};
use tests_support::{Client, Config, Http, Proxy, Upstream};

use crate::common::{COMBINATIONS, get, post, word};

#[tokio::test]
async fn every_combination_of_versions_carries_requests_and_replies() {
    for (down, up) in COMBINATIONS {
        let upstream = Upstream::echo(up).await;
        let config = Config::new()
            .listener("web", "routes: [{ match: { prefix: / }, cluster: app }]")
            .cluster("app", upstream.address(), word(up));
        let proxy = Proxy::start(&config).await;
        let mut client = Client::connect(down, proxy.web()).await;

        let reply = client.ask(get("/a/b?c=d&e", &[("x-one", "1"), ("x-one", "2")])).await;
        assert_eq!(reply.status, StatusCode::OK, "{down:?} {up:?}");
        assert_eq!((reply.echo("method"), reply.echo("path")), ("GET".into(), "/a/b?c=d&e".into()));
        let version = if up == Http::One { "HTTP/1.1" } else { "HTTP/2.0" };
        assert_eq!(reply.echo("version"), version);
        assert_eq!(reply.echoed("x-one"), ["1", "2"]);
        assert_eq!(reply.header("content-type"), "application/json");
        let version = if down == Http::One { Version::HTTP_11 } else { Version::HTTP_2 };
        assert_eq!(reply.version, version);

        let reply = client.ask(post("/", &[("x-reply-status", "418")], "a body")).await;
        assert_eq!(reply.status, StatusCode::IM_A_TEAPOT);
        assert_eq!((reply.echo("method"), reply.echo("body")), ("POST".into(), "a body".into()));

        let reply = client.ask(get("/", &[("x-reply-status", "204")])).await;
        assert_eq!((reply.status, reply.body.len()), (StatusCode::NO_CONTENT, 0));
        assert_eq!(client.get("/last").await.status, StatusCode::OK, "the connection goes on");
        assert_eq!(upstream.requests(), 4);
    }
}

#[tokio::test]
async fn one_listener_speaks_both_versions() {
    let upstream = Upstream::echo(Http::One).await;
    let proxy = Proxy::start(&Config::to_app(upstream.address())).await;
    let mut one = Client::connect(Http::One, proxy.web()).await;
    let mut two = Client::connect(Http::Two, proxy.web()).await;
    for path in ["/1", "/2", "/3"] {
        assert_eq!(one.get(path).await.echo("path"), path);
        assert_eq!(two.get(path).await.echo("path"), path);
    }
}

#[tokio::test]
async fn streams_of_one_connection_do_not_wait_for_each_other() {
    let (release, gate) = tokio::sync::watch::channel(false);
    let upstream = Upstream::serve(Http::Two, move |request| {
        let mut gate = gate.clone();
        async move {
            if request.uri().path() == "/slow" {
                gate.wait_for(|open| *open).await?;
            }
            Ok(http::Response::new(tests_support::full(request.uri().path().to_owned())))
        }
    })
    .await;
    let config = Config::new()
        .listener("web", "routes: [{ match: { prefix: / }, cluster: app }]")
        .cluster("app", upstream.address(), "protocol: http2");
    let proxy = Proxy::start(&config).await;
    let mut client = Client::connect(Http::Two, proxy.web()).await;
    let slow = client.start(get("/slow", &[])).await;
    for _ in 0..20 {
        assert_eq!(client.get("/quick").await.text(), "/quick");
    }
    assert!(!slow.is_finished());
    release.send(true).expect("the upstream waits");
    let slow = slow.await.expect("no panic").expect("a response");
    assert_eq!(tests_support::Reply::read(slow).await.text(), "/slow");
}

#[tokio::test]
async fn upstream_connections_are_kept_and_used_again() {
    let upstream = Upstream::echo(Http::One).await;
    let proxy = Proxy::start(&Config::to_app(upstream.address()).top("workers: 1")).await;
    for _ in 0..5 {
        let mut client = Client::connect(Http::One, proxy.web()).await;
        for _ in 0..4 {
            assert_eq!(client.get("/").await.status, StatusCode::OK);
        }
    }
    // A client may be quicker with its next request than the pool with taking back.
    assert_eq!(upstream.requests(), 20);
    assert!(upstream.connections() <= 3, "{} connections", upstream.connections());
    let reused = proxy.metrics().await.sum("mortise_cluster_reused_total", &[]);
    assert!(reused >= 17.0, "{reused} reused");
}
