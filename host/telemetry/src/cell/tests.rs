use std::time::Duration;

use super::{Counter, Gauge, Histogram, LabelledCounters};

#[test]
fn a_counter_wraps_and_a_gauge_saturates() {
    let counter = Counter::default();
    counter.add(u64::MAX);
    counter.add(3);
    assert_eq!(counter.value(), 2);
    let gauge = Gauge::default();
    gauge.set(i64::MIN);
    gauge.decrement();
    assert_eq!(gauge.value(), i64::MIN);
    gauge.set(-1);
    gauge.increment();
    gauge.increment();
    assert_eq!(gauge.value(), 1);
}

#[test]
fn a_duration_on_a_bound_falls_into_the_bucket_of_that_bound() {
    let histogram = Histogram::new(&[10, 20]);
    for micros in [1, 10, 11, 20, 21, u64::MAX] {
        histogram.observe(Duration::from_micros(micros));
    }
    let mut read = histogram.read();
    assert_eq!(read.buckets(), [(1e-5, 2), (2e-5, 2), (f64::INFINITY, 2)]);
    read.merge(&histogram);
    assert_eq!(read.count(), 12);
    assert_eq!(histogram.count(), 6);
}

#[test]
fn an_unknown_label_is_counted_as_other() {
    let counters = LabelledCounters::new(&["a", "b"]);
    counters.of("b").increment();
    counters.at(0).add(2);
    counters.of("c").increment();
    counters.at(7).increment();
    let mut shown = Vec::new();
    counters.for_each(&mut |label, count| shown.push((label, count)));
    assert_eq!(shown, [("a", 2), ("b", 1), ("other", 2)]);
}
