//! Upgrades: a byte tunnel after 101, and nothing but HTTP without one.

use futures_util::{SinkExt, StreamExt};
use tests_support::{Config, Proxy, RawPeer, RawUpstream, Recorder, parse_replies, within};
use tokio::net::TcpStream;
use tokio_tungstenite::{WebSocketStream, accept_async, client_async, tungstenite::Message};

async fn open(proxy: &Proxy, upstream: &RawUpstream) -> [WebSocketStream<TcpStream>; 2] {
    let stream = TcpStream::connect(proxy.web()).await.expect("connected");
    let client = client_async("ws://chat.example/room", stream);
    let server = async { accept_async(upstream.accept().await.into_stream()).await };
    let (client, server) = within("the handshakes", async { tokio::join!(client, server) }).await;
    let (client, response) = client.expect("upgraded");
    assert_eq!(response.status().as_u16(), 101);
    [client, server.expect("upgraded")]
}

async fn next(socket: &mut WebSocketStream<TcpStream>) -> Message {
    let message = within("a message", socket.next()).await;
    message.expect("no end").expect("no error")
}

#[tokio::test]
async fn messages_pass_in_both_directions() {
    let upstream = RawUpstream::bind().await;
    let proxy = Proxy::start(&Config::to_app(upstream.address())).await;
    let [mut client, mut server] = open(&proxy, &upstream).await;
    for turn in 0..50 {
        let text = Message::text(format!("message {turn}"));
        client.send(text.clone()).await.expect("sent");
        assert_eq!(next(&mut server).await, text);
        server.send(text.clone()).await.expect("sent");
        assert_eq!(next(&mut client).await, text);
    }
    let large = Message::binary(vec![7_u8; 1 << 20]);
    let (sent, received) = tokio::join!(client.send(large.clone()), next(&mut server));
    sent.expect("sent");
    assert_eq!(received, large);
    client.close(None).await.expect("closed");
    assert!(next(&mut server).await.is_close());
}

#[tokio::test]
async fn the_end_of_one_side_reaches_the_other() {
    let upstream = RawUpstream::bind().await;
    let proxy = Proxy::start(&Config::to_app(upstream.address())).await;
    let [mut client, server] = open(&proxy, &upstream).await;
    drop(server);
    let end = within("the end", client.next()).await;
    assert!(end.is_none_or(|end| end.is_err()));
    // Each side ends its own half.
    drop(client);
    let [client, mut server] = open(&proxy, &upstream).await;
    drop(client);
    let end = within("the end", server.next()).await;
    assert!(end.is_none_or(|end| end.is_err()));
    drop(server);
    let records = proxy.access_log(2).await;
    assert!(records.iter().all(|record| record["status"] == 101), "{records:?}");
}

const UPGRADE: &str =
    "GET /ws HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";

#[tokio::test]
async fn what_follows_a_refused_upgrade_is_a_request_like_any_other() {
    let upstream = Recorder::start().await;
    let routes = "routes:\n\
        - { match: { prefix: /private }, respond: { status: 403 } }\n\
        - { match: { prefix: / }, cluster: app }";
    let config = Config::new().listener("web", routes).cluster("app", upstream.address(), "");
    let proxy = Proxy::start(&config).await;
    let mut client = RawPeer::connect(proxy.web()).await;
    let smuggled = "GET /private HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    client.send(format!("{UPGRADE}{smuggled}")).await;
    let replies = parse_replies(&client.read_to_end().await);
    let statuses: Vec<u16> = replies.iter().map(|reply| reply.status).collect();
    assert!(statuses == [200, 403] || statuses == [200], "{replies:?}");
    let lines: Vec<String> = upstream.requests().into_iter().map(|seen| seen.line).collect();
    assert_eq!(lines, ["GET /ws HTTP/1.1"]);
}

#[tokio::test]
async fn bytes_sent_too_early_arrive_after_the_switch() {
    let upstream = RawUpstream::bind().await;
    let proxy = Proxy::start(&Config::to_app(upstream.address())).await;
    let mut client = RawPeer::connect(proxy.web()).await;
    client.send(format!("{UPGRADE}early")).await;
    let mut peer = upstream.accept().await;
    let head = peer.read_head().await.to_ascii_lowercase();
    assert!(head.contains("upgrade: websocket\r\n"), "{head}");
    assert!(head.contains("connection: upgrade\r\n"), "{head}");
    let switch =
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    peer.send(format!("{switch}first")).await;
    assert!(client.read_head().await.starts_with("HTTP/1.1 101 "));
    assert_eq!(client.read_exact(5).await, b"first");
    assert_eq!(peer.read_exact(5).await, b"early");
    client.send("more").await;
    assert_eq!(peer.read_exact(4).await, b"more");
}

#[tokio::test]
async fn a_switch_that_nobody_asked_for_is_an_error() {
    let upstream = Recorder::answering(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
    )
    .await;
    let proxy = Proxy::start(&Config::to_app(upstream.address())).await;
    let mut client = RawPeer::connect(proxy.web()).await;
    client.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    let replies = parse_replies(&client.read_to_end().await);
    assert_eq!(replies.first().map(|reply| reply.status), Some(503), "{replies:?}");
}
