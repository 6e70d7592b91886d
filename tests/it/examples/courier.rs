//! The codec `courier`: the same in Rust on every backend, and in Zig; and what its page says of
//! the peers that come with it.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
};

use tests_support::{Config, Proxy, RawPeer, RawUpstream, Signal, within};

use super::form::{Form, skipped};
use crate::courier::{Frame, GO_AWAY, HEARTBEAT, HEARTBEAT_REPLY, ONE_WAY, RESPONSE};

/// A listener of the protocol, with a cluster `depot` behind it.
fn calls(form: &Form, config: &str, upstream: SocketAddr) -> Config {
    let lines = format!(
        "protocol: {{ name: courier, config: {config} }}\n\
         routes: [{{ match: {{ service: depot.Parcels }}, cluster: depot }}]"
    );
    let config = Config::new().top("workers: 1").listener("calls", &lines);
    form.plugin(config.cluster("depot", upstream, ""), "courier", "")
}

async fn read(peer: &mut RawPeer) -> Frame {
    within("a frame", Frame::read(peer)).await.expect("a frame")
}

fn track(id: u32) -> Frame {
    let request = Frame::new(0, id).field("service", "depot.Parcels").field("method", "track");
    request.field("X-Trace", "7f").body("parcel 12")
}

pub(super) async fn courier_carries_calls_of_many_clients(form: &Form) {
    let upstream = RawUpstream::bind().await;
    let proxy = Proxy::start(&calls(form, "{}", upstream.address())).await;
    let mut clients = Vec::new();
    for number in 0..3 {
        let mut client = RawPeer::connect(proxy.address("calls")).await;
        client.send(Frame { body: vec![number], ..track(7) }.bytes()).await;
        clients.push(client);
    }
    let mut depot = upstream.accept().await;
    let mut came = Vec::new();
    for _ in 0..3 {
        came.push(read(&mut depot).await);
    }
    let ids: std::collections::BTreeSet<u32> = came.iter().map(|frame| frame.id).collect();
    assert_eq!(ids.len(), 3, "each call has an id of its own: {came:?}");
    for request in came.iter().rev() {
        let fields = &track(7).fields;
        assert_eq!(&request.fields, fields);
        let answer = Frame::new(RESPONSE, request.id).word(6).body(request.body.clone());
        depot.send(answer.bytes()).await;
    }
    for (number, client) in (0..).zip(&mut clients) {
        let expected = Frame::new(RESPONSE, 7).word(6).body([number]);
        assert_eq!(read(client).await, expected);
    }
    let records = proxy.access_log(3).await;
    for record in &records {
        assert_eq!(record["path"], "/depot.Parcels/track", "{record}");
        assert_eq!((&record["status"], &record["protocol"]), (&500.into(), &"courier".into()));
    }
}

pub(super) async fn courier_says_itself_what_the_proxy_has_to_say(form: &Form) {
    let upstream = RawUpstream::bind().await;
    let proxy = Proxy::start(&calls(form, "{}", upstream.address())).await;
    let mut client = RawPeer::connect(proxy.address("calls")).await;
    client.send(Frame::new(HEARTBEAT, 9).bytes()).await;
    assert_eq!(read(&mut client).await, Frame::new(HEARTBEAT_REPLY, 9));

    let lost = Frame::new(0, 3).field("service", "depot.Trucks").field("method", "find");
    client.send(lost.bytes()).await;
    let told = Frame::new(RESPONSE, 3).word(3).body("no route matches this request");
    assert_eq!(read(&mut client).await, told);

    let one_way = Frame::new(ONE_WAY, 4).field("service", "depot.Parcels").field("method", "note");
    client.send(one_way.bytes()).await;
    client.send(track(5).word(300).bytes()).await;
    let mut depot = upstream.accept().await;
    assert_eq!(read(&mut depot).await.kind, ONE_WAY);
    assert_eq!(read(&mut depot).await.word, 300);
    let late = read(&mut client).await;
    assert_eq!((late.kind, late.id, late.word), (RESPONSE, 5, 9), "too late: {late}");

    let mut other = RawPeer::connect(proxy.address("calls")).await;
    other.send(b"GET / HTTP/1.1\r\n\r\n").await;
    assert_eq!(other.read_to_end().await, b"", "it is none of the protocol");

    // A proxy that goes tells its clients, and waits for them.
    proxy.signal(Signal::Term);
    assert_eq!(read(&mut client).await, Frame::new(GO_AWAY, 0));
}

/// A client that was told to go and sends on: what goes upstream is answered before the end.
#[tokio::test]
async fn a_client_that_never_is_quiet_loses_nothing_that_was_sent_upstream() {
    let upstream = RawUpstream::bind().await;
    let form = Form::wasm(tests_fixtures::courier());
    let config = calls(&form, "{}", upstream.address()).top("drain_timeout_ms: 4000");
    let proxy = Proxy::start(&config).await;
    let mut client = RawPeer::connect(proxy.address("calls")).await;
    client.send([track(1).bytes(), track(2).bytes()].concat()).await;
    let mut depot = upstream.accept().await;
    let depot = tokio::spawn(async move {
        let mut seen = 0;
        while let Ok(request) = Frame::read(&mut depot).await {
            seen += 1;
            depot.send(Frame::new(RESPONSE, request.id).bytes()).await;
        }
        seen
    });
    assert_eq!(read(&mut client).await.kind, RESPONSE);
    let stopped = tokio::spawn(proxy.finish());
    let (mut answered, mut told) = (1, 0);
    while let Ok(frame) = within("a frame", Frame::read(&mut client)).await {
        if frame.kind == GO_AWAY {
            told += 1;
            continue;
        }
        answered += 1;
        // The proxy may have closed its side by now.
        let _gone = client.try_send(track(answered + 2).bytes()).await;
    }
    let finished = within("the end", stopped).await.expect("no panic");
    assert_eq!((finished.code, told), (Some(0), 1), "{finished:?}");
    assert!(!finished.stderr.contains("still open"), "{finished:?}");
    assert_eq!(within("the depot's end", depot).await.expect("no panic"), answered);
}

pub(super) async fn courier_takes_no_frames_that_are_too_long(form: &Form) {
    let upstream = RawUpstream::bind().await;
    let limited = calls(form, "{ frame_bytes_max: 100 }", upstream.address());
    let proxy = Proxy::start(&limited).await;
    let mut client = RawPeer::connect(proxy.address("calls")).await;
    client.send(track(7).body(vec![0; 100]).bytes()).await;
    assert_eq!(client.read_to_end().await, b"");
    let refused = calls(form, "{ frame_bytes_max: 7 }", upstream.address());
    let proxy = Proxy::start(&refused).await;
    let log = proxy.stderr();
    assert!(log.contains("`frame_bytes_max` is less than the 20 bytes"), "{log}");
}

pub(super) async fn the_page_of_courier_shows_what_is_seen(form: &Form) {
    let Some(server) = Server::start() else { return skipped("python3") };
    let lines = "protocol: courier\n\
        stream_filters: [{ plugin: greet, config: { header: x-seen-by, value: mortise } }]\n\
        routes: [{ match: { service: depot.Parcels }, cluster: depot }]";
    let config = Config::new().listener("calls", lines).cluster("depot", server.address, "");
    let greet = Form::wasm(tests_fixtures::greet());
    let config = greet.plugin(form.plugin(config, "courier", ""), "greet", "");
    let proxy = Proxy::start(&config).await;
    let page = std::fs::read_to_string(folder().join("README.md")).expect("the page");
    let calls = [("depot.Parcels/track", "parcel 12", 0), ("depot.Trucks/find", "truck 3", 3)];
    for (method, body, status) in calls {
        let address = proxy.address("calls").to_string();
        let output = peer(&["call", &address, method, body]).await;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(status), "{output:?}");
        assert!(printed.starts_with("status ") && page.contains(&printed), "{printed}");
    }
}

/// The same codec in Zig, as a module that needs no SDK.
#[tokio::test]
async fn courier_in_zig_does_the_same() {
    let Some(module) = tests_fixtures::courier_zig() else { return skipped("courier-zig") };
    let form = Form::wasm(module);
    courier_carries_calls_of_many_clients(&form).await;
    courier_says_itself_what_the_proxy_has_to_say(&form).await;
    courier_takes_no_frames_that_are_too_long(&form).await;
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../plugin-examples/courier")
}

fn python(arguments: &[&str]) -> Command {
    #[expect(clippy::disallowed_methods, reason = "the peers of the example are programs")]
    let mut run = Command::new("python3");
    run.arg("-B").arg(folder().join("peer.py")).args(arguments).stdin(Stdio::null());
    run
}

async fn peer(arguments: &[&str]) -> Output {
    let mut run = python(arguments);
    let output = tokio::task::spawn_blocking(move || run.output());
    within("the peer", output).await.expect("it ran").expect("it started")
}

/// The server of the example; it ends when it is dropped.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    /// Starts it on a free port; `None` where there is no Python.
    fn start() -> Option<Self> {
        let mut run = python(&["serve", "127.0.0.1:0"]);
        let mut child = run.stdout(Stdio::piped()).spawn().ok()?;
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut()?).read_line(&mut line).ok()?;
        let address = line.trim().strip_prefix("serves on ")?.parse().ok()?;
        Some(Self { child, address })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
