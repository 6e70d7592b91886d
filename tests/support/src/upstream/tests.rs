use hyper::body::Frame;

use super::Upstream;
use crate::{Client, FrameKind, Http, RawFrame, RawHttp2, frames, full, pattern, request};

#[tokio::test]
async fn the_echo_tells_what_it_was_asked() {
    for version in [Http::One, Http::Two] {
        let upstream = Upstream::echo(version).await;
        let mut client = Client::connect(version, upstream.address()).await;
        let asked = request("POST", "/a?b").header("host", "site.example").header("x-one", "1");
        let reply = client.ask(asked.body(full("body")).expect("a request")).await;
        assert_eq!((reply.echo("path"), reply.echo("body")), ("/a?b".into(), "body".into()));
        assert_eq!(reply.echo("host"), "site.example");
        assert_eq!(reply.echoed("x-one"), ["1"]);
        assert_eq!(client.get("/").await.status, 200);
        assert_eq!((upstream.requests(), upstream.connections()), (2, 1));
    }
}

#[tokio::test]
async fn bodies_arrive_with_their_trailers() {
    for version in [Http::One, Http::Two] {
        let upstream = Upstream::serve(version, |request| async move {
            let (length, trailers) = crate::drain(request.into_body()).await?;
            let trailers = Frame::trailers(trailers.unwrap_or_default());
            let reply = http::Response::builder().header("trailer", "x-end");
            Ok(reply.body(frames([Frame::data(length.to_string().into()), trailers]))?)
        })
        .await;
        let mut client = Client::connect(version, upstream.address()).await;
        let sent = request("POST", "/").body(pattern(1_000_000)).expect("a request");
        assert_eq!(client.ask(sent).await.text(), "1000000");
        let mut end = http::HeaderMap::new();
        end.insert("x-end", "yes".parse().expect("a value"));
        let body = frames([Frame::data("abc".into()), Frame::trailers(end.clone())]);
        let sent = request("POST", "/").header("te", "trailers").header("trailer", "x-end");
        let reply = client.ask(sent.body(body).expect("a request")).await;
        assert_eq!((reply.text(), reply.trailers), ("3".into(), end), "{version:?}");
    }
}

#[tokio::test]
async fn frames_made_by_hand_are_understood() {
    let upstream = Upstream::echo(Http::Two).await;
    let mut client = RawHttp2::connect(upstream.address()).await;
    let long = "/".repeat(300);
    let fields: [(&[u8], &[u8]); 4] = [
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", long.as_bytes()),
        (b":authority", b"a"),
    ];
    client.request(1, &fields, false).await;
    client.send(FrameKind::Data, RawFrame::END_STREAM, 1, b"body").await;
    let head = client.find(|frame| frame.kind == FrameKind::Headers).await.expect("a head");
    assert_eq!((head.stream, head.status()), (1, Some(200)));
    let data = client.find(|frame| frame.kind == FrameKind::Data).await.expect("a body");
    assert!(String::from_utf8_lossy(&data.payload).contains(&long));
}
