//! What a plugin does beside hooks is charged to its budget, and left out where that is spent. The
//! clock is the test's own: each line of the log takes 10 ms, and so each deed that writes one.

use std::time::Duration;

use host_extension::{ExtensionPoint, FaultKind, HostCalls, OutboundError};

use crate::testing::{Worker, builtin, connection, stream};

const BUDGET: Duration = Duration::from_millis(50);
const SLOT: Duration = Duration::from_millis(10);
const SLOTS_PER_SECOND: u32 = 100;

/// Lets something happen every 10 ms for three seconds; counts the lines of each.
fn seconds(worker: &Worker, happens: impl Fn()) -> Vec<usize> {
    worker.host.lines.take();
    let second = |second: u64| {
        for slot in 0..SLOTS_PER_SECOND {
            worker.host.time.set(Duration::from_secs(second) + SLOT * slot);
            happens();
        }
        worker.host.lines.take().len()
    };
    (1000..1003).map(second).collect()
}

/// All faults are of ticks or notices that were left out.
#[track_caller]
fn check_left_out(worker: &Worker, count: usize) {
    let faults = worker.faults.take();
    assert_eq!(faults.len(), count);
    assert!(faults.iter().all(|fault| fault.kind == FaultKind::Overspent), "{faults:?}");
}

#[test]
fn ticks_that_take_all_the_time_get_their_part_of_it_also_of_a_service() {
    for point in [ExtensionPoint::StreamFilter, ExtensionPoint::Service] {
        let (worker, _budget) = Worker::within(BUDGET);
        let loaded = builtin("script").expect("it loads");
        let script = "start:everything tick:log";
        let factory = worker.start_at(point, &*loaded, script).expect("it starts");
        let ticks = seconds(&worker, || worker.host.ring());
        assert_eq!(ticks, [5, 5, 5], "{point:?}: of a hundred");
        check_left_out(&worker, 3 * 95);
        factory.stream_filter(&stream()).expect("the instance is well");
    }
}

#[test]
fn ticks_without_a_budget_all_come() {
    let worker = Worker::new();
    let _factory = worker.start("script", "start:everything tick:log").expect("it starts");
    assert_eq!(seconds(&worker, || worker.host.ring()), [100, 100, 100]);
}

#[test]
fn notices_of_queues_are_left_out_and_what_they_tell_of_stays() {
    let (worker, _budget) = Worker::within(BUDGET);
    let _factory = worker.start("script", "start:everything queue:log").expect("it starts");
    let host = &worker.host;
    (0..100).for_each(|_| host.enqueue(0, b"item").expect("a queue"));
    let lines = seconds(&worker, || host.notify());
    assert_eq!(lines, [6, 6, 6], "three notices, two lines each");
    check_left_out(&worker, 3 * 97);
}

#[test]
fn answers_come_and_are_charged_but_begin_no_further_call() {
    // The deed and the words of the answer are two lines.
    let (worker, budget) = Worker::within(SLOT * 2);
    let _factory = worker.start("script", "start:ask answer:ask").expect("it starts");
    let host = &worker.host;
    host.time.set(Duration::from_secs(1000));
    let answer = || {
        host.lines.take();
        let (_call, on_answer) = host.calls.borrow_mut().pop().expect("a call");
        on_answer(Err(OutboundError::Reset));
        host.lines.take().remove(0)
    };
    assert_eq!(answer(), "Info: Ok(())", "it calls again");
    assert!(budget.is_spent(host.time.get()));
    assert_eq!(answer(), "Info: Err(LimitReached)", "it hears of this one, and may not");
    assert_eq!(host.calls.borrow().len(), 0);
    check_left_out(&worker, 0);
}

#[test]
fn answers_of_streams_are_charged() {
    let (worker, budget) = Worker::within(SLOT);
    let script = "request_headers:call-context";
    let factory = worker.start("script", script).expect("it starts");
    let mut one = factory.stream_filter(&stream()).expect("a filter");
    drop(one.on_request_headers(&stream(), true));
    assert!(!budget.is_spent(worker.host.time.get()), "the pipeline measures hooks");
    let (_call, on_answer) = worker.host.calls.borrow_mut().pop().expect("a call");
    on_answer(Err(OutboundError::Reset));
    assert!(budget.is_spent(worker.host.time.get()));
}

#[test]
fn ends_are_charged_where_the_pipeline_does_not_measure_them() {
    let script = "complete:log connection_complete:log";
    for is_measured in [true, false] {
        let (worker, budget) = Worker::within(SLOT);
        let factory = worker.start("script", script).expect("it starts");
        let mut one = factory.stream_filter(&stream()).expect("a filter");
        if is_measured {
            one.on_complete(&stream()).expect("it ends well");
        }
        drop(one);
        assert_eq!(worker.host.lines.take(), ["Info: complete"]);
        assert_eq!(budget.is_spent(worker.host.time.get()), !is_measured);
        worker.host.time.set(Duration::from_secs(1000));
        let mut one = factory.network_filter(&connection()).expect("a filter");
        if is_measured {
            one.on_complete(&connection()).expect("it ends well");
        }
        drop(one);
        assert_eq!(worker.host.lines.take(), ["Info: connection_complete"]);
        assert_eq!(budget.is_spent(worker.host.time.get()), !is_measured);
    }
}
