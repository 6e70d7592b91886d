use std::time::Duration;

use super::{Clock, Stopwatch};

#[test]
fn a_stopwatch_sums_what_was_measured_and_nothing_between() {
    let (mock_clock, mock) = quanta::Clock::mock();
    let clock = Clock(mock_clock);
    let watch = Stopwatch::default();
    let answer = watch.measure(&clock, || {
        mock.increment(Duration::from_micros(3));
        7
    });
    mock.increment(Duration::from_secs(1));
    watch.measure(&clock, || mock.increment(Duration::from_micros(4)));
    assert_eq!(answer, 7);
    assert_eq!(watch.elapsed(&clock), Duration::from_micros(7));
}

#[test]
fn time_that_runs_backwards_counts_as_none() {
    let (mock_clock, mock) = quanta::Clock::mock();
    let clock = Clock(mock_clock);
    mock.increment(1000_u64);
    let late = clock.tick();
    mock.decrement(500_u64);
    assert_eq!(clock.since(late), Duration::ZERO);
    let watch = Stopwatch::default();
    watch.add(late, clock.tick());
    assert_eq!(watch.elapsed(&clock), Duration::ZERO);
}
