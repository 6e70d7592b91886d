//! Fields: what the proxy adds, keeps, drops and rewrites.

use std::collections::BTreeSet;

use tests_support::{Client, Config, Http, Proxy, Recorder, Upstream};

use crate::common::{COMBINATIONS, VERSIONS, get, word};

fn config(upstream: std::net::SocketAddr, up: Http, listener: &str) -> Config {
    let lines = format!("routes: [{{ match: {{ prefix: / }}, cluster: app }}]\n{listener}");
    Config::new().listener("web", &lines).cluster("app", upstream, word(up))
}

#[tokio::test]
async fn the_upstream_is_told_of_the_client() {
    for (down, up) in COMBINATIONS {
        let upstream = Upstream::echo(up).await;
        let proxy = Proxy::start(&config(upstream.address(), up, "")).await;
        let mut client = Client::connect(down, proxy.web()).await;
        let mut ids = BTreeSet::new();
        for _ in 0..3 {
            let reply = client.get("/").await;
            assert_eq!(reply.echoed("x-forwarded-for"), ["127.0.0.1"], "{down:?} {up:?}");
            assert_eq!(reply.echoed("x-forwarded-proto"), ["http"]);
            assert_eq!(reply.echoed("via"), [""; 0]);
            assert_eq!(reply.header("via"), "");
            let id = reply.echoed("x-request-id");
            assert_eq!(id.len(), 1);
            assert!(id[0].len() >= 16, "{id:?}");
            ids.extend(id);
        }
        assert_eq!(ids.len(), 3, "each request has an id of its own");
    }
}

const FORGED: [(&str, &str); 3] =
    [("x-forwarded-for", "9.9.9.9"), ("x-forwarded-proto", "https"), ("x-request-id", "mine")];

#[tokio::test]
async fn what_a_client_says_of_itself_counts_only_where_it_is_trusted() {
    let upstream = Upstream::echo(Http::One).await;
    let config = config(upstream.address(), Http::One, "forwarding: { trust_client: true }")
        .listener("wild", "routes: [{ match: { prefix: / }, cluster: app }]");
    let proxy = Proxy::start(&config).await;
    for down in VERSIONS {
        let mut client = Client::connect(down, proxy.address("wild")).await;
        let reply = client.ask(get("/", &FORGED)).await;
        assert_eq!(reply.echoed("x-forwarded-for"), ["127.0.0.1"]);
        assert_eq!(reply.echoed("x-forwarded-proto"), ["http"]);
        assert_eq!(reply.echoed("x-request-id"), ["mine"], "an id harms nobody");

        let mut client = Client::connect(down, proxy.web()).await;
        let reply = client.ask(get("/", &FORGED)).await;
        let chain = reply.echoed("x-forwarded-for").join(", ");
        assert_eq!(chain, "9.9.9.9, 127.0.0.1");
        assert_eq!(reply.echoed("x-forwarded-proto"), ["https"]);
        assert_eq!(reply.echoed("x-request-id"), ["mine"]);
    }
}

#[tokio::test]
async fn via_is_added_where_it_is_asked_for() {
    let upstream = Upstream::echo(Http::One).await;
    let config = config(upstream.address(), Http::One, "forwarding: { via: edge }");
    let proxy = Proxy::start(&config).await;
    for (down, said) in [(Http::One, "1.1 edge"), (Http::Two, "2.0 edge")] {
        let reply = Client::connect(down, proxy.web()).await.get("/").await;
        let upwards = reply.echoed("via").join(", ");
        assert!(upwards == said || upwards == said.replace(".0", ""), "{upwards}");
        assert!(reply.header("via").ends_with(" edge"), "{}", reply.header("via"));
    }
}

#[tokio::test]
async fn fields_of_one_hop_do_not_pass() {
    let upstream = Recorder::answering(
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: x-up-secret, keep-alive\r\n\
         x-up-secret: 1\r\nkeep-alive: timeout=9\r\nproxy-connection: keep-alive\r\n\
         x-kept: yes\r\n\r\nok",
    )
    .await;
    let proxy = Proxy::start(&config(upstream.address(), Http::One, "")).await;
    let fields = [
        ("connection", "x-secret, keep-alive, TE"),
        ("x-secret", "1"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("te", "gzip"),
        ("proxy-authorization", "Basic eDp5"),
        ("x-kept", "yes"),
    ];
    let reply = Client::connect(Http::One, proxy.web()).await.ask(get("/", &fields)).await;
    let request = upstream.requests().pop().expect("one request");
    for name in ["x-secret", "keep-alive", "proxy-connection", "te"] {
        assert_eq!(request.values(name), [""; 0], "{name}");
    }
    assert!(!request.values("connection").concat().contains("x-secret"));
    assert_eq!(request.values("x-kept"), ["yes"]);
    for name in ["x-up-secret", "keep-alive", "proxy-connection"] {
        assert_eq!(reply.header(name), "", "{name}");
    }
    assert_eq!(reply.header("x-kept"), "yes");

    let reply = Client::connect(Http::Two, proxy.web()).await.ask(get("/", &[])).await;
    for name in ["connection", "x-up-secret", "keep-alive", "proxy-connection"] {
        assert_eq!(reply.header(name), "", "{name} over HTTP/2");
    }
}

#[tokio::test]
async fn the_host_is_kept_or_rewritten_as_the_route_says() {
    let routes = "routes:\n\
        - { match: { prefix: /inner }, cluster: app, host_rewrite: { host: inner.example } }\n\
        - { match: { prefix: / }, cluster: app }";
    for (down, up) in COMBINATIONS {
        let upstream = Upstream::echo(up).await;
        let config =
            Config::new().listener("web", routes).cluster("app", upstream.address(), word(up));
        let proxy = Proxy::start(&config).await;
        let mut client = Client::connect(down, proxy.web()).await;
        let reply = client.ask(get("/", &[("host", "site.example:8080")])).await;
        assert_eq!(reply.echo("host"), "site.example:8080", "{down:?} {up:?}");
        let reply = client.ask(get("/inner/x", &[("host", "site.example")])).await;
        assert_eq!(reply.echo("host"), "inner.example", "{down:?} {up:?}");
    }
}

#[tokio::test]
async fn cookies_that_http2_splits_are_joined_for_http1() {
    let upstream = Recorder::start().await;
    let proxy = Proxy::start(&config(upstream.address(), Http::One, "")).await;
    let mut client = Client::connect(Http::Two, proxy.web()).await;
    client.ask(get("/", &[("cookie", "a=1"), ("cookie", "b=2")])).await;
    let request = upstream.requests().pop().expect("one request");
    assert_eq!(request.values("cookie"), ["a=1; b=2"]);
}
