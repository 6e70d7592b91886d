use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Wake,
};

use super::*;

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn all_who_wait_are_woken_once_and_who_comes_later_passes() {
    let (alarm, woken) = (Alarm::default(), Arc::new(Woken::default()));
    let waker = Waker::from(Arc::clone(&woken));
    let mut context = Context::from_waker(&waker);
    let (mut one, mut two) = (pin!(alarm.wait()), pin!(alarm.wait()));
    for _ in 0..3 {
        assert!(one.as_mut().poll(&mut context).is_pending());
        assert!(two.as_mut().poll(&mut context).is_pending());
    }
    alarm.raise();
    assert_eq!(woken.0.load(Ordering::Relaxed), 2);
    assert!(one.as_mut().poll(&mut context).is_ready());
    assert!(pin!(alarm.wait()).poll(&mut context).is_ready());
    alarm.raise();
    assert_eq!(woken.0.load(Ordering::Relaxed), 2, "nobody waits any more");
}

#[test]
fn the_newest_waker_is_the_one_that_is_called() {
    let alarm = Alarm::default();
    let (old, new) = (Arc::new(Woken::default()), Arc::new(Woken::default()));
    let mut waiting = pin!(alarm.wait());
    for woken in [&old, &new] {
        let waker = Waker::from(Arc::clone(woken));
        assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    alarm.raise();
    assert_eq!((old.0.load(Ordering::Relaxed), new.0.load(Ordering::Relaxed)), (0, 1));
}

#[test]
fn who_goes_away_leaves_no_waker_and_its_place_to_the_next() {
    let (alarm, woken) = (Alarm::default(), Arc::new(Woken::default()));
    let waker = Waker::from(Arc::clone(&woken));
    for _ in 0..1000 {
        let mut waiting = pin!(alarm.wait());
        assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    assert_eq!(alarm.places(), 1);
    drop(waker);
    assert_eq!(Arc::strong_count(&woken), 1);
}
