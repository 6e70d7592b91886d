use std::time::{Duration, SystemTime};

use host_types::PluginLimits;

use super::{LogGate, Pass};

fn gate() -> LogGate {
    LogGate::new(&PluginLimits {
        log_lines_per_second_max: 2,
        log_line_bytes_max: 4,
        ..PluginLimits::default()
    })
}

#[test]
fn lines_past_the_rate_are_dropped_and_counted() {
    let mut gate = gate();
    let second = |number: u64| SystemTime::UNIX_EPOCH + Duration::from_millis(number * 1000 + 1);
    let passes = [1, 1, 1, 1, 2, 2].map(|number| gate.pass(second(number)));
    let expect =
        [Pass::After(0), Pass::After(0), Pass::Drop, Pass::Drop, Pass::After(2), Pass::After(0)];
    assert_eq!(passes, expect);
}

#[test]
fn long_lines_are_cut_and_odd_bytes_replaced() {
    let gate = gate();
    assert_eq!(gate.text(b"abcd"), "abcd");
    assert_eq!(gate.text(b"abcdef"), "abcd [2 bytes cut off]");
    assert_eq!(gate.text(b"a\xffb"), "a\u{fffd}b");
}
