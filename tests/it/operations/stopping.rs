//! Stopping: requests under way finish, nothing new begins.

use tests_support::{
    Client, Config, FrameKind, Http, Proxy, RawHttp2, RawPeer, RawUpstream, Reply, Signal, until,
    within,
};

use crate::common::{VERSIONS, get};

/// A proxy whose requests wait at an upstream that the test plays.
async fn start(top: &str) -> (RawUpstream, Proxy) {
    let upstream = RawUpstream::bind().await;
    let routes = "routes:\n\
        - { match: { path: /here }, respond: { status: 200, body: here } }\n\
        - { match: { prefix: / }, cluster: app, timeout_ms: 0 }";
    let config =
        Config::new().top(top).listener("web", routes).cluster("app", upstream.address(), "");
    let proxy = Proxy::start(&config).await;
    (upstream, proxy)
}

async fn until_refused(proxy: &Proxy) {
    let address = proxy.web();
    until("refused connections", async || {
        tokio::net::TcpStream::connect(address).await.is_err().then_some(())
    })
    .await;
}

#[tokio::test]
async fn requests_under_way_finish_and_new_connections_are_refused() {
    for signal in [Signal::Term, Signal::Int] {
        for version in VERSIONS {
            let (upstream, mut proxy) = start("drain_timeout_ms: 60000").await;
            let mut client = Client::connect(version, proxy.web()).await;
            let response = client.start(get("/", &[])).await;
            let mut peer = upstream.accept().await;
            peer.read_head().await;
            proxy.signal(signal);
            until_refused(&proxy).await;
            assert!(proxy.is_running());
            peer.send("HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nhalf").await;
            peer.send("done").await;
            let response = within("the reply", response).await.expect("no panic").expect("a reply");
            let reply = Reply::read(response).await;
            assert_eq!(reply.text(), "halfdone", "{version:?}");
            if version == Http::One {
                assert_eq!(reply.header("connection"), "close");
            }
            assert_eq!(proxy.exited().await.code(), Some(0), "{version:?}");
        }
    }
}

#[tokio::test]
async fn idle_connections_are_told_to_go() {
    let (upstream, mut proxy) = start("drain_timeout_ms: 60000").await;
    let mut idle = RawPeer::connect(proxy.web()).await;
    idle.send("GET /here HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(idle.read_reply().await.body, b"here");
    let mut idle2 = RawHttp2::connect(proxy.web()).await;
    let fields: [(&[u8], &[u8]); 4] =
        [(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/here"), (b":authority", b"a")];
    idle2.request(1, &fields, true).await;
    let head = idle2.find(|frame| frame.kind == FrameKind::Headers).await;
    assert_eq!(head.and_then(|head| head.status()), Some(200));
    // Keeps the proxy from ending before the others were told.
    let mut busy = Client::connect(Http::One, proxy.web()).await;
    let response = busy.start(get("/", &[])).await;
    let mut peer = upstream.accept().await;
    peer.read_head().await;

    proxy.signal(Signal::Term);
    let goaway = idle2.find(|frame| frame.kind == FrameKind::GoAway).await.expect("GOAWAY");
    assert_eq!(goaway.payload.get(4..8), Some(&[0; 4][..]), "no error");
    let rest = idle.read_to_end().await;
    assert_eq!(rest, b"", "closed without a word");
    assert!(proxy.is_running());

    peer.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let response = within("the reply", response).await.expect("no panic").expect("a reply");
    assert_eq!(Reply::read(response).await.text(), "ok");
    assert_eq!(idle2.find(|frame| frame.stream != 0).await, None, "closed after GOAWAY");
    assert_eq!(proxy.exited().await.code(), Some(0));
}

#[tokio::test]
async fn a_proxy_without_work_ends_at_once() {
    let (_upstream, proxy) = start("drain_timeout_ms: 600000").await;
    let mut client = Client::connect(Http::One, proxy.web()).await;
    assert_eq!(client.get("/here").await.text(), "here");
    assert_eq!(proxy.stop().await.code(), Some(0));
}

#[tokio::test]
async fn the_drain_timeout_ends_what_never_finishes() {
    let (upstream, mut proxy) = start("drain_timeout_ms: 300").await;
    let mut client = Client::connect(Http::Two, proxy.web()).await;
    let response = client.start(get("/", &[])).await;
    let mut peer = upstream.accept().await;
    peer.read_head().await;
    proxy.signal(Signal::Term);
    assert_eq!(proxy.exited().await.code(), Some(0));
    let broken = within("an end", response).await.expect("no panic");
    assert!(broken.is_err() || broken.is_ok_and(|reply| !reply.status().is_success()));
}

#[tokio::test]
async fn a_second_signal_ends_the_wait() {
    let (upstream, mut proxy) = start("drain_timeout_ms: 600000").await;
    let mut client = Client::connect(Http::One, proxy.web()).await;
    let response = client.start(get("/", &[])).await;
    let mut peer = upstream.accept().await;
    peer.read_head().await;
    proxy.signal(Signal::Term);
    until_refused(&proxy).await;
    assert!(proxy.is_running());
    proxy.signal(Signal::Term);
    proxy.exited().await;
    assert!(within("an end", response).await.expect("no panic").is_err());
}

#[tokio::test]
async fn the_access_log_is_whole_after_a_stop() {
    let (_upstream, mut proxy) = start("drain_timeout_ms: 60000").await;
    let mut client = Client::connect(Http::One, proxy.web()).await;
    for _ in 0..50 {
        client.get("/here").await;
    }
    proxy.signal(Signal::Term);
    assert_eq!(proxy.exited().await.code(), Some(0));
    let log = std::fs::read_to_string(proxy.folder().join("access.log")).expect("a log");
    assert_eq!(log.lines().count(), 50);
    assert!(!proxy.folder().join("admin.sock").exists(), "the admin socket is removed");
}
