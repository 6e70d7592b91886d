use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

use super::PrefixedIo;

#[tokio::test]
async fn what_was_peeked_is_read_again() {
    let (mut peer, io) = duplex(64);
    let mut io = PrefixedIo::new(io);
    peer.write_all(b"PRI * HTTP").await.unwrap();
    assert_eq!(io.fill(3).await.unwrap(), 3);
    assert_eq!(io.prefix(), b"PRI");
    assert_eq!(io.fill(3).await.unwrap(), 0, "a full prefix takes no more");
    assert!(io.fill(64).await.unwrap() > 0);
    peer.shutdown().await.unwrap();
    let mut all = Vec::new();
    io.read_to_end(&mut all).await.unwrap();
    assert_eq!(all, b"PRI * HTTP");
}

#[tokio::test]
async fn small_reads_drain_the_prefix_in_order() {
    let (mut peer, io) = duplex(64);
    let mut io = PrefixedIo::with_prefix(BytesMut::from(&b"abc"[..]), io);
    peer.write_all(b"def").await.unwrap();
    let mut two = [0; 2];
    for expect in [b"ab", b"c\0", b"de"] {
        let count = io.read(&mut two).await.unwrap();
        assert_eq!(&two[..count], &expect[..count]);
    }
}

#[tokio::test]
async fn the_end_of_the_stream_fills_nothing() {
    let (peer, io) = duplex(64);
    drop(peer);
    assert_eq!(PrefixedIo::new(io).fill(8).await.unwrap(), 0);
}

#[tokio::test]
async fn writes_go_straight_through() {
    let (mut peer, io) = duplex(64);
    let mut io = PrefixedIo::with_prefix(BytesMut::from(&b"unread"[..]), io);
    io.write_all(b"hello").await.unwrap();
    io.shutdown().await.unwrap();
    let mut all = String::new();
    peer.read_to_string(&mut all).await.unwrap();
    assert_eq!(all, "hello");
}
