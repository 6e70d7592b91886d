//! How connections with network filters end: by either side, by a filter, by a fault.

use tests_support::{Http, Proxy, RawPeer, RawUpstream, Upstream};

use super::{act, act_with, lines, open, raw, until_logged, web, with_wire};
use crate::common::until_equals;

const CLOSED: &str = "mortise_listener_connections_closed_by_filters_total";

#[tokio::test]
async fn a_filter_refuses_connections_of_every_protocol() {
    let app = Upstream::echo(Http::One).await;
    let routes = "routes: [{ match: { prefix: / }, cluster: app }]";
    for protocol in
        ["protocol: http", "protocol: auto\ncluster: app", "protocol: tcp\ncluster: app"]
    {
        let rest = if protocol.contains("tcp") { "" } else { routes };
        let lines = lines(&[act("refuse")], &format!("{protocol}\n{rest}"));
        let config = with_wire().listener("web", &lines).cluster("app", app.address(), "");
        let proxy = Proxy::start(&config).await;
        let mut client = RawPeer::connect(proxy.web()).await;
        assert_eq!(client.read_to_end().await, b"", "{protocol}");
        until_equals(&proxy, CLOSED, &[], 1.0).await;
        let record = &proxy.access_log(1).await[0];
        assert_eq!(record["reason"], "plugin", "{record}");
        let callbacks = until_logged(&proxy, "gone").await;
        assert_eq!(callbacks, ["new", "down closed local", "done", "log", "gone"], "{protocol}");
    }
    assert_eq!(app.requests(), 0);
}

#[tokio::test]
async fn a_filter_closes_a_connection_for_what_is_said_on_it() {
    let (proxy, mut client, mut peer) = open(&[act("close_on_bad")]).await;
    client.send("good").await;
    assert_eq!(peer.read_exact(4).await, b"good");
    client.send("a bad word").await;
    assert_eq!(client.read_to_end().await, b"");
    assert_eq!(peer.read_to_end().await, b"", "what it had in hand is not passed on");
    let record = &proxy.access_log(1).await[0];
    assert_eq!(record["reason"], "plugin", "{record}");
    until_logged(&proxy, "down closed local").await;
}

#[tokio::test]
async fn a_filter_closes_http_connections_too() {
    let upstream = Upstream::echo(Http::One).await;
    let proxy = web(&upstream, &[act("close_on_bad")]).await;
    let mut client = RawPeer::connect(proxy.web()).await;
    client.send("GET /good HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(client.read_reply().await.status, 200);
    client.send("GET /bad HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(client.read_to_end().await, b"");
    until_equals(&proxy, CLOSED, &[], 1.0).await;
    assert_eq!(upstream.requests(), 1);
}

#[tokio::test]
async fn a_close_from_the_tick_sends_what_was_let_go() {
    let (proxy, mut client, mut peer) = open(&[act("close_from_tick")]).await;
    client.send("bad").await;
    assert_eq!(peer.read_to_end().await, b"goodbye");
    assert_eq!(client.read_to_end().await, b"");
    until_equals(&proxy, CLOSED, &[], 1.0).await;
    until_logged(&proxy, "up closed local").await;
}

#[tokio::test]
async fn resets_of_either_side_reach_the_other_and_the_filters() {
    let (proxy, client, mut peer) = open(&[act("watch")]).await;
    client.reset();
    peer.read_to_end().await;
    let callbacks = until_logged(&proxy, "gone").await;
    assert!(callbacks.contains(&"down closed remote".to_owned()), "{callbacks:?}");
    let (proxy, mut client, mut peer) = open(&[act("watch")]).await;
    client.send("x").await;
    peer.read_exact(1).await;
    peer.reset();
    client.read_to_end().await;
    let callbacks = until_logged(&proxy, "gone").await;
    assert!(callbacks.contains(&"up closed remote".to_owned()), "{callbacks:?}");
    until_equals(&proxy, "mortise_listener_connections_active", &[], 0.0).await;
}

#[tokio::test]
async fn a_client_of_http_that_goes_away_is_told() {
    let upstream = Upstream::echo(Http::One).await;
    let proxy = web(&upstream, &[act("watch")]).await;
    let mut client = RawPeer::connect(proxy.web()).await;
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(client.read_reply().await.status, 200);
    drop(client);
    until_logged(&proxy, "down closed remote").await;
    let mut client = RawPeer::connect(proxy.web()).await;
    client.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    client.read_to_end().await;
    drop(client);
    until_logged(&proxy, "down closed local").await;
}

#[tokio::test]
async fn a_trap_closes_the_connection_and_a_fresh_instance_serves_the_next() {
    for when in ["trap_on_new", "trap_on_bad"] {
        let upstream = RawUpstream::bind().await;
        let proxy = Proxy::start(&raw(&upstream, &[act(when)], "")).await;
        let mut client = RawPeer::connect(proxy.address("raw")).await;
        // It may be closed already.
        let _closed = client.try_send("bad").await;
        assert_eq!(client.read_to_end().await, b"", "{when}");
        let record = &proxy.access_log(1).await[0];
        assert_eq!(record["reason"], "plugin_failed", "{record}");
        let faults = [("plugin", "wire"), ("kind", "trapped")];
        until_equals(&proxy, "mortise_plugin_faults_total", &faults, 1.0).await;
        if when == "trap_on_bad" {
            drop(upstream.accept().await);
            let mut next = RawPeer::connect(proxy.address("raw")).await;
            let mut peer = upstream.accept().await;
            next.send("good").await;
            assert_eq!(peer.read_exact(4).await, b"good");
        }
    }
}

#[tokio::test]
async fn a_filter_that_fails_open_is_left_out() {
    for when in ["trap_on_new", "trap_on_bad"] {
        let filters = [act_with(when, "open"), act("shout")];
        let (proxy, mut client, mut peer) = open(&filters).await;
        client.send("a bad word").await;
        assert_eq!(peer.read_exact(10).await, b"A BAD WORD", "{when}");
        peer.send("answer").await;
        assert_eq!(client.read_exact(6).await, b"ANSWER", "{when}");
        until_equals(&proxy, CLOSED, &[], 0.0).await;
    }
}

#[tokio::test]
async fn a_trap_at_the_end_harms_no_later_connection() {
    let upstream = RawUpstream::bind().await;
    let proxy = Proxy::start(&raw(&upstream, &[act("trap_on_close")], "")).await;
    for turn in 1..=2 {
        let mut client = RawPeer::connect(proxy.address("raw")).await;
        let mut peer = upstream.accept().await;
        client.send("hello").await;
        assert_eq!(peer.read_exact(5).await, b"hello");
        client.finish().await;
        peer.finish().await;
        assert_eq!(client.read_to_end().await, b"");
        let faults = [("plugin", "wire"), ("kind", "trapped")];
        until_equals(&proxy, "mortise_plugin_faults_total", &faults, f64::from(turn)).await;
    }
}

#[tokio::test]
async fn a_connection_whose_bytes_are_held_for_ever_ends_as_a_silent_one() {
    let upstream = RawUpstream::bind().await;
    let config = raw(&upstream, &[act("hold_forever")], "limits: { idle_timeout_ms: 300 }");
    let proxy = Proxy::start(&config).await;
    let mut client = RawPeer::connect(proxy.address("raw")).await;
    client.send("x").await;
    assert_eq!(client.read_to_end().await, b"");
    let record = &proxy.access_log(1).await[0];
    assert_eq!(record["reason"], "timeout", "{record}");
}

#[tokio::test]
async fn an_upstream_that_refuses_closes_the_connection_and_its_filters() {
    let filters = [act("watch")];
    let rest = "protocol: tcp\ncluster: app";
    let config = with_wire().listener("raw", &lines(&filters, rest)).cluster(
        "app",
        RawUpstream::refused().await,
        "",
    );
    let proxy = Proxy::start(&config).await;
    let mut client = RawPeer::connect(proxy.address("raw")).await;
    assert_eq!(client.read_to_end().await, b"");
    let callbacks = until_logged(&proxy, "gone").await;
    // Nothing comes for the client, but there is no upstream that could have closed.
    assert_eq!(callbacks, ["new", "up 0 end", "down closed local", "done", "log", "gone"]);
}
