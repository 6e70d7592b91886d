#![expect(clippy::disallowed_methods, reason = "the test needs some instant to count from")]

use super::*;

#[test]
fn lines_past_the_limit_are_counted_and_told_with_the_next_one() {
    let limits = PluginLimits { log_lines_per_second_max: 2, ..PluginLimits::default() };
    let mut gate = Gate::new(&limits);
    let now = Instant::now();
    let passes: Vec<_> = (0..4).map(|_line| gate.pass(now)).collect();
    assert_eq!(passes, [Pass::After(0), Pass::After(0), Pass::Drop, Pass::Drop]);
    assert_eq!(gate.pass(now + Duration::from_secs(1)), Pass::After(2));
    assert_eq!(gate.pass(now + Duration::from_secs(1)), Pass::After(0));
}

#[test]
fn a_long_line_is_cut_between_characters() {
    let limits = PluginLimits { log_line_bytes_max: 3, ..PluginLimits::default() };
    let gate = Gate::new(&limits);
    assert_eq!(gate.cut("aäö"), "aä [2 bytes cut off]");
    assert_eq!(gate.cut("abc"), "abc");
    assert_eq!(gate.cut("ää"), "ä [2 bytes cut off]");
}
