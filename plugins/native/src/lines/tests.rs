use std::time::{Duration, SystemTime};

use host_types::PluginLimits;

use super::{LineGate, harmless};

#[test]
fn a_second_has_so_many_lines() {
    let limits = PluginLimits { log_lines_per_second_max: 2, ..PluginLimits::default() };
    let mut gate = LineGate::new(&limits);
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(9);
    let passed: Vec<_> = (0..4).map(|_| gate.pass(now)).collect();
    assert_eq!(passed, [Some(0), Some(0), None, None]);
    assert_eq!(gate.pass(now + Duration::from_secs(1)), Some(2));
}

#[test]
fn a_long_line_is_cut() {
    let limits = PluginLimits { log_line_bytes_max: 3, ..PluginLimits::default() };
    let gate = LineGate::new(&limits);
    assert_eq!(gate.text(b"abc"), "abc");
    assert_eq!(gate.text(b"abcde"), "abc [2 bytes cut off]");
    assert_eq!(&*gate.cut(b"abcde"), "abc");
}

#[test]
fn words_of_a_plugin_are_one_harmless_line() {
    assert_eq!(harmless("it's \"so\"\n\u{1b}[31m"), "it's \"so\"\\n\\u{1b}[31m");
    assert_eq!(harmless(&"x".repeat(5000)).len(), 1000);
}
