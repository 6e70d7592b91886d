//! How a session begins: versions, tokens, refusals.

use super::*;

#[tokio::test]
async fn a_hello_of_other_versions_is_answered_with_none_and_ends_the_session() {
    let child = child();
    let host = child.connect(None).await.unwrap();
    let hello = Hello { versions: vec![2, 3], ..Hello::default() };
    host.send([event::Kind::Hello(hello)]).await;
    let rest = rest(host).await;
    let [reply::Kind::Hello(back)] = rest.as_slice() else { panic!("{rest:?}") };
    assert_eq!((back.version, back.name.as_str()), (0, "probe"));
    assert_eq!(back.package_version, "1.2.3");
}

#[tokio::test]
async fn a_session_that_does_not_begin_with_a_hello_is_ended() {
    let child = child();
    let mut host = child.connect(None).await.unwrap();
    host.send([configure(1, Point::StreamFilter, "nothing")]).await;
    let refused = host.try_next().await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn a_session_without_the_token_is_refused() {
    let child = FakeChild::new(&DECLARATION, Some("sesame"));
    for wrong in [None, Some("sesam"), Some("sesami"), Some("sesame!")] {
        let refused = child.connect(wrong).await.map(|_host| ()).unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated, "{wrong:?}");
    }
    let mut host = child.connect(Some("sesame")).await.unwrap();
    host.send([hello(Limits::default())]).await;
    assert!(matches!(host.next().await, Some(reply::Kind::Hello(_))));
}

#[tokio::test]
async fn a_child_is_reached_over_tcp_by_who_knows_the_token() {
    let child = FakeChild::tcp(&DECLARATION, Some("sesame"));
    assert!(child.connect(None).await.is_err());
    let mut host = child.connect(Some("sesame")).await.unwrap();
    host.send([hello(Limits::default())]).await;
    assert!(matches!(host.next().await, Some(reply::Kind::Hello(_))));
    host.open_stream("change").await;
    assert_eq!(host.exchange(request(1, &[])).await.changes.len(), 1);
}

#[tokio::test]
async fn a_refusal_at_the_start_is_told_with_its_reason() {
    let child = child();
    let mut host = child.greet().await;
    for (script, expected) in [
        ("refuse", "not today"),
        ("refuse silently", "the plugin does not say why"),
        ("unknown", "no such script"),
    ] {
        host.send([configure(5, Point::StreamFilter, script)]).await;
        let configured = host.configured().await;
        assert_eq!((configured.instance, configured.error.as_str()), (5, expected));
        assert_eq!(configured.phases, 0);
    }
    host.send([configure(5, Point::StreamFilter, "panic at start")]).await;
    let error = host.configured().await.error;
    assert!(error.starts_with("panicked at ") && error.ends_with("no start"), "{error}");
    host.start(Point::StreamFilter, "nothing").await;
    host.send([configure(1, Point::StreamFilter, "nothing")]).await;
    assert_eq!(host.configured().await.error, "instance 1 was started before");
}

#[tokio::test]
async fn the_root_id_says_which_plugin_is_meant_and_its_phases_are_told() {
    let child = FakeChild::new(&SEVERAL, None);
    let mut host = child.greet().await;
    for (root_id, expected) in [("all", 0x7ff), ("few", 2), ("none", 0)] {
        let mut event = configure(1, Point::StreamFilter, "hold");
        let event::Kind::Configure(configure) = &mut event else { unreachable!() };
        configure.root_id = root_id.to_owned();
        host.send([event]).await;
        let configured = host.configured().await;
        assert_eq!(configured.phases, expected, "{}", configured.error);
        // What changes while a stream runs is asked for when it is read.
        let ahead: &[&str] = if root_id == "few" { &["source.address"] } else { &[] };
        assert_eq!(configured.properties, ahead);
        if root_id == "none" {
            assert!(configured.error.contains("`all`, `few`"), "{}", configured.error);
        } else {
            host.send([event::Kind::Release(Release { instance: 1 })]).await;
        }
    }
}
