//! What a guest does beside hooks is charged to its budget, and left out where that is spent. The
//! clock is the test's own: each line of the log takes 10 ms, and so each deed that says one.

use std::{rc::Rc, time::Duration};

use bytes::Bytes;
use host_extension::{
    ExtensionPoint, FaultKind, FilterFactory, GrpcEvent, InstanceSpec, OutboundError,
};
use host_types::{Isolation, VmSettings};

use super::script::{Act, Hook, configure, event, request, scripted, scripted_in};
use crate::testing::{Rig, stream};

const BUDGET: Duration = Duration::from_millis(50);
const SLOT: Duration = Duration::from_millis(10);
const SLOTS_PER_SECOND: u32 = 100;

const CALL: Act<'_> = Act::Call("proxy_http_call", &[178, 2, 400, 67, 110, 5, 140, 16, 250, 300]);
const STREAM: Act<'_> = Act::Call("proxy_grpc_stream", &[178, 2, 100, 5, 110, 5, 140, 16, 300]);
const TICKS: Act<'_> = Act::Call("proxy_set_tick_period_milliseconds", &[10]);
const QUEUE: Act<'_> = Act::Call("proxy_register_shared_queue", &[100, 5, 300]);

/// A callback that takes 10 ms for each of its numbers.
const fn busy<'a>(name: &'a str, params: usize) -> Hook<'a> {
    Hook { name, params, answer: None, acts: &[Act::Params] }
}

fn start(rig: &Rig, point: ExtensionPoint) -> Rc<dyn FilterFactory> {
    let spec = InstanceSpec { point, ..InstanceSpec::default() };
    let factory = rig.plugin.start(&rig.scope(), &spec).expect("it starts");
    rig.host.said();
    factory
}

/// Lets something happen every 10 ms for three seconds; counts what the guest said in each.
fn seconds(rig: &Rig, happens: impl Fn()) -> Vec<usize> {
    let second = |second: u64| {
        for slot in 0..SLOTS_PER_SECOND {
            rig.host.time.set(Duration::from_secs(second) + SLOT * slot);
            happens();
        }
        rig.host.said().len()
    };
    (1000..1003).map(second).collect()
}

/// All faults are of ticks or notices that were left out.
#[track_caller]
fn check_left_out(rig: &Rig, count: usize) {
    let faults = rig.faults.take();
    assert_eq!(faults.len(), count);
    assert!(faults.iter().all(|fault| fault.kind == FaultKind::Overspent), "{faults:?}");
}

#[test]
fn ticks_that_take_all_the_time_get_their_part_of_it_also_of_a_service() {
    for point in [ExtensionPoint::StreamFilter, ExtensionPoint::Service] {
        let mut rig = scripted(&[configure(&[TICKS]), busy("proxy_on_tick", 1)]);
        rig.budget(BUDGET);
        let factory = start(&rig, point);
        let ticks = seconds(&rig, || rig.host.timers.ring());
        assert_eq!(ticks, [5, 5, 5], "{point:?}: of a hundred");
        check_left_out(&rig, 3 * 95);
        factory.stream_filter(&stream()).expect("the guest is well");
    }
}

#[test]
fn ticks_without_a_budget_all_come() {
    let rig = scripted(&[configure(&[TICKS]), busy("proxy_on_tick", 1)]);
    rig.host.line_time.set(SLOT);
    let _factory = start(&rig, ExtensionPoint::Service);
    assert_eq!(seconds(&rig, || rig.host.timers.ring()), [100, 100, 100]);
}

#[test]
fn guests_of_one_stream_each_have_one_budget_and_tell_of_it() {
    let vm = VmSettings { isolation: Isolation::PerStream, ..VmSettings::default() };
    let mut rig = scripted_in(&[configure(&[TICKS]), busy("proxy_on_tick", 1)], &vm);
    rig.budget(BUDGET);
    let factory = rig.factory();
    let _filters: Vec<_> =
        (0..4).map(|_| factory.stream_filter(&stream()).expect("a filter")).collect();
    rig.host.said();
    assert_eq!(seconds(&rig, || rig.host.timers.ring()), [5, 5, 5], "of 400");
    check_left_out(&rig, 3 * 395);
}

#[test]
fn notices_of_queues_are_left_out() {
    let mut rig = scripted(&[configure(&[QUEUE]), busy("proxy_on_queue_ready", 2)]);
    rig.budget(BUDGET);
    let _factory = start(&rig, ExtensionPoint::Service);
    let said = seconds(&rig, || rig.host.beside.queue_ready(1));
    assert_eq!(said, [6, 6, 6], "three notices, two lines each");
    check_left_out(&rig, 3 * 97);
}

#[test]
fn answers_come_and_are_charged_but_begin_no_further_call() {
    let answered = event("proxy_on_http_call_response", 5, &[CALL]);
    let mut rig = scripted(&[configure(&[CALL, CALL]), answered]);
    let budget = rig.budget(SLOT);
    let _factory = start(&rig, ExtensionPoint::Service);
    rig.host.time.set(Duration::from_secs(1000));
    let answer = |call| {
        rig.host.beside.answer(call, Err(OutboundError::TimedOut));
        rig.host.said()
    };
    assert_eq!(answer(0), "A", "it calls again");
    assert!(budget.is_spent(rig.host.time.get()));
    assert_eq!(answer(1), "K", "it hears of this one, and may not");
    assert_eq!(rig.host.beside.http.borrow().len(), 3);
    rig.host.time.set(Duration::from_secs(1001));
    assert_eq!(answer(2), "A");
    check_left_out(&rig, 0);
}

#[test]
fn a_stream_of_messages_is_ended_when_the_time_is_spent_and_no_further_one_begins() {
    let hooks = [
        configure(&[STREAM]),
        busy("proxy_on_grpc_receive", 3),
        event("proxy_on_grpc_close", 3, &[Act::Params, STREAM]),
    ];
    let mut rig = scripted(&hooks);
    rig.budget(BUDGET);
    let _factory = start(&rig, ExtensionPoint::Service);
    rig.host.time.set(Duration::from_secs(1000));
    let receive = || {
        rig.host.beside.event(0, GrpcEvent::Message(Bytes::from_static(b"1")));
        rig.host.said()
    };
    // The root, the number of the stream, the length of the message.
    assert_eq!([receive(), receive()], ["161", "161"], "60 ms of 50");
    assert_eq!(receive(), "168K", "resource exhausted; and it may not open another");
    assert_eq!(rig.host.beside.alive.get(), 0);
    assert_eq!(receive(), "");
    check_left_out(&rig, 1);
}

#[test]
fn the_end_of_a_stream_is_charged_where_the_pipeline_does_not_measure_it() {
    for isolation in [Isolation::Shared, Isolation::PerStream] {
        let hooks = [busy("proxy_on_log", 1), busy("proxy_on_delete", 1)];
        let vm = VmSettings { isolation, ..VmSettings::default() };
        for is_measured in [true, false] {
            let mut rig = scripted_in(&hooks, &vm);
            let budget = rig.budget(Duration::from_millis(20));
            rig.host.time.set(Duration::from_secs(1000));
            let factory = rig.factory();
            let one = stream();
            let mut filter = factory.stream_filter(&one).expect("a filter");
            if is_measured {
                filter.on_complete(&one).expect("it ends well");
            }
            drop(filter);
            // With the root of its own, where it has one.
            let lines = if isolation == Isolation::Shared { 2 } else { 3 };
            assert_eq!(rig.host.said().len(), lines);
            let is_spent = budget.is_spent(rig.host.time.get());
            assert_eq!(is_spent, !is_measured, "{isolation:?}");
        }
    }
}

#[test]
fn the_end_of_a_root_is_charged_at_once_and_later() {
    for done in [1, 0] {
        let is_done =
            Hook { name: "proxy_on_done", params: 1, answer: Some(done), acts: &[Act::Params] };
        let mut rig = scripted(&[is_done, busy("proxy_on_delete", 1)]);
        let budget = rig.budget(Duration::from_millis(20));
        rig.host.time.set(Duration::from_secs(1000));
        drop(rig.factory());
        assert_eq!(budget.is_spent(rig.host.time.get()), done == 1);
        rig.host.timers.ring();
        assert_eq!(rig.host.said(), "11");
        assert!(budget.is_spent(rig.host.time.get()), "with its delete");
    }
}

#[test]
fn hooks_are_not_charged_here_but_by_who_measures_them() {
    let mut rig = scripted(&[request(&[Act::Params])]);
    let budget = rig.budget(SLOT);
    let (mut filter, stream) = rig.filter();
    drop(filter.on_request_headers(&stream, true));
    assert_eq!(rig.host.said().len(), 3);
    assert!(!budget.is_spent(rig.host.time.get()));
}
