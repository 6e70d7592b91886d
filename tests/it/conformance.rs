//! The conformance kit against the built proxy: every case passes, and no function is left out.

use std::path::PathBuf;

use expect_test::expect_file;
use serde_json::Value;
use tests_support::{Finished, mortise};

fn run(arguments: &[&str]) -> Finished {
    mortise(["conformance", "run"].iter().chain(arguments))
}

/// Everything passed; how many cases that were.
#[track_caller]
fn passed(arguments: &[&str]) -> u64 {
    let finished = run(&[arguments, &["--output", "json"]].concat());
    let report: Value = serde_json::from_str(&finished.stdout)
        .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {finished:?}"));
    let cases = report["cases"].as_array().expect("cases");
    let failed: Vec<_> = cases.iter().filter(|case| case["status"] != "passed").collect();
    assert!(failed.is_empty(), "{arguments:?}: {failed:#?}");
    assert_eq!(finished.code, Some(0), "{arguments:?}");
    let total = report["total"].as_u64().expect("a total");
    assert_eq!(report["passed"], total);
    assert_eq!(report["failed"], 0);
    assert_eq!(cases.len() as u64, total);
    total
}

#[test]
fn every_case_passes_with_every_version_of_the_interface() {
    assert!(passed(&["--abi", "0.2.1"]) > 1200);
    assert!(passed(&["--abi", "0.2.0"]) > 1200);
    assert!(passed(&["--abi", "0.1.0"]) > 1100);
}

#[test]
fn guests_of_sdks_pass_too() {
    let folder = tests_fixtures::greet().parent().map(PathBuf::from).expect("a folder");
    let folder = folder.to_str().expect("a path of letters");
    assert!(passed(&["--guests", folder, "--filter", "guest/"]) >= 1);
}

#[test]
fn every_function_is_covered_in_every_callback_where_it_matters() {
    let table = run(&["--coverage"]).stdout;
    println!("{table}");
    expect_file!["golden/conformance.txt"].assert_eq(&table);
    for version in abi_wasm::AbiVersion::ALL {
        let table = run(&["--coverage", "--abi", version.label()]).stdout;
        for function in version.functions() {
            let row = table.lines().find(|line| line.split(' ').next() == Some(function.name));
            assert!(row.is_some(), "no case for {} in {}", function.name, version.label());
        }
    }
}

#[test]
fn a_filter_chooses_cases_and_a_person_reads_one_line_for_each() {
    let finished = run(&["--filter", "proxy_log/request_headers/"]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let lines: Vec<_> = finished.stdout.lines().collect();
    let count = lines.iter().filter(|line| line.starts_with("passed proxy_log/")).count();
    assert!(count > 5, "{finished:?}");
    let total = format!("{count} cases, {count} passed, 0 failed");
    assert!(lines.last().is_some_and(|line| line.ends_with(&total)), "{finished:?}");
}

#[test]
fn a_filter_that_chooses_nothing_is_no_success() {
    let finished = run(&["--filter", "no such case"]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stdout.ends_with("no case's name holds `no such case`\n"), "{finished:?}");
}

#[test]
fn guests_that_were_asked_for_and_are_not_there_are_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_str().expect("a path of letters");
    let finished = run(&["--guests", path, "--filter", "proxy_log/request_headers/level 1"]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(finished.stdout.contains("guests were not there"), "{finished:?}");
}

#[test]
fn the_probe_is_written_and_a_proxy_that_is_not_there_fails_every_case() {
    let folder = tempfile::tempdir().expect("a folder");
    let probe = folder.path().join("probe.wasm");
    let arguments = ["conformance", "probe", "--out", probe.to_str().expect("a path of letters")];
    assert_eq!(mortise(arguments).code, Some(0));
    assert!(std::fs::read(&probe).expect("a probe").starts_with(b"\0asm"));
    let finished =
        run(&["--url", "http://127.0.0.1:1", "--filter", "proxy_log/request_headers/level 1"]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stdout.contains("1 cases, 0 passed, 1 failed"), "{finished:?}");
}
