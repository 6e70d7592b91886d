//! Bodies: large, slow, early, unread, with trailers.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};
use parking_lot::Mutex;
use tests_support::{
    BoxError, Client, Config, FrameKind, Http, Proxy, RawHttp2, RawPeer, RawUpstream, Reply,
    TestBody, Upstream, channel, drain, empty, frames, full, pattern, request, within,
};

use crate::common::{COMBINATIONS, get, settled, with, word};

const MIB: u64 = 1024 * 1024;

/// `GET` yields 100 MiB; of anything else the body is counted.
async fn bulk(request: Request<Incoming>) -> Result<Response<TestBody>, BoxError> {
    if request.method() == http::Method::GET {
        return Ok(Response::new(pattern(100 * MIB)));
    }
    let (length, _) = drain(request.into_body()).await?;
    Ok(Response::new(full(length.to_string())))
}

async fn bulk_proxy(up: Http) -> (Upstream, Proxy) {
    let upstream = Upstream::serve(up, bulk).await;
    let config = Config::new()
        .listener("web", "routes: [{ match: { prefix: / }, cluster: app, timeout_ms: 60000 }]")
        .cluster("app", upstream.address(), word(up));
    let proxy = Proxy::start(&config).await;
    (upstream, proxy)
}

#[tokio::test]
async fn uploads_of_100_mib_take_constant_memory() {
    for (down, up) in COMBINATIONS {
        let (_upstream, proxy) = bulk_proxy(up).await;
        let mut client = Client::connect(down, proxy.web()).await;
        let warm = client.ask(with(request("POST", "/"), &[], full("warm"))).await;
        assert_eq!(warm.text(), "4");
        let before = proxy.rss_bytes();
        let reply = client.ask(with(request("POST", "/"), &[], pattern(100 * MIB))).await;
        assert_eq!(reply.text(), (100 * MIB).to_string(), "{down:?} {up:?}");
        let grown = proxy.peak_rss_bytes().saturating_sub(before);
        assert!(grown < 40 * MIB, "{down:?} {up:?}: {} KiB more", grown / 1024);
    }
}

#[tokio::test]
async fn downloads_of_100_mib_take_constant_memory() {
    for (down, up) in COMBINATIONS {
        let (_upstream, proxy) = bulk_proxy(up).await;
        let mut client = Client::connect(down, proxy.web()).await;
        let warm = client.ask(with(request("POST", "/"), &[], full("warm"))).await;
        assert_eq!(warm.text(), "4");
        let before = proxy.rss_bytes();
        let response = client.send(get("/", &[])).await;
        let read = within("the body", drain(response.into_body())).await.expect("whole");
        assert_eq!(read.0, 100 * MIB, "{down:?} {up:?}");
        let grown = proxy.peak_rss_bytes().saturating_sub(before);
        assert!(grown < 40 * MIB, "{down:?} {up:?}: {} KiB more", grown / 1024);
    }
}

#[tokio::test]
async fn trailers_pass_in_both_directions() {
    for (down, up) in COMBINATIONS {
        let seen = Arc::new(Mutex::new(HeaderMap::new()));
        let book = Arc::clone(&seen);
        let upstream = Upstream::serve(up, move |request| {
            let book = Arc::clone(&book);
            async move {
                let (_, trailers) = drain(request.into_body()).await?;
                *book.lock() = trailers.unwrap_or_default();
                let body = frames([Frame::data("body".into()), Frame::trailers(ending("up"))]);
                Ok(Response::builder().header("trailer", "x-end").body(body)?)
            }
        })
        .await;
        let config = Config::new()
            .listener("web", "routes: [{ match: { prefix: / }, cluster: app }]")
            .cluster("app", upstream.address(), word(up));
        let proxy = Proxy::start(&config).await;
        let mut client = Client::connect(down, proxy.web()).await;
        let body = frames([Frame::data("body".into()), Frame::trailers(ending("down"))]);
        let fields = [("te", "trailers"), ("trailer", "x-end")];
        let reply = client.ask(with(request("POST", "/"), &fields, body)).await;
        assert_eq!(reply.text(), "body", "{down:?} {up:?}");
        assert_eq!(seen.lock().get("x-end").map(HeaderValue::as_bytes), Some(&b"down"[..]));
        let end = reply.trailers.get("x-end").map(HeaderValue::as_bytes);
        assert_eq!(end, Some(&b"up"[..]), "{down:?} {up:?}");
    }
}

fn ending(value: &'static str) -> HeaderMap {
    HeaderMap::from_iter([("x-end".parse().expect("a name"), HeaderValue::from_static(value))])
}

#[tokio::test]
async fn a_body_is_answered_while_it_is_sent() {
    for (down, up) in COMBINATIONS {
        let upstream = Upstream::serve(up, |request| async move {
            let (sender, body) = channel();
            let mut incoming = request.into_body();
            tokio::spawn(async move {
                while let Some(Ok(frame)) = incoming.frame().await {
                    if let Ok(data) = frame.into_data() {
                        sender.data(data).await;
                    }
                }
            });
            Ok(Response::new(body))
        })
        .await;
        let config = Config::new()
            .listener("web", "routes: [{ match: { prefix: / }, cluster: app }]")
            .cluster("app", upstream.address(), word(up));
        let proxy = Proxy::start(&config).await;
        let mut client = Client::connect(down, proxy.web()).await;
        let (sender, body) = channel();
        let response = client.start(with(request("POST", "/"), &[], body)).await;
        assert!(sender.data("0").await);
        let response = within("the head", response).await.expect("no panic").expect("a response");
        let mut body = response.into_body();
        for turn in 0..20 {
            let wanted = Bytes::from(turn.to_string());
            let frame = within("the echo", body.frame()).await.expect("a frame");
            let data = frame.expect("whole").into_data().expect("data");
            assert_eq!(data, wanted, "{down:?} {up:?}");
            assert!(sender.data((turn + 1).to_string()).await);
        }
        drop(sender);
        let rest = within("the end", body.collect()).await.expect("a clean end").to_bytes();
        assert_eq!(rest, "20");
    }
}

#[tokio::test]
async fn an_early_reply_reaches_a_client_that_is_still_sending() {
    for (down, up) in COMBINATIONS {
        let upstream = Upstream::serve(up, |_unread| async {
            let reply = Response::builder().status(StatusCode::PAYLOAD_TOO_LARGE);
            Ok(reply.body(full("enough"))?)
        })
        .await;
        let config = Config::new()
            .listener("web", "routes: [{ match: { prefix: / }, cluster: app }]")
            .cluster("app", upstream.address(), word(up));
        let proxy = Proxy::start(&config).await;
        let mut client = Client::connect(down, proxy.web()).await;
        let (sender, body) = channel();
        let response = client.start(with(request("POST", "/"), &[], body)).await;
        assert!(sender.data("first").await);
        let response = within("the head", response).await.expect("no panic").expect("a response");
        let reply = Reply::read(response).await;
        assert_eq!(reply.status, StatusCode::PAYLOAD_TOO_LARGE, "{down:?} {up:?}");
        assert_eq!(reply.text(), "enough", "{down:?} {up:?}");
        drop(sender);
        let mut next = Client::connect(down, proxy.web()).await;
        assert_eq!(next.get("/").await.status, StatusCode::PAYLOAD_TOO_LARGE);
    }
}

/// More than the sockets of both legs hold by themselves.
const FAR_TOO_MUCH: usize = 160;
const CHUNK: usize = 256 * 1024;

/// An endless-looking body that counts what is taken of it.
fn counted(chunks: usize, taken: Arc<AtomicUsize>) -> TestBody {
    let (sender, body) = channel();
    tokio::spawn(async move {
        let chunk = Bytes::from(vec![b'x'; CHUNK]);
        for _ in 0..chunks {
            if !sender.data(chunk.clone()).await {
                break;
            }
            taken.fetch_add(CHUNK, Ordering::SeqCst);
        }
    });
    body
}

async fn endless(up: Http) -> (Upstream, Arc<AtomicUsize>, Proxy) {
    let taken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&taken);
    let upstream = Upstream::serve(up, move |_request| {
        let count = Arc::clone(&count);
        async move { Ok(Response::new(counted(400, count))) }
    })
    .await;
    let config = Config::new()
        .listener("web", "routes: [{ match: { prefix: / }, cluster: app }]")
        .cluster("app", upstream.address(), word(up));
    let proxy = Proxy::start(&config).await;
    (upstream, taken, proxy)
}

#[tokio::test]
async fn a_client_that_does_not_read_stops_the_upstream() {
    for up in [Http::One, Http::Two] {
        let (_upstream, taken, proxy) = endless(up).await;
        let before = proxy.rss_bytes();
        let mut client = RawPeer::connect(proxy.web()).await;
        client.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
        let stopped = settled(&taken).await;
        assert!(stopped < FAR_TOO_MUCH * CHUNK, "{up:?}: {stopped} bytes taken");
        let grown = proxy.rss_bytes().saturating_sub(before);
        assert!(grown < 16 * MIB, "{up:?}: {grown} bytes held");
        let all = client.read_to_end().await;
        assert!(all.len() > 400 * CHUNK, "{up:?}: reading on yields the rest");
        assert_eq!(taken.load(Ordering::SeqCst), 400 * CHUNK);
    }
}

#[tokio::test]
async fn a_closed_http2_window_stops_the_upstream() {
    for up in [Http::One, Http::Two] {
        let (_upstream, taken, proxy) = endless(up).await;
        let mut client = RawHttp2::connect(proxy.web()).await;
        let fields: [(&[u8], &[u8]); 4] =
            [(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a")];
        client.request(1, &fields, true).await;
        let mut read = 0;
        // The first window is 65,535 bytes, and nobody widens it.
        while read < 65_535 {
            let frame = client.find(|frame| frame.kind == FrameKind::Data).await;
            read += frame.expect("data").payload.len();
        }
        let stopped = settled(&taken).await;
        assert!(stopped < FAR_TOO_MUCH * CHUNK, "{up:?}: {stopped} bytes taken");
    }
}

#[tokio::test]
async fn an_upstream_that_does_not_read_stops_the_client() {
    for down in [Http::One, Http::Two] {
        let upstream = RawUpstream::bind().await;
        let proxy = Proxy::start(&Config::to_app(upstream.address())).await;
        let before = proxy.rss_bytes();
        let mut client = Client::connect(down, proxy.web()).await;
        let taken = Arc::new(AtomicUsize::new(0));
        let body = counted(400, Arc::clone(&taken));
        let response = client.start(with(request("POST", "/"), &[], body)).await;
        let mut peer = upstream.accept().await;
        assert!(peer.read_head().await.starts_with("POST / HTTP/1.1\r\n"));
        let stopped = settled(&taken).await;
        assert!(stopped < FAR_TOO_MUCH * CHUNK, "{down:?}: {stopped} bytes taken");
        let grown = proxy.rss_bytes().saturating_sub(before);
        assert!(grown < 16 * MIB, "{down:?}: {grown} bytes held");
        let mut read = 0;
        while read < 400 * CHUNK {
            read += peer.read_some().await.len();
        }
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone").await;
        let response = within("the head", response).await.expect("no panic").expect("a response");
        assert_eq!(Reply::read(response).await.text(), "done");
    }
}

#[tokio::test]
async fn a_client_that_goes_away_ends_the_exchange_upstream() {
    for (down, up) in COMBINATIONS {
        let (left, mut gone) = tokio::sync::mpsc::channel(1);
        let upstream = Upstream::serve(up, move |_request| {
            let left = left.clone();
            async move {
                let (sender, body) = channel();
                tokio::spawn(async move {
                    sender.data("begun").await;
                    sender.closed().await;
                    left.send(()).await
                });
                Ok(Response::new(body))
            }
        })
        .await;
        let config = Config::new()
            .listener("web", "routes: [{ match: { prefix: / }, cluster: app }]")
            .cluster("app", upstream.address(), word(up));
        let proxy = Proxy::start(&config).await;
        let mut client = Client::connect(down, proxy.web()).await;
        let response = client.send(with(request("GET", "/"), &[], empty())).await;
        drop((response, client));
        within("the upstream's notice", gone.recv()).await.expect("told");
        let record = &proxy.access_log(1).await[0];
        assert_eq!(record["reason"], "client_gone", "{down:?} {up:?}: {record}");
    }
}

#[tokio::test]
async fn an_upload_may_take_longer_than_the_timeout_of_its_route() {
    let upstream = Upstream::serve(Http::One, bulk).await;
    let config = Config::new()
        .listener("web", "routes: [{ match: { prefix: / }, cluster: app, timeout_ms: 300 }]")
        .cluster("app", upstream.address(), "");
    let proxy = Proxy::start(&config).await;
    let mut client = Client::connect(Http::One, proxy.web()).await;
    let (sender, body) = channel();
    let response = client.start(with(request("POST", "/"), &[], body)).await;
    // Longer than the timeout, measured by another request that runs into it.
    let stuck = Upstream::serve(Http::One, |_request| std::future::pending()).await;
    let slow = Config::new()
        .listener("web", "routes: [{ match: { prefix: / }, cluster: app, timeout_ms: 600 }]")
        .cluster("app", stuck.address(), "");
    let slow = Proxy::start(&slow).await;
    assert!(sender.data("first").await);
    let mut other = Client::connect(Http::One, slow.web()).await;
    assert_eq!(other.get("/").await.status, StatusCode::GATEWAY_TIMEOUT);
    assert!(sender.data("second").await);
    drop(sender);
    let response = within("the head", response).await.expect("no panic").expect("a response");
    let reply = Reply::read(response).await;
    assert_eq!((reply.status, reply.text()), (StatusCode::OK, "11".to_owned()));
}
