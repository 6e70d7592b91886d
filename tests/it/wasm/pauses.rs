//! Filters that make a stream wait, and resume it from another stream's callback.

use tests_support::{Client, Config, Http, Proxy, Reply, Upstream, until, within};

use super::{act, start};
use crate::common::{VERSIONS, ask, get, post, until_equals};

/// Asks another request to resume the stream `A` until there is one.
async fn resume(proxy: &Proxy) -> Reply {
    until("a stream to resume", async || {
        let reply = ask(Http::One, proxy.web(), get("/", &[("x-resume", "A")])).await;
        assert_eq!(reply.status.as_u16(), 200);
        (reply.header("x-resumed") != "unknown").then_some(reply)
    })
    .await
}

const ALL_WELL: &str = "moved=0,marked=0,resumed=0,back=0";

#[tokio::test]
async fn a_paused_request_is_resumed_by_another_streams_callback() {
    for version in VERSIONS {
        let (upstream, proxy) = start(&[act("pause_and_resume")]).await;
        let mut client = Client::connect(version, proxy.web()).await;
        let paused = client.start(post("/paused", &[("x-id", "A")], "its body")).await;
        let resumed = resume(&proxy).await;
        assert_eq!(resumed.header("x-resumed"), ALL_WELL, "{version:?}");
        let reply = within("the paused", paused).await.expect("no panic").expect("a response");
        let reply = Reply::read(reply).await;
        assert_eq!((reply.echo("path"), reply.echo("body")), ("/paused".into(), "its body".into()));
        assert_eq!(reply.echoed("x-resumed-by").len(), 1, "changed while it waited");
        let paths: Vec<String> = upstream.seen().iter().map(|seen| seen.uri.to_string()).collect();
        assert_eq!(paths.iter().filter(|path| path.contains("paused")).count(), 1);
    }
}

#[tokio::test]
async fn a_paused_response_is_resumed_by_another_streams_callback() {
    for version in VERSIONS {
        let (_upstream, proxy) = start(&[act("pause_response_and_resume")]).await;
        let mut client = Client::connect(version, proxy.web()).await;
        let paused = client.start(get("/paused", &[("x-id", "A")])).await;
        let resumed = resume(&proxy).await;
        assert_eq!(resumed.header("x-resumed"), ALL_WELL, "{version:?}");
        let reply = within("the paused", paused).await.expect("no panic").expect("a response");
        let reply = Reply::read(reply).await;
        assert_eq!(reply.echo("path"), "/paused");
        assert_ne!(reply.header("x-resumed-by"), "", "changed while it waited");
    }
}

#[tokio::test]
async fn a_paused_stream_holds_nobody_else() {
    let (_upstream, proxy) = start(&[act("pause_and_resume")]).await;
    let mut client = Client::connect(Http::Two, proxy.web()).await;
    let paused = client.start(get("/", &[("x-id", "A")])).await;
    for _ in 0..20 {
        assert_eq!(client.get("/").await.status.as_u16(), 200);
    }
    assert!(!paused.is_finished());
    resume(&proxy).await;
    assert!(within("the paused", paused).await.expect("no panic").is_ok());
}

#[tokio::test]
async fn a_stream_that_is_never_resumed_ends_with_its_client() {
    let (upstream, proxy) = start(&[act("pause_forever")]).await;
    for version in VERSIONS {
        let mut client = Client::connect(version, proxy.web()).await;
        let paused = client.start(get("/", &[])).await;
        until_equals(&proxy, "mortise_listener_streams_active", &[], 1.0).await;
        paused.abort();
        drop(client);
        until_equals(&proxy, "mortise_listener_streams_active", &[], 0.0).await;
    }
    assert_eq!(upstream.requests(), 0);
}

#[tokio::test]
async fn a_stream_that_is_never_resumed_ends_at_the_limit() {
    let upstream = Upstream::echo(Http::One).await;
    let lines = format!(
        "limits: {{ stall_timeout_ms: 300 }}\nstream_filters: [{}]\n\
         routes: [{{ match: {{ prefix: / }}, cluster: app, timeout_ms: 0 }}]",
        act("pause_forever")
    );
    let config = Config::new()
        .listener("web", &lines)
        .cluster("app", upstream.address(), "")
        .plugin("bad", tests_fixtures::misbehave(), "");
    let proxy = Proxy::start(&config).await;
    for version in VERSIONS {
        let reply = ask(version, proxy.web(), post("/", &[], "a body")).await;
        assert_eq!(reply.status.as_u16(), 504, "{version:?}");
    }
    assert_eq!(upstream.requests(), 0);
}

#[tokio::test]
async fn a_resume_of_a_stream_that_is_gone_harms_nobody() {
    let (_upstream, proxy) = start(&[act("pause_and_resume")]).await;
    for _ in 0..3 {
        let mut client = Client::connect(Http::One, proxy.web()).await;
        let paused = client.start(get("/", &[("x-id", "A")])).await;
        until_equals(&proxy, "mortise_listener_streams_active", &[], 1.0).await;
        paused.abort();
        drop(client);
        until_equals(&proxy, "mortise_listener_streams_active", &[], 0.0).await;
        let reply = ask(Http::One, proxy.web(), get("/", &[("x-resume", "A")])).await;
        assert_eq!(reply.status.as_u16(), 200);
    }
    let faults = proxy.metrics().await.sum("mortise_plugin_faults_total", &[]);
    assert_eq!(faults, 0.0);
}

#[tokio::test]
async fn a_held_body_goes_on_when_another_stream_resumes_it() {
    for version in VERSIONS {
        let (counted, mut came) = tokio::sync::mpsc::unbounded_channel();
        let upstream = Upstream::serve(Http::One, move |request| {
            let counted = counted.clone();
            async move {
                let mut body = request.into_body();
                while let Some(Ok(frame)) = http_body_util::BodyExt::frame(&mut body).await {
                    // The test may be over.
                    let _told = counted.send(frame.into_data().unwrap_or_default());
                }
                Ok(http::Response::new(tests_support::empty()))
            }
        })
        .await;
        let filters = [act("hold_body_and_resume")];
        let proxy = Proxy::start(&super::filtered(&upstream, &filters)).await;
        let mut client = Client::connect(version, proxy.web()).await;
        let (sender, body) = tests_support::channel();
        let post = crate::common::with(tests_support::request("POST", "/"), &[("x-id", "A")], body);
        let response = client.start(post).await;
        assert!(sender.data("held").await);
        resume(&proxy).await;
        // Nothing more was sent: only the resume can have let it go.
        let data = within("the body", came.recv()).await;
        assert_eq!(data.as_deref(), Some(&b"held"[..]), "{version:?}");
        drop(sender);
        let reply = within("the reply", response).await.expect("no panic").expect("a response");
        assert_eq!(reply.status().as_u16(), 200);
    }
}
