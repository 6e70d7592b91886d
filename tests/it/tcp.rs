//! Raw bytes: both directions, both ends, and listeners that tell HTTP apart.

use tests_support::{Client, Config, Http, Proxy, RawPeer, RawUpstream, Upstream, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::common::{SocketAddr, until_equals};

fn config(upstream: SocketAddr) -> Config {
    Config::new().listener("raw", "protocol: tcp\ncluster: app").cluster("app", upstream, "")
}

async fn open() -> (Proxy, RawPeer, RawPeer) {
    let upstream = RawUpstream::bind().await;
    let proxy = Proxy::start(&config(upstream.address())).await;
    let client = RawPeer::connect(proxy.address("raw")).await;
    let peer = upstream.accept().await;
    (proxy, client, peer)
}

#[tokio::test]
async fn bytes_pass_in_both_directions() {
    let (proxy, mut client, mut peer) = open().await;
    for turn in 0..20_u8 {
        client.send([turn; 3]).await;
        assert_eq!(peer.read_exact(3).await, [turn; 3]);
        peer.send([turn; 2]).await;
        assert_eq!(client.read_exact(2).await, [turn; 2]);
    }
    client.finish().await;
    assert_eq!(peer.read_to_end().await, b"");
    peer.finish().await;
    assert_eq!(client.read_to_end().await, b"");
    until_equals(&proxy, "mortise_listener_tcp_bytes_total", &[("direction", "in")], 60.0).await;
    until_equals(&proxy, "mortise_listener_tcp_bytes_total", &[("direction", "out")], 40.0).await;
    until_equals(&proxy, "mortise_listener_connections_active", &[], 0.0).await;
}

#[tokio::test]
async fn a_server_may_speak_first() {
    let (_proxy, mut client, mut peer) = open().await;
    peer.send("hello, who is there?").await;
    assert_eq!(client.read_exact(20).await, b"hello, who is there?");
}

#[tokio::test]
async fn a_client_that_ended_its_half_still_hears_the_answer() {
    let (_proxy, mut client, mut peer) = open().await;
    client.send("question").await;
    client.finish().await;
    assert_eq!(peer.read_to_end().await, b"question");
    peer.send("the ").await;
    peer.send("answer").await;
    peer.finish().await;
    assert_eq!(client.read_to_end().await, b"the answer");
}

#[tokio::test]
async fn an_upstream_that_ended_its_half_still_hears_the_client() {
    let (_proxy, mut client, mut peer) = open().await;
    peer.send("bye").await;
    peer.finish().await;
    assert_eq!(client.read_to_end().await, b"bye");
    client.send("and ").await;
    client.send("thanks").await;
    client.finish().await;
    assert_eq!(peer.read_to_end().await, b"and thanks");
}

#[tokio::test]
async fn a_reset_of_one_side_ends_the_other() {
    let (_proxy, mut client, peer) = open().await;
    client.send("x").await;
    peer.reset();
    client.read_to_end().await;
    let (_proxy, client, mut peer) = open().await;
    client.reset();
    peer.read_to_end().await;
}

#[tokio::test]
async fn twenty_mib_pass_both_ways_at_once() {
    const LENGTH: usize = 20 << 20;
    let (proxy, client, peer) = open().await;
    let before = proxy.rss_bytes();
    let (mut client_reads, mut client_writes) = client.into_stream().into_split();
    let (mut peer_reads, mut peer_writes) = peer.into_stream().into_split();
    let data: Vec<u8> = (0..=250).cycle().take(LENGTH).collect();
    let send_up = async {
        client_writes.write_all(&data).await.expect("sent");
        client_writes.shutdown().await.expect("ended");
    };
    let send_down = async {
        peer_writes.write_all(&data).await.expect("sent");
        peer_writes.shutdown().await.expect("ended");
    };
    let (mut up, mut down) = (Vec::new(), Vec::new());
    let all = async {
        tokio::join!(
            send_up,
            send_down,
            peer_reads.read_to_end(&mut up),
            client_reads.read_to_end(&mut down)
        )
    };
    let (_, _, read_up, read_down) = within("20 MiB each way", all).await;
    assert_eq!((read_up.expect("read"), read_down.expect("read")), (LENGTH, LENGTH));
    assert!(up == data && down == data, "the bytes are the same");
    let grown = proxy.peak_rss_bytes().saturating_sub(before);
    assert!(grown < 16 << 20, "{grown} bytes more");
}

#[tokio::test]
async fn an_upstream_that_refuses_closes_the_client() {
    let proxy = Proxy::start(&config(RawUpstream::refused().await)).await;
    let mut client = RawPeer::connect(proxy.address("raw")).await;
    assert_eq!(client.read_to_end().await, b"");
    until_equals(&proxy, "mortise_cluster_connect_failures_total", &[("cluster", "app")], 1.0)
        .await;
    let mut again = RawPeer::connect(proxy.address("raw")).await;
    assert_eq!(again.read_to_end().await, b"");
}

#[tokio::test]
async fn a_silent_connection_is_closed_and_a_busy_one_is_not() {
    let upstream = RawUpstream::bind().await;
    let lines = "protocol: tcp\ncluster: app\nlimits: { idle_timeout_ms: 400 }";
    let config = Config::new().listener("raw", lines).cluster("app", upstream.address(), "");
    let proxy = Proxy::start(&config).await;
    let mut silent = RawPeer::connect(proxy.address("raw")).await;
    let mut silent_peer = upstream.accept().await;
    let mut busy = RawPeer::connect(proxy.address("raw")).await;
    let mut busy_peer = upstream.accept().await;
    let talk = async {
        loop {
            busy.send("x").await;
            busy_peer.read_exact(1).await;
        }
    };
    tokio::select! {
        () = talk => unreachable!("it goes on for as long as it is asked"),
        rest = silent.read_to_end() => assert_eq!(rest, b""),
    }
    assert_eq!(silent_peer.read_to_end().await, b"");
    busy.send("y").await;
    assert!(busy_peer.read_until(b"y").await.ends_with(b"y"));
}

async fn auto() -> (Upstream, RawUpstream, Proxy) {
    let web = Upstream::echo(Http::One).await;
    let raw = RawUpstream::bind().await;
    let lines = "protocol: auto\ncluster: raw\nroutes: [{ match: { prefix: / }, cluster: app }]";
    let config = Config::new().listener("any", lines).cluster("app", web.address(), "").cluster(
        "raw",
        raw.address(),
        "",
    );
    let proxy = Proxy::start(&config).await;
    (web, raw, proxy)
}

#[tokio::test]
async fn an_auto_listener_tells_http_from_other_bytes() {
    let (_web, raw, proxy) = auto().await;
    for version in [Http::One, Http::Two] {
        let mut client = Client::connect(version, proxy.address("any")).await;
        assert_eq!(client.get("/x").await.echo("path"), "/x", "{version:?}");
    }
    for first in [&b"\x16\x03\x01\x00\xa5"[..], b"SSH-2.0-x\r\n", b"\0\0\0\0", b"\xda\xbb"] {
        let mut client = RawPeer::connect(proxy.address("any")).await;
        client.send(first).await;
        let mut peer = raw.accept().await;
        assert_eq!(peer.read_exact(first.len()).await, first);
        peer.send("answer").await;
        assert_eq!(client.read_exact(6).await, b"answer");
    }
}

#[tokio::test]
async fn an_auto_listener_waits_for_enough_bytes_to_tell() {
    let (_web, _raw, proxy) = auto().await;
    let mut client = RawPeer::connect(proxy.address("any")).await;
    for byte in b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n" {
        client.send([*byte]).await;
    }
    let reply = client.read_reply().await;
    assert_eq!(reply.status, 200);
    assert!(String::from_utf8_lossy(&reply.body).contains("/slow"));
}
