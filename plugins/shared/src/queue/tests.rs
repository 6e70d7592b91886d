use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use host_extension::CallError;
use proptest::prelude::*;

use super::{ITEM_OVERHEAD, Queue, Ready};
use crate::{SharedLimits, budget::Budget};

fn queue(items_max: usize, bytes_max: usize) -> (Arc<Queue>, Arc<Budget>) {
    let limits = SharedLimits { items_max, registrations_max: 3, ..SharedLimits::default() };
    let bytes = Arc::new(Budget::new(bytes_max));
    (Arc::new(Queue::new(7, "a".into(), &limits, Arc::clone(&bytes))), bytes)
}

/// Something that counts how often it was told.
fn counting() -> (Ready, Arc<AtomicUsize>) {
    let told = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&told);
    let ready = move |queue| {
        assert_eq!(queue, 7);
        count.fetch_add(1, Relaxed);
    };
    (Arc::new(ready), told)
}

#[test]
fn only_the_newest_registrant_is_told_and_items_stay() {
    let (queue, _bytes) = queue(10, 1000);
    let (first, first_told) = counting();
    let _first = queue.register(first).expect("a place");
    assert_eq!(queue.enqueue(b"one"), Ok(()));
    assert_eq!(queue.dequeue().as_deref(), Ok(&b"one"[..]));
    let (second, second_told) = counting();
    let second = queue.register(second).expect("a place");
    assert_eq!(queue.enqueue(b"two"), Ok(()));
    assert_eq!((first_told.load(Relaxed), second_told.load(Relaxed)), (1, 1));
    assert_eq!(queue.dequeue().as_deref(), Ok(&b"two"[..]));
    drop(second);
    assert_eq!(queue.enqueue(b""), Ok(()), "an item may be empty");
    assert_eq!((first_told.load(Relaxed), second_told.load(Relaxed)), (2, 1));
    assert_eq!(queue.dequeue().as_deref(), Ok(&b""[..]));
    assert_eq!(queue.dequeue(), Err(CallError::Empty));
}

#[test]
fn who_becomes_the_newest_is_told_of_what_is_there() {
    let (queue, _bytes) = queue(10, 1000);
    for item in [&b"before"[..], b"anybody", b"came"] {
        assert_eq!(queue.enqueue(item), Ok(()));
    }
    let (first, first_told) = counting();
    let _first = queue.register(first).expect("a place");
    assert_eq!(first_told.load(Relaxed), 3, "once for each item");
    let (second, second_told) = counting();
    let second = queue.register(second).expect("a place");
    assert_eq!((first_told.load(Relaxed), second_told.load(Relaxed)), (3, 3));
    // It goes before it took more than one of them out.
    assert_eq!(queue.dequeue().as_deref(), Ok(&b"before"[..]));
    drop(second);
    assert_eq!((first_told.load(Relaxed), second_told.load(Relaxed)), (5, 3));
    for item in [&b"anybody"[..], b"came"] {
        assert_eq!(queue.dequeue().as_deref(), Ok(item));
    }
}

#[test]
fn an_older_registrant_that_goes_changes_nothing() {
    let (queue, _bytes) = queue(10, 1000);
    let (first, first_told) = counting();
    let first = queue.register(first).expect("a place");
    let (second, second_told) = counting();
    let _second = queue.register(second).expect("a place");
    assert_eq!(queue.enqueue(b"x"), Ok(()));
    drop(first);
    assert_eq!(queue.enqueue(b"x"), Ok(()));
    assert_eq!((first_told.load(Relaxed), second_told.load(Relaxed)), (0, 2));
}

#[test]
fn places_items_and_bytes_have_limits() {
    let (queue, bytes) = queue(2, 2 * ITEM_OVERHEAD + 3);
    let place = || queue.register(counting().0);
    let places = [place(), place(), place()];
    assert_eq!(place().map(drop), Err(CallError::LimitReached));
    drop(places);
    assert!(place().is_ok());

    assert_eq!(queue.enqueue(b"1234"), Ok(()));
    assert_eq!(queue.enqueue(b""), Err(CallError::LimitReached), "the bytes are used up");
    assert_eq!(queue.dequeue().as_deref(), Ok(&b"1234"[..]));
    assert_eq!(bytes.used(), 0);
    assert_eq!(queue.enqueue(b"1"), Ok(()));
    assert_eq!(queue.enqueue(b"2"), Ok(()));
    assert_eq!(queue.enqueue(b""), Err(CallError::LimitReached), "two items are enough");
}

proptest! {
    #[test]
    fn a_queue_behaves_as_a_queue(
        steps in prop::collection::vec(prop::option::of(0..30_usize), 1..80)
    ) {
        let (queue, bytes) = queue(5, 200);
        let mut model = VecDeque::<Vec<u8>>::new();
        for step in steps {
            let Some(length) = step else {
                let wanted = model.pop_front().ok_or(CallError::Empty);
                prop_assert_eq!(queue.dequeue().map(Vec::from), wanted);
                continue;
            };
            let item = vec![b'x'; length];
            let used: usize = model.iter().map(|item| item.len() + ITEM_OVERHEAD).sum();
            let fits = model.len() < 5 && used + length + ITEM_OVERHEAD <= 200;
            let wanted = if fits { Ok(()) } else { Err(CallError::LimitReached) };
            prop_assert_eq!(queue.enqueue(&item), wanted);
            if fits {
                model.push_back(item);
            }
        }
        let used: usize = model.iter().map(|item| item.len() + ITEM_OVERHEAD).sum();
        prop_assert_eq!(bytes.used(), used);
    }
}
