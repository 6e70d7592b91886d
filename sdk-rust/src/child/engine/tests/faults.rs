//! Plugins that panic, and answers that cannot be sent.

use super::*;

#[tokio::test]
async fn a_panic_ends_its_instance_and_no_other() {
    let child = child();
    let mut host = child.greet().await;
    host.open_stream("panic").await;
    host.send([configure(2, Point::StreamFilter, "speak"), open(2, 20), open(1, 11)]).await;
    host.configured().await;
    let answer = host.exchange(request(1, &[])).await;
    assert_eq!(go(&answer), Go::Failed);
    assert!(error(&answer).ends_with("no head"), "{}", error(&answer));
    // Of the instance that failed nothing is left; the other one does not notice.
    let mut late = request(2, &[]);
    let event::Kind::Headers(headers) = &mut late else { unreachable!() };
    headers.context = 11;
    let mut other = request(3, &[]);
    let event::Kind::Headers(headers) = &mut other else { unreachable!() };
    headers.context = 20;
    host.send([late, other]).await;
    let answer = host.answer().await;
    assert_eq!((answer.context, answer.exchange, go(&answer)), (20, 3, Go::Continue));
    // Its number may be used by nobody else, but the plugin can be started again.
    host.send([configure(3, Point::StreamFilter, "nothing")]).await;
    assert_eq!(host.configured().await.error, "");
}

#[tokio::test]
async fn a_panic_that_nobody_waits_for_is_told() {
    let child = child();
    let mut host = child.greet().await;
    host.start(Point::Service, "panic on tick").await;
    let tick = || event::Kind::Tick(Tick { instance: 1 });
    host.send([tick(), tick()]).await;
    let (instance, error) = host.failed().await;
    assert_eq!(instance, 1);
    assert!(error.ends_with("no tick"), "{error}");
    host.send([configure(2, Point::NetworkFilter, "panic at close"), open(2, 20)]).await;
    host.configured().await;
    host.send([event::Kind::Close(Close { context: 20, ..Close::default() })]).await;
    let (instance, error) = host.failed().await;
    assert_eq!(instance, 2);
    assert!(error.ends_with("no close"), "{error}");
}

#[tokio::test]
async fn what_a_plugin_makes_no_filter_for_passes_unseen() {
    let child = child();
    let mut host = child.greet().await;
    host.open_stream("no filter").await;
    assert_eq!(go(&host.exchange(request(1, &[])).await), Go::Continue);
    host.send([complete(0), configure(2, Point::NetworkFilter, "no filter"), open(2, 20)]).await;
    host.configured().await;
    let new = NewConnection { context: 20, exchange: 2 };
    assert_eq!(go(&host.exchange(event::Kind::NewConnection(new)).await), Go::Continue);
    // Both instances go on.
    host.send([open(1, 11)]).await;
    let event::Kind::Headers(head) = request(3, &[]) else { unreachable!() };
    let head = abi_process::v1::Headers { context: 11, ..head };
    assert_eq!(go(&host.exchange(event::Kind::Headers(head)).await), Go::Continue);
    let data = Data { context: 20, exchange: 4, bytes: "abc".into(), ..Data::default() };
    assert_eq!(go(&host.exchange(event::Kind::Data(data)).await), Go::Continue);
}

#[tokio::test]
async fn a_panic_at_a_drop_is_a_line_of_the_log_and_the_instance_goes_on() {
    let child = child();
    let mut host = child.greet().await;
    host.open_stream("panic at the drop").await;
    host.send([complete(0)]).await;
    let line = host.log().await;
    assert!(line.starts_with("panicked at ") && line.ends_with("no drop, as it was dropped"));
    host.send([open(1, 10)]).await;
    assert_eq!(go(&host.exchange(request(1, &[])).await), Go::Continue);
    host.send([event::Kind::Release(Release { instance: 1 })]).await;
    // The filter, and the plugin.
    for _piece in 0..2 {
        assert!(host.log().await.ends_with("no drop, as it was dropped"));
    }
}

#[tokio::test]
async fn a_plugin_that_panics_over_a_filter_fails_at_the_first_answer() {
    for (script, point, expected) in [
        ("panic at the filter", Point::StreamFilter, "no filter"),
        ("panic at the filter", Point::NetworkFilter, "no filter"),
    ] {
        let child = child();
        let mut host = child.greet().await;
        host.start(point, script).await;
        host.send([open(1, 10)]).await;
        let answer = match point {
            Point::NetworkFilter => {
                let new = NewConnection { context: 10, exchange: 1 };
                host.exchange(event::Kind::NewConnection(new)).await
            }
            Point::StreamFilter | Point::Service | Point::Codec => {
                host.exchange(request(1, &[])).await
            }
        };
        assert_eq!(go(&answer), Go::Failed, "{script}");
        assert!(error(&answer).ends_with(expected), "{}", error(&answer));
    }
}

#[tokio::test]
async fn an_answer_that_the_proxy_would_not_take_is_the_plugins_failure() {
    let child = child();
    let mut host = child.connect(None).await.unwrap();
    host.send([hello(Limits { message_bytes_max: 4096, ..Limits::default() })]).await;
    host.next().await;
    host.open_stream("change at length").await;
    let answer = host.exchange(request(1, &[])).await;
    assert_eq!(go(&answer), Go::Failed);
    assert!(error(&answer).contains("more than the proxy takes"), "{}", error(&answer));
}

#[tokio::test]
async fn a_response_that_is_too_large_becomes_a_plain_one() {
    for script in ["respond at length", "respond with many fields"] {
        let child = child();
        let mut host = child.connect(None).await.unwrap();
        host.send([hello(Limits { message_bytes_max: 4096, ..Limits::default() })]).await;
        host.next().await;
        host.open_stream(script).await;
        // The instance goes on: it is asked again.
        for exchange in [1, 2] {
            let answer = host.exchange(request(exchange, &[])).await;
            assert_eq!(go(&answer), Go::Respond, "{script}");
            let response = answer.verdict.unwrap().response.unwrap();
            assert_eq!((response.status, response.body.len()), (500, 0), "{script}");
        }
    }
}

#[tokio::test]
async fn a_message_that_is_too_large_ends_the_session_with_a_reason() {
    let child = child();
    let mut host = child.greet().await;
    host.open_stream("nothing").await;
    let bytes = vec![0; 65 * 1024 * 1024].into();
    let body = Body { context: 10, exchange: 1, bytes, ..Body::default() };
    host.send([event::Kind::Body(body)]).await;
    let refused = host.try_next().await.unwrap_err();
    assert!(matches!(refused.code(), Code::OutOfRange | Code::ResourceExhausted), "{refused:?}");
}
