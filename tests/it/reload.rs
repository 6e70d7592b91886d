//! Reloads: of the configuration and of plugin files, by signal and by file change.

use std::{fs, path::Path};

use http::StatusCode;
use tests_support::{
    Client, Config, Http, Proxy, RawPeer, RawUpstream, Reply, Signal, Upstream, full, until, within,
};
use tokio::sync::watch;

use crate::common::{Load, SocketAddr, VERSIONS, ask, get, is_ok, status};

const FAILURES: &str = "mortise_config_reload_failures_total";

/// A listener that says its version under `/version` and sends the rest to `app`.
fn version(upstream: SocketAddr, version: u32) -> Config {
    let lines = format!(
        "routes:\n\
         - {{ match: {{ path: /version }}, respond: {{ status: 200, body: 'v{version}' }} }}\n\
         - {{ match: {{ prefix: / }}, cluster: app, timeout_ms: {} }}",
        20_000 + version
    );
    Config::new().listener("web", &lines).cluster("app", upstream, "")
}

async fn shown_version(proxy: &Proxy) -> String {
    ask(Http::One, proxy.web(), get("/version", &[])).await.text()
}

#[tokio::test]
async fn a_new_configuration_takes_over_under_load_without_a_failure() {
    let upstream = Upstream::echo(Http::One).await;
    let mut proxy = Proxy::start(&version(upstream.address(), 0)).await;
    let address = proxy.web();
    let load = Load::start(4, address, "/", is_ok);
    load.replies(20).await;
    for number in 1..=5 {
        proxy.reload(&version(upstream.address(), number)).await;
        assert_eq!(proxy.web(), address, "the socket stays");
        let wanted = format!("v{number}");
        until("the new answer", async || (shown_version(&proxy).await == wanted).then_some(()))
            .await;
        load.replies(20).await;
    }
    assert!(load.finish().await >= 120);
    let metrics = proxy.metrics().await;
    assert!(metrics.sum("mortise_config_reloads_total", &[]) >= 5.0);
    assert_eq!(metrics.sum(FAILURES, &[]), 0.0);
}

#[tokio::test]
async fn a_changed_file_is_noticed_without_a_signal() {
    let upstream = Upstream::echo(Http::One).await;
    let proxy = Proxy::start(&version(upstream.address(), 1)).await;
    assert_eq!(shown_version(&proxy).await, "v1");
    proxy.rewrite(&version(upstream.address(), 2));
    until("the new answer", async || (shown_version(&proxy).await == "v2").then_some(())).await;
}

#[tokio::test]
async fn a_bad_configuration_leaves_the_old_one_serving() {
    let upstream = Upstream::echo(Http::One).await;
    let proxy = Proxy::start(&version(upstream.address(), 1)).await;
    let bad = [
        "listeners: [".to_owned(),
        "nonsense: true".to_owned(),
        version(upstream.address(), 2).to_string().replace("cluster: app", "cluster: nobody"),
        String::new(),
    ];
    for (at, text) in bad.iter().enumerate() {
        let before = proxy.metrics().await.sum(FAILURES, &[]);
        proxy.rewrite(text);
        proxy.signal(Signal::Hup);
        proxy.until_metric(FAILURES, &[], |now| now > before).await;
        assert_eq!(shown_version(&proxy).await, "v1", "bad one {at}");
        assert_eq!(proxy.admin("/readyz").await.0, StatusCode::OK);
        assert_eq!(status(proxy.web(), "/").await, StatusCode::OK);
    }
    assert!(proxy.stderr().contains("nobody"), "the log says why: {}", proxy.stderr());
    proxy.rewrite(&version(upstream.address(), 3));
    proxy.signal(Signal::Hup);
    until("the mended one", async || (shown_version(&proxy).await == "v3").then_some(())).await;
}

#[tokio::test]
async fn requests_under_way_finish_on_the_old_configuration() {
    for down in VERSIONS {
        let old = RawUpstream::bind().await;
        let new = Upstream::named_echo(Http::One, "new").await;
        let mut proxy = Proxy::start(&version(old.address(), 1)).await;
        let mut client = Client::connect(down, proxy.web()).await;
        let response = client.start(get("/", &[])).await;
        let mut peer = old.accept().await;
        peer.read_head().await;
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nhalf").await;
        let response = within("the head", response).await.expect("no panic").expect("a head");
        proxy.reload(&version(new.address(), 2)).await;
        let other = ask(down, proxy.web(), get("/", &[])).await;
        assert_eq!(other.echo("upstream"), "new", "{down:?}");
        peer.send("done").await;
        assert_eq!(Reply::read(response).await.text(), "halfdone", "{down:?}");
    }
}

#[tokio::test]
async fn listeners_come_and_go() {
    let upstream = Upstream::echo(Http::One).await;
    let both = version(upstream.address(), 1)
        .listener("side", "routes: [{ match: { prefix: / }, cluster: app }]");
    let mut proxy = Proxy::start(&version(upstream.address(), 1)).await;
    let web = proxy.web();
    proxy.reload(&both).await;
    let side = proxy.address("side");
    assert_eq!(status(side, "/").await, StatusCode::OK);
    assert_eq!(status(web, "/").await, StatusCode::OK);
    proxy.reload(&version(upstream.address(), 2)).await;
    until("the end of the listener", async || {
        Client::try_connect(Http::One, side).await.is_err().then_some(())
    })
    .await;
    assert_eq!(status(web, "/").await, StatusCode::OK);
}

fn replace(file: &Path, bytes: &[u8]) {
    let draft = file.with_extension("draft");
    fs::write(&draft, bytes).expect("written");
    fs::rename(&draft, file).expect("in place");
}

/// A proxy whose only plugin adds `x-greeting: hello`, as long as its file is the first one.
struct Plugged {
    folder: tempfile::TempDir,
    proxy: Proxy,
}

impl Plugged {
    async fn start(upstream: &Upstream) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("plugin.wasm");
        fs::copy(tests_fixtures::greet(), &file).expect("copied");
        let lines = "stream_filters:\n\
            - { plugin: p, config: { header: x-greeting, value: hello } }\n\
            routes: [{ match: { prefix: / }, cluster: app }]";
        let config = Config::new()
            .listener("web", lines)
            .cluster("app", upstream.address(), "")
            .plugin("p", &file, "");
        let plugged = Self { proxy: Proxy::start(&config).await, folder };
        assert_eq!(plugged.said().await, ("hello".into(), String::new()));
        plugged
    }

    /// What the old module and what the new one adds.
    async fn said(&self) -> (String, String) {
        let reply = ask(Http::One, self.proxy.web(), get("/", &[])).await;
        (reply.header("x-greeting").to_owned(), reply.header("x-wat").to_owned())
    }

    fn put(&self, bytes: &[u8]) {
        replace(&self.folder.path().join("plugin.wasm"), bytes);
    }

    async fn until_new(&self) {
        until("the new module", async || {
            (self.said().await == (String::new(), "yes".into())).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_new_plugin_file_takes_over_under_load_without_a_failure() {
    let upstream = Upstream::echo(Http::One).await;
    let plugged = Plugged::start(&upstream).await;
    let either = |reply: &Reply| {
        is_ok(reply) && (reply.header("x-greeting") == "hello") != (reply.header("x-wat") == "yes")
    };
    let load = Load::start(4, plugged.proxy.web(), "/", either);
    load.replies(20).await;
    plugged.put(&tests_fixtures::wat("add_header"));
    plugged.proxy.signal(Signal::Hup);
    plugged.until_new().await;
    load.replies(20).await;
    plugged.put(&fs::read(tests_fixtures::greet()).expect("read"));
    plugged.proxy.signal(Signal::Hup);
    until("the old module again", async || {
        (plugged.said().await == ("hello".into(), String::new())).then_some(())
    })
    .await;
    load.replies(20).await;
    assert!(load.finish().await >= 60);
    let generation = plugged.proxy.metrics().await.sum("mortise_plugin_generation", &[]);
    assert!(generation >= 3.0, "generation {generation}");
}

#[tokio::test]
async fn a_changed_plugin_file_is_noticed_without_a_signal() {
    let upstream = Upstream::echo(Http::One).await;
    let plugged = Plugged::start(&upstream).await;
    plugged.put(&tests_fixtures::wat("add_header"));
    plugged.until_new().await;
}

#[tokio::test]
async fn a_broken_plugin_file_leaves_the_last_good_generation_serving() {
    let upstream = Upstream::echo(Http::One).await;
    let plugged = Plugged::start(&upstream).await;
    for name in ["not_wasm", "trap_at_start", "unknown_import", "empty"] {
        plugged.put(&tests_fixtures::wat(name));
        plugged.proxy.signal(Signal::Hup);
        until("a stale plugin", async || {
            let page = plugged.proxy.admin("/plugins").await.1;
            page.contains("stale").then_some(())
        })
        .await;
        for _ in 0..4 {
            assert_eq!(plugged.said().await, ("hello".into(), String::new()), "{name}");
        }
        assert_eq!(plugged.proxy.admin("/readyz").await.0, StatusCode::OK);
    }
    plugged.put(&tests_fixtures::wat("add_header"));
    plugged.proxy.signal(Signal::Hup);
    plugged.until_new().await;
    let page = plugged.proxy.admin("/plugins").await.1;
    assert!(!page.contains("stale"), "{page}");
}

#[tokio::test]
async fn a_stream_ends_on_the_generation_that_it_began_on() {
    let (release, gate) = watch::channel(false);
    let upstream = Upstream::serve(Http::One, move |request| {
        let mut gate = gate.clone();
        async move {
            if request.uri().path() == "/slow" {
                gate.wait_for(|open| *open).await?;
            }
            Ok(http::Response::new(full("done")))
        }
    })
    .await;
    let plugged = Plugged::start(&upstream).await;
    let mut client = Client::connect(Http::Two, plugged.proxy.web()).await;
    let slow = client.start(get("/slow", &[])).await;
    until("the request upstream", async || {
        upstream.seen().iter().any(|seen| seen.uri.path() == "/slow").then_some(())
    })
    .await;
    plugged.put(&tests_fixtures::wat("add_header"));
    plugged.proxy.signal(Signal::Hup);
    plugged.until_new().await;
    release.send(true).expect("the upstream waits");
    let slow = within("the slow one", slow).await.expect("no panic").expect("a response");
    let slow = Reply::read(slow).await;
    assert_eq!((slow.header("x-greeting"), slow.header("x-wat")), ("hello", ""));
}

#[tokio::test]
async fn connections_that_stay_open_see_the_new_configuration() {
    let upstream = Upstream::echo(Http::One).await;
    let mut proxy = Proxy::start(&version(upstream.address(), 1)).await;
    let mut one = RawPeer::connect(proxy.web()).await;
    let mut two = Client::connect(Http::Two, proxy.web()).await;
    let ask = "GET /version HTTP/1.1\r\nhost: a\r\n\r\n";
    one.send(ask).await;
    assert_eq!(one.read_reply().await.body, b"v1");
    assert_eq!(two.get("/version").await.text(), "v1");
    proxy.reload(&version(upstream.address(), 2)).await;
    until("the new answer", async || (shown_version(&proxy).await == "v2").then_some(())).await;
    // A worker may take the new plan a moment after another one.
    until("the new answer on the old connections", async || {
        one.send(ask).await;
        let one = one.read_reply().await.body;
        (one == b"v2" && two.get("/version").await.text() == "v2").then_some(())
    })
    .await;
}
