//! What the tests of all rules use.

/// Fails with every complaint on a line of its own.
#[track_caller]
pub(crate) fn holds(wrong: &[String]) {
    assert!(wrong.is_empty(), "{} complaints:\n  {}", wrong.len(), wrong.join("\n  "));
}
