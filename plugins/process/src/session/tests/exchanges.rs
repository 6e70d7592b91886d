//! What comes of hooks.

use abi_process::v1::{self, event, reply};
use host_extension::{FaultKind, Flow, Peer, Side, Step, Verdict};
use host_types::PluginLimits;

use super::*;

fn verdict_of(go: v1::Go) -> Option<v1::Verdict> {
    Some(v1::Verdict { go: go.into(), ..v1::Verdict::default() })
}

/// Answers what has one of these names like this, and lets all else pass.
fn answering(
    is_meant: fn(&event::Kind) -> bool,
    change: impl Fn(v1::Answer) -> v1::Answer + Send + Sync + 'static,
) -> Script {
    script(move |event| {
        let answer = answer(event).filter(|_| is_meant(event))?;
        Some(vec![reply::Kind::Answer(change(answer))])
    })
}

fn is_head(event: &event::Kind) -> bool {
    matches!(event, event::Kind::Headers(_))
}

fn is_body(event: &event::Kind) -> bool {
    matches!(event, event::Kind::Body(_))
}

fn is_data(event: &event::Kind) -> bool {
    matches!(event, event::Kind::Data(_))
}

fn heads(child: &FakeChild) -> Vec<v1::Headers> {
    let heads = child.seen().into_iter().filter_map(|event| match event {
        event::Kind::Headers(head) => Some(head),
        _ => None,
    });
    heads.collect()
}

/// Bytes, how many are held in front of them, and whether they are the last.
fn bodies(child: &FakeChild) -> Vec<(String, u64, bool)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let bodies = child.seen().into_iter().filter_map(|event| match event {
        event::Kind::Body(body) => Some((text(&body.bytes), body.held, body.end)),
        event::Kind::Data(data) => Some((text(&data.bytes), data.held, data.end)),
        _ => None,
    });
    bodies.collect()
}

#[test]
fn a_head_is_shown_changed_and_goes_on() {
    local(async {
        let changes = || vec![set("x-one", "changed"), set("bad name", "x"), set("x-two", "added")];
        let script = answering(is_head, move |answer| v1::Answer { changes: changes(), ..answer });
        let (_rig, child, factory) = Rig::serving(script).await;
        let (mut filter, stream) = filter(&factory);
        let verdict = verdict(filter.on_request_headers(&stream, true)).await;
        assert!(matches!(verdict, Verdict::Continue), "{verdict:?}");
        assert_eq!(field(&stream, "x-one").as_deref(), Some("changed"));
        assert_eq!(
            field(&stream, "x-two").as_deref(),
            Some("added"),
            "one that fails stands alone"
        );
        let heads = heads(&child);
        assert!(heads[0].end);
        let fields = heads[0].fields.iter();
        let fields: Vec<_> = fields.map(|it| format!("{:?}={:?}", it.name, it.value)).collect();
        assert!(fields.contains(&r#"b":path"=b"/path""#.to_owned()), "{fields:?}");
        assert!(fields.contains(&r#"b"x-one"=b"first""#.to_owned()), "{fields:?}");
    });
}

#[test]
fn a_context_is_opened_before_its_first_event_and_completed_after_its_last() {
    local(async {
        let (_rig, child, factory) = Rig::serving(pass()).await;
        let (unused, _stream) = filter(&factory);
        drop(unused);
        let (mut used, stream) = filter(&factory);
        let _passed = verdict(used.on_request_headers(&stream, false)).await;
        open_response(&stream);
        let _passed = verdict(used.on_response_headers(&stream, true)).await;
        used.on_complete(&stream).expect("it is well");
        drop(used);
        let is_complete = |event: &event::Kind| matches!(event, event::Kind::Complete(_));
        child.until(is_complete).await;
        let seen = child.seen();
        let [event::Kind::Open(open), first, second, event::Kind::Complete(last)] = &seen[..]
        else {
            panic!("{seen:?}");
        };
        assert!(is_head(first) && is_head(second));
        assert_eq!((open.context, last.exchange), (last.context, 0), "once, and to the end");
        assert_eq!(open.held_bytes_max, 1 << 20);
    });
}

#[test]
fn the_client_is_answered_and_streams_are_broken_off() {
    local(async {
        let script = answering(is_head, |answer| {
            let response = v1::Response {
                status: 418,
                fields: vec![
                    v1::Field { name: "x-a".into(), value: "b".into() },
                    v1::Field { name: ":status".into(), value: "200".into() },
                    v1::Field { name: "bad name".into(), value: "b".into() },
                ],
                body: "short".into(),
                details: "no coffee".to_owned(),
                ..v1::Response::default()
            };
            let go = v1::Go::Respond.into();
            let verdict = v1::Verdict { go, response: Some(response), ..v1::Verdict::default() };
            v1::Answer { verdict: Some(verdict), ..answer }
        });
        let (_rig, _child, factory) = Rig::serving(script).await;
        let (mut filter, stream) = filter(&factory);
        let Verdict::Respond(reply) = verdict(filter.on_request_headers(&stream, true)).await
        else {
            panic!("it answers");
        };
        assert_eq!((reply.status.as_u16(), reply.headers.len()), (418, 1));
        assert_eq!((&*reply.body, &*reply.details), (&b"short"[..], "no coffee"));
    });
    local(async {
        let script = answering(is_head, |answer| v1::Answer {
            verdict: verdict_of(v1::Go::Reset),
            ..answer
        });
        let (_rig, _child, factory) = Rig::serving(script).await;
        let (mut filter, stream) = filter(&factory);
        let verdict = verdict(filter.on_request_headers(&stream, true)).await;
        assert!(matches!(verdict, Verdict::Reset), "{verdict:?}");
    });
    local(async {
        // An interim status is none for a whole response; an empty one neither.
        let script = answering(is_head, |answer| v1::Answer {
            verdict: verdict_of(v1::Go::Respond),
            ..answer
        });
        let (_rig, _child, factory) = Rig::serving(script).await;
        let (mut filter, stream) = filter(&factory);
        let fault = fault(verdict(filter.on_request_headers(&stream, true)).await);
        assert_eq!(fault.kind, FaultKind::Protocol);
        assert!(!factory.outlives(&fault));
    });
}

#[test]
fn a_paused_head_waits_until_it_is_resumed_and_has_no_deadline() {
    local(async {
        let script = answering(is_head, |answer| v1::Answer {
            verdict: verdict_of(v1::Go::Pause),
            ..answer
        });
        let (rig, child, factory) = Rig::serving(script).await;
        let (mut filter, stream) = filter(&factory);
        let waiting = verdict(filter.on_request_headers(&stream, true));
        tokio::pin!(waiting);
        let twice = rig.link.settings.call_timeout * 2;
        assert!(tokio::time::timeout(twice, &mut waiting).await.is_err(), "it waits");
        let context = heads(&child)[0].context;
        let kind = Some(v1::act::Kind::Resume(0));
        let changes = vec![set("x-one", "later")];
        child.say([reply::Kind::Act(v1::Act { generation: 1, context, changes, kind })]);
        let verdict = waiting.await;
        assert!(matches!(verdict, Verdict::Continue), "{verdict:?}");
        assert_eq!(field(&stream, "x-one").as_deref(), Some("later"));
    });
}

#[test]
fn who_resumes_before_it_pauses_goes_on() {
    local(async {
        let script = script(|event| {
            let answer = answer(event).filter(|_| is_head(event))?;
            let (generation, context) = (1, answer.context);
            let kind = Some(v1::act::Kind::Resume(0));
            let act = v1::Act { generation, context, kind, ..v1::Act::default() };
            let answer = v1::Answer { verdict: verdict_of(v1::Go::Pause), ..answer };
            Some(vec![reply::Kind::Act(act), reply::Kind::Answer(answer)])
        });
        let (_rig, _child, factory) = Rig::serving(script).await;
        let (mut filter, stream) = filter(&factory);
        let verdict = verdict(filter.on_request_headers(&stream, true)).await;
        assert!(matches!(verdict, Verdict::Continue), "{verdict:?}");
    });
}

/// Pauses on all of a body but its end, which it rewrites.
fn holding() -> Script {
    answering(
        |event| is_body(event) || is_data(event),
        |answer| v1::Answer { verdict: verdict_of(v1::Go::Pause), ..answer },
    )
}

#[test]
fn a_held_body_is_shown_once_and_goes_on_when_it_is_resumed() {
    local(async {
        let (_rig, child, factory) = Rig::serving(holding()).await;
        let (mut filter, stream) = filter(&factory);
        hand(&stream, Side::Request, "one ");
        let held = verdict(filter.on_request_body(&stream, false)).await;
        assert!(matches!(held, Verdict::HoldUntil(_)), "{held:?}");
        drop(held);
        hand(&stream, Side::Request, "two ");
        let Verdict::HoldUntil(resumed) = verdict(filter.on_request_body(&stream, false)).await
        else {
            panic!("it holds on");
        };
        let context = child.seen().iter().find_map(|event| match event {
            event::Kind::Body(body) => Some(body.context),
            _ => None,
        });
        let change = v1::Change { kind: Some(v1::change::Kind::Body(splice(0, 3, "1"))) };
        let act = |kind| v1::Act {
            generation: 1,
            context: context.expect("it was shown"),
            changes: Vec::new(),
            kind,
        };
        let changing = v1::Act { changes: vec![change], ..act(None) };
        child.say([
            reply::Kind::Act(changing),
            reply::Kind::Act(act(Some(v1::act::Kind::Resume(0)))),
        ]);
        let verdict = resumed.await;
        assert!(matches!(verdict, Verdict::Continue), "{verdict:?}");
        assert_eq!(in_hand(&stream, Side::Request), "1 two ");
        assert_eq!(bodies(&child), [("one ".to_owned(), 0, false), ("two ".to_owned(), 4, false)]);
    });
}

#[test]
fn what_a_child_changed_while_it_held_is_known_to_both() {
    local(async {
        let (_rig, child, factory) = Rig::serving(script(|event| {
            let mut answer = answer(event).filter(|_| is_body(event))?;
            let event::Kind::Body(body) = event else { return None };
            if !body.end {
                let whole = splice(0, u64::MAX, "x");
                answer.changes = vec![v1::Change { kind: Some(v1::change::Kind::Body(whole)) }];
                answer.verdict = verdict_of(v1::Go::Pause);
            }
            Some(vec![reply::Kind::Answer(answer)])
        }))
        .await;
        let (mut filter, stream) = filter(&factory);
        hand(&stream, Side::Request, "first");
        let _held = verdict(filter.on_request_body(&stream, false)).await;
        hand(&stream, Side::Request, "last");
        let verdict = verdict(filter.on_request_body(&stream, true)).await;
        assert!(matches!(verdict, Verdict::Continue), "{verdict:?}");
        assert_eq!(bodies(&child), [("first".to_owned(), 0, false), ("last".to_owned(), 1, true)]);
        assert_eq!(in_hand(&stream, Side::Request), "xlast");
    });
}

fn opened(event: &event::Kind) -> Option<u64> {
    if let event::Kind::Open(open) = event { Some(open.held_bytes_max) } else { None }
}

#[test]
fn a_child_is_told_how_much_of_a_body_its_policy_lets_it_hold() {
    for (own, expect) in [(None, 1 << 20), (Some(100), 100), (Some(2 << 20), 1 << 20)] {
        local(async move {
            let limits = PluginLimits { held_body_bytes_max: own, ..PluginLimits::default() };
            let rig = Rig::with(settings(), limits);
            let child = rig.child(1, pass());
            let factory = rig.start().await;
            let (mut filter, stream) = filter(&factory);
            let _passed = verdict(filter.on_request_headers(&stream, true)).await;
            let told = child.seen().iter().rev().find_map(opened);
            assert_eq!(told, Some(expect), "{own:?}");
        });
    }
}

#[test]
fn a_body_that_could_not_be_changed_is_shown_again() {
    local(async {
        let script = answering(is_body, |answer| {
            let whole = splice(0, u64::MAX, "longer than the limit");
            let changes = vec![v1::Change { kind: Some(v1::change::Kind::Body(whole)) }];
            v1::Answer { changes, verdict: verdict_of(v1::Go::Pause), ..answer }
        });
        let (_rig, child, factory) = Rig::serving(script).await;
        let (mut filter, stream) = filter(&factory);
        stream.held_bytes_max.set(8);
        hand(&stream, Side::Request, "first");
        let _held = verdict(filter.on_request_body(&stream, false)).await;
        hand(&stream, Side::Request, "more");
        let _held = verdict(filter.on_request_body(&stream, false)).await;
        let expect = [("first".to_owned(), 0, false), ("firstmore".to_owned(), 0, false)];
        assert_eq!(bodies(&child), expect);
    });
}

#[test]
fn at_its_end_a_paused_body_waits() {
    local(async {
        let (_rig, child, factory) = Rig::serving(holding()).await;
        let (mut filter, stream) = filter(&factory);
        hand(&stream, Side::Request, "all");
        let waiting = verdict(filter.on_request_body(&stream, true));
        tokio::pin!(waiting);
        tokio::select! {
            verdict = &mut waiting => panic!("it does not wait: {verdict:?}"),
            () = child.until(is_body) => {}
        }
        let context =
            child.seen().iter().find_map(|event| answer(event).filter(|_| is_body(event)));
        let (generation, context) = (1, context.expect("it was shown").context);
        let kind = Some(v1::act::Kind::Resume(0));
        child.say([reply::Kind::Act(v1::Act { generation, context, kind, ..v1::Act::default() })]);
        let verdict = waiting.await;
        assert!(matches!(verdict, Verdict::Continue), "{verdict:?}");
    });
}

#[test]
fn a_connection_is_shown_with_its_bytes_and_its_end() {
    local(async {
        let script = script(|event| {
            let event::Kind::Data(data) = event else { return None };
            let mut answer = answer(event)?;
            if data.end {
                let loud = splice(0, u64::MAX, "LOUD");
                answer.changes = vec![v1::Change { kind: Some(v1::change::Kind::Data(loud)) }];
            } else {
                answer.verdict = verdict_of(v1::Go::Pause);
            }
            Some(vec![reply::Kind::Answer(answer)])
        });
        let (_rig, child, factory) = Rig::serving(script).await;
        let (mut filter, connection) = network(&factory);
        let new = verdict(filter.on_new_connection(&connection)).await;
        assert!(matches!(new, Verdict::Continue), "{new:?}");
        let bytes = &connection.downstream.bytes;
        bytes.borrow_mut().push(&"qui".into());
        let held = verdict(filter.on_data(&connection, Flow::Downstream, false)).await;
        assert!(matches!(held, Verdict::HoldUntil(_)), "{held:?}");
        bytes.borrow_mut().push(&"et".into());
        let step: Step = filter.on_data(&connection, Flow::Downstream, true);
        let passed = verdict(step).await;
        assert!(matches!(passed, Verdict::Continue), "{passed:?}");
        assert_eq!(bytes.borrow().as_slice(), b"LOUD");
        filter.on_close(&connection, Flow::Downstream, Peer::Remote).expect("it is well");
        filter.on_complete(&connection).expect("it is well");
        child.until(|event| matches!(event, event::Kind::Complete(_))).await;
        assert_eq!(bodies(&child), [("qui".to_owned(), 0, false), ("et".to_owned(), 3, true)]);
        let close = child.seen().into_iter().find_map(|event| match event {
            event::Kind::Close(close) => Some((close.flow, close.by)),
            _ => None,
        });
        assert_eq!(close, Some((0, 2)));
    });
}

#[test]
fn a_plugin_that_writes_a_log_is_told_all_heads_and_may_ask_until_it_has_answered() {
    local(async {
        let script = script(|event| match event {
            event::Kind::Configure(it) => {
                let instance = it.instance;
                // Nothing but the log; a test that waits for it to be ready sees nothing.
                let configured = v1::Configured { instance, phases: 1 << 6, ..Default::default() };
                Some(vec![reply::Kind::Configured(configured)])
            }
            event::Kind::Complete(last) => {
                let path =
                    v1::GetProperty { path: "request.path".to_owned(), ..Default::default() };
                let call = v1::Call {
                    generation: 1,
                    id: 5,
                    context: last.context,
                    kind: Some(v1::call::Kind::GetProperty(path)),
                    ..v1::Call::default()
                };
                Some(vec![reply::Kind::Call(call)])
            }
            event::Kind::CallResult(_) => Some(Vec::new()),
            _ => None,
        });
        let (_rig, child, factory) = Rig::serving(script).await;
        let (mut filter, stream) = filter(&factory);
        let passed = verdict(filter.on_request_headers(&stream, true)).await;
        assert!(matches!(passed, Verdict::Continue), "{passed:?}");
        open_response(&stream);
        filter.on_complete(&stream).expect("it is well");
        drop(filter);
        child.until(|event| matches!(event, event::Kind::CallResult(it) if it.id == 5)).await;
        let seen = child.seen();
        let last = seen.iter().find_map(|event| match event {
            event::Kind::Complete(last) if !last.response_headers.is_empty() => Some(last),
            _ => None,
        });
        let last = last.expect("it is told of the end");
        assert!(last.exchange > 0 && !last.request_headers.is_empty());
        let result = seen.iter().find_map(|event| match event {
            event::Kind::CallResult(result) => Some(result),
            _ => None,
        });
        assert_eq!(&*result.expect("an answer").value, b"/path");
    });
}

#[test]
fn a_stream_that_is_over_before_the_child_is_ready_is_told_of_once_it_is() {
    local(async {
        let rig = Rig::new();
        let writes_a_log = script(|event| match event {
            event::Kind::Configure(it) => {
                let instance = it.instance;
                let configured = v1::Configured { instance, phases: 1 << 6, ..Default::default() };
                Some(vec![reply::Kind::Configured(configured)])
            }
            _ => None,
        });
        let child = rig.child(1, writes_a_log);
        let factory = rig.begin("");
        let (mut filter, stream) = filter(&factory);
        open_response(&stream);
        filter.on_complete(&stream).expect("it is well");
        drop(filter);
        child.until(|event| matches!(event, event::Kind::Complete(_))).await;
        let last = child.seen().into_iter().find_map(|event| match event {
            event::Kind::Complete(last) => Some(last),
            _ => None,
        });
        assert!(last.is_some_and(|last| !last.response_headers.is_empty()));
    });
}

/// A child's word that the first direction of a context goes on.
fn resume(context: u64, kind: fn(i32) -> v1::act::Kind) -> reply::Kind {
    reply::Kind::Act(v1::Act { generation: 1, context, changes: Vec::new(), kind: Some(kind(0)) })
}

#[test]
fn a_body_that_comes_after_a_resume_is_shown_whole() {
    local(async {
        let (_rig, child, factory) = Rig::serving(holding()).await;
        let (mut filter, stream) = filter(&factory);
        hand(&stream, Side::Request, "one ");
        let held = verdict(filter.on_request_body(&stream, false)).await;
        let Verdict::HoldUntil(resumed) = held else { panic!("it holds") };
        let context = child.seen().iter().find_map(|event| match event {
            event::Kind::Body(body) => Some(body.context),
            _ => None,
        });
        child.say([resume(context.expect("it was shown"), v1::act::Kind::Resume)]);
        assert!(matches!(resumed.await, Verdict::Continue));
        // The pipeline has passed them on.
        stream.request.body.borrow_mut().set(bytes::Bytes::new());
        hand(&stream, Side::Request, "two and more");
        let held = verdict(filter.on_request_body(&stream, false)).await;
        assert!(matches!(held, Verdict::HoldUntil(_)), "{held:?}");
        let shown = [("one ".to_owned(), 0, false), ("two and more".to_owned(), 0, false)];
        assert_eq!(bodies(&child), shown);
    });
}

#[test]
fn data_that_come_after_a_resume_are_shown_whole() {
    local(async {
        let (_rig, child, factory) = Rig::serving(holding()).await;
        let (mut filter, connection) = network(&factory);
        let bytes = &connection.downstream.bytes;
        bytes.borrow_mut().push(&"one ".into());
        let held = verdict(filter.on_data(&connection, Flow::Downstream, false)).await;
        let Verdict::HoldUntil(resumed) = held else { panic!("it holds") };
        let context = child.seen().iter().find_map(|event| match event {
            event::Kind::Data(data) => Some(data.context),
            _ => None,
        });
        child.say([resume(context.expect("it was shown"), v1::act::Kind::ResumeFlow)]);
        assert!(matches!(resumed.await, Verdict::Continue));
        bytes.borrow_mut().set(bytes::Bytes::from_static(b"two and more"));
        let held = verdict(filter.on_data(&connection, Flow::Downstream, false)).await;
        assert!(matches!(held, Verdict::HoldUntil(_)), "{held:?}");
        let shown = [("one ".to_owned(), 0, false), ("two and more".to_owned(), 0, false)];
        assert_eq!(bodies(&child), shown);
    });
}
