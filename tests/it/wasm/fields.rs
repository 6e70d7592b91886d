//! What filters read and write in heads, and what the host refuses.

use tests_support::{Client, Http, RawPeer, Recorder, Upstream, within};

use super::{act, act_with, filtered, start};
use crate::common::{ask, get, post};

#[tokio::test]
async fn writes_that_no_head_can_carry_are_refused() {
    let upstream = Recorder::start().await;
    let lines = format!(
        "stream_filters: [{}]\nroutes: [{{ match: {{ prefix: / }}, cluster: app }}]",
        act("bad_header_writes")
    );
    let config = tests_support::Config::new()
        .top("workers: 1")
        .listener("web", &lines)
        .cluster("app", upstream.address(), "")
        .plugin("bad", tests_fixtures::misbehave(), "policy: trusted");
    let proxy = tests_support::Proxy::start(&config).await;
    let mut client = RawPeer::connect(proxy.web()).await;
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let reply = client.read_reply().await;
    assert_eq!(reply.status, 200, "{}", reply.head);
    let head = reply.head.to_ascii_lowercase();
    for line in ["x-request-statuses: ", "x-statuses: "] {
        let said = head.lines().find_map(|at| at.strip_prefix(line)).expect("statuses");
        for said in said.split(',') {
            let (label, status) = said.split_once('=').expect("label=status");
            let is_fine = ["upper_name", "latin1_value"].contains(&label);
            // A pseudo-field of the other kind of message is refused in one of the two only.
            let depends = ["wrong_status", "wrong_method", "wrong_path", "long_value"];
            if !depends.contains(&label) {
                assert_eq!(status == "0", is_fine, "{line}{label}={status}");
            }
        }
    }
    assert!(!head.contains("\nx-injected"), "{head}");
    let request = &upstream.requests()[0];
    assert_eq!(request.line, "GET / HTTP/1.1");
    let names: Vec<&str> = request.fields.iter().map(|(name, _)| name.as_str()).collect();
    assert!(!names.iter().any(|name| name.contains("injected")), "{names:?}");
    assert_eq!(request.values("x-upper"), ["fine"]);
}

#[tokio::test]
async fn senseless_calls_are_answered_and_harm_nobody() {
    let (_upstream, proxy) = start(&[act("bad_calls")]).await;
    for _ in 0..3 {
        let reply = ask(Http::One, proxy.web(), get("/", &[])).await;
        assert_eq!(reply.status.as_u16(), 200, "{}", reply.text());
        let said = reply.header("x-statuses");
        for refused in ["unknown_context", "no_such_map", "no_such_buffer", "reply_status_0"] {
            assert!(said.contains(&format!("{refused}=")), "{said}");
            assert!(!said.contains(&format!("{refused}=0,")), "{refused}: {said}");
        }
        assert!(said.contains("own_context=0"), "{said}");
    }
}

#[tokio::test]
async fn properties_tell_of_the_request_and_the_connection() {
    let (upstream, proxy) = start(&[act("read_properties")]).await;
    let fields = [("host", "site.example"), ("user-agent", "test/1"), ("x-probe", "seen")];
    let reply = ask(Http::One, proxy.web(), post("/a/b?c=d", &fields, "12345")).await;
    assert_eq!(reply.status.as_u16(), 200);
    for (path, wanted) in [
        ("request.path", "/a/b?c=d"),
        ("request.url_path", "/a/b"),
        ("request.query", "c=d"),
        ("request.host", "site.example"),
        ("request.scheme", "http"),
        ("request.method", "POST"),
        ("request.protocol", "HTTP/1.1"),
        ("request.useragent", "test/1"),
        ("request.headers.x-probe", "seen"),
        ("plugin_name", "bad"),
        ("response.code", "n:200"),
    ] {
        assert_eq!(reply.header(&format!("x-prop-{path}")), wanted, "{path}");
    }
    assert!(reply.header("x-prop-source.address").starts_with("127.0.0.1:"));
    let local = proxy.web().to_string();
    assert_eq!(reply.header("x-prop-destination.address"), local);
    assert_eq!(reply.header("x-prop-upstream.address"), upstream.address().to_string());
    assert_eq!(reply.header("x-prop-request.id"), reply.echoed("x-request-id").concat());
    assert_eq!(reply.header("x-prop-cluster_name"), "app");
    assert_eq!(reply.header("x-request-prop-request.path"), "/a/b?c=d");
}

#[tokio::test]
async fn a_filter_can_keep_a_note_beside_the_stream() {
    let (_upstream, proxy) = start(&[act("write_property")]).await;
    let reply = ask(Http::One, proxy.web(), get("/", &[])).await;
    assert_eq!(reply.header("x-prop"), "0:kept");
}

#[tokio::test]
async fn a_filter_sees_the_head_with_its_pseudo_fields() {
    let (_upstream, proxy) = start(&[act("seen_headers")]).await;
    let fields = [("host", "site.example"), ("x-two", "1"), ("x-two", "2")];
    for version in crate::common::VERSIONS {
        let reply = ask(version, proxy.web(), get("/p?q", &fields)).await;
        let seen: Vec<&str> = reply.header("x-seen").split('|').collect();
        for wanted in [
            ":method=GET",
            ":path=/p?q",
            ":authority=site.example",
            ":scheme=http",
            "x-two=1",
            "x-two=2",
        ] {
            assert!(seen.contains(&wanted), "{version:?} {wanted}: {seen:?}");
        }
        assert!(!seen.iter().any(|field| field.starts_with("host=")), "{seen:?}");
    }
}

#[tokio::test]
async fn a_filter_can_replace_a_whole_head() {
    let (_upstream, proxy) = start(&[act("set_all_headers")]).await;
    let reply = ask(Http::One, proxy.web(), get("/kept", &[("x-gone", "1")])).await;
    assert_eq!(reply.echo("path"), "/kept");
    assert_eq!(reply.echoed("x-gone"), [""; 0]);
    assert_eq!(reply.echoed("x-only"), ["one", "two"]);
    assert_eq!((reply.header("x-only"), reply.header("content-type")), ("one", ""));
}

#[tokio::test]
async fn a_filter_of_the_listener_can_choose_the_route() {
    let (one, two) =
        (Upstream::named_echo(Http::One, "1").await, Upstream::named_echo(Http::One, "2").await);
    let lines = format!(
        "stream_filters: [{}]\n\
         routes:\n\
         - {{ match: {{ prefix: /two }}, cluster: two }}\n\
         - {{ match: {{ prefix: / }}, cluster: one }}",
        act("set_path")
    );
    let config = tests_support::Config::new()
        .listener("web", &lines)
        .cluster("one", one.address(), "")
        .cluster("two", two.address(), "")
        .plugin("bad", tests_fixtures::misbehave(), "policy: trusted");
    let proxy = tests_support::Proxy::start(&config).await;
    let fields = [
        ("x-set-path", "/two/x?y=z"),
        ("x-set-authority", "other.example"),
        ("x-set-method", "PUT"),
    ];
    let reply = ask(Http::One, proxy.web(), get("/", &fields)).await;
    assert_eq!((reply.echo("upstream"), reply.echo("path")), ("2".into(), "/two/x?y=z".into()));
    assert_eq!((reply.echo("host"), reply.echo("method")), ("other.example".into(), "PUT".into()));
    let reply = ask(Http::One, proxy.web(), get("/", &[])).await;
    assert_eq!(reply.echo("upstream"), "1");
}

#[tokio::test]
async fn a_filter_can_change_the_status() {
    let (_upstream, proxy) = start(&[act_with("set_status", ", status: 299", "closed")]).await;
    let reply = ask(Http::Two, proxy.web(), get("/", &[])).await;
    assert_eq!((reply.status.as_u16(), reply.echo("path")), (299, "/".into()));
}

#[tokio::test]
async fn a_flood_of_fields_does_not_break_the_proxy() {
    let (_upstream, proxy) = start(&[act_with("header_flood", ", count: 5000", "closed")]).await;
    for version in crate::common::VERSIONS {
        // Heads of that size are more than some clients take.
        let mut client = Client::connect(version, proxy.web()).await;
        drop(within("an end", client.try_send(get("/", &[]))).await);
    }
    assert_eq!(ask(Http::One, proxy.web(), get("/plain", &[])).await.status.as_u16(), 200);
}

#[tokio::test]
async fn a_plugin_is_shown_only_the_phases_it_is_configured_for() {
    let upstream = Upstream::echo(Http::One).await;
    let all = filtered(&upstream, &[act("echo_phases")]);
    let proxy = tests_support::Proxy::start(&all).await;
    let reply = ask(Http::One, proxy.web(), post("/", &[], "x")).await;
    let phases = reply.header("x-phases");
    assert!(phases.contains("request_headers,request_body"), "{phases}");

    let lines = format!(
        "stream_filters: [{}]\nroutes: [{{ match: {{ prefix: / }}, cluster: app }}]",
        act("echo_phases")
    );
    let config = tests_support::Config::new()
        .listener("web", &lines)
        .cluster("app", upstream.address(), "")
        .plugin("bad", tests_fixtures::misbehave(), "phases: [request_headers, response_headers]");
    let proxy = tests_support::Proxy::start(&config).await;
    let reply = ask(Http::One, proxy.web(), post("/", &[], "x")).await;
    assert_eq!(reply.header("x-phases"), "request_headers,response_headers");
}

#[tokio::test]
async fn a_client_cannot_nominate_what_a_filter_adds() {
    let upstream = Recorder::start().await;
    let config = tests_support::Config::new()
        .top("workers: 1")
        .listener(
            "web",
            "stream_filters: [{ plugin: greet, config: { header: x-greeting, value: hello } }]\n\
             routes: [{ match: { prefix: / }, cluster: app }]",
        )
        .cluster("app", upstream.address(), "")
        .plugin("greet", tests_fixtures::greet(), "");
    let proxy = tests_support::Proxy::start(&config).await;
    let mut client = RawPeer::connect(proxy.web()).await;
    client
        .send("GET / HTTP/1.1\r\nhost: a\r\nconnection: x-greeting\r\nx-greeting: forged\r\n\r\n")
        .await;
    assert_eq!(client.read_reply().await.status, 200);
    assert_eq!(upstream.requests()[0].values("x-greeting"), ["hello"]);
}
