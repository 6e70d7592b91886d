//! What filters can read of a stream, when, and in which bytes.

use std::fmt::Write as _;

use tests_support::{Client, Config, Http, Proxy, Reply, Upstream, until};

use super::module;
use crate::common::post;

/// Status 1, without a value.
const NOT_FOUND: &str = "b";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold("a".to_owned(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes everything");
        text
    })
}

fn text(text: &str) -> String {
    hex(text.as_bytes())
}

fn number(number: i64) -> String {
    hex(&number.to_le_bytes())
}

struct World {
    client: Client,
    proxy: Proxy,
    upstream: Upstream,
    _folder: tempfile::TempDir,
}

impl World {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let upstream = Upstream::echo(Http::One).await;
        let lines = "stream_filters: [{ plugin: it }]\n\
            virtual_hosts:\n\
            - name: all\n\
            \x20 domains: [\"*\"]\n\
            \x20 routes: [{ name: main-route, match: { prefix: / }, cluster: app }]";
        let config = Config::new()
            .top("workers: 1")
            .listener("web", lines)
            .cluster("app", upstream.address(), "")
            .plugin("it", &module(&folder, "read_property"), "");
        let proxy = Proxy::start(&config).await;
        let client = Client::connect(Http::One, proxy.web()).await;
        Self { client, proxy, upstream, _folder: folder }
    }

    async fn read(&mut self, path: &str) -> Reply {
        let fields = [("x-read", path), ("x-two", "1"), ("x-two", "2"), ("user-agent", "it")];
        let reply = self.client.ask(post("/path?query=1", &fields, "hello")).await;
        assert_eq!(reply.status.as_u16(), 200, "{path}");
        reply
    }

    /// What a property is with the request's head, and what with the response's.
    async fn values(&mut self, path: &str) -> (String, String) {
        let reply = self.read(path).await;
        let early = reply.echoed("x-request-time").concat();
        (early, reply.header("x-response-time").to_owned())
    }

    /// Waits until the log has this value in a line of the plugin.
    async fn logged(&self, value: &str) {
        until(value, async || self.proxy.stderr().contains(value).then_some(())).await;
    }

    async fn check(&mut self, path: &str, early: &str, late: &str) {
        assert_eq!(self.values(path).await, (early.to_owned(), late.to_owned()), "{path}");
    }
}

#[tokio::test]
async fn what_is_known_from_the_start_stays_known() {
    let mut world = World::start().await;
    let own = world.proxy.web();
    for (path, value) in [
        ("request.path", text("/path?query=1")),
        ("request.url_path", text("/path")),
        ("request.query", text("query=1")),
        ("request.method", text("POST")),
        ("request.scheme", text("http")),
        ("request.host", text(&own.to_string())),
        ("request.protocol", text("HTTP/1.1")),
        ("request.useragent", text("it")),
        ("destination.address", text(&own.to_string())),
        ("destination.port", number(own.port().into())),
        ("connection.mtls", hex(&[0])),
        ("connection.requested_server_name", text("")),
        ("listener_name", text("web")),
        ("xds.listener_direction", number(0)),
        ("metadata", text("")),
        ("plugin_name", text("it")),
        ("plugin_root_id", text("")),
    ] {
        let (early, _) = world.values(path).await;
        assert_eq!(early, value, "{path}");
    }
    for path in ["request.path", "request.method", "listener_name", "connection.mtls"] {
        let (early, late) = world.values(path).await;
        assert_eq!(early, late, "{path}");
    }
    let (early, _) = world.values("request.headers.x-two").await;
    assert_eq!(early, text("1,2"), "what is repeated is joined");
    let (first, _) = world.values("connection_id").await;
    let (second, _) = world.values("connection.id").await;
    assert_eq!(first, second);
    assert_eq!(first.len(), 1 + 16, "eight bytes");
}

#[tokio::test]
async fn what_comes_later_is_not_found_before() {
    let mut world = World::start().await;
    let upstream = world.upstream.address();
    for (path, late) in [
        ("response.code", number(200)),
        ("upstream.address", text(&upstream.to_string())),
        ("upstream.port", number(upstream.port().into())),
        ("xds.cluster_name", text("app")),
        ("xds.route_name", text("main-route")),
        ("xds.virtual_host_name", text("all")),
        ("response.headers.content-type", text("application/json")),
    ] {
        world.check(path, NOT_FOUND, &late).await;
    }
    let (early, late) = world.values("upstream.local_address").await;
    assert_eq!(early, NOT_FOUND);
    assert!(late.starts_with(&text("127.0.0.1:")), "{late}");
    for unknown in ["request.nothing", "nothing", "response.trailers", "response.grpc_status"] {
        world.check(unknown, NOT_FOUND, NOT_FOUND).await;
    }
}

#[tokio::test]
async fn at_the_end_the_log_reads_what_there_was() {
    let mut world = World::start().await;
    let reply = world.read("response.size").await;
    let body = i64::try_from(reply.body.len()).expect("a small body");
    world.logged(&number(body)).await;
    for (path, value) in [
        ("request.size", number(5)),
        ("response.code_details", text("upstream")),
        ("request.headers.x-two", text("1,2")),
        ("response.headers.content-type", text("application/json")),
    ] {
        world.read(path).await;
        world.logged(&value).await;
    }
}
