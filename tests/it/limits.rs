//! Limits: what happens at each of them, and that it happens there.

use http::StatusCode;
use tests_support::{
    Client, Config, FrameKind, Http, Proxy, RawHttp2, RawPeer, RawUpstream, Upstream,
    parse_replies, within,
};

use crate::common::{SOON, VERSIONS, ask, get, until_equals};

async fn limited(limits: &str) -> (Upstream, Proxy) {
    let upstream = Upstream::echo(Http::One).await;
    let lines =
        format!("limits: {{ {limits} }}\nroutes: [{{ match: {{ prefix: / }}, cluster: app }}]");
    let config = Config::new().top("workers: 1").listener("web", &lines).cluster(
        "app",
        upstream.address(),
        "",
    );
    let proxy = Proxy::start(&config).await;
    (upstream, proxy)
}

#[tokio::test]
async fn a_client_slow_with_its_head_is_timed_out() {
    let (upstream, proxy) = limited("header_timeout_ms: 300, idle_timeout_ms: 60000").await;
    for begun in ["GET / HT", "GET / HTTP/1.1\r\nhost: a\r\nx-slow: "] {
        let mut client = RawPeer::connect(proxy.web()).await;
        client.send(begun).await;
        let replies = parse_replies(&client.read_to_end().await);
        assert!(replies.iter().all(|reply| reply.status == 408), "{replies:?}");
    }
    assert_eq!(upstream.requests(), 0);
}

#[tokio::test]
async fn a_client_that_drips_its_head_is_timed_out_too() {
    let (_upstream, proxy) = limited("header_timeout_ms: 400, idle_timeout_ms: 60000").await;
    let mut client = RawPeer::connect(proxy.web()).await;
    client.send("GET / HTTP/1.1\r\nhost: a\r\nx-slow: ").await;
    let (mut reads, mut writes) = client.into_stream().into_split();
    let drip = async {
        let mut timer = tokio::time::interval(std::time::Duration::from_millis(20));
        loop {
            timer.tick().await;
            if tokio::io::AsyncWriteExt::write_all(&mut writes, b"x").await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    let mut rest = Vec::new();
    let end = tokio::io::AsyncReadExt::read_to_end(&mut reads, &mut rest);
    tokio::select! {
        () = drip => unreachable!("it never ends by itself"),
        _ended = within("the end of the connection", end) => {}
    }
}

#[tokio::test]
async fn idle_connections_are_closed() {
    for version in VERSIONS {
        let (_upstream, proxy) = limited("idle_timeout_ms: 300").await;
        let mut client = Client::connect(version, proxy.web()).await;
        assert_eq!(client.get("/").await.status, StatusCode::OK);
        client.closed().await;
        until_equals(&proxy, "mortise_listener_connections_active", &[], 0.0).await;
    }
    let (_upstream, proxy) = limited("idle_timeout_ms: 300, header_timeout_ms: 300").await;
    let mut silent = RawPeer::connect(proxy.web()).await;
    silent.read_to_end().await;
}

#[tokio::test]
async fn connections_past_the_limit_are_closed_at_once() {
    let (_upstream, proxy) = limited("connections_max: 3").await;
    let mut kept = Vec::new();
    for _ in 0..3 {
        let mut client = Client::connect(Http::One, proxy.web()).await;
        assert_eq!(client.get("/").await.status, StatusCode::OK);
        kept.push(client);
    }
    let mut refused = RawPeer::connect(proxy.web()).await;
    assert_eq!(refused.read_to_end().await, b"");
    until_equals(&proxy, "mortise_listener_connections_refused_total", &[], 1.0).await;
    for client in &mut kept {
        assert_eq!(client.get("/").await.status, StatusCode::OK);
    }
    kept.pop();
    until_equals(&proxy, "mortise_listener_connections_active", &[], 2.0).await;
    assert_eq!(ask(Http::One, proxy.web(), get("/", &[])).await.status, StatusCode::OK);
}

#[tokio::test]
async fn too_many_fields_are_431() {
    let (upstream, proxy) = limited("header_count_max: 20").await;
    let names: Vec<String> = (0..40).map(|n| format!("x-{n}")).collect();
    let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1")).collect();
    for version in VERSIONS {
        let reply = ask(version, proxy.web(), get("/", &many)).await;
        let wanted = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        assert_eq!(reply.status, wanted, "{version:?}");
        let reply = ask(version, proxy.web(), get("/", &many[..10])).await;
        assert_eq!(reply.status, StatusCode::OK, "{version:?}");
    }
    assert_eq!(upstream.requests(), 2);
}

#[tokio::test]
async fn a_head_of_too_many_bytes_is_refused() {
    let (upstream, proxy) = limited("header_bytes_max: 8192").await;
    let long = "x".repeat(20_000);
    let reply = ask(Http::One, proxy.web(), get("/", &[("x-long", &long)])).await;
    assert_eq!(reply.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    let mut client = Client::connect(Http::Two, proxy.web()).await;
    let sent = within("a refusal", client.try_send(get("/", &[("x-long", &long)]))).await;
    if let Ok(response) = sent {
        assert_eq!(response.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
    let fine = "x".repeat(2000);
    for version in VERSIONS {
        let reply = ask(version, proxy.web(), get("/", &[("x-long", &fine)])).await;
        assert_eq!(reply.status, StatusCode::OK, "{version:?}");
    }
    assert_eq!(upstream.requests(), 2);
}

#[tokio::test]
async fn streams_past_the_limit_wait_or_are_refused_and_the_others_go_on() {
    let (_upstream, proxy) = limited("streams_per_connection_max: 2").await;
    let mut client = RawHttp2::connect(proxy.web()).await;
    let settings = client.find(|frame| frame.kind == FrameKind::Settings).await;
    let payload = settings.expect("settings").payload;
    let streams = payload.chunks(6).find(|setting| setting.starts_with(&[0, 3]));
    assert_eq!(streams, Some(&[0, 3, 0, 0, 0, 2][..]), "the limit is announced");
    let fields: [(&[u8], &[u8]); 4] =
        [(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a")];
    for stream in [1, 3, 5] {
        client.request(stream, &fields, false).await;
    }
    let refused = client.find(|frame| frame.kind == FrameKind::Reset).await;
    assert_eq!(refused.map(|frame| frame.stream), Some(5));
    client.send(FrameKind::Data, 1, 1, b"end").await;
    let answer = client.find(|frame| frame.kind == FrameKind::Headers).await.expect("an answer");
    assert_eq!((answer.stream, answer.status()), (1, Some(200)));
}

async fn pooled(pool: &str) -> (RawUpstream, Proxy) {
    let upstream = RawUpstream::bind().await;
    let config = Config::new()
        .top("workers: 1")
        .listener("web", "routes: [{ match: { prefix: / }, cluster: app }]")
        .cluster("app", upstream.address(), &format!("pool: {{ {pool} }}"));
    let proxy = Proxy::start(&config).await;
    (upstream, proxy)
}

#[tokio::test]
async fn requests_past_the_pool_and_its_queue_are_503() {
    let (upstream, proxy) =
        pooled("connections_max: 1, pending_max: 1, pending_timeout_ms: 60000").await;
    let mut first = Client::connect(Http::One, proxy.web()).await;
    let first = first.start(get("/1", &[])).await;
    let mut peer = upstream.accept().await;
    assert!(peer.read_head().await.starts_with("GET /1 "));
    let mut second = Client::connect(Http::One, proxy.web()).await;
    let second = second.start(get("/2", &[])).await;
    until_equals(&proxy, "mortise_cluster_pending_active", &[("cluster", "app")], 1.0).await;

    let reply = ask(Http::One, proxy.web(), get("/3", &[])).await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(proxy.access_log(1).await[0]["reason"], "overload");
    assert_eq!(proxy.metrics().await.sum("mortise_cluster_overflow_total", &[]), 1.0);

    peer.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let answer = within("the first", first).await.expect("no panic").expect("a response");
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(peer.read_head().await.starts_with("GET /2 "), "on the same connection");
    peer.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let answer = within("the second", second).await.expect("no panic").expect("a response");
    assert_eq!(answer.status(), StatusCode::OK);
    until_equals(&proxy, "mortise_cluster_pending_active", &[("cluster", "app")], 0.0).await;
}

#[tokio::test]
async fn a_request_that_waits_too_long_for_a_connection_is_503() {
    let (upstream, proxy) =
        pooled("connections_max: 1, pending_max: 10, pending_timeout_ms: 200").await;
    let mut first = Client::connect(Http::One, proxy.web()).await;
    let held = first.start(get("/1", &[])).await;
    let mut peer = upstream.accept().await;
    peer.read_head().await;
    let reply = ask(Http::One, proxy.web(), get("/2", &[])).await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    let record = &proxy.access_log(1).await[0];
    assert_eq!(record["reason"], "overload", "{record}");
    peer.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    assert!(within("the first", held).await.expect("no panic").is_ok());
}

#[tokio::test]
async fn a_client_that_gives_up_waiting_leaves_its_place() {
    let (upstream, proxy) =
        pooled("connections_max: 1, pending_max: 1, pending_timeout_ms: 60000").await;
    let mut first = Client::connect(Http::One, proxy.web()).await;
    let held = first.start(get("/1", &[])).await;
    let mut peer = upstream.accept().await;
    peer.read_head().await;
    let pending = "mortise_cluster_pending_active";
    for _ in 0..3 {
        let mut waiting = Client::connect(Http::One, proxy.web()).await;
        let waits = waiting.start(get("/2", &[])).await;
        until_equals(&proxy, pending, &[], 1.0).await;
        drop(waiting);
        waits.abort();
        until_equals(&proxy, pending, &[], 0.0).await;
    }
    peer.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    assert!(within("the first", held).await.expect("no panic").is_ok());
}

#[tokio::test]
async fn an_endpoint_that_never_accepts_costs_the_connect_timeout() {
    // A listener whose queue is full lets connections hang in the handshake.
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("bound");
    let full = socket.listen(1).expect("listening");
    let address = full.local_addr().expect("an address");
    let mut fillers = Vec::new();
    while let Ok(Ok(filler)) = tokio::time::timeout(
        std::time::Duration::from_millis(300),
        tokio::net::TcpStream::connect(address),
    )
    .await
    {
        fillers.push(filler);
    }
    let config = Config::new()
        .listener("web", "routes: [{ match: { prefix: / }, cluster: app }]")
        .cluster("app", address, "connect_timeout_ms: 200");
    let proxy = Proxy::start(&config).await;
    let asked = tokio::time::timeout(SOON, ask(Http::One, proxy.web(), get("/", &[]))).await;
    assert_eq!(asked.expect("in time").status, StatusCode::SERVICE_UNAVAILABLE);
}
