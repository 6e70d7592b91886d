//! Network filters that hold bytes, let them wait, drop them or make more of them.

use tests_support::{Proxy, RawPeer, RawUpstream};

use super::{act, open, raw, until_logged};

#[tokio::test]
async fn bytes_are_held_until_the_filter_has_enough() {
    let (proxy, mut client, mut peer) = open(&[act("hold_lines")]).await;
    for (piece, seen) in [("one ", 4), ("line", 8), (" of pieces", 18)] {
        client.send(piece).await;
        until_logged(&proxy, format!("down {seen} more")).await;
    }
    client.send("\n").await;
    assert_eq!(peer.read_exact(19).await, b"one line of pieces\n");
    // While one direction is held the other one goes on.
    client.send("half").await;
    peer.send("answer\n").await;
    assert_eq!(client.read_exact(7).await, b"answer\n");
    client.finish().await;
    assert_eq!(peer.read_to_end().await, b"half", "a hold ends with the direction");
    peer.send("rest").await;
    peer.finish().await;
    assert_eq!(client.read_to_end().await, b"rest");
}

#[tokio::test]
async fn more_held_bytes_than_may_be_close_the_connection() {
    let upstream = RawUpstream::bind().await;
    let config = raw(&upstream, &[act("hold_forever")], "limits: { held_body_bytes_max: 1000 }");
    let proxy = Proxy::start(&config).await;
    let mut client = RawPeer::connect(proxy.address("raw")).await;
    let mut peer = upstream.accept().await;
    client.send(vec![b'x'; 1001]).await;
    assert_eq!(client.read_to_end().await, b"");
    assert_eq!(peer.read_to_end().await, b"");
    let record = &proxy.access_log(1).await[0];
    assert_eq!(record["reason"], "overload", "{record}");
}

#[tokio::test]
async fn a_connection_that_waits_begins_at_the_tick() {
    let (_proxy, mut client, mut peer) = open(&[act("pause_new"), act("shout")]).await;
    client.send("hello").await;
    assert_eq!(peer.read_exact(5).await, b"HELLO");
}

#[tokio::test]
async fn bytes_that_wait_go_on_at_the_tick_and_their_end_too() {
    let (_proxy, mut client, mut peer) = open(&[act("pause_data")]).await;
    for word in ["one", "two"] {
        client.send(word).await;
        assert_eq!(peer.read_exact(3).await, word.as_bytes());
    }
    client.finish().await;
    assert_eq!(peer.read_to_end().await, b"");
    peer.send("bye").await;
    assert_eq!(client.read_exact(3).await, b"bye");
}

#[tokio::test]
async fn bytes_that_wait_can_be_edited_by_the_tick() {
    let (_proxy, mut client, mut peer) = open(&[act("edit_from_tick"), act("shout")]).await;
    client.send("one").await;
    assert_eq!(peer.read_exact(5).await, b"[ONE]");
    client.send("two").await;
    client.finish().await;
    let rest = peer.read_to_end().await;
    assert!(rest == b"[TWO]" || rest == b"[TWO][]", "the end may come apart: {rest:?}");
}

#[tokio::test]
async fn bytes_can_be_dropped_and_the_end_still_comes() {
    let (_proxy, mut client, mut peer) = open(&[act("swallow")]).await;
    client.send("nobody hears this").await;
    client.finish().await;
    assert_eq!(peer.read_to_end().await, b"");
    peer.send("what?").await;
    assert_eq!(client.read_exact(5).await, b"what?");
}

#[tokio::test]
async fn bytes_can_become_many_more() {
    let (_proxy, mut client, mut peer) = open(&[act("inflate")]).await;
    client.send("abc").await;
    assert_eq!(peer.read_exact(3000).await, "abc".repeat(1000).as_bytes());
    peer.send("xy").await;
    assert_eq!(client.read_exact(2000).await, "xy".repeat(1000).as_bytes());
}
