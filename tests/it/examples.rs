//! The examples do what their pages say, and what they say of failures: the same as a module, as
//! a child process and as a library. Start reading at [`on_every_backend`].

mod courier;
mod form;
mod languages;

use http::{HeaderValue, Response, StatusCode};
use tests_support::{Client, Config, Http, Proxy, RawPeer, RawUpstream, Upstream, full, until};

use self::{
    courier::{
        courier_carries_calls_of_many_clients, courier_says_itself_what_the_proxy_has_to_say,
        courier_takes_no_frames_that_are_too_long, the_page_of_courier_shows_what_is_seen,
    },
    form::{Form, on_every_backend},
};
use crate::common::{SocketAddr, VERSIONS, ask, get, post};

on_every_backend! {
    deny: deny_answers_by_path_and_lets_the_rest_pass,
    greet: several_filters_run_in_order_on_the_way_in_and_back_on_the_way_out,
    http_auth: http_auth_lets_pass_who_the_other_server_knows,
    http_auth: http_auth_does_what_it_was_told_where_nobody_answers,
    http_auth: http_auth_refuses_where_its_cluster_is_unknown,
    metrics: metrics_are_one_over_all_workers_and_stand_on_the_page,
    shared_data_limiter: the_limiter_counts_by_key_over_all_workers_and_refuses_the_rest,
    shared_data_limiter: the_window_of_the_limiter_ends,
    queue_log: what_requests_enqueue_a_service_logs_each_once,
    queue_log: requests_pass_where_nobody_reads_the_queue,
    tcp_meter: tcp_meter_counts_and_rewrites_the_bytes_of_a_connection,
    tcp_meter: tcp_meter_stands_before_http_of_every_version,
    tcp_meter: tcp_meter_sees_upstreams_that_are_not_there,
    access_json: access_json_tells_of_every_request_when_it_is_over,
    body_upper: body_upper_rewrites_both_bodies_as_they_stream,
    courier: courier_carries_calls_of_many_clients,
    courier: courier_says_itself_what_the_proxy_has_to_say,
    courier: courier_takes_no_frames_that_are_too_long,
    courier: the_page_of_courier_shows_what_is_seen,
}

async fn deny_answers_by_path_and_lets_the_rest_pass(form: &Form) {
    let upstream = Upstream::echo(Http::One).await;
    let lines = "stream_filters:\n\
        - { plugin: deny, config: { paths: [/admin], status: 451, body: no } }\n\
        routes: [{ match: { prefix: / }, cluster: app }]";
    let config = Config::new().listener("web", lines).cluster("app", upstream.address(), "");
    let proxy = Proxy::start(&form.plugin(config, "deny", "")).await;
    for version in VERSIONS {
        let mut client = Client::connect(version, proxy.web()).await;
        for path in ["/admin", "/admin/users?x=1"] {
            let reply = client.ask(post(path, &[], "some body")).await;
            assert_eq!((reply.status.as_u16(), reply.text()), (451, "no".into()), "{path}");
        }
        assert_eq!(client.get("/administrator").await.status, StatusCode::OK);
    }
    assert_eq!(upstream.requests(), 2);
    let records = proxy.access_log(6).await;
    let denied = records.iter().filter(|record| record["reason"] == "plugin");
    assert!(denied.clone().all(|record| record["plugin"] == "deny"), "{records:#?}");
    assert_eq!(denied.count(), 4);
}

async fn several_filters_run_in_order_on_the_way_in_and_back_on_the_way_out(form: &Form) {
    let upstream = Upstream::echo(Http::One).await;
    let lines = "stream_filters:\n\
        - { plugin: greet, config: { header: x-who, value: first } }\n\
        - { plugin: greet, config: { header: x-who, value: second } }\n\
        routes:\n\
        - match: { prefix: / }\n  cluster: app\n  stream_filters:\n\
        \x20 - { plugin: greet, config: { header: x-who, value: third } }";
    let config = Config::new().listener("web", lines).cluster("app", upstream.address(), "");
    let proxy = Proxy::start(&form.plugin(config, "greet", "")).await;
    let reply = ask(Http::One, proxy.web(), get("/", &[])).await;
    assert_eq!(reply.echoed("x-who"), ["third"], "the last one on the way in");
    assert_eq!(reply.header("x-who"), "first", "the first one on the way out");
}

/// One filter for everything, in front of `upstream`, and a cluster `asked`.
fn filtered(use_of: &str, form: &Form, upstream: &Upstream, asked: SocketAddr) -> Config {
    let lines = format!(
        "stream_filters: [{{ plugin: it, {use_of} }}]\n\
         routes: [{{ match: {{ prefix: / }}, cluster: app }}]"
    );
    let config = Config::new()
        .listener("web", &lines)
        .cluster("app", upstream.address(), "")
        .cluster("asked", asked, "");
    form.plugin(config, "it", "")
}

async fn body_upper_rewrites_both_bodies_as_they_stream(form: &Form) {
    let upstream = Upstream::echo(Http::One).await;
    let proxy = Proxy::start(&filtered("config: {}", form, &upstream, upstream.address())).await;
    let body = "a quiet word ".repeat(16 * 1024);
    for version in VERSIONS {
        let reply = ask(version, proxy.web(), post("/", &[], &body)).await;
        assert_eq!(reply.status, StatusCode::OK);
        let text = reply.text();
        assert!(text.contains(&body.to_uppercase()), "{} bytes, {version:?}", text.len());
        assert!(!text.contains(|letter: char| letter.is_ascii_lowercase()), "{version:?}");
    }
}

/// A server that knows one visitor: it answers 200 with a name for `authorization: good`, and
/// for `/asked`; otherwise 401.
pub(crate) async fn answering() -> Upstream {
    Upstream::serve(Http::One, |request| async move {
        let good = request.headers().get("authorization").is_some_and(|value| value == "good");
        let mut response = Response::new(full("seen"));
        if good || request.uri().path() == "/asked" {
            response.headers_mut().insert("x-auth-user", HeaderValue::from_static("ada"));
        } else {
            *response.status_mut() = StatusCode::UNAUTHORIZED;
        }
        Ok(response)
    })
    .await
}

const AUTH: &str = "config: { cluster: asked, path: /verify, timeout_ms: 400, on_failure: ";

async fn http_auth_lets_pass_who_the_other_server_knows(form: &Form) {
    let (upstream, asked) = (Upstream::echo(Http::One).await, answering().await);
    let filter = format!("{AUTH} deny }}");
    let proxy = Proxy::start(&filtered(&filter, form, &upstream, asked.address())).await;
    for version in VERSIONS {
        let mut client = Client::connect(version, proxy.web()).await;
        let known = [("authorization", "good"), ("x-auth-user", "eve")];
        let reply = client.ask(post("/", &known, "a body that waits")).await;
        assert_eq!(reply.status, StatusCode::OK);
        assert_eq!(reply.echoed("x-auth-user"), ["ada"], "the name that the client gave is gone");
        assert_eq!(reply.echo("body"), "a body that waits");
        for unknown in [&[("authorization", "bad")][..], &[("x-auth-user", "eve")]] {
            let reply = client.ask(post("/", unknown, "a body")).await;
            assert_eq!(reply.status, StatusCode::FORBIDDEN, "{unknown:?}");
            assert_eq!(reply.text(), "not for you\n");
        }
    }
    assert_eq!((upstream.requests(), asked.requests()), (2, 6));
    let question = &asked.seen()[0];
    assert_eq!((question.method.as_str(), question.uri.path()), ("GET", "/verify"));
    assert_eq!(question.headers["host"], "auth");
}

async fn http_auth_does_what_it_was_told_where_nobody_answers(form: &Form) {
    let upstream = Upstream::echo(Http::One).await;
    let silent = RawUpstream::bind().await;
    let broken = Upstream::serve(Http::One, |_request| async move {
        let mut response = Response::new(full("broken"));
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        Ok(response)
    })
    .await;
    let refused = RawUpstream::refused().await;
    for (what, asked) in
        [("refused", refused), ("too late", silent.address()), ("broken", broken.address())]
    {
        for (word, status) in [("deny", 403), ("allow", 200)] {
            let filter = format!("{AUTH} {word} }}");
            let proxy = Proxy::start(&filtered(&filter, form, &upstream, asked)).await;
            for version in VERSIONS {
                let reply = ask(version, proxy.web(), post("/", &[], "a body")).await;
                assert_eq!(reply.status.as_u16(), status, "{what}, {word}, {version:?}");
                assert!(reply.text().contains(if status == 200 { "a body" } else { "nobody" }));
            }
        }
    }
}

async fn http_auth_refuses_where_its_cluster_is_unknown(form: &Form) {
    let upstream = Upstream::echo(Http::One).await;
    let filter = "config: { cluster: nowhere, path: /verify }";
    let proxy = Proxy::start(&filtered(filter, form, &upstream, upstream.address())).await;
    assert_eq!(ask(Http::One, proxy.web(), get("/", &[])).await.status.as_u16(), 403);
    assert_eq!(upstream.requests(), 0);
    until("the reason", async || proxy.stderr().contains("cannot ask `nowhere`").then_some(()))
        .await;
}

async fn metrics_are_one_over_all_workers_and_stand_on_the_page(form: &Form) {
    let upstream = Upstream::echo(Http::One).await;
    let config = filtered("config: {}", form, &upstream, upstream.address()).top("workers: 2");
    let proxy = Proxy::start(&config).await;
    for number in 1..=12 {
        let reply = ask(VERSIONS[number % 2], proxy.web(), get("/", &[])).await;
        assert_eq!(reply.header("x-request-number"), number.to_string());
    }
    let it = [("plugin", "it")];
    proxy.until_metric("plugin_requests_total", &it, |value| value == 12.0).await;
    proxy.until_metric("plugin_requests_under_way", &it, |value| value == 0.0).await;
    let metrics = proxy.metrics().await;
    assert_eq!(metrics.sum("plugin_request_head_bytes_count", &it), 12.0);
    assert!(metrics.sum("plugin_request_head_bytes_sum", &it) > 12.0 * 10.0);
}

async fn the_limiter_counts_by_key_over_all_workers_and_refuses_the_rest(form: &Form) {
    let upstream = Upstream::echo(Http::One).await;
    let filter = "config: { requests: 5, window_seconds: 3600, key_header: x-key }";
    let config = filtered(filter, form, &upstream, upstream.address()).top("workers: 2");
    let proxy = Proxy::start(&config).await;
    let mut asked = Vec::new();
    for at in 0..40 {
        // Each on a connection of its own: they go to both workers.
        let request = get("/", &[("x-key", if at % 2 == 0 { "a" } else { "b" })]);
        asked.push(tokio::spawn(ask(VERSIONS[at / 2 % 2], proxy.web(), request)));
    }
    let (mut passed, mut left) = (0, Vec::new());
    for reply in asked {
        let reply = reply.await.expect("an answer");
        if reply.status == StatusCode::OK {
            passed += 1;
            left.push(reply.header("x-limit-left").to_owned());
        } else {
            assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS);
            let seconds: u64 = reply.header("retry-after").parse().expect("a number");
            assert!((1..=3600).contains(&seconds), "{seconds}");
        }
    }
    left.sort();
    assert_eq!(left.join(""), "0011223344", "each place was given once for each key");
    assert_eq!((passed, upstream.requests()), (10, 10));
}

async fn the_window_of_the_limiter_ends(form: &Form) {
    let upstream = Upstream::echo(Http::One).await;
    let filter = "config: { requests: 1, window_seconds: 1, key_header: x-key }";
    let proxy = Proxy::start(&filtered(filter, form, &upstream, upstream.address())).await;
    assert_eq!(ask(Http::One, proxy.web(), get("/", &[])).await.status, StatusCode::OK);
    until("a second window", async || {
        let reply = ask(Http::One, proxy.web(), get("/", &[])).await;
        (reply.status == StatusCode::OK).then_some(())
    })
    .await;
}

const SENDER: &str = "root_id: sender, config: { queue: lines }";
const RECEIVER: &str = "services: [{ plugin: it, root_id: receiver, config: { queue: lines } }]";

/// The two parts of `queue-log`; the second where `receiver` says.
fn queue_log(form: &Form, upstream: &Upstream, receiver: &str) -> Config {
    let lines = format!(
        "stream_filters: [{{ plugin: it, {SENDER} }}]\n\
         routes: [{{ match: {{ prefix: / }}, cluster: app }}]"
    );
    let config = Config::new().top("workers: 2").top(receiver).listener("web", &lines).cluster(
        "app",
        upstream.address(),
        "",
    );
    form.plugin(config, "it", "")
}

async fn what_requests_enqueue_a_service_logs_each_once(form: &Form) {
    let upstream = Upstream::echo(Http::One).await;
    let proxy = Proxy::start(&queue_log(form, &upstream, RECEIVER)).await;
    // A child starts its services while requests come already.
    until("the receiver", async || {
        ask(Http::One, proxy.web(), get("/probe", &[])).await;
        proxy.stderr().contains("queue-log: GET /probe").then_some(())
    })
    .await;
    for at in 0..20 {
        let path = format!("/line-{at}-");
        let reply = ask(VERSIONS[at % 2], proxy.web(), get(&path, &[])).await;
        assert_eq!(reply.status, StatusCode::OK);
    }
    until("all lines", async || {
        let log = proxy.stderr();
        (0..20).all(|at| log.contains(&format!("queue-log: GET /line-{at}-"))).then_some(())
    })
    .await;
    assert_eq!(proxy.stderr().matches("queue-log: GET /line-").count(), 20);
}

async fn requests_pass_where_nobody_reads_the_queue(form: &Form) {
    let upstream = Upstream::echo(Http::One).await;
    let proxy = Proxy::start(&queue_log(form, &upstream, "log: { level: info }")).await;
    for version in VERSIONS {
        for _ in 0..5 {
            let reply = ask(version, proxy.web(), get("/", &[])).await;
            assert_eq!(reply.status, StatusCode::OK);
        }
    }
    let complaint = "lines for the queue `lines` are lost: nobody reads it";
    until("the complaint", async || proxy.stderr().contains(complaint).then_some(())).await;
    let complaints = proxy.stderr().matches(complaint).count();
    assert!(complaints <= 2, "one of each worker, not of each request: {complaints}");
}

/// `tcp-meter` before whatever the listener speaks.
fn metered(form: &Form, protocol: &str, config: &str, upstream: SocketAddr) -> Config {
    let lines =
        format!("protocol: {protocol}\nnetwork_filters: [{{ plugin: it, config: {config} }}]");
    form.plugin(Config::new().listener("web", &lines).cluster("app", upstream, ""), "it", "")
}

async fn until_metered(proxy: &Proxy, to_upstream: f64, to_client: f64) {
    let it = [("plugin", "it")];
    proxy.until_metric("plugin_bytes_to_upstream_total", &it, |value| value == to_upstream).await;
    proxy.until_metric("plugin_bytes_to_client_total", &it, |value| value == to_client).await;
}

async fn tcp_meter_counts_and_rewrites_the_bytes_of_a_connection(form: &Form) {
    let upstream = RawUpstream::bind().await;
    let both = "{ upper_to_upstream: true, upper_to_client: true }";
    let proxy = Proxy::start(&metered(form, "tcp\ncluster: app", both, upstream.address())).await;
    let mut client = RawPeer::connect(proxy.web()).await;
    client.send("ping one").await;
    let mut peer = upstream.accept().await;
    assert_eq!(peer.read_exact(8).await, b"PING ONE");
    peer.send("pong").await;
    assert_eq!(client.read_exact(4).await, b"PONG");
    client.send("bye").await;
    client.finish().await;
    assert_eq!(peer.read_to_end().await, b"BYE");
    peer.finish().await;
    assert_eq!(client.read_to_end().await, b"");
    until_metered(&proxy, 11.0, 4.0).await;
    let line = "tcp-meter: 11 bytes to the upstream, 4 to the client; ended by the client";
    until("the line of the end", async || proxy.stderr().contains(line).then_some(())).await;
}

async fn tcp_meter_stands_before_http_of_every_version(form: &Form) {
    let upstream = Upstream::echo(Http::One).await;
    let routes = "routes: [{ match: { prefix: / }, cluster: app }]";
    for protocol in ["http", "auto\ncluster: app"] {
        let config = metered(form, &format!("{protocol}\n{routes}"), "{}", upstream.address());
        let proxy = Proxy::start(&config).await;
        for version in VERSIONS {
            let reply = ask(version, proxy.web(), post("/", &[], "a body")).await;
            assert_eq!((reply.status, reply.echo("body")), (StatusCode::OK, "a body".into()));
        }
        let it = [("plugin", "it")];
        proxy.until_metric("plugin_connections_total", &it, |value| value == 2.0).await;
        proxy.until_metric("plugin_bytes_to_upstream_total", &it, |value| value > 100.0).await;
        until("both ends", async || {
            (proxy.stderr().matches("tcp-meter: ").count() == 2).then_some(())
        })
        .await;
    }
}

async fn tcp_meter_sees_upstreams_that_are_not_there(form: &Form) {
    let refused = RawUpstream::refused().await;
    let proxy = Proxy::start(&metered(form, "tcp\ncluster: app", "{}", refused)).await;
    let mut client = RawPeer::connect(proxy.web()).await;
    assert_eq!(client.read_to_end().await, b"");
    until("the line of the end", async || {
        proxy.stderr().contains("tcp-meter: 0 bytes to the upstream, 0 to the client").then_some(())
    })
    .await;
}

async fn access_json_tells_of_every_request_when_it_is_over(form: &Form) {
    let upstream = Upstream::echo(Http::One).await;
    let lines = "stream_filters: [{ plugin: it }]\n\
        routes:\n\
        - { match: { prefix: /gone }, respond: { status: 410 } }\n\
        - { match: { prefix: / }, cluster: app }";
    let config = Config::new().top("log: { format: json }").listener("web", lines).cluster(
        "app",
        upstream.address(),
        "",
    );
    let proxy = Proxy::start(&form.plugin(config, "it", "phases: [log]")).await;
    for version in VERSIONS {
        ask(version, proxy.web(), post("/hello?a=1", &[], "a body")).await;
        ask(version, proxy.web(), get("/gone", &[])).await;
    }
    let records = until("four records", async || {
        let records: Vec<_> = proxy.stderr().lines().filter_map(record).collect();
        (records.len() >= 4).then_some(records)
    })
    .await;
    let of = |path: &str, protocol: &str| {
        let found =
            records.iter().find(|each| each["path"] == path && each["protocol"] == protocol);
        found.unwrap_or_else(|| panic!("no record of {path} in {records:#?}"))
    };
    for protocol in ["HTTP/1.1", "HTTP/2"] {
        let hello = of("/hello?a=1", protocol);
        assert_eq!((&hello["method"], &hello["status"]), (&"POST".into(), &200.into()), "{hello}");
        assert_eq!(hello["request_bytes"], 6, "{hello}");
        assert_eq!(hello["upstream"], upstream.address().to_string(), "{hello}");
        assert!(hello["response_bytes"].as_u64() > Some(20), "{hello}");
        assert!(hello["duration_us"].as_u64() > Some(0), "{hello}");
        let gone = of("/gone", protocol);
        assert_eq!((&gone["status"], &gone["upstream"]), (&410.into(), &().into()), "{gone}");
    }
}

/// What `access-json` wrote, out of a line of the log.
fn record(line: &str) -> Option<serde_json::Value> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    let text = line.as_object()?.values().find_map(|value| {
        value.as_str().and_then(|text| text.split_once("access-json: ")).map(|(_, text)| text)
    });
    serde_json::from_str(text?).ok()
}
