//! Network filters: what plugins do to the bytes of connections, whatever is spoken on them.

mod closing;
mod holding;

use std::fmt::Display;

use futures_util::{SinkExt, StreamExt};
use tests_support::{Client, Config, Http, Proxy, RawPeer, RawUpstream, Upstream, within};
use tokio_tungstenite::{accept_async, client_async, tungstenite::Message};

use crate::common::{VERSIONS, get, post, until_equals};

/// A use of `wire` as one entry of `network_filters`.
fn act(act: &str) -> String {
    act_with(act, "closed")
}

fn act_with(act: &str, on_error: &str) -> String {
    format!("{{ plugin: wire, config: {{ do: {act} }}, on_error: {on_error} }}")
}

/// One worker with the plugin, and no listener yet.
fn with_wire() -> Config {
    Config::new()
        .top("workers: 1\nlog: { level: info }")
        .plugin("wire", tests_fixtures::wire(), "policy: wire")
        .policy("wire", "limits: { cpu_ms_per_call: 200 }")
}

/// The lines of a listener that has these network filters.
fn lines(filters: &[String], more: &str) -> String {
    format!("network_filters: [{}]\n{more}", filters.join(", "))
}

/// A TCP listener `raw` behind these filters.
fn raw(upstream: &RawUpstream, filters: &[String], more: &str) -> Config {
    let lines = lines(filters, &format!("protocol: tcp\ncluster: app\n{more}"));
    with_wire().listener("raw", &lines).cluster("app", upstream.address(), "")
}

/// A tunnel through these filters: the proxy, the client, the upstream's side.
async fn open(filters: &[String]) -> (Proxy, RawPeer, RawPeer) {
    let upstream = RawUpstream::bind().await;
    let proxy = Proxy::start(&raw(&upstream, filters, "")).await;
    let client = RawPeer::connect(proxy.address("raw")).await;
    let peer = upstream.accept().await;
    (proxy, client, peer)
}

/// An HTTP listener `web` behind these filters.
async fn web(upstream: &Upstream, filters: &[String]) -> Proxy {
    let lines = lines(filters, "routes: [{ match: { prefix: / }, cluster: app }]");
    let config = with_wire().listener("web", &lines).cluster("app", upstream.address(), "");
    Proxy::start(&config).await
}

/// What `wire` has logged, callback by callback, without bytes.
fn callbacks(proxy: &Proxy) -> Vec<String> {
    let log = proxy.stderr();
    let lines = log.lines().filter_map(|line| line.split_once("wire: ").map(|(_, rest)| rest));
    // Behind the message comes who wrote it.
    let message = |line: &str| line.split(" plugin=").next().unwrap_or_default().to_owned();
    lines.map(message).collect()
}

/// Waits until `wire` has logged so.
async fn until_logged(proxy: &Proxy, what: impl Display) -> Vec<String> {
    let what = what.to_string();
    tests_support::until(&what, async || {
        let callbacks = callbacks(proxy);
        callbacks.contains(&what).then_some(callbacks)
    })
    .await
}

#[tokio::test]
async fn bytes_of_a_tunnel_are_rewritten_both_ways() {
    let (proxy, mut client, mut peer) = open(&[act("shout")]).await;
    client.send("hello").await;
    assert_eq!(peer.read_exact(5).await, b"HELLO");
    peer.send("who is there?").await;
    assert_eq!(client.read_exact(13).await, b"WHO IS THERE?");
    client.finish().await;
    assert_eq!(peer.read_to_end().await, b"");
    peer.send("bye").await;
    peer.finish().await;
    assert_eq!(client.read_to_end().await, b"BYE");
    let record = &proxy.access_log(1).await[0];
    assert_eq!(record["reason"], "upstream", "{record}");
    assert_eq!(record["plugins"][0]["name"], "wire", "{record}");
    until_equals(&proxy, "mortise_plugin_streams_total", &[("plugin", "wire")], 1.0).await;
}

#[tokio::test]
async fn a_chain_runs_in_order_and_back_in_reverse() {
    let (_proxy, mut client, mut peer) = open(&[act("bracket"), act("shout")]).await;
    client.send("a").await;
    assert_eq!(peer.read_exact(3).await, b"[A]");
    peer.send("b").await;
    assert_eq!(client.read_exact(3).await, b"[B]");
    client.finish().await;
    assert_eq!(peer.read_to_end().await, b"[]", "bytes may be added at the end");
}

#[tokio::test]
async fn callbacks_come_in_their_order_and_none_after_the_last() {
    let (proxy, mut client, mut peer) = open(&[act("watch")]).await;
    client.send("hello").await;
    assert_eq!(peer.read_exact(5).await, b"hello");
    peer.finish().await;
    assert_eq!(client.read_to_end().await, b"");
    client.finish().await;
    assert_eq!(peer.read_to_end().await, b"");
    let callbacks = until_logged(&proxy, "gone").await;
    let expect = [
        "new",
        "down 5 more",
        "up 0 end",
        "up closed remote",
        "down 0 end",
        "down closed remote",
        "done",
        "log",
        "gone",
    ];
    assert_eq!(callbacks, expect);
}

#[tokio::test]
async fn properties_of_a_connection_can_be_read() {
    let upstream = RawUpstream::bind().await;
    let filters = [act("set_property"), act("read_properties")];
    let proxy = Proxy::start(&raw(&upstream, &filters, "")).await;
    let mut client = RawPeer::connect(proxy.address("raw")).await;
    let mut peer = upstream.accept().await;
    client.send("x").await;
    peer.read_exact(1).await;
    let listener = proxy.address("raw");
    let source = client.stream().local_addr().expect("an address");
    let expect = format!(
        "source={source} destination={listener} port={} upstream={} listener=raw tag=blue",
        listener.port(),
        upstream.address()
    );
    until_logged(&proxy, expect).await;
}

#[tokio::test]
async fn http_runs_through_network_filters() {
    for version in VERSIONS {
        let upstream = Upstream::echo(version).await;
        let word = crate::common::word(version);
        let lines = lines(&[act("watch")], "routes: [{ match: { prefix: / }, cluster: app }]");
        let config = with_wire().listener("web", &lines).cluster("app", upstream.address(), word);
        let proxy = Proxy::start(&config).await;
        let mut client = Client::connect(version, proxy.web()).await;
        for turn in 0..20 {
            let body = "b".repeat(turn * 1000);
            let reply = client.ask(post(&format!("/{turn}"), &[], &body)).await;
            assert_eq!(reply.status.as_u16(), 200, "{version:?}");
            assert_eq!((reply.echo("path"), reply.echo("body")), (format!("/{turn}"), body));
        }
        drop(client);
        let callbacks = until_logged(&proxy, "gone").await;
        let last: Vec<_> = callbacks.iter().rev().take(5).rev().map(String::as_str).collect();
        assert_eq!(last[0], "up closed local", "{version:?}");
        // A client of HTTP/2 says goodbye, and then either side may be the first to close.
        assert!(last[1] == "down closed remote" || version == Http::Two, "{last:?}");
        assert_eq!(last[2..], ["done", "log", "gone"], "{version:?}");
    }
}

#[tokio::test]
async fn rewritten_bytes_are_what_http_is_read_from_and_written_to() {
    let upstream = Upstream::echo(Http::One).await;
    let proxy = web(&upstream, &[act("shout")]).await;
    let mut client = RawPeer::connect(proxy.web()).await;
    client.send("GET /path HTTP/1.1\r\nhost: example.com\r\nconnection: close\r\n\r\n").await;
    let answer = String::from_utf8(client.read_to_end().await).expect("text");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("/PATH"), "{answer}");
    assert!(!answer.contains(|letter: char| letter.is_ascii_lowercase()), "{answer}");
    assert_eq!(upstream.seen()[0].uri.path(), "/PATH");
}

#[tokio::test]
async fn an_auto_listener_sniffs_behind_its_filters() {
    let web = Upstream::echo(Http::One).await;
    let raw = RawUpstream::bind().await;
    let rest = "protocol: auto\ncluster: raw\nroutes: [{ match: { prefix: / }, cluster: app }]";
    let config = with_wire()
        .listener("any", &lines(&[act("shout")], rest))
        .cluster("app", web.address(), "")
        .cluster("raw", raw.address(), "");
    let proxy = Proxy::start(&config).await;
    let mut client = RawPeer::connect(proxy.address("any")).await;
    // Only in upper case is this HTTP.
    client.send("get /x http/1.1\r\nhost: a\r\n\r\n").await;
    assert!(client.read_until(b"\r\n").await.starts_with(b"HTTP/1.1 200"));
    let mut client = RawPeer::connect(proxy.address("any")).await;
    client.send("\x16\x03\x01abc").await;
    let mut peer = raw.accept().await;
    assert_eq!(peer.read_exact(6).await, b"\x16\x03\x01ABC");
}

#[tokio::test]
async fn a_websocket_runs_through_network_filters() {
    let upstream = RawUpstream::bind().await;
    let rest = "routes: [{ match: { prefix: / }, cluster: app }]";
    let config = with_wire().listener("web", &lines(&[act("watch")], rest)).cluster(
        "app",
        upstream.address(),
        "",
    );
    let proxy = Proxy::start(&config).await;
    let stream = tokio::net::TcpStream::connect(proxy.web()).await.expect("connected");
    let client = client_async("ws://chat.example/room", stream);
    let server = async { accept_async(upstream.accept().await.into_stream()).await };
    let (client, server) = within("the handshakes", async { tokio::join!(client, server) }).await;
    let (mut client, mut server) = (client.expect("upgraded").0, server.expect("upgraded"));
    for turn in 0..10 {
        let text = Message::text(format!("message {turn}"));
        client.send(text.clone()).await.expect("sent");
        let heard = within("a message", server.next()).await;
        assert_eq!(heard.expect("no end").expect("no error"), text);
        server.send(text.clone()).await.expect("sent");
        let heard = within("a message", client.next()).await;
        assert_eq!(heard.expect("no end").expect("no error"), text);
    }
    drop((client, server));
    until_logged(&proxy, "gone").await;
    until_equals(&proxy, "mortise_listener_connections_active", &[], 0.0).await;
}

#[tokio::test]
async fn many_bytes_pass_both_ways_in_constant_memory() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    const LENGTH: usize = 20 << 20;
    let (proxy, client, peer) = open(&[act("shout")]).await;
    let before = proxy.rss_bytes();
    let (mut client_reads, mut client_writes) = client.into_stream().into_split();
    let (mut peer_reads, mut peer_writes) = peer.into_stream().into_split();
    let data: Vec<u8> = (b'a'..=b'z').cycle().take(LENGTH).collect();
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
    let loud = data.to_ascii_uppercase();
    assert!(up == loud && down == loud, "the bytes are the same, in upper case");
    let grown = proxy.peak_rss_bytes().saturating_sub(before);
    assert!(grown < 16 << 20, "{grown} bytes more");
}

#[tokio::test]
async fn requests_on_one_connection_share_what_its_filter_set() {
    // The first byte that comes is already after the filter: a request proves the whole way.
    let upstream = Upstream::echo(Http::One).await;
    let proxy = web(&upstream, &[act("set_property"), act("read_properties")]).await;
    let mut client = Client::connect(Http::One, proxy.web()).await;
    for _ in 0..3 {
        assert_eq!(client.ask(get("/", &[])).await.status.as_u16(), 200);
    }
    // Lines of the log come some time after the answers.
    tests_support::until("three requests with the tag", async || {
        let seen = callbacks(&proxy);
        let tagged = seen.iter().filter(|line| line.ends_with("listener=web tag=blue")).count();
        (tagged >= 3).then_some(())
    })
    .await;
}
