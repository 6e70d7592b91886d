//! Runs as they are printed.

use super::*;

#[test]
fn a_run_is_shown_with_its_figures_and_what_was_wrong() {
    let text = r#"{"name":"r1","passed":false,"build":"dev","figures":{"lost":2},"wrong":["two"]}"#;
    let runs = parse(text).expect("a run");
    let [run] = runs.as_slice() else { panic!("{runs:?}") };
    let shown = shown(run);
    assert!(shown.starts_with("r1 (dev build): FAILED\n"), "{shown}");
    assert!(shown.contains("lost") && shown.contains("2.0"), "{shown}");
    assert!(shown.ends_with("wrong: two"), "{shown}");
    assert!(parse("{").is_err());
}

#[test]
fn a_crate_is_asked_for_the_runs_that_it_may_have() {
    for (only, yes) in [("", true), ("r1", true), ("r11", true), ("r11-wasm", true), ("r9", false)] {
        assert_eq!(may_have(&["r10", "r11"], only), yes, "{only}");
    }
}
