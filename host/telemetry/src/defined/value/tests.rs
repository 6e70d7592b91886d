use host_extension::{CallError, MetricKind};

use super::Value;

const REFUSED: Result<(), CallError> = Err(CallError::BadArgument);

#[test]
fn a_counter_goes_upwards_only_and_recording_adds() {
    let counter = Value::new(MetricKind::Counter);
    assert_eq!(counter.increment(3), Ok(()));
    counter.record(4);
    for by in [0, -1, i64::MIN] {
        assert_eq!(counter.increment(by), REFUSED);
    }
    assert_eq!(counter.read(), Ok(7));
    counter.record(u64::MAX);
    assert_eq!(counter.read(), Ok(6), "it wraps around");
}

#[test]
fn a_gauge_is_set_and_moves_below_zero() {
    let gauge = Value::new(MetricKind::Gauge);
    gauge.record(5);
    gauge.record(2);
    assert_eq!(gauge.increment(-4), Ok(()));
    assert_eq!(gauge.read(), Ok(u64::MAX - 1), "as an unsigned number, 2^64 - 2");
    assert_eq!(gauge.increment(0), Ok(()));
    assert_eq!(gauge.increment(3), Ok(()));
    assert_eq!(gauge.read(), Ok(1));
    gauge.record(u64::MAX);
    assert_eq!(gauge.increment(1), Ok(()));
    assert_eq!(gauge.read(), Ok(0));
}

#[test]
fn a_histogram_only_observes() {
    let histogram = Value::new(MetricKind::Histogram);
    assert_eq!(histogram.increment(1), REFUSED);
    assert_eq!(histogram.read(), Err(CallError::BadArgument));
    for value in [0, 1, 2, 1_000_000_000, 1_000_000_001, u64::MAX] {
        histogram.record(value);
    }
    let Value::Histogram(observations) = histogram else { panic!("it is a histogram") };
    let filled: Vec<_> =
        observations.buckets().into_iter().filter(|(_bound, count)| *count > 0).collect();
    assert_eq!(filled, [(1.0, 2), (5.0, 1), (1e9, 1), (f64::INFINITY, 2)]);
}
