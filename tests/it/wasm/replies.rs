//! Replies that a filter gives in the upstream's place, from every phase.

use tests_support::{
    Client, Http, RawPeer, Reply, Upstream, frames, parse_replies, request, within,
};

use super::{act, act_with, filtered, start};
use crate::common::{VERSIONS, ask, get, post, with};

#[tokio::test]
async fn a_filter_may_reply_before_the_response_is_on_its_way() {
    for (doing, phase, reaches) in [
        ("reply_in_request_headers", "request_headers", false),
        ("reply_in_request_body", "request_body", true),
        ("reply_in_response_headers", "response_headers", true),
    ] {
        let (upstream, proxy) = start(&[act(doing)]).await;
        for version in VERSIONS {
            let mut client = Client::connect(version, proxy.web()).await;
            let reply = client.ask(post("/", &[], "a body")).await;
            assert_eq!(reply.status.as_u16(), 418, "{doing} {version:?}");
            assert_eq!(reply.header("x-reply"), phase);
            assert_eq!(reply.text(), format!("reply from {phase}"));
        }
        assert!(reaches || upstream.requests() == 0, "{doing}");
        let record = &proxy.access_log(1).await[0];
        assert_eq!((&record["reason"], &record["plugin"]), (&"plugin".into(), &"bad".into()));
        assert_eq!(ask(Http::One, proxy.web(), get("/plain", &[])).await.status.as_u16(), 200);
    }
}

#[tokio::test]
async fn a_body_behind_a_filters_reply_is_never_read_as_a_request() {
    let (upstream, proxy) = start(&[act("reply_in_request_headers")]).await;
    let evil = "GET /EVIL HTTP/1.1\r\nhost: a\r\n\r\n";
    let length = evil.len();
    for body in [
        format!("content-length: {length}\r\n\r\n{evil}"),
        format!("transfer-encoding: chunked\r\n\r\n{length:x}\r\n{evil}\r\n0\r\n\r\n"),
    ] {
        let mut client = RawPeer::connect(proxy.web()).await;
        let last = "GET /last HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        client.send(format!("POST / HTTP/1.1\r\nhost: a\r\n{body}{last}")).await;
        let replies = parse_replies(&client.read_to_end().await);
        let statuses: Vec<u16> = replies.iter().map(|reply| reply.status).collect();
        assert!(statuses == [418, 418] || statuses == [418], "{body:?}: {statuses:?}");
    }
    assert_eq!(upstream.requests(), 0);
    let records = proxy.access_log(2).await;
    assert!(records.iter().all(|record| record["path"] != "/EVIL"), "{records:#?}");
}

#[tokio::test]
async fn a_filter_may_reply_when_the_request_ends_with_trailers() {
    let (_upstream, proxy) = start(&[act("reply_in_request_trailers")]).await;
    let mut trailers = http::HeaderMap::new();
    trailers.insert("x-end", "1".parse().expect("a value"));
    let mut client = Client::connect(Http::Two, proxy.web()).await;
    let list = [hyper::body::Frame::data("x".into()), hyper::body::Frame::trailers(trailers)];
    let reply = client.ask(with(request("POST", "/"), &[], frames(list))).await;
    assert_eq!((reply.status.as_u16(), reply.header("x-reply")), (418, "request_trailers"));
}

#[tokio::test]
async fn a_reply_from_the_response_body_never_looks_like_the_upstreams() {
    let (_upstream, proxy) = start(&[act("reply_in_response_body")]).await;
    for version in VERSIONS {
        let mut client = Client::connect(version, proxy.web()).await;
        // Either it comes in time to be the answer, or the answer breaks.
        if let Ok(response) = within("a head", client.try_send(get("/", &[]))).await
            && let Ok(reply) = within("a reply", Reply::try_read(response)).await
        {
            assert_eq!(
                (reply.status.as_u16(), reply.text()),
                (418, "reply from response_body".into())
            );
        }
    }
    assert_eq!(ask(Http::One, proxy.web(), get("/plain", &[])).await.status.as_u16(), 200);
}

#[tokio::test]
async fn a_filter_can_break_a_stream_off() {
    for doing in ["reset_request", "reset_response"] {
        let (_upstream, proxy) = start(&[act(doing)]).await;
        for version in VERSIONS {
            let mut client = Client::connect(version, proxy.web()).await;
            if let Ok(response) = within("an end", client.try_send(get("/", &[]))).await {
                let read = within("an end", Reply::try_read(response)).await;
                assert!(!read.is_ok_and(|reply| reply.status.is_success()), "{doing} {version:?}");
            }
        }
        assert_eq!(ask(Http::One, proxy.web(), get("/plain", &[])).await.status.as_u16(), 200);
    }
}

#[tokio::test]
async fn the_first_of_two_replies_counts() {
    for (doing, said) in [("reply_twice", "first"), ("reply_and_continue", "request_headers")] {
        let (upstream, proxy) = start(&[act(doing)]).await;
        let reply = ask(Http::One, proxy.web(), get("/", &[])).await;
        assert_eq!((reply.status.as_u16(), reply.header("x-reply")), (418, said), "{doing}");
        assert_eq!(upstream.requests(), 0);
    }
}

#[tokio::test]
async fn a_large_reply_arrives_whole() {
    let (_upstream, proxy) = start(&[act_with("big_reply", ", bytes: 3000000", "closed")]).await;
    for version in VERSIONS {
        let reply = ask(version, proxy.web(), get("/", &[])).await;
        assert_eq!((reply.status.as_u16(), reply.body.len()), (418, 3_000_000), "{version:?}");
    }
}

#[tokio::test]
async fn a_reply_with_senseless_fields_is_framed_by_the_host() {
    let upstream = Upstream::echo(Http::One).await;
    let config = filtered(&upstream, &[act("reply_with_bad_headers")]);
    let proxy = tests_support::Proxy::start(&config).await;
    for _ in 0..3 {
        let mut client = RawPeer::connect(proxy.web()).await;
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        // Where the call was refused, the guest's pause stands, and the client goes away.
        let refused = tests_support::until("a refusal", async || {
            proxy.stderr().contains("bad headers: 2").then_some(())
        });
        let reply = tokio::select! {
            () = refused => continue,
            reply = client.read_reply() => reply,
        };
        let head = reply.head.to_ascii_lowercase();
        assert!(!head.contains("\nx-injected"), "{head}");
        assert!(!head.contains("transfer-encoding"), "{head}");
        assert_eq!(head.matches("content-length").count(), 1, "{head}");
        assert_eq!((reply.status, &reply.body[..]), (418, &b"whole body"[..]));
    }
    assert_eq!(ask(Http::One, proxy.web(), get("/plain", &[])).await.status.as_u16(), 200);
}

#[tokio::test]
async fn a_route_that_answers_itself_does_so_behind_its_filters() {
    let deny = "stream_filters: [{ plugin: deny, config: { paths: [/a], status: 403, body: no } }]";
    let broken = "stream_filters: [{ plugin: broken }]";
    let lines = format!(
        "routes:\n\
         - {{ match: {{ prefix: /a/reply }}, respond: {{ status: 200, body: secret }}, {deny} }}\n\
         - {{ match: {{ prefix: /a/away }}, redirect: {{ path: /secret }}, {deny} }}\n\
         - {{ match: {{ prefix: /b }}, respond: {{ status: 200, body: secret }}, {broken} }}\n\
         - {{ match: {{ prefix: /c }}, respond: {{ status: 200, body: open }}, {deny} }}"
    );
    let folder = tempfile::tempdir().expect("a folder");
    let config = tests_support::Config::new()
        .top("workers: 1")
        .listener("web", &lines)
        .plugin("deny", tests_fixtures::deny(), "")
        .plugin("broken", &folder.path().join("missing.wasm"), "");
    let proxy = tests_support::Proxy::start(&config).await;
    for (path, wanted) in [("/a/reply", 403), ("/a/away", 403), ("/b", 503), ("/c", 200)] {
        let reply = ask(Http::One, proxy.web(), get(path, &[])).await;
        assert_eq!(reply.status.as_u16(), wanted, "{path}");
        assert!(!reply.text().contains("secret"), "{path}");
    }
}
