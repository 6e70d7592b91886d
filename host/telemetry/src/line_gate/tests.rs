use super::*;

fn gate() -> LineGate {
    LineGate::new(&PluginLimits {
        log_lines_per_second_max: 2,
        log_line_bytes_max: 4,
        ..PluginLimits::default()
    })
}

fn second(number: u64) -> Duration {
    Duration::from_millis(number * 1000 + 1)
}

#[test]
fn lines_past_the_rate_are_dropped_and_told_with_the_next_one() {
    use LinePass::{After, Drop};
    let mut gate = gate();
    let passes = [0, 0, 0, 0, 1, 1, 1].map(|number| gate.pass(second(number)));
    assert_eq!(passes, [After(0), After(0), Drop, Drop, After(2), After(0), Drop]);
    assert_eq!(gate.pass(second(0)), After(1), "a clock that was set back opens it, too");
}

#[test]
fn a_shut_gate_opens_with_the_next_second_and_knows_what_was_left_out() {
    let mut gate = gate();
    assert!(!gate.is_shut(second(3)));
    gate.pass(second(3));
    assert!(!gate.is_shut(second(3)));
    gate.pass(second(3));
    assert!(gate.is_shut(second(3)));
    gate.leave_out(1000);
    assert!(!gate.is_shut(second(4)));
    assert_eq!(gate.pass(second(4)), LinePass::After(1000));
    gate.leave_out(u64::MAX);
    gate.leave_out(1);
    assert_eq!(gate.pass(second(4)), LinePass::After(u64::MAX));
}

#[test]
fn a_gate_for_no_lines_is_always_shut() {
    let limits = PluginLimits { log_lines_per_second_max: 0, ..PluginLimits::default() };
    let mut gate = LineGate::new(&limits);
    assert_eq!([0, 0, 1].map(|number| gate.pass(second(number))), [LinePass::Drop; 3]);
}

#[test]
fn long_lines_are_cut_between_characters_and_odd_bytes_replaced() {
    let gate = gate();
    for (line, cut, text) in [
        ("abcd".as_bytes(), "abcd", "abcd"),
        (b"abcdef", "abcd", "abcd [2 bytes cut off]"),
        ("häää".as_bytes(), "hä", "hä [4 bytes cut off]"),
        (b"a\xffb", "a\u{fffd}b", "a\u{fffd}b"),
        (b"", "", ""),
    ] {
        assert_eq!(gate.cut(line), cut);
        assert_eq!(gate.text(line), text);
    }
}
