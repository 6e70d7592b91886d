//! What a client sees when its upstream fails, and what the log says of it.

use http::StatusCode;
use serde_json::Value;
use tests_support::{
    Client, Config, Http, Proxy, RawPeer, RawUpstream, Reply, Upstream, channel, parse_replies,
    request, within,
};

use crate::common::{VERSIONS, ask, get, post, status, with, word};

async fn only_record(proxy: &Proxy) -> Value {
    proxy.access_log(1).await.remove(0)
}

#[tokio::test]
async fn an_upstream_that_refuses_connections_is_503() {
    for (down, up) in crate::common::COMBINATIONS {
        let config = Config::new()
            .listener("web", "routes: [{ match: { prefix: / }, cluster: app }]")
            .cluster("app", RawUpstream::refused().await, word(up));
        let proxy = Proxy::start(&config).await;
        let mut client = Client::connect(down, proxy.web()).await;
        assert_eq!(client.get("/").await.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(client.get("/").await.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(only_record(&proxy).await["reason"], "upstream_failed", "{down:?} {up:?}");
    }
}

#[tokio::test]
async fn an_upstream_that_leaves_before_it_answers_is_503() {
    for down in VERSIONS {
        for partial in ["", "HTTP/1.1 200 OK\r\ncontent-le", "garbage that is no HTTP\r\n\r\n"] {
            let upstream = RawUpstream::bind().await;
            let proxy = Proxy::start(&Config::to_app(upstream.address())).await;
            let mut client = Client::connect(down, proxy.web()).await;
            let response = client.start(get("/", &[])).await;
            let mut peer = upstream.accept().await;
            peer.read_head().await;
            peer.send(partial).await;
            drop(peer);
            let response = within("a reply", response).await.expect("no panic");
            let status = response.expect("a response").status();
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{down:?} {partial:?}");
            assert_eq!(only_record(&proxy).await["reason"], "upstream_failed", "{partial:?}");
        }
    }
}

#[tokio::test]
async fn hostile_response_heads_are_refused() {
    let long = format!("HTTP/1.1 200 OK\r\nx-long: {}\r\n\r\n", "x".repeat(1 << 20));
    let many: String = (0..2000).map(|n| format!("x-{n}: 1\r\n")).collect();
    let many = format!("HTTP/1.1 200 OK\r\n{many}\r\n");
    let heads = [
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nbad name: 1\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx: a\0b\r\ncontent-length: 0\r\n\r\n",
        "HTTP/9.9 200 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        &long,
        &many,
    ];
    for head in heads {
        let upstream = RawUpstream::bind().await;
        let routes = "routes:\n\
            - { match: { prefix: /alive }, respond: { status: 200 } }\n\
            - { match: { prefix: / }, cluster: app }";
        let config = Config::new().listener("web", routes).cluster("app", upstream.address(), "");
        let proxy = Proxy::start(&config).await;
        let mut client = Client::connect(Http::One, proxy.web()).await;
        let response = client.start(get("/", &[])).await;
        let mut peer = upstream.accept().await;
        peer.read_head().await;
        // The proxy may hang up in the middle of it.
        drop(peer.try_send(head).await);
        let response = within("a reply", response).await.expect("no panic").expect("a response");
        let shown: String = head.chars().take(60).collect();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{shown:?}");
        assert_eq!(status(proxy.web(), "/alive").await, StatusCode::OK, "the proxy goes on");
    }
}

#[tokio::test]
async fn an_upstream_killed_in_the_body_never_looks_like_a_clean_end() {
    let bodies = [
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nsome of it",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ];
    for body in bodies {
        for down in VERSIONS {
            let upstream = RawUpstream::bind().await;
            let proxy = Proxy::start(&Config::to_app(upstream.address())).await;
            let mut client = Client::connect(down, proxy.web()).await;
            let response = client.start(get("/", &[])).await;
            let mut peer = upstream.accept().await;
            peer.read_head().await;
            peer.send(body).await;
            drop(peer);
            // Where the head and the break come together, the head may be lost.
            if let Ok(response) = within("a head", response).await.expect("no panic") {
                assert_eq!(response.status(), StatusCode::OK);
                let read = within("the end of the body", Reply::try_read(response)).await;
                assert!(read.is_err(), "{down:?} {body:?}: {read:?}");
            }
            let record = only_record(&proxy).await;
            assert_eq!(record["reason"], "upstream_failed", "{down:?} {body:?}: {record}");
        }
    }
}

#[tokio::test]
async fn a_body_cut_short_is_cut_short_on_the_wire() {
    let upstream = RawUpstream::bind().await;
    let proxy = Proxy::start(&Config::to_app(upstream.address())).await;
    let mut client = RawPeer::connect(proxy.web()).await;
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut peer = upstream.accept().await;
    peer.read_head().await;
    peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n").await;
    client.read_until(b"hello").await;
    peer.reset();
    let rest = client.read_to_end().await;
    assert!(!String::from_utf8_lossy(&rest).contains("0\r\n\r\n"), "no last chunk: {rest:?}");
}

#[tokio::test]
async fn an_http2_upstream_that_resets_the_stream_breaks_the_body() {
    for down in VERSIONS {
        let upstream = Upstream::serve(Http::Two, |_request| async {
            let (sender, body) = channel();
            tokio::spawn(async move {
                sender.data("begun").await;
                sender.abort().await;
            });
            Ok(http::Response::new(body))
        })
        .await;
        let config = Config::new()
            .listener("web", "routes: [{ match: { prefix: / }, cluster: app }]")
            .cluster("app", upstream.address(), "protocol: http2");
        let proxy = Proxy::start(&config).await;
        let mut client = Client::connect(down, proxy.web()).await;
        let response = client.try_send(get("/", &[])).await;
        if let Ok(response) = response {
            let read = within("the end of the body", Reply::try_read(response)).await;
            assert!(read.is_err(), "{down:?}: {read:?}");
        }
    }
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_in_time_is_504() {
    for down in VERSIONS {
        let upstream = RawUpstream::bind().await;
        let routes = "routes:\n\
            - { match: { prefix: /quick }, respond: { status: 200 } }\n\
            - { match: { prefix: / }, cluster: app, timeout_ms: 200 }";
        let config = Config::new().listener("web", routes).cluster("app", upstream.address(), "");
        let proxy = Proxy::start(&config).await;
        let mut client = Client::connect(down, proxy.web()).await;
        let reply = client.ask(post("/", &[], "body")).await;
        assert_eq!(reply.status, StatusCode::GATEWAY_TIMEOUT, "{down:?}");
        assert_eq!(status(proxy.web(), "/quick").await, StatusCode::OK);
        let record = only_record(&proxy).await;
        assert_eq!(record["reason"], "timeout", "{record}");
        assert!(record["duration_us"].as_u64().is_some_and(|us| us >= 200_000), "{record}");
        let mut peer = upstream.accept().await;
        peer.read_to_end().await;
    }
}

#[tokio::test]
async fn an_upstream_that_stalls_in_the_body_breaks_it() {
    for down in VERSIONS {
        let upstream = RawUpstream::bind().await;
        let lines = "limits: { stall_timeout_ms: 300 }\n\
            routes: [{ match: { prefix: / }, cluster: app, timeout_ms: 0 }]";
        let config = Config::new().listener("web", lines).cluster("app", upstream.address(), "");
        let proxy = Proxy::start(&config).await;
        let mut client = Client::connect(down, proxy.web()).await;
        let response = client.start(get("/", &[])).await;
        let mut peer = upstream.accept().await;
        peer.read_head().await;
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nsome").await;
        let response = within("the head", response).await.expect("no panic").expect("a head");
        let read = within("the end of the body", Reply::try_read(response)).await;
        assert!(read.is_err(), "{down:?}: {read:?}");
        peer.read_to_end().await;
    }
}

#[tokio::test]
async fn a_body_that_the_client_stalls_is_given_up() {
    for down in VERSIONS {
        let upstream = RawUpstream::bind().await;
        let lines = "limits: { stall_timeout_ms: 300 }\n\
            routes: [{ match: { prefix: / }, cluster: app, timeout_ms: 0 }]";
        let config = Config::new().listener("web", lines).cluster("app", upstream.address(), "");
        let proxy = Proxy::start(&config).await;
        let mut client = Client::connect(down, proxy.web()).await;
        let (sender, body) = channel();
        let response = client.start(with(request("POST", "/"), &[], body)).await;
        assert!(sender.data("some").await);
        let mut peer = upstream.accept().await;
        peer.read_until(b"some").await;
        peer.read_to_end().await;
        within("the client's end", sender.closed()).await;
        // Either an error status or a broken connection; never a success.
        if let Ok(response) = within("a reply", response).await.expect("no panic") {
            assert!(!response.status().is_success(), "{down:?} {}", response.status());
        }
    }
}

#[tokio::test]
async fn a_stale_pooled_connection_costs_no_request() {
    let upstream = RawUpstream::bind().await;
    let config = Config::to_app(upstream.address()).top("workers: 1");
    let proxy = Proxy::start(&config).await;
    let mut client = Client::connect(Http::One, proxy.web()).await;
    for _ in 0..5 {
        let response = client.start(get("/", &[])).await;
        let mut peer = upstream.accept().await;
        peer.read_head().await;
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        let response = within("a reply", response).await.expect("no panic").expect("a response");
        assert_eq!(Reply::read(response).await.text(), "ok");
        // Closed without a word while it lies in the pool.
        drop(peer);
    }
}

#[tokio::test]
async fn a_failing_upstream_does_not_touch_its_neighbour() {
    let healthy = Upstream::echo(Http::One).await;
    let routes = "routes:\n\
        - { match: { prefix: /bad }, cluster: bad }\n\
        - { match: { prefix: / }, cluster: good }";
    let config = Config::new()
        .listener("web", routes)
        .cluster("bad", RawUpstream::refused().await, "")
        .cluster("good", healthy.address(), "");
    let proxy = Proxy::start(&config).await;
    let mut client = Client::connect(Http::Two, proxy.web()).await;
    for _ in 0..20 {
        assert_eq!(client.get("/bad").await.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(client.get("/").await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn requests_behind_a_failed_one_are_answered_too() {
    let config = Config::new()
        .listener("web", "routes: [{ match: { prefix: / }, cluster: app }]")
        .cluster("app", RawUpstream::refused().await, "");
    let proxy = Proxy::start(&config).await;
    let mut client = RawPeer::connect(proxy.web()).await;
    let body = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody";
    let last = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    client.send(format!("{body}{last}")).await;
    let replies = parse_replies(&client.read_to_end().await);
    let statuses: Vec<u16> = replies.iter().map(|reply| reply.status).collect();
    assert!(statuses == [503, 503] || statuses == [503], "{replies:?}");
    assert_eq!(ask(Http::One, proxy.web(), get("/", &[])).await.status.as_u16(), 503);
}

/// Answers a first request and keeps the connection, reads the next one and leaves.
async fn leaves_at_the_second(upstream: &RawUpstream) {
    let mut kept = upstream.accept().await;
    kept.read_head().await;
    kept.send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfirst").await;
    kept.read_head().await;
}

#[tokio::test]
async fn a_kept_connection_that_ends_in_place_of_an_answer_costs_no_idempotent_request() {
    for (method, body, wanted) in [("GET", "", 200), ("POST", "x", 503)] {
        let upstream = RawUpstream::bind().await;
        let config = Config::to_app(upstream.address()).top("workers: 1");
        let proxy = Proxy::start(&config).await;
        let peer = tokio::spawn(async move {
            leaves_at_the_second(&upstream).await;
            let mut fresh = upstream.accept().await;
            fresh.read_head().await;
            fresh.send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nagain").await;
            fresh
        });
        let mut client = Client::connect(Http::One, proxy.web()).await;
        assert_eq!(client.get("/").await.text(), "first");
        let request = with(request(method, "/"), &[], tests_support::full(body.to_owned()));
        let reply = client.ask(request).await;
        assert_eq!(reply.status.as_u16(), wanted, "{method}");
        if wanted == 200 {
            assert_eq!(reply.text(), "again");
            drop(within("the upstream", peer).await);
        } else {
            peer.abort();
        }
    }
}
