use std::{cell::RefCell, rc::Rc, thread};

use host_extension::{CallError, HostCalls, MetricKind, QueueId, Subject, Subscription};
use plugins_shared::SharedLimits;
use tokio::{
    runtime::{Builder, LocalOptions},
    sync::mpsc,
};

use super::*;
use crate::{WorkerCalls, testing};

/// Runs on a loop as a worker has it.
fn on_a_worker<T>(work: impl AsyncFnOnce(WorkerCalls, Arc<SharedState>) -> T) -> T {
    on_a_worker_with(SharedState::default(), work)
}

fn on_a_worker_with<T>(
    state: SharedState,
    work: impl AsyncFnOnce(WorkerCalls, Arc<SharedState>) -> T,
) -> T {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
    let commons = Commons { state: Arc::new(state), ..Commons::default() };
    let state = Arc::clone(&commons.state);
    let calls = testing::calls().with_commons(commons);
    runtime.expect("a loop").block_on(work(calls, state))
}

/// A place at the queue `jobs`, and what is told there.
fn place(calls: &WorkerCalls) -> (QueueId, Subscription, mpsc::UnboundedReceiver<QueueId>) {
    let (sender, told) = mpsc::unbounded_channel();
    let ready = Rc::new(move |queue| sender.send(queue).expect("the test listens"));
    let (queue, subscription) = calls.register_queue("n", b"jobs", ready).expect("a place");
    (queue, subscription, told)
}

fn take(calls: &WorkerCalls, queue: QueueId) -> CallResult<Vec<u8>> {
    let mut item = Vec::new();
    calls.dequeue(queue, &mut |bytes| item = bytes.to_vec())?;
    Ok(item)
}

#[test]
fn every_item_of_another_thread_is_told_once_on_the_loop() {
    on_a_worker(async |calls, state| {
        let (queue, _place, mut told) = place(&calls);
        assert_eq!(calls.resolve_queue("n", b"jobs"), Ok(queue));
        thread::spawn(move || {
            for item in 0..100_u8 {
                assert_eq!(state.enqueue(queue, &[item]), Ok(()));
            }
        });
        for item in 0..100_u8 {
            assert_eq!(told.recv().await, Some(queue));
            assert_eq!(take(&calls, queue), Ok(vec![item]));
        }
        assert_eq!(take(&calls, queue), Err(CallError::Empty));
        yield_now().await;
        assert!(told.is_empty());
    });
}

#[test]
fn nobody_is_told_from_within_the_call_that_puts_an_item_in() {
    on_a_worker(async |calls, _state| {
        let (queue, _place, mut told) = place(&calls);
        assert_eq!(calls.enqueue(queue, b"item"), Ok(()));
        assert!(told.try_recv().is_err());
        assert_eq!(told.recv().await, Some(queue));
    });
}

#[test]
fn who_gave_the_place_up_is_not_told_of_what_was_waiting_and_the_one_before_is() {
    on_a_worker(async |calls, _state| {
        let (queue, first, mut first_told) = place(&calls);
        let (_, second, mut second_told) = place(&calls);
        assert_eq!(calls.enqueue(queue, b"one"), Ok(()));
        drop(second);
        assert_eq!(calls.enqueue(queue, b"two"), Ok(()));
        // Of the first item as well, which nobody was told of.
        assert_eq!(first_told.recv().await, Some(queue));
        assert_eq!(first_told.recv().await, Some(queue));
        yield_now().await;
        assert!(first_told.is_empty());
        assert_eq!(second_told.recv().await, None, "the closure is gone, and was not called");
        drop(first);
        assert_eq!(calls.enqueue(queue, b"three"), Ok(()));
        assert_eq!(first_told.recv().await, None);
    });
}

#[test]
fn a_place_may_be_given_up_by_what_is_called_there() {
    on_a_worker(async |calls, _state| {
        let held = Rc::<RefCell<Option<Subscription>>>::default();
        let (sender, mut told) = mpsc::unbounded_channel();
        let own = Rc::clone(&held);
        let ready = Rc::new(move |queue| {
            drop(own.take());
            sender.send(queue).expect("the test listens");
        });
        let (queue, subscription) = calls.register_queue("n", b"jobs", ready).expect("a place");
        held.replace(Some(subscription));
        assert_eq!(calls.enqueue(queue, b"one"), Ok(()));
        assert_eq!(calls.enqueue(queue, b"two"), Ok(()));
        assert_eq!(told.recv().await, Some(queue));
        assert_eq!(told.recv().await, None, "the second one is not told");
    });
}

#[test]
fn more_news_than_items_is_no_news() {
    let state = SharedState::new(SharedLimits { items_max: 2, ..SharedLimits::default() });
    on_a_worker_with(state, async |calls, _state| {
        let (queue, _place, mut told) = place(&calls);
        for _ in 0..5 {
            assert_eq!(calls.enqueue(queue, b"x"), Ok(()));
            assert_eq!(take(&calls, queue), Ok(b"x".to_vec()));
        }
        assert_eq!(told.recv().await, Some(queue));
        assert_eq!(told.recv().await, Some(queue));
        for _ in 0..3 {
            yield_now().await;
        }
        assert!(told.is_empty());
    });
}

#[test]
fn the_places_of_a_worker_have_a_limit_and_are_given_back() {
    on_a_worker(async |calls, _state| {
        let ready = || Rc::new(|_queue| {});
        let register = |name: usize| calls.register_queue("n", &name.to_le_bytes(), ready());
        let mut held: Vec<_> = (0..PLACES_MAX).map(|place| register(place % 16)).collect();
        assert!(held.iter().all(Result::is_ok));
        assert_eq!(register(0).map(drop), Err(CallError::LimitReached));
        held.pop();
        assert!(register(0).is_ok());
    });
}

#[test]
fn data_metrics_and_functions_reach_what_is_common() {
    on_a_worker(async |calls, state| {
        assert_eq!(calls.set_shared_data("n", b"k", b"v", 0), Ok(()));
        let mut shown = None;
        let mut show = |value: &[u8], version| shown = Some((value.to_vec(), version));
        assert_eq!(state.data("n", b"k", &mut show), Ok(()));
        let (_, version) = shown.clone().expect("a value");
        let mut show = |value: &[u8], version| shown = Some((value.to_vec(), version));
        assert_eq!(calls.shared_data("n", b"k", &mut show), Ok(()));
        assert_eq!(shown, Some((b"v".to_vec(), version)));
        let stale = calls.set_shared_data("n", b"k", b"w", version + 1);
        assert_eq!(stale, Err(CallError::Conflict));

        let metric = calls.define_metric("p", MetricKind::Gauge, "open").expect("a metric");
        assert_eq!(calls.record_metric("p", metric, 5), Ok(()));
        assert_eq!(calls.increment_metric("p", metric, -2), Ok(()));
        assert_eq!(calls.metric("p", metric), Ok(3));
        assert_eq!(calls.metric("q", metric), Err(CallError::NotFound));

        let mut shown = false;
        let mut show = |_result: &[u8]| shown = true;
        assert_eq!(calls.foreign(Subject::Host, b"compress", b"x", &mut show), Ok(()));
        assert!(shown);
        let unknown = calls.foreign(Subject::Host, b"no such", b"", &mut |_result| {});
        assert_eq!(unknown, Err(CallError::NotFound));
    });
}

#[test]
fn what_set_envoy_filter_state_sets_can_be_read() {
    on_a_worker(async |calls, _state| {
        let stream = testing::stream();
        let subject = Subject::Stream(&stream);
        let argument = b"\x0a\x03key\x12\x05value";
        let set = calls.foreign(subject, b"set_envoy_filter_state", argument, &mut |_result| {});
        assert_eq!(set, Ok(()));
        let value = host_extension::PropertyValue::Bytes(b"value".to_vec());
        assert_eq!(calls.property(subject, &[b"filter_state", b"key"]), Ok(value));
    });
}
