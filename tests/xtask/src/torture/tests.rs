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
fn crates_are_asked_for_the_runs_that_they_may_have() {
    let names = |only: &str| -> Vec<&str> {
        WITHIN.iter().filter(|run| run.may_be(only)).map(|run| run.what).collect()
    };
    assert_eq!(names("").len(), WITHIN.len());
    assert_eq!(names("r11-wasm"), ["guests and libraries"]);
    assert_eq!(names("r12").len(), WITHIN.len());
    assert_eq!(names("r12-native-lifecycles"), ["guests and libraries"]);
    assert!(names("r14").is_empty());
}

#[test]
fn who_tells_nothing_is_told_of() {
    let file = std::env::temp_dir().join(format!("runs-{}", std::process::id()));
    for run in &WITHIN {
        run.tell(&file, true, Duration::from_secs(2)).expect("told");
    }
    let runs = parse(&fs::read_to_string(&file).expect("a file")).expect("runs");
    fs::remove_file(file).expect("removed");
    let names: Vec<_> = runs.iter().filter_map(|run| run["name"].as_str()).collect();
    assert_eq!(
        names,
        ["r12-process-lifecycles", "r12-pipeline-lifecycles", "r12-network-lifecycles"]
    );
}
