//! How instances start, on workers and in trials.

use std::{rc::Rc, sync::Arc, time::Duration};

use abi_process::v1::{self, event, reply};
use futures_util::future::BoxFuture;
use host_extension::{FaultKind, FilterFactory, InstanceSpec, Phases, PluginFault, Verdict};
use host_types::PluginLimits;
use tokio::runtime::Builder;

use super::*;
use crate::{child::ChildState, factory};

/// Refuses the configuration `bad`.
fn picky() -> Script {
    script(|event| match event {
        event::Kind::Configure(it) if it.config == "bad" => {
            let (instance, error) = (it.instance, "the field `x` is missing".to_owned());
            let configured = v1::Configured { instance, error, ..v1::Configured::default() };
            Some(vec![reply::Kind::Configured(configured)])
        }
        _ => None,
    })
}

#[test]
fn a_use_that_is_refused_is_told_and_the_others_serve() {
    local(async {
        let (rig, child, well) = Rig::serving(picky()).await;
        let bad = rig.begin("bad");
        let (mut waiting, stream_of_bad) = filter(&bad);
        let lost = fault(verdict(waiting.on_request_headers(&stream_of_bad, true)).await);
        assert_eq!(lost.kind, FaultKind::InstanceLost);
        let faults = rig.faults.borrow().clone();
        assert_eq!(faults.len(), 1);
        assert_eq!(faults[0].kind, FaultKind::LoadFailed);
        assert!(faults[0].message.contains("the field `x` is missing"), "{}", faults[0]);
        let (mut filter, stream) = filter(&well);
        let passed = verdict(filter.on_request_headers(&stream, true)).await;
        assert!(matches!(passed, Verdict::Continue), "{passed:?}");
        child.until(|event| matches!(event, event::Kind::Release(_))).await;
    });
}

#[test]
fn streams_wait_for_a_child_that_is_about_to_be_there() {
    local(async {
        let rig = Rig::new();
        let factory = rig.begin("");
        let (mut filter, stream) = filter(&factory);
        let waiting = verdict(filter.on_request_headers(&stream, true));
        tokio::pin!(waiting);
        assert!(tokio::time::timeout(Duration::from_millis(20), &mut waiting).await.is_err());
        let _child = rig.child(1, pass());
        let passed = waiting.await;
        assert!(matches!(passed, Verdict::Continue), "{passed:?}");
    });
}

#[test]
fn streams_wait_no_longer_than_a_start_may_take() {
    local(async {
        let mut settings = settings();
        settings.start_timeout = Duration::from_millis(50);
        let rig = Rig::with(settings, PluginLimits::default());
        let factory = rig.begin("");
        let (mut filter, stream) = filter(&factory);
        let late = fault(verdict(filter.on_request_headers(&stream, true)).await);
        assert_eq!(late.kind, FaultKind::TimedOut);
    });
}

#[test]
fn a_plugin_is_shown_what_it_asked_for_and_properties_along() {
    local(async {
        let script = script(|event| match event {
            event::Kind::Configure(it) => {
                let configured = v1::Configured {
                    instance: it.instance,
                    phases: 1 | 1 << 30,
                    properties: vec!["request.path".to_owned(), "no.such".to_owned()],
                    ..v1::Configured::default()
                };
                Some(vec![reply::Kind::Configured(configured)])
            }
            _ => None,
        });
        let rig = Rig::new();
        let child = rig.child(1, script);
        let factory = rig.begin("");
        let (mut filter, stream) = filter(&factory);
        let _passed = verdict(filter.on_request_headers(&stream, true)).await;
        open_response(&stream);
        let unseen = filter.on_response_headers(&stream, true);
        assert!(matches!(unseen, host_extension::Step::Ready(Verdict::Continue)), "{unseen:?}");
        let open = child.seen().into_iter().find_map(|event| match event {
            event::Kind::Open(open) => Some(open),
            _ => None,
        });
        let properties = open.expect("it was opened").properties;
        assert_eq!(properties.len(), 1);
        assert_eq!((&*properties[0].path, &*properties[0].value), ("request.path", &b"/path"[..]));
    });
}

#[test]
fn a_child_that_speaks_another_version_is_refused() {
    let odd = |version, generation| {
        script(move |event| match event {
            event::Kind::Hello(_) => Some(vec![reply::Kind::Hello(v1::HelloBack {
                version,
                generation,
                ..v1::HelloBack::default()
            })]),
            _ => None,
        })
    };
    for (script, kind) in [(odd(2, 1), FaultKind::LoadFailed), (odd(1, 7), FaultKind::Protocol)] {
        local(async move {
            let rig = Rig::new();
            let _child = rig.child(1, script);
            let factory = rig.begin("");
            let (mut filter, stream) = filter(&factory);
            let refused = fault(verdict(filter.on_request_headers(&stream, true)).await);
            assert_eq!(refused.kind, kind, "{refused}");
        });
    }
}

/// Runs a trial as the control thread does, with the tasks on another one.
fn try_with(rig: &Rig, config: &'static str) -> Result<Rc<dyn FilterFactory>, PluginFault> {
    let spec = InstanceSpec { config: config.as_bytes().into(), ..InstanceSpec::default() };
    try_spec(rig, &spec)
}

pub(super) fn try_spec(
    rig: &Rig,
    spec: &InstanceSpec,
) -> Result<Rc<dyn FilterFactory>, PluginFault> {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let spawn = |task: BoxFuture<'static, ()>| drop(runtime.spawn(task));
    factory::trial(&rig.scope(None), spec, &rig.link, spawn)
}

#[test]
fn a_trial_tells_what_a_plugin_wants_and_answers_what_it_asks() {
    let rig = Rig::new();
    let script = script(|event| match event {
        event::Kind::Configure(_) => {
            let set = v1::SharedSet { key: "k".into(), value: "v".into(), version: 0 };
            let call = |id, kind| {
                let instance = 1;
                let kind = Some(kind);
                let call = v1::Call { generation: 1, id, instance, kind, ..v1::Call::default() };
                reply::Kind::Call(call)
            };
            let line = "starting".to_owned();
            let log = v1::Log { level: 0, line, instance: 1 };
            Some(vec![
                reply::Kind::Log(log),
                call(1, v1::call::Kind::SharedSet(set)),
                call(2, v1::call::Kind::SharedGet(v1::SharedGet { key: "k".into() })),
            ])
        }
        event::Kind::CallResult(result) if result.id == 2 && result.value == "v" => {
            let configured = v1::Configured { instance: 1, phases: 3, ..Default::default() };
            Some(vec![reply::Kind::Configured(configured)])
        }
        _ => None,
    });
    let _child = rig.child(1, script);
    let tried = try_with(&rig, "").expect("it starts");
    assert_eq!(tried.phases(), Phases::REQUEST_HEADERS | Phases::REQUEST_BODY);
    assert_eq!(*rig.host.lines.borrow(), ["Info: starting"]);
    assert!(tried.stream_filter(&stream()).is_err(), "it was let go");
}

#[test]
fn a_trial_tells_why_a_plugin_does_not_start() {
    let rig = Rig::new();
    let _child = rig.child(1, picky());
    assert!(try_with(&rig, "good").is_ok());
    let refused = try_with(&rig, "bad").expect_err("it refuses");
    assert_eq!(refused.kind, FaultKind::LoadFailed);
    assert!(refused.message.contains("the field `x` is missing"), "{refused}");
    rig.states.send_replace(ChildState::Down("it ended at once".into()));
    let none = try_with(&rig, "good").expect_err("there is no child");
    assert!(none.message.contains("it ended at once"), "{none}");
}

#[test]
fn a_trial_waits_no_longer_than_a_start_may_take() {
    let mut settings = settings();
    settings.start_timeout = Duration::from_millis(50);
    let rig = Rig::with(settings, PluginLimits::default());
    let silent = script(|event| matches!(event, event::Kind::Configure(_)).then(Vec::new));
    let _child = rig.child(1, silent);
    let late = try_with(&rig, "").expect_err("it does not answer");
    assert_eq!(late.kind, FaultKind::LoadFailed);
    assert!(late.message.contains("50 ms"), "{late}");
    let _link = Arc::clone(&rig.link);
}
