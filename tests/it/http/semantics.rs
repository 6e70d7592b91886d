//! What HTTP asks of a proxy beside passing messages on.

use tests_support::{
    Client, Config, Http, Proxy, RawPeer, RawUpstream, Recorder, Upstream, empty, parse_replies,
    request,
};

use crate::common::{COMBINATIONS, with, word};

#[tokio::test]
async fn head_has_the_length_but_not_the_body() {
    for (down, up) in COMBINATIONS {
        let upstream = Upstream::echo(up).await;
        let config = Config::new()
            .listener("web", "routes: [{ match: { prefix: / }, cluster: app }]")
            .cluster("app", upstream.address(), word(up));
        let proxy = Proxy::start(&config).await;
        let mut client = Client::connect(down, proxy.web()).await;
        let reply = client.ask(with(request("HEAD", "/"), &[], empty())).await;
        assert_eq!((reply.status.as_u16(), reply.body.len()), (200, 0), "{down:?} {up:?}");
        let length: usize = reply.header("content-length").parse().expect("a length");
        assert!(length > 0);
        assert_eq!(client.get("/next").await.echo("path"), "/next");
    }
}

#[tokio::test]
async fn clients_of_http_1_0_are_served() {
    let upstream = Recorder::answering(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    )
    .await;
    let proxy = Proxy::start(&Config::to_app(upstream.address())).await;
    for head in ["GET /old HTTP/1.0\r\n\r\n", "GET /old HTTP/1.0\r\nhost: a\r\n\r\n"] {
        let mut client = RawPeer::connect(proxy.web()).await;
        client.send(head).await;
        let replies = parse_replies(&client.read_to_end().await);
        assert_eq!(replies.len(), 1, "{replies:?}");
        assert_eq!((replies[0].status, &replies[0].body[..]), (200, &b"ok"[..]));
        let head = replies[0].head.to_ascii_lowercase();
        assert!(!head.contains("transfer-encoding"), "{head}");
    }
    let requests = upstream.requests();
    assert_eq!(requests.len(), 2);
    assert!(requests.iter().all(|request| request.line == "GET /old HTTP/1.1"), "{requests:?}");
    assert!(requests.iter().all(|request| request.values("host").len() == 1), "{requests:?}");
}

#[tokio::test]
async fn an_http_1_0_client_may_keep_its_connection() {
    let upstream = Recorder::start().await;
    let proxy = Proxy::start(&Config::to_app(upstream.address())).await;
    let mut client = RawPeer::connect(proxy.web()).await;
    for _ in 0..2 {
        client.send("GET / HTTP/1.0\r\nhost: a\r\nconnection: keep-alive\r\n\r\n").await;
        let reply = client.read_reply().await;
        assert_eq!(reply.status, 200);
        assert!(reply.head.to_ascii_lowercase().contains("connection: keep-alive"), "{reply:?}");
    }
}

#[tokio::test]
async fn a_client_that_expects_100_is_told_to_continue() {
    let upstream = Recorder::start().await;
    let proxy = Proxy::start(&Config::to_app(upstream.address())).await;
    let mut client = RawPeer::connect(proxy.web()).await;
    let head = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\nexpect: 100-continue\r\n\r\n";
    client.send(head).await;
    assert!(client.read_head().await.starts_with("HTTP/1.1 100 "));
    client.send("body").await;
    assert_eq!(client.read_reply().await.body, b"ok");
    let requests = upstream.requests();
    assert_eq!((requests.len(), &requests[0].body[..]), (1, &b"body"[..]));
}

#[tokio::test]
async fn a_client_that_expects_100_may_get_the_final_answer_at_once() {
    let upstream = Recorder::start().await;
    let config = Config::new()
        .listener("web", "routes: [{ match: { prefix: /app }, cluster: app }]")
        .cluster("app", upstream.address(), "");
    let proxy = Proxy::start(&config).await;
    let mut client = RawPeer::connect(proxy.web()).await;
    let head = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\nexpect: 100-continue\r\n\r\n";
    client.send(head).await;
    assert!(client.read_head().await.starts_with("HTTP/1.1 404 "));
    assert_eq!(upstream.requests().len(), 0);
}

#[tokio::test]
async fn chunks_of_any_size_arrive_as_one_body() {
    let upstream = Recorder::start().await;
    let proxy = Proxy::start(&Config::to_app(upstream.address())).await;
    let mut client = RawPeer::connect(proxy.web()).await;
    client.send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n").await;
    for piece in ["1\r\na\r\n", "3;ext=1\r\nbcd\r\n", "00002\r\nef\r\n", "A\r\n0123456789\r\n"] {
        for byte in piece.as_bytes() {
            client.send([*byte]).await;
        }
    }
    client.send("0\r\n\r\n").await;
    assert_eq!(client.read_reply().await.status, 200);
    assert_eq!(upstream.requests()[0].body, b"abcdef0123456789");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let upstream = Upstream::echo(Http::One).await;
    let proxy = Proxy::start(&Config::to_app(upstream.address())).await;
    let mut client = RawPeer::connect(proxy.web()).await;
    let all: String = (0..10).map(|n| format!("GET /{n} HTTP/1.1\r\nhost: a\r\n\r\n")).collect();
    client.send(all).await;
    for n in 0..10 {
        let body = String::from_utf8(client.read_reply().await.body).expect("text");
        assert!(body.contains(&format!("\"path\":\"/{n}\"")), "{n}: {body}");
    }
}

#[tokio::test]
async fn a_body_that_ends_with_the_connection_arrives_whole() {
    for down in [Http::One, Http::Two] {
        let upstream = RawUpstream::bind().await;
        let proxy = Proxy::start(&Config::to_app(upstream.address())).await;
        let mut client = Client::connect(down, proxy.web()).await;
        let response = client.start(with(request("GET", "/"), &[], empty())).await;
        let mut peer = upstream.accept().await;
        peer.read_head().await;
        peer.send("HTTP/1.0 200 OK\r\n\r\nsome ").await;
        peer.send("more").await;
        drop(peer);
        let response = response.await.expect("no panic").expect("a response");
        assert_eq!(tests_support::Reply::read(response).await.text(), "some more");
    }
}

#[tokio::test]
async fn interim_responses_do_not_disturb_the_final_one() {
    let upstream = Recorder::answering(
        "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n\
         HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
    )
    .await;
    let proxy = Proxy::start(&Config::to_app(upstream.address())).await;
    for down in [Http::One, Http::Two] {
        let mut client = Client::connect(down, proxy.web()).await;
        for _ in 0..2 {
            let reply = client.get("/").await;
            assert_eq!((reply.status.as_u16(), reply.text()), (200, "ok".into()));
        }
    }
}
