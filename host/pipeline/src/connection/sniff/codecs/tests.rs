//! A listener with several protocols tells them apart in their order.

use std::{net::SocketAddr, time::Duration};

use host_types::Limits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::testing::{
    Setup, Speaks, World, ask, field,
    frames::{CodecFake, Talk, Wire, echo},
    local, upstream,
};

/// A proxy with two codecs of the same magic, and one of another, before an upstream that sends
/// back what it gets.
async fn world(http: bool, tcp: bool) -> World {
    let (address, _) = upstream(|mut stream| async move {
        let (mut read, mut write) = stream.split();
        tokio::io::copy(&mut read, &mut write).await.unwrap();
    })
    .await;
    start(http, tcp, address).await
}

async fn start(http: bool, tcp: bool, address: SocketAddr) -> World {
    let quick = CodecFake::named("quick", b'A');
    start_with(quick, http, tcp, address).await
}

async fn start_with(quick: CodecFake, http: bool, tcp: bool, address: SocketAddr) -> World {
    let slow = CodecFake { detect_bytes: 8, ..CodecFake::named("slow", b'A') };
    let other = CodecFake::named("other", b'B');
    let limits = Limits {
        header_timeout: Duration::from_millis(100),
        idle_timeout: Duration::from_secs(5),
        ..Limits::default()
    };
    let codecs = vec![slow.clone(), quick, other];
    let speaks = Speaks::Frames { http, tcp };
    Setup { speaks, codecs, limits, ..Setup::frames(&slow, address) }.start().await
}

/// Which codec a connection with these first bytes gets.
async fn spoken(world: World, mut pieces: Vec<Vec<u8>>) -> Option<String> {
    let mut client = Talk::to(world.address).await;
    let last = pieces.pop().unwrap();
    for piece in pieces {
        client.io.write_all(&piece).await.unwrap();
        tokio::task::yield_now().await;
    }
    client.io.write_all(&last).await.unwrap();
    let told = client.told().await;
    drop(client);
    let lines = world.finish().await;
    let line = lines.first()?;
    assert!(told.starts_with('r') || told == "end", "{told}");
    field(line, "protocol").map(str::to_owned)
}

fn request(magic: u8) -> Vec<u8> {
    Wire { magic, ..Wire::request(1, "direct/x", "") }.bytes()
}

#[test]
fn the_first_codec_that_knows_its_frames_has_the_connection() {
    let spoken_by = |pieces| local(async { spoken(world(false, false).await, pieces).await });
    assert_eq!(spoken_by(vec![request(b'A')]).as_deref(), Some("slow"));
    assert_eq!(spoken_by(vec![request(b'B')]).as_deref(), Some("other"));
    let bytes = request(b'A');
    let pieces = vec![bytes[..3].to_vec(), bytes[3..].to_vec()];
    assert_eq!(spoken_by(pieces).as_deref(), Some("slow"), "who needs more is waited for");
    assert_eq!(spoken_by(vec![request(b'C')]).as_deref(), Some("TCP"), "a line of a refusal");
}

#[test]
fn who_needs_more_bytes_is_not_waited_for_for_ever() {
    local(async {
        let quick = CodecFake::named("quick", b'A');
        let (address, _) = echo().await;
        let world = start_with(quick.clone(), false, false, address).await;
        let mut client = Talk::to(world.address).await;
        let bytes = request(b'A');
        client.io.write_all(&bytes[..3]).await.unwrap();
        while quick.metrics.streams_total.value() == 0 {
            tokio::task::yield_now().await;
        }
        client.io.write_all(&bytes[3..]).await.unwrap();
        assert!(client.told().await.starts_with("r1 200 direct"));
        drop(client);
        assert_eq!(field(&world.finish().await[0], "protocol"), Some("quick"));
    });
}

#[test]
fn what_is_no_codecs_is_http_or_bytes_or_refused() {
    local(async {
        let (address, _) = echo().await;
        let world = start(true, false, address).await;
        assert!(world.ask(&ask("GET", "/direct")).await.starts_with("HTTP/1.1 200"));
        assert_eq!(world.ask("\u{16}\u{3}\u{1}").await, "", "no bytes are passed on");
        assert_eq!(world.metrics.malformed_total.value(), 1);
        assert_eq!(world.finish().await.len(), 2);
    });
    local(async {
        let world = world(true, true).await;
        assert!(world.ask(&ask("GET", "/direct")).await.starts_with("HTTP/1.1 200"));
        let mut client = world.send("\u{16}\u{3}\u{1}").await;
        client.shutdown().await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "\u{16}\u{3}\u{1}");
        assert_eq!(world.metrics.malformed_total.value(), 0);
        assert_eq!(world.finish().await.len(), 2);
    });
    local(async {
        let world = world(false, false).await;
        assert_eq!(world.ask(&ask("GET", "/direct")).await, "");
        let lines = world.finish().await;
        assert_eq!(field(&lines[0], "reason"), Some("malformed"));
    });
}

#[test]
fn a_client_that_never_says_a_word_leaves_no_line() {
    local(async {
        let world = world(true, false).await;
        drop(Talk::to(world.address).await);
        assert!(world.finish().await.is_empty());
    });
}
