//! Smuggling: no bytes that two parsers could read differently get past the proxy.
//!
//! Each row is what a client sends on one connection, and what must come of it. The upstream
//! writes down what it was sent; nothing called `EVIL` may ever be a request there.

mod http2;
mod rows;

use std::time::Duration;

use tests_support::{Config, Proxy, RawPeer, RawReply, Recorded, Recorder, parse_replies};

use rows::{ROWS, Row, Wanted};

/// Longest wait for the end of one connection. Short, since many rows follow each other; a
/// proxy that works needs a thousandth of it.
const ROW_DEADLINE: Duration = Duration::from_secs(5);

async fn start() -> (Recorder, Proxy) {
    let upstream = Recorder::start().await;
    let routes = "routes:\n\
        - { match: { prefix: /local }, respond: { status: 200, body: here } }\n\
        - { match: { prefix: / }, cluster: app }";
    let config = Config::new().top("workers: 1").listener("web", routes).cluster(
        "app",
        upstream.address(),
        "",
    );
    let proxy = Proxy::start(&config).await;
    (upstream, proxy)
}

#[tokio::test]
async fn ambiguous_requests_never_reach_the_upstream() {
    let (upstream, proxy) = start().await;
    let mut failures = Vec::new();
    for row in ROWS {
        let verdict = play(row, &upstream, &proxy).await;
        failures.extend(verdict.err().map(|why| format!("{}: {why}", row.name)));
    }
    assert!(ROWS.len() >= 40);
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), ROWS.len(), failures.join("\n"));
}

async fn play(row: &Row, upstream: &Recorder, proxy: &Proxy) -> Result<(), String> {
    let mut client = RawPeer::connect(proxy.web()).await;
    // The proxy may refuse and close in the middle of it.
    drop(client.try_send(row.wire.as_bytes()).await);
    let wire = tokio::time::timeout(ROW_DEADLINE, client.read_to_end()).await;
    let closed = wire.is_ok();
    let replies = parse_replies(&wire.unwrap_or_default());
    drop(client);
    let requests = upstream.take();
    let statuses: Vec<u16> = replies.iter().map(|reply| reply.status).collect();
    let lines: Vec<&str> = requests.iter().map(|request| request.line.as_str()).collect();
    let seen = format!("replies {statuses:?}, closed {closed}, upstream {lines:?}");
    if lines.iter().any(|line| line.contains("EVIL")) {
        return Err(format!("smuggled: {seen}"));
    }
    let refused = |allowed: &[u16]| {
        closed && lines.is_empty() && matches!(&statuses[..], [one] if allowed.contains(one))
    };
    let passed = |wanted: &[&str]| closed && is_passed(wanted, &replies, &requests);
    let right = match row.wanted {
        Wanted::Refused(allowed) => refused(allowed),
        Wanted::Passed(wanted) => passed(wanted),
        Wanted::Either(wanted) => passed(wanted) || refused(&[400]),
        Wanted::Broken => {
            closed && lines.is_empty() && statuses.iter().all(|status| *status >= 400)
        }
        Wanted::Answered(allowed) => closed && lines.is_empty() && allowed.contains(&&statuses[..]),
    };
    if right { Ok(()) } else { Err(format!("wanted {:?}, got {seen}", row.wanted)) }
}

/// True where exactly these requests passed, `METHOD PATH BODY` each, and were answered.
fn is_passed(wanted: &[&str], replies: &[RawReply], requests: &[Recorded]) -> bool {
    let passed: Vec<String> = requests
        .iter()
        .map(|request| {
            let line = request.line.trim_end_matches(" HTTP/1.1");
            format!("{line} {}", String::from_utf8_lossy(&request.body))
        })
        .collect();
    passed.iter().map(|line| line.trim_end()).eq(wanted.iter().copied())
        && replies.len() == wanted.len()
        && replies.iter().all(|reply| reply.status == 200 && reply.complete)
}

async fn only_request(target: &str, fields: &str, body: &str) -> (RawReply, Vec<Recorded>) {
    let (upstream, proxy) = start().await;
    let mut client = RawPeer::connect(proxy.web()).await;
    client.send(format!("{target} HTTP/1.1\r\n{fields}connection: close\r\n\r\n{body}")).await;
    let replies = parse_replies(&client.read_to_end().await);
    assert_eq!(replies.len(), 1, "{replies:?}");
    (replies[0].clone(), upstream.requests())
}

#[tokio::test]
async fn an_absolute_target_and_the_host_field_cannot_disagree_upstream() {
    let (reply, requests) = only_request("GET http://b.example/x", "host: a.example\r\n", "").await;
    if reply.status == 200 {
        assert_eq!(requests[0].values("host"), ["b.example"]);
        assert_eq!(requests[0].line, "GET /x HTTP/1.1");
    } else {
        assert_eq!((reply.status, requests.len()), (400, 0));
    }
    let (reply, requests) = only_request("GET http://a.example/x", "host: a.example\r\n", "").await;
    assert_eq!((reply.status, requests[0].values("host")), (200, vec!["a.example"]));
    assert_eq!(requests[0].line, "GET /x HTTP/1.1");
}

#[tokio::test]
async fn a_client_cannot_nominate_framing_fields_as_its_own_hop() {
    for nominated in ["content-length", "host", "transfer-encoding", "content-type"] {
        let fields = format!("host: a.example\r\nconnection: {nominated}\r\ncontent-length: 4\r\n");
        let (reply, requests) = only_request("POST /x", &fields, "body").await;
        assert_eq!(reply.status, 200, "{nominated}");
        assert_eq!(requests[0].values("host"), ["a.example"], "{nominated}");
        assert_eq!(requests[0].body, b"body", "{nominated}");
    }
}

#[tokio::test]
async fn trailers_cannot_carry_framing_or_routing_fields() {
    let (upstream, proxy) = start().await;
    let mut client = RawPeer::connect(proxy.web()).await;
    client
        .send(
            "POST /x HTTP/1.1\r\nhost: a\r\nte: trailers\r\ntransfer-encoding: chunked\r\n\
             trailer: content-length, transfer-encoding, host, x-fine\r\n\r\n\
             4\r\nbody\r\n0\r\ncontent-length: 9\r\ntransfer-encoding: chunked\r\n\
             host: evil.example\r\nauthorization: EVIL\r\nx-fine: 1\r\n\r\n",
        )
        .await;
    assert_eq!(client.read_reply().await.status, 200);
    let request = &upstream.requests()[0];
    assert_eq!(request.body, b"body");
    let trailers = request.trailers.join("\n").to_ascii_lowercase();
    for name in ["content-length", "transfer-encoding", "host", "authorization"] {
        assert!(!trailers.contains(&format!("{name}:")), "{trailers}");
    }
}

#[tokio::test]
async fn malformed_requests_are_logged_and_counted() {
    let (_upstream, proxy) = start().await;
    let bad = "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n";
    let mut client = RawPeer::connect(proxy.web()).await;
    client.send(bad).await;
    client.read_to_end().await;
    let record = &proxy.access_log(1).await[0];
    assert_eq!(record["reason"], "malformed", "{record}");
    assert_eq!(record["details"], "the host field is repeated", "{record}");
    let counted = proxy.until_metric("mortise_listener_malformed_total", &[], |n| n >= 1.0).await;
    assert_eq!(counted, 1.0);
}
