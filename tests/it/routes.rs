//! Routes: which request goes where, and what becomes of it on the way.

use http::StatusCode;
use tests_support::{Client, Config, Http, Proxy, RawUpstream, Reply, Upstream, empty, request};

use crate::common::{VERSIONS, ask, get, with};

/// A proxy whose clusters `a`, `b` and `c` echo their names.
struct Town {
    proxy: Proxy,
    _upstreams: Vec<Upstream>,
}

impl Town {
    async fn start(listener: &str) -> Self {
        let mut config = Config::new().listener("web", listener);
        let mut upstreams = Vec::new();
        for name in ["a", "b", "c"] {
            let upstream = Upstream::named_echo(Http::One, name).await;
            config = config.cluster(name, upstream.address(), "");
            upstreams.push(upstream);
        }
        Self { proxy: Proxy::start(&config).await, _upstreams: upstreams }
    }

    /// Where a request lands: the upstream's name, or the status of what did not arrive.
    async fn lands(&self, path: &str, fields: &[(&str, &str)]) -> [String; 2] {
        let mut landed = Vec::new();
        for version in VERSIONS {
            let reply = ask(version, self.proxy.web(), get(path, fields)).await;
            landed.push(place(&reply));
        }
        landed.try_into().expect("both versions")
    }

    async fn check(&self, path: &str, fields: &[(&str, &str)], wanted: &str) {
        assert_eq!(self.lands(path, fields).await, [wanted, wanted], "{path} {fields:?}");
    }
}

fn place(reply: &Reply) -> String {
    if reply.status == StatusCode::OK {
        reply.echo("upstream")
    } else {
        reply.status.as_u16().to_string()
    }
}

#[tokio::test]
async fn the_most_specific_host_wins() {
    let town = Town::start(
        "virtual_hosts:\n\
         - { name: exact, domains: [a.example], routes: [{ match: { prefix: / }, cluster: a }] }\n\
         - { name: suffix, domains: ['*.example'], routes: [{ match: { prefix: / }, cluster: b }] }\n\
         - { name: rest, domains: ['*'], routes: [{ match: { prefix: / }, cluster: c }] }",
    )
    .await;
    for (host, wanted) in [
        ("a.example", "a"),
        ("A.Example", "a"),
        ("a.example:8080", "a"),
        ("x.example", "b"),
        ("y.x.example", "b"),
        ("example", "c"),
        ("aa.examples", "c"),
        ("127.0.0.1", "c"),
    ] {
        town.check("/", &[("host", host)], wanted).await;
    }
}

#[tokio::test]
async fn an_unknown_host_or_path_is_404() {
    let town = Town::start(
        "virtual_hosts:\n\
         - { name: only, domains: [a.example], routes: [{ match: { prefix: /app }, cluster: a }] }",
    )
    .await;
    town.check("/app", &[("host", "a.example")], "a").await;
    town.check("/other", &[("host", "a.example")], "404").await;
    town.check("/app", &[("host", "b.example")], "404").await;
    let records = town.proxy.access_log(6).await;
    let reasons = records.iter().filter(|record| record["reason"] == "no_route");
    assert_eq!(reasons.count(), 4, "{records:#?}");
}

#[tokio::test]
async fn paths_match_by_prefix_exactly_or_by_expression_first_come_first_served() {
    let town = Town::start(
        "routes:\n\
         - { match: { path: /only }, cluster: a }\n\
         - { match: { regex: '/[0-9]+/x' }, cluster: b }\n\
         - { match: { prefix: /api }, cluster: c }\n\
         - { match: { prefix: /tree/ }, cluster: a }",
    )
    .await;
    for (path, wanted) in [
        ("/only", "a"),
        ("/only?q=1", "a"),
        ("/only/", "404"),
        ("/12/x", "b"),
        ("/12/xy", "404"),
        ("/z/12/x", "404"),
        ("/api", "c"),
        ("/api/x/y", "c"),
        ("/apix", "404"),
        ("/API", "404"),
        ("/tree/x", "a"),
        ("/tree", "404"),
    ] {
        town.check(path, &[], wanted).await;
    }
}

#[tokio::test]
async fn fields_queries_and_methods_choose_a_route() {
    let town = Town::start(
        "routes:\n\
         - { match: { prefix: /, headers: [{ name: x-who, exact: amy }] }, cluster: a }\n\
         - { match: { prefix: /, query: [{ name: v, exact: '2' }] }, cluster: b }\n\
         - { match: { prefix: /, methods: [GET] }, cluster: c }",
    )
    .await;
    town.check("/", &[("x-who", "amy")], "a").await;
    town.check("/", &[("X-Who", "amy")], "a").await;
    town.check("/", &[("x-who", "Amy")], "c").await;
    town.check("/?v=2", &[], "b").await;
    town.check("/?u=1&v=2&w", &[], "b").await;
    town.check("/?v=22", &[], "c").await;
    town.check("/", &[], "c").await;
    let posted = with(request("POST", "/"), &[], empty());
    assert_eq!(place(&ask(Http::One, town.proxy.web(), posted).await), "404");
}

#[tokio::test]
async fn weights_share_the_requests() {
    let town = Town::start(
        "routes:\n\
         - match: { prefix: / }\n  clusters: [{ name: a, weight: 3 }, { name: b, weight: 1 }, { name: c, weight: 0 }]",
    )
    .await;
    let mut client = Client::connect(Http::One, town.proxy.web()).await;
    let mut counts = [0_u32; 3];
    for _ in 0..400 {
        match client.get("/").await.echo("upstream").as_str() {
            "a" => counts[0] += 1,
            "b" => counts[1] += 1,
            _ => counts[2] += 1,
        }
    }
    // Seven standard deviations of 400 fair draws are 61.
    assert!((239..=361).contains(&counts[0]), "{counts:?}");
    assert_eq!((counts[0] + counts[1], counts[2]), (400, 0));
}

#[tokio::test]
async fn endpoints_of_a_cluster_take_turns() {
    let (one, two) =
        (Upstream::named_echo(Http::One, "1").await, Upstream::named_echo(Http::One, "2").await);
    let config = Config::new()
        .top("workers: 1")
        .listener("web", "routes: [{ match: { prefix: / }, cluster: app }]")
        .cluster_of("app", &[one.address(), two.address()], "");
    let proxy = Proxy::start(&config).await;
    let mut client = Client::connect(Http::One, proxy.web()).await;
    for _ in 0..20 {
        assert_eq!(client.get("/").await.status, StatusCode::OK);
    }
    assert_eq!((one.requests(), two.requests()), (10, 10));
}

#[tokio::test]
async fn endpoints_may_be_named() {
    let upstream = Upstream::echo(Http::One).await;
    let named = Config::to_app(upstream.address()).to_string();
    let named = named.replace("127.0.0.1:", "localhost:").replace("localhost:0", "127.0.0.1:0");
    let proxy = Proxy::start(&named).await;
    for version in VERSIONS {
        let reply = ask(version, proxy.web(), get("/x", &[])).await;
        assert_eq!((reply.status, reply.echo("path")), (StatusCode::OK, "/x".into()));
    }
}

#[tokio::test]
async fn requests_go_to_the_less_busy_endpoint() {
    let stuck = RawUpstream::bind().await;
    let free = Upstream::echo(Http::One).await;
    let config = Config::new()
        .top("workers: 1")
        .listener("web", "routes: [{ match: { prefix: / }, cluster: app }]")
        .cluster_of("app", &[stuck.address(), free.address()], "balance: least_request");
    let proxy = Proxy::start(&config).await;
    let mut client = Client::connect(Http::Two, proxy.web()).await;
    // One request is sent where nobody answers; from then on the other one is less busy.
    let peer = loop {
        let answer = client.start(get("/", &[])).await;
        tokio::select! {
            peer = stuck.accept() => break peer,
            answer = answer => assert!(answer.expect("no panic").is_ok()),
        }
    };
    let before = free.requests();
    for _ in 0..20 {
        assert_eq!(client.get("/").await.status, StatusCode::OK);
    }
    assert_eq!(free.requests(), before + 20);
    drop(peer);
}

#[tokio::test]
async fn paths_are_rewritten_and_the_query_kept() {
    let town = Town::start(
        "routes:\n\
         - { match: { prefix: /old }, cluster: a, rewrite: { prefix: /new } }\n\
         - { match: { prefix: /strip/ }, cluster: a, rewrite: { prefix: / } }\n\
         - { match: { prefix: /user }, cluster: a, rewrite: { regex: '^/user/([0-9]+)', substitution: '/u/${1}' } }",
    )
    .await;
    for (path, wanted) in [
        ("/old", "/new"),
        ("/old/x?q=/old", "/new/x?q=/old"),
        ("/strip/a/b", "/a/b"),
        ("/user/42/pets?n=1", "/u/42/pets?n=1"),
        ("/user/none", "/user/none"),
    ] {
        for version in VERSIONS {
            let reply = ask(version, town.proxy.web(), get(path, &[])).await;
            assert_eq!(reply.echo("path"), wanted, "{path}");
        }
    }
}

#[tokio::test]
async fn a_redirect_names_the_new_place() {
    let town = Town::start(
        "routes:\n\
         - { match: { prefix: /secure }, redirect: { scheme: https } }\n\
         - { match: { prefix: /moved }, redirect: { status: 308, host: new.example, path: /here } }",
    )
    .await;
    for version in VERSIONS {
        let asked = get("/secure/x?y=1", &[("host", "old.example")]);
        let reply = ask(version, town.proxy.web(), asked).await;
        assert!(reply.status.is_redirection(), "{}", reply.status);
        assert_eq!(reply.header("location"), "https://old.example/secure/x?y=1");
        let reply =
            ask(version, town.proxy.web(), get("/moved/x", &[("host", "old.example")])).await;
        assert_eq!(reply.status, StatusCode::PERMANENT_REDIRECT);
        assert_eq!(reply.header("location"), "http://new.example/here");
    }
}

#[tokio::test]
async fn a_route_may_answer_by_itself() {
    let town = Town::start(
        "routes:\n\
         - { match: { path: /ping }, respond: { status: 200, body: pong } }\n\
         - { match: { prefix: / }, respond: { status: 403 } }",
    )
    .await;
    for version in VERSIONS {
        let mut client = Client::connect(version, town.proxy.web()).await;
        let reply = client.get("/ping").await;
        assert_eq!((reply.status, reply.text()), (StatusCode::OK, "pong".into()));
        let body = with(request("POST", "/upload"), &[], tests_support::full("x".repeat(5000)));
        assert_eq!(client.ask(body).await.status, StatusCode::FORBIDDEN);
    }
    let records = town.proxy.access_log(4).await;
    assert!(records.iter().all(|record| record["reason"] == "route"), "{records:#?}");
}

#[tokio::test]
async fn a_cluster_without_endpoints_is_503() {
    let config = Config::new()
        .listener("web", "routes: [{ match: { prefix: / }, cluster: app }]")
        .cluster_of("app", &[], "");
    let checked = config.to_string();
    // A cluster with nowhere to go is either refused when it is written or answers so.
    match Proxy::try_start(&checked).await {
        Err(finished) => assert_eq!(finished.code, Some(1), "{finished:?}"),
        Ok(proxy) => {
            let reply = ask(Http::One, proxy.web(), get("/", &[])).await;
            assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(proxy.access_log(1).await[0]["reason"], "no_endpoint");
        }
    }
}
