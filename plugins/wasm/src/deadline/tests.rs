use std::time::Duration;

use wasmtime::UpdateDeadline;

use super::{Deadline, ticks};

#[test]
fn ticks_are_rounded_up_and_never_none() {
    assert_eq!(ticks(Duration::ZERO), 1);
    assert_eq!(ticks(Duration::from_millis(5)), 5);
    assert_eq!(ticks(Duration::from_micros(5001)), 6);
    assert!(ticks(Duration::MAX) > 1 << 40);
}

#[test]
fn who_used_no_processor_time_in_the_second_half_is_given_more() {
    let mut deadline = Deadline::default();
    assert_eq!(deadline.begin(Duration::from_secs(60)), 30_000);
    assert!(matches!(deadline.fire(), UpdateDeadline::Continue(30_000)));
    // Whatever the wall clock says, this thread has not used half a minute since.
    assert!(matches!(deadline.fire(), UpdateDeadline::Continue(29_000..=30_000)));
}

#[test]
fn who_used_it_is_interrupted_and_the_next_call_begins_anew() {
    let mut deadline = Deadline::default();
    deadline.begin(Duration::ZERO);
    assert!(matches!(deadline.fire(), UpdateDeadline::Continue(1)));
    assert!(matches!(deadline.fire(), UpdateDeadline::Interrupt));
    deadline.begin(Duration::from_secs(60));
    assert!(matches!(deadline.fire(), UpdateDeadline::Continue(_)));
}
