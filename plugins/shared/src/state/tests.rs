use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
};

use host_extension::{CallError, CallResult, QueueId};

use super::SharedState;
use crate::{Registration, SharedLimits};

fn value(state: &SharedState, namespace: &str, key: &[u8]) -> CallResult<(Vec<u8>, u32)> {
    let mut found = None;
    state.data(namespace, key, &mut |value, version| found = Some((value.to_vec(), version)))?;
    Ok(found.expect("what is there is shown"))
}

fn register(state: &SharedState, namespace: &str) -> CallResult<(QueueId, Registration)> {
    state.register_queue(namespace, b"jobs", Arc::new(|_queue| {}))
}

fn next(state: &SharedState, queue: QueueId) -> CallResult<Vec<u8>> {
    let mut item = None;
    state.dequeue(queue, &mut |bytes| item = Some(bytes.to_vec()))?;
    Ok(item.expect("what is taken is shown"))
}

#[test]
fn namespaces_know_nothing_of_each_other() {
    let state = SharedState::default();
    assert_eq!(value(&state, "a", b"k"), Err(CallError::NotFound));
    assert_eq!(state.set_data("a", b"k", b"of a", 0), Ok(()));
    assert_eq!(value(&state, "b", b"k"), Err(CallError::NotFound));
    assert_eq!(state.set_data("b", b"k", b"of b", 0), Ok(()));
    assert_eq!(value(&state, "a", b"k").expect("a value").0, b"of a");

    assert_eq!(state.resolve_queue("a", b"jobs"), Err(CallError::NotFound));
    let (first, _first) = register(&state, "a").expect("a queue");
    assert_eq!(state.resolve_queue("b", b"jobs"), Err(CallError::NotFound));
    let (second, _second) = register(&state, "b").expect("a queue");
    assert_ne!(first, second);
    assert_eq!(state.resolve_queue("a", b"jobs"), Ok(first));
    assert_eq!(state.resolve_queue("c", b"jobs"), Err(CallError::NotFound));
}

#[test]
fn a_queue_that_is_registered_again_keeps_its_number_and_its_items() {
    let state = SharedState::default();
    let (queue, registration) = register(&state, "a").expect("a queue");
    assert_eq!(state.enqueue(queue, b"job"), Ok(()));
    drop(registration);
    let (again, _registration) = register(&state, "a").expect("a queue");
    assert_eq!(again, queue);
    assert_eq!(next(&state, queue).as_deref(), Ok(&b"job"[..]));
    assert_eq!(next(&state, queue), Err(CallError::Empty));
    assert_eq!(next(&state, queue + 1), Err(CallError::NotFound));
    assert_eq!(state.enqueue(0, b""), Err(CallError::NotFound));
}

#[test]
fn a_namespace_that_is_let_go_leaves_no_version_and_no_number_that_means_something() {
    let state = SharedState::default();
    let (stays, _stays) = register(&state, "stays").expect("a queue");
    let (goes, _goes) = register(&state, "goes").expect("a queue");
    assert_eq!(state.set_data("goes", b"k", b"old", 0), Ok(()));
    assert_eq!(state.set_data("stays", b"k", b"old", 0), Ok(()));
    let (_, old) = value(&state, "goes", b"k").expect("a value");

    state.retain_namespaces(|name| name == "stays");
    assert_eq!(value(&state, "goes", b"k"), Err(CallError::NotFound));
    assert_eq!(state.enqueue(goes, b""), Err(CallError::NotFound));
    assert_eq!(state.resolve_queue("goes", b"jobs"), Err(CallError::NotFound));
    assert_eq!(state.enqueue(stays, b""), Ok(()));
    assert!(value(&state, "stays", b"k").is_ok());

    assert_eq!(state.set_data("goes", b"k", b"new", 0), Ok(()));
    assert_eq!(state.set_data("goes", b"k", b"late", old), Err(CallError::Conflict));
    let (fresh, _fresh) = register(&state, "goes").expect("a queue");
    assert_ne!(fresh, goes);
}

#[test]
fn a_version_is_never_zero() {
    let state = SharedState::default();
    state.last_version.store(u32::MAX - 1, Relaxed);
    let versions = [b"a", b"b", b"c"].map(|key| {
        assert_eq!(state.set_data("n", key, b"", 0), Ok(()));
        value(&state, "n", key).expect("a value").1
    });
    assert_eq!(versions, [u32::MAX, 1, 2]);
}

#[test]
fn what_is_too_large_or_too_many_is_refused_before_anything_is_kept() {
    let state = SharedState::new(SharedLimits {
        namespaces_max: 2,
        key_bytes_max: 3,
        value_bytes_max: 4,
        queues_max: 1,
        queue_name_bytes_max: 4,
        item_bytes_max: 5,
        ..SharedLimits::default()
    });
    let full = Err(CallError::LimitReached);
    assert_eq!(state.set_data("a", b"long", b"", 0), full);
    assert_eq!(state.set_data("a", b"key", b"large", 0), full);
    assert!(state.namespaces.read().is_empty(), "a refused call makes no namespace");
    assert_eq!(state.set_data("a", b"key", b"1234", 0), Ok(()));

    let (queue, _place) = register(&state, "a").expect("a queue");
    let ready = || Arc::new(|_queue| {});
    assert_eq!(state.register_queue("a", b"more", ready()).map(drop), full);
    assert_eq!(state.register_queue("b", b"a long name", ready()).map(drop), full);
    assert_eq!(state.enqueue(queue, b"123456"), full);

    assert_eq!(state.set_data("b", b"k", b"", 0), Ok(()));
    assert_eq!(state.set_data("c", b"k", b"", 0), full);
    assert_eq!(register(&state, "c").map(drop), full);
    assert!(register(&state, "b").is_ok());
}

#[test]
fn keys_that_full_namespaces_let_go_of_are_counted() {
    let state = SharedState::new(SharedLimits { keys_max: 2, ..SharedLimits::default() });
    for key in [b"a", b"b", b"c", b"d"] {
        assert_eq!(state.set_data("n", key, b"value", 0), Ok(()));
        assert_eq!(state.set_data("other", b"k", b"value", 0), Ok(()));
    }
    assert_eq!(state.evicted(), 2);
    assert_eq!(value(&state, "n", b"b"), Err(CallError::NotFound));
    assert!(value(&state, "n", b"d").is_ok() && value(&state, "other", b"k").is_ok());
}

#[test]
fn a_plugin_may_call_again_while_it_is_shown_something() {
    let state = SharedState::default();
    assert_eq!(state.set_data("n", b"k", b"one", 0), Ok(()));
    let (queue, _place) = register(&state, "n").expect("a queue");
    assert_eq!(state.enqueue(queue, b"item"), Ok(()));
    let mut set = Err(CallError::NotFound);
    let shown = state.data("n", b"k", &mut |_value, version| {
        set = state.set_data("n", b"k", b"two", version);
        state.retain_namespaces(|_name| true);
    });
    assert_eq!((shown, set), (Ok(()), Ok(())));
    let mut put = Err(CallError::NotFound);
    let taken = state.dequeue(queue, &mut |item| put = state.enqueue(queue, item));
    assert_eq!((taken, put), (Ok(()), Ok(())));
}

/// Counts one step further; a conflict where somebody else did meanwhile.
fn step(state: &SharedState) -> CallResult<()> {
    let (count, version) = value(state, "n", b"count")?;
    let count = u64::from_le_bytes(count.try_into().expect("a number"));
    state.set_data("n", b"count", &(count + 1).to_le_bytes(), version)
}

/// A counter that is kept by comparing versions loses no step, whoever takes part.
#[test]
fn threads_that_compare_versions_lose_no_step() {
    const THREADS: usize = 4;
    const STEPS: usize = 500;
    let state = SharedState::default();
    let count = || {
        while step(&state) == Err(CallError::Conflict) {}
    };
    assert_eq!(state.set_data("n", b"count", &0_u64.to_le_bytes(), 0), Ok(()));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| (0..STEPS).for_each(|_step| count()));
        }
    });
    let (count, _version) = value(&state, "n", b"count").expect("a value");
    assert_eq!(count, ((THREADS * STEPS) as u64).to_le_bytes());
}

/// While another namespace comes and goes, every item that was taken was put in once, there is a word
/// for each of them, and nothing is left over in the end.
#[test]
fn threads_that_share_a_queue_take_every_item_once() {
    const ITEMS: usize = 1000;
    let state = SharedState::default();
    let told = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&told);
    let ready = Arc::new(move |_queue| {
        count.fetch_add(1, Relaxed);
    });
    let (queue, _place) = state.register_queue("n", b"jobs", ready).expect("a queue");
    let taken = AtomicUsize::new(0);
    let sum = AtomicUsize::new(0);
    let put_in = |part: usize| {
        for item in (part..ITEMS).step_by(2) {
            assert_eq!(state.enqueue(queue, &item.to_le_bytes()), Ok(()));
        }
    };
    let take_out = || {
        while taken.load(Relaxed) < ITEMS {
            let Ok(item) = next(&state, queue) else { continue };
            let item = usize::from_le_bytes(item.try_into().expect("a number"));
            sum.fetch_add(item, Relaxed);
            taken.fetch_add(1, Relaxed);
        }
    };
    thread::scope(|scope| {
        for part in 0..2 {
            scope.spawn(move || put_in(part));
            scope.spawn(take_out);
        }
        scope.spawn(|| {
            for _ in 0..100 {
                assert_eq!(state.set_data("other", b"k", b"v", 0), Ok(()));
                let _place = register(&state, "other").map(drop);
                state.retain_namespaces(|name| name == "n");
            }
        });
    });
    assert_eq!(sum.load(Relaxed), ITEMS * (ITEMS - 1) / 2);
    assert_eq!(told.load(Relaxed), ITEMS);
    assert_eq!(next(&state, queue), Err(CallError::Empty));
    assert_eq!(state.queues.read().known.len(), 1);
}

#[test]
fn the_namespace_of_a_queue_is_told_for_as_long_as_it_is_there() {
    let state = SharedState::default();
    let (queue, _place) = register(&state, "home").expect("a queue");
    let told = |queue| {
        let mut told = String::new();
        state.queue_namespace(queue, &mut |namespace| told.push_str(namespace)).map(|()| told)
    };
    assert_eq!(told(queue).as_deref(), Ok("home"));
    assert_eq!(told(queue + 1), Err(CallError::NotFound));
    state.retain_namespaces(|_name| false);
    assert_eq!(told(queue), Err(CallError::NotFound));
}

/// How many of the keys `0` to `9`, of 1000 bytes each, are kept.
fn kept(state: &SharedState, namespace: &str) -> usize {
    (0..10_u8).filter(|key| value(state, namespace, &[*key]).is_ok()).count()
}

fn fill(state: &SharedState, namespace: &str) {
    for key in 0..10_u8 {
        assert_eq!(state.set_data(namespace, &[key], &[0; 1000], 0), Ok(()));
    }
}

#[test]
fn a_namespace_keeps_no_more_than_its_quota_and_others_what_they_may() {
    let state = SharedState::default();
    state.set_data_quotas([("small".to_owned(), 4 * 1200)].into());
    for namespace in ["small", "other"] {
        fill(&state, namespace);
    }
    assert_eq!((kept(&state, "small"), kept(&state, "other")), (4, 10));
    assert!(value(&state, "small", &[9]).is_ok(), "the newest stay");
    let large = state.set_data("small", b"k", &[0; 5000], 0);
    assert_eq!(large, Err(CallError::LimitReached), "no room would do");
    assert_eq!(kept(&state, "small"), 4, "and nothing was let go for it");
}

#[test]
fn a_quota_that_changes_holds_for_what_is_there_already() {
    let state = SharedState::default();
    fill(&state, "n");
    state.set_data_quotas([("n".to_owned(), 2 * 1200)].into());
    assert_eq!(kept(&state, "n"), 2);
    assert_eq!(state.evicted(), 8);
    state.set_data_quotas([("n".to_owned(), 100 * 1200)].into());
    fill(&state, "n");
    assert_eq!(kept(&state, "n"), 10, "it may grow again");
    state.set_data_quotas([("n".to_owned(), 0)].into());
    assert_eq!(kept(&state, "n"), 0);
    state.set_data_quotas(std::collections::HashMap::new());
    fill(&state, "n");
    assert_eq!(kept(&state, "n"), 10, "without a quota the limit of all rules");
}

#[test]
fn no_quota_is_above_the_limit_of_all_namespaces() {
    let limits = SharedLimits { data_bytes_max: 3 * 1200, ..SharedLimits::default() };
    let state = SharedState::new(limits);
    state.set_data_quotas([("n".to_owned(), usize::MAX)].into());
    fill(&state, "n");
    assert_eq!(kept(&state, "n"), 3);
}
