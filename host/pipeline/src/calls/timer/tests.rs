use std::cell::{Cell, RefCell};

use super::*;
use crate::testing::local;

const PERIOD: Duration = Duration::from_millis(100);

/// Lets that much of the paused clock pass, and the timer see it.
async fn pass(time: Duration) {
    tokio::time::advance(time).await;
    for _ in 0..3 {
        tokio::task::yield_now().await;
    }
}

/// A timer that counts.
fn counting(outbound: &Outbound) -> (Subscription, Rc<Cell<u32>>) {
    let ticks = Rc::new(Cell::new(0));
    let counted = Rc::clone(&ticks);
    let tick = Rc::new(move || counted.set(counted.get() + 1));
    (start(outbound, PERIOD, tick).unwrap(), ticks)
}

#[test]
fn the_first_tick_comes_after_one_period_and_the_last_before_it_is_dropped() {
    local(async {
        tokio::time::pause();
        let outbound = Outbound::default();
        let (timer, ticks) = counting(&outbound);
        pass(Duration::ZERO).await;
        pass(PERIOD * 9 / 10).await;
        assert_eq!(ticks.get(), 0);
        pass(PERIOD).await;
        assert_eq!(ticks.get(), 1);
        for _ in 0..3 {
            pass(PERIOD).await;
        }
        assert_eq!(ticks.get(), 4);
        drop(timer);
        pass(PERIOD * 3).await;
        assert_eq!(ticks.get(), 4);
        assert_eq!(Rc::strong_count(&ticks), 1, "nothing is left of it");
    });
}

#[test]
fn ticks_that_were_missed_are_left_out() {
    local(async {
        tokio::time::pause();
        let outbound = Outbound::default();
        let (_timer, ticks) = counting(&outbound);
        pass(PERIOD / 2).await;
        pass(PERIOD * 10).await;
        pass(PERIOD / 4).await;
        assert_eq!(ticks.get(), 1);
        pass(PERIOD).await;
        assert_eq!(ticks.get(), 2);
    });
}

#[test]
fn a_tick_may_end_its_own_timer() {
    local(async {
        tokio::time::pause();
        let outbound = Outbound::default();
        let (own, ticks) = (Rc::new(RefCell::new(None)), Rc::new(Cell::new(0)));
        let (held, counted) = (Rc::clone(&own), Rc::clone(&ticks));
        let tick = Rc::new(move || {
            counted.set(counted.get() + 1);
            held.take();
        });
        own.replace(Some(start(&outbound, PERIOD, tick).unwrap()));
        for _ in 0..5 {
            pass(PERIOD).await;
        }
        assert_eq!(ticks.get(), 1);
    });
}

#[test]
fn no_time_at_all_is_refused_and_the_longest_never_ends() {
    local(async {
        let outbound = Outbound::default();
        let none = start(&outbound, Duration::ZERO, Rc::new(|| {}));
        assert_eq!(none.err(), Some(CallError::BadArgument));
        let _longest = start(&outbound, Duration::MAX, Rc::new(|| {})).unwrap();
        tokio::task::yield_now().await;
    });
}
