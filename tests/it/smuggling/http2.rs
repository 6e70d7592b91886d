//! HTTP/2 heads that would be something else in HTTP/1.

use tests_support::{FrameKind, Proxy, RawFrame, RawHttp2, Recorder, within};

use super::start;

type Fields = &'static [(&'static [u8], &'static [u8])];

const METHOD: (&[u8], &[u8]) = (b":method", b"POST");
const SCHEME: (&[u8], &[u8]) = (b":scheme", b"http");
const PATH: (&[u8], &[u8]) = (b":path", b"/x");
const AUTHORITY: (&[u8], &[u8]) = (b":authority", b"a");

/// What a well-formed request has, with more fields behind it.
macro_rules! fields {
    ($($name:literal: $value:literal),* $(,)?) => {
        &[METHOD, SCHEME, PATH, AUTHORITY, $(($name as &[u8], $value as &[u8])),*]
    };
}

const REFUSED: &[(&str, Fields)] = &[
    ("connection", fields! { b"connection": b"close" }),
    ("transfer-encoding", fields! { b"transfer-encoding": b"chunked" }),
    ("keep-alive", fields! { b"keep-alive": b"timeout=5" }),
    ("proxy-connection", fields! { b"proxy-connection": b"keep-alive" }),
    ("upgrade", fields! { b"upgrade": b"websocket" }),
    ("te that is not trailers", fields! { b"te": b"chunked" }),
    ("a name in capitals", fields! { b"X-Evil": b"1" }),
    ("CR LF in a value", fields! { b"x": b"a\r\nEVIL: 1" }),
    ("LF in a value", fields! { b"x": b"a\nEVIL: 1" }),
    ("CR in a value", fields! { b"x": b"a\rEVIL" }),
    ("NUL in a value", fields! { b"x": b"a\0EVIL" }),
    ("CR LF in a name", fields! { b"x\r\nevil": b"1" }),
    ("a space in a name", fields! { b"x evil": b"1" }),
    ("a colon in a name", fields! { b"x:evil": b"1" }),
    ("a name that is empty", fields! { b"": b"1" }),
    ("an unknown pseudo-field", fields! { b":evil": b"1" }),
    ("a pseudo-field behind a field", fields! { b"x": b"1", b":path": b"/EVIL" }),
    ("two lengths", fields! { b"content-length": b"3", b"content-length": b"4" }),
    ("a length that is none", fields! { b"content-length": b"+3" }),
    ("a length that the body has not", fields! { b"content-length": b"300" }),
    ("a length below the body's", fields! { b"content-length": b"1" }),
    ("another host", fields! { b"host": b"b" }),
    ("two hosts", fields! { b"host": b"a", b"host": b"b" }),
    ("no method", &[SCHEME, PATH, AUTHORITY]),
    ("two methods", &[METHOD, METHOD, SCHEME, PATH, AUTHORITY]),
    ("no path", &[METHOD, SCHEME, AUTHORITY]),
    ("two paths", &[METHOD, SCHEME, PATH, (b":path", b"/EVIL"), AUTHORITY]),
    ("two authorities", &[METHOD, SCHEME, PATH, AUTHORITY, (b":authority", b"b")]),
    ("an empty path", &[METHOD, SCHEME, (b":path", b""), AUTHORITY]),
    ("a path without a slash", &[METHOD, SCHEME, (b":path", b"x"), AUTHORITY]),
    ("a path with CR LF", &[METHOD, SCHEME, (b":path", b"/x HTTP/1.1\r\nEVIL: 1"), AUTHORITY]),
    ("a path with a space", &[METHOD, SCHEME, (b":path", b"/x y"), AUTHORITY]),
    ("a method with a space", &[(b":method", b"GET /EVIL"), SCHEME, PATH, AUTHORITY]),
    ("a method with CR LF", &[(b":method", b"GET\r\nEVIL"), SCHEME, PATH, AUTHORITY]),
    ("an authority with CR LF", &[METHOD, SCHEME, PATH, (b":authority", b"a\r\nEVIL: 1")]),
    ("an authority with a path", &[METHOD, SCHEME, PATH, (b":authority", b"a/EVIL")]),
    ("an authority with a password", &[METHOD, SCHEME, PATH, (b":authority", b"u:p@a")]),
    ("a response's status", &[METHOD, SCHEME, PATH, AUTHORITY, (b":status", b"200")]),
];

const PASSED: &[(&str, Fields)] = &[
    ("nothing special", fields! {}),
    ("te: trailers", fields! { b"te": b"trailers" }),
    ("the right length", fields! { b"content-length": b"3" }),
    ("the same host", fields! { b"host": b"a" }),
    ("a fragment, which is cut off", &[METHOD, SCHEME, (b":path", b"/x#y"), AUTHORITY]),
    ("a host instead of an authority", &[METHOD, SCHEME, PATH, (b"host", b"a")]),
];

/// Sends a request with the body `abc` on a connection of its own: the status of the answer,
/// or nothing where the stream or the connection was broken off.
async fn send(proxy: &Proxy, fields: Fields) -> Option<u16> {
    let mut client = RawHttp2::connect(proxy.web()).await;
    client.request(1, fields, false).await;
    client.send(FrameKind::Data, RawFrame::END_STREAM, 1, b"abc").await;
    let answer = client.find(|frame| {
        let ends = matches!(frame.kind, FrameKind::Headers | FrameKind::Reset);
        (ends && frame.stream == 1) || frame.kind == FrameKind::GoAway
    });
    let answer = within("an answer", answer).await?;
    // A status that is in no table is one of ours, and no success.
    (answer.kind == FrameKind::Headers).then(|| answer.status().unwrap_or(431))
}

#[tokio::test]
async fn heads_that_http1_cannot_carry_never_reach_the_upstream() {
    let (upstream, proxy) = start().await;
    let mut failures = Vec::new();
    for (name, fields) in REFUSED {
        let status = send(&proxy, fields).await;
        let lines: Vec<String> = upstream.take().into_iter().map(|seen| seen.line).collect();
        if status.is_some_and(|status| status < 400) || !lines.is_empty() {
            failures.push(format!("{name}: answered {status:?}, upstream {lines:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[tokio::test]
async fn heads_that_are_right_reach_the_upstream_as_http1() {
    let (upstream, proxy) = start().await;
    for (name, fields) in PASSED {
        assert_eq!(send(&proxy, fields).await, Some(200), "{name}");
        let requests = upstream.take();
        assert_eq!(requests.len(), 1, "{name}");
        assert_eq!(requests[0].line, "POST /x HTTP/1.1", "{name}");
        assert_eq!(requests[0].values("host"), ["a"], "{name}");
        assert_eq!(requests[0].body, b"abc", "{name}");
    }
}

#[tokio::test]
async fn a_broken_stream_does_not_touch_its_neighbour() {
    let upstream = Recorder::start().await;
    let config = tests_support::Config::to_app(upstream.address());
    let proxy = Proxy::start(&config).await;
    let mut client = RawHttp2::connect(proxy.web()).await;
    client.request(1, fields! {}, false).await;
    client.request(3, fields! { b"connection": b"close" }, true).await;
    let refused = client.find(|frame| frame.stream == 3 && frame.kind != FrameKind::Settings).await;
    let refused = refused.expect("the connection goes on");
    assert!(refused.kind == FrameKind::Reset || refused.status() != Some(200), "{refused:?}");
    client.send(FrameKind::Data, RawFrame::END_STREAM, 1, b"abc").await;
    let answer = client.find(|frame| frame.stream == 1 && frame.kind == FrameKind::Headers).await;
    assert_eq!(answer.and_then(|answer| answer.status()), Some(200));
}
