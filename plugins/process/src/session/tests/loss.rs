//! Children that end, hang and come back.

use std::{rc::Rc, time::Duration};

use abi_process::v1::{self, event, reply};
use host_extension::{FaultKind, FilterFactory, Verdict};
use host_types::{Headers, PluginLimits, ProcessSettings};
use tokio::time::{Instant, timeout};

use super::*;
use crate::child::ChildState;

fn is_head(event: &event::Kind) -> bool {
    matches!(event, event::Kind::Headers(_))
}

/// Leaves requests' heads without an answer.
fn silent() -> Script {
    script(|event| is_head(event).then(Vec::new))
}

/// Waits until a factory refuses filters, or until it makes them.
async fn until_it_serves(factory: &Rc<dyn FilterFactory>, serves: bool) {
    while factory.stream_filter(&stream()).is_ok() != serves {
        tokio::task::yield_now().await;
    }
}

#[test]
fn an_exchange_without_an_answer_ends_in_time_and_nothing_else_does() {
    local(async {
        let (rig, child, factory) = Rig::serving(silent()).await;
        let (mut slow, stream) = filter(&factory);
        let begun = Instant::now();
        let fault = fault(verdict(slow.on_request_headers(&stream, true)).await);
        assert_eq!(fault.kind, FaultKind::TimedOut);
        assert!(fault.message.contains("on_request_headers"), "{fault}");
        let took = begun.elapsed();
        assert!(
            (rig.link.settings.call_timeout..Duration::from_secs(2)).contains(&took),
            "{took:?}"
        );
        assert!(factory.outlives(&fault), "the instance is well");
        // The same context goes on.
        open_response(&stream);
        let passed = verdict(slow.on_response_trailers(&stream)).await;
        assert!(matches!(passed, Verdict::Continue), "{passed:?}");
        // An answer after the end changes nothing.
        let late = child.seen().iter().find_map(answer).expect("it was asked");
        let changes = vec![set("x-one", "late")];
        child.say([reply::Kind::Answer(v1::Answer { changes, ..late })]);
        let passed = verdict(slow.on_response_trailers(&stream)).await;
        assert!(matches!(passed, Verdict::Continue), "{passed:?}");
        assert_eq!(field(&stream, "x-one").as_deref(), Some("first"));
    });
}

#[test]
fn a_child_that_hangs_is_unresponsive_and_is_well_again_when_it_comes_back() {
    local(async {
        let (_rig, child, factory) = Rig::serving(pass()).await;
        child.freeze(true);
        let streams: Vec<_> = (0..5).map(|_| filter(&factory)).collect();
        let steps = streams.into_iter().map(|(mut filter, stream)| async move {
            fault(verdict(filter.on_request_headers(&stream, true)).await).kind
        });
        for kind in futures_util::future::join_all(steps).await {
            assert_eq!(kind, FaultKind::TimedOut);
        }
        let refused = factory.stream_filter(&stream()).expect_err("it does not answer");
        assert_eq!(refused.kind, FaultKind::TimedOut);
        assert!(factory.outlives(&refused));
        child.freeze(false);
        let back = Instant::now();
        until_it_serves(&factory, true).await;
        assert!(back.elapsed() < Duration::from_millis(600), "{:?}", back.elapsed());
    });
}

#[test]
fn a_child_that_says_nothing_for_too_long_is_given_up() {
    local(async {
        let mut settings = settings();
        settings.unresponsive_timeout = Duration::from_millis(200);
        let rig = Rig::with(settings, PluginLimits::default());
        let child = rig.child(4, pass());
        let _factory = rig.start().await;
        child.freeze(true);
        rig.dog.bites().await;
        assert_eq!(*rig.dog.0.lock(), [4]);
    });
}

#[test]
fn a_child_that_answers_pings_and_no_exchange_is_given_up() {
    local(async {
        let mut settings = settings();
        settings.unresponsive_timeout = Duration::from_millis(600);
        let rig = Rig::with(settings, PluginLimits::default());
        let deaf = script(|event| matches!(event, event::Kind::Headers(_)).then(Vec::new));
        let child = rig.child(4, deaf);
        let factory = rig.start().await;
        let streams: Vec<_> = (0..5).map(|_| filter(&factory)).collect();
        let steps = streams.into_iter().map(|(mut filter, stream)| async move {
            fault(verdict(filter.on_request_headers(&stream, true)).await).kind
        });
        for kind in futures_util::future::join_all(steps).await {
            assert_eq!(kind, FaultKind::TimedOut);
        }
        let refused = factory.stream_filter(&stream()).expect_err("its plugin does not answer");
        assert_eq!(refused.kind, FaultKind::TimedOut);
        child.until(|event| matches!(event, event::Kind::Ping(_))).await;
        rig.dog.bites().await;
        assert_eq!(*rig.dog.0.lock(), [4]);
    });
}

#[test]
fn an_exchange_without_an_answer_keeps_no_other_stream() {
    local(async {
        let settings = ProcessSettings { call_timeout: Duration::from_secs(600), ..settings() };
        let rig = Rig::with(settings, PluginLimits::default());
        let child = rig.child(1, silent());
        let factory = rig.start().await;
        let (mut waiting, waits) = filter(&factory);
        let _step = waiting.on_request_headers(&waits, true);
        child.until(is_head).await;
        let (mut filter, stream) = filter(&factory);
        let passed = verdict(filter.on_response_trailers(&stream)).await;
        assert!(matches!(passed, Verdict::Continue), "{passed:?}");
        filter.on_complete(&stream).expect("it is well");
        drop(filter);
        assert_eq!(Rc::strong_count(&stream), 1);
    });
}

#[test]
fn an_idle_child_is_pinged_each_second() {
    local(async {
        let (_rig, child, _factory) = Rig::serving(pass()).await;
        let begun = Instant::now();
        let pings = |seen: &[event::Kind]| {
            seen.iter().filter(|event| matches!(event, event::Kind::Ping(_))).count()
        };
        child.until_all(|seen| pings(seen) == 2).await;
        let took = begun.elapsed();
        assert!((Duration::from_millis(1800)..Duration::from_secs(4)).contains(&took), "{took:?}");
    });
}

#[test]
fn a_crash_fails_all_that_is_under_way_and_the_next_child_serves() {
    local(async {
        let (rig, mut child, factory) = Rig::serving(silent()).await;
        let (mut first, stream) = filter(&factory);
        let waiting = verdict(first.on_request_headers(&stream, false));
        tokio::pin!(waiting);
        tokio::select! {
            verdict = &mut waiting => panic!("nobody answers: {verdict:?}"),
            () = child.until(is_head) => {}
        }
        child.crash();
        let crashed = fault(waiting.await);
        assert_eq!(crashed.kind, FaultKind::Crashed);
        assert!(factory.outlives(&crashed));
        let refused = factory.stream_filter(&stream).expect_err("nobody is there");
        assert_eq!(refused.kind, FaultKind::Crashed);
        rig.states.send_replace(ChildState::Down("it ended with status 1".into()));
        while !factory.stream_filter(&stream).expect_err("none").message.contains("status 1") {
            tokio::task::yield_now().await;
        }
        let _next = rig.child(2, pass());
        until_it_serves(&factory, true).await;
        let (mut second, other) = filter(&factory);
        let passed = verdict(second.on_request_headers(&other, true)).await;
        assert!(matches!(passed, Verdict::Continue), "{passed:?}");
        assert_eq!(rig.restarts.get(), 1);
        open_response(&stream);
        let lost = fault(verdict(first.on_response_headers(&stream, true)).await);
        assert_eq!(lost.kind, FaultKind::Crashed, "its context went with the first child");
    });
}

#[test]
fn a_child_that_ends_its_session_and_lives_on_is_reached_again() {
    local(async {
        let (rig, child, factory) = Rig::serving(pass()).await;
        child.end_session();
        until_it_serves(&factory, false).await;
        let begun = Instant::now();
        until_it_serves(&factory, true).await;
        let (mut again, stream) = filter(&factory);
        let passed = verdict(again.on_request_headers(&stream, true)).await;
        assert!(matches!(passed, Verdict::Continue), "{passed:?}");
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
        assert_eq!((rig.restarts.get(), rig.dog.0.lock().len()), (0, 0), "it was not started anew");
    });
}

#[test]
fn a_plugin_that_fails_takes_its_instance_with_it_and_no_other() {
    local(async {
        let script = script(|event| {
            let answer = answer(event).filter(|_| is_head(event))?;
            let event::Kind::Headers(head) = event else { return None };
            let panics = head.fields.iter().any(|field| field.name == "x-panic");
            let go = if panics { v1::Go::Failed } else { v1::Go::Continue };
            let error = "panicked at 'oh no'".to_owned();
            let verdict = v1::Verdict { go: go.into(), error, ..v1::Verdict::default() };
            Some(vec![reply::Kind::Answer(v1::Answer { verdict: Some(verdict), ..answer })])
        });
        let (rig, child, factory) = Rig::serving(script).await;
        let other = rig.begin("other");
        let (mut beside, quiet) = filter(&factory);
        let _passed = verdict(beside.on_request_headers(&quiet, false)).await;
        let (mut failing, stream) = filter(&factory);
        let mark = |head: &mut Headers| head.add(b"x-panic", b"1").expect("a field");
        stream.request.headers.borrow_mut().as_mut().map(mark).expect("a head");
        let trapped = failing.on_request_headers(&stream, true);
        let trapped = fault(verdict(trapped).await);
        assert_eq!(trapped.kind, FaultKind::Trapped);
        assert!(trapped.message.contains("oh no"), "{trapped}");
        assert!(!factory.outlives(&trapped));
        open_response(&quiet);
        let lost = fault(verdict(beside.on_response_headers(&quiet, true)).await);
        assert_eq!(lost.kind, FaultKind::InstanceLost);
        let refused = factory.stream_filter(&quiet).expect_err("it is lost");
        assert_eq!(refused.kind, FaultKind::InstanceLost);
        let (mut well, stream) = filter(&other);
        let passed = verdict(well.on_request_headers(&stream, true)).await;
        assert!(matches!(passed, Verdict::Continue), "{passed:?}");
        child.until(|event| matches!(event, event::Kind::Release(it) if it.instance == 1)).await;
        assert!(rig.faults.borrow().is_empty(), "its stream tells of it");
    });
}

#[test]
fn a_failure_beside_streams_is_told_to_the_slot() {
    local(async {
        let (rig, child, factory) = Rig::serving(pass()).await;
        let failed = |generation| v1::Failed { generation, instance: 1, error: "tick".to_owned() };
        child.say([reply::Kind::Failed(failed(9))]);
        child.say([reply::Kind::Failed(failed(1)), reply::Kind::Failed(failed(1))]);
        until_it_serves(&factory, false).await;
        let faults = rig.faults.borrow();
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert_eq!(faults[0].kind, FaultKind::Trapped);
    });
}

#[test]
fn the_last_use_takes_the_session_with_it() {
    local(async {
        let (rig, child, factory) = Rig::serving(pass()).await;
        let weak = std::sync::Arc::downgrade(&rig.link);
        let (open, stream) = filter(&factory);
        drop(factory);
        drop(open);
        drop(stream);
        child.until(|event| matches!(event, event::Kind::Drain(_))).await;
        child.until(|event| matches!(event, event::Kind::Release(_))).await;
        drop(rig);
        while weak.strong_count() > 0 {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn uses_of_one_worker_share_a_session() {
    local(async {
        let (rig, child, first) = Rig::serving(pass()).await;
        let second = rig.begin("second");
        let (mut one, stream) = filter(&second);
        let passed = verdict(one.on_request_headers(&stream, true)).await;
        assert!(matches!(passed, Verdict::Continue), "{passed:?}");
        let seen = child.seen();
        assert!(!seen.iter().any(|event| matches!(event, event::Kind::Hello(_))), "{seen:?}");
        let configured = seen.iter().find_map(|event| match event {
            event::Kind::Configure(it) => Some((it.instance, it.config.clone())),
            _ => None,
        });
        assert!(matches!(configured, Some((id, config)) if id != 1 && config == "second"));
        drop(first);
    });
}

#[test]
fn no_more_contexts_are_made_than_the_limits_say() {
    local(async {
        let limits = PluginLimits { contexts_max: 1, ..PluginLimits::default() };
        let rig = Rig::with(settings(), limits);
        let _child = rig.child(1, pass());
        let factory = rig.start().await;
        let (first, stream) = filter(&factory);
        let denied = factory.stream_filter(&stream).expect_err("one is the limit");
        assert_eq!(denied.kind, FaultKind::Denied);
        drop(first);
        assert!(factory.stream_filter(&stream).is_ok());
    });
}

#[test]
fn an_abandoned_wait_leaves_its_answer_to_nobody() {
    local(async {
        let (_rig, child, factory) = Rig::serving(silent()).await;
        let (mut filter, stream) = filter(&factory);
        let waiting = verdict(filter.on_request_headers(&stream, true));
        assert!(timeout(Duration::from_millis(20), waiting).await.is_err());
        child.until(is_head).await;
        let late = child.seen().iter().find_map(answer).expect("it was asked");
        let changes = vec![set("x-one", "late")];
        child.say([reply::Kind::Answer(v1::Answer { changes, ..late })]);
        open_response(&stream);
        let passed = verdict(filter.on_response_trailers(&stream)).await;
        assert!(matches!(passed, Verdict::Continue), "{passed:?}");
        assert_eq!(field(&stream, "x-one").as_deref(), Some("first"));
    });
}
