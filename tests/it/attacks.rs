//! `mortise doctor --attack`: the evil plugins of the collection, against the built proxy.

use serde_json::Value;
use tests_support::{Finished, mortise};

fn attack(arguments: &[&str]) -> Finished {
    mortise(["doctor", "--attack"].iter().chain(arguments))
}

#[track_caller]
fn json(finished: &Finished) -> Value {
    serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:?}"))
}

#[test]
fn every_attack_is_contained_counted_and_named_and_the_neighbour_loses_nothing() {
    let finished = attack(&["--output", "json"]);
    let report = json(&finished);
    let attacks = report["attacks"].as_array().expect("attacks");
    let (skipped, tried): (Vec<_>, Vec<_>) =
        attacks.iter().partition(|attack| !attack["skipped"].is_null());
    for attack in skipped {
        println!("SKIPPED: {}: {}", attack["name"], attack["skipped"]);
    }
    for backend in ["wasm", "process"] {
        assert!(attacks.iter().any(|attack| attack["backend"] == backend), "{backend}");
    }
    assert!(tried.len() > 35, "{}", tried.len());
    let is_held =
        |attack: &Value| ["contained", "counted", "named"].iter().all(|word| attack[*word] == true);
    let loose: Vec<_> = tried.into_iter().filter(|attack| !is_held(attack)).collect();
    assert!(loose.is_empty(), "{loose:#?}");
    let neighbour = &report["neighbour"];
    assert_eq!(neighbour["failed"], 0, "{neighbour}");
    assert!(neighbour["requests"].as_u64() > Some(100), "{neighbour}");
    assert_eq!((finished.code, &report["broken"]), (Some(0), &Value::Null), "{finished:?}");
}

#[test]
fn a_person_reads_a_table() {
    let finished = attack(&["--filter", "recursion"]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let line = finished.stdout.lines().find(|line| line.starts_with("recursion"));
    let words: Vec<_> = line.expect("a line").split_whitespace().take(5).collect();
    assert_eq!(words, ["recursion", "wasm", "yes", "yes", "yes"]);
    assert!(finished.stdout.contains("1 of 1 attacks were contained"), "{finished:?}");
    assert!(finished.stdout.contains("the neighbour: "), "{finished:?}");
}

#[test]
fn a_filter_that_chooses_nothing_is_no_success() {
    let finished = attack(&["--filter", "no such attack", "-o", "json"]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert_eq!(json(&finished)["attacks"].as_array().map(Vec::len), Some(0));
}

#[test]
fn the_evil_child_is_not_for_people() {
    let finished = mortise(["plugin-attack"]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(!finished.stderr.is_empty(), "{finished:?}");
}
