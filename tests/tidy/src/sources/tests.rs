use super::*;
use crate::tests::holds;

fn real() -> Vec<File> {
    crate::tree::files().expect("the tree can be read")
}

/// Each rule holds for the real tree; it complains of a bad file and not of a good one.
#[track_caller]
fn check(rule: fn(&[File]) -> Vec<String>, bad: (&str, &str), good: (&str, &str)) {
    let wrong = rule(&[File::new(bad.0, bad.1)]);
    assert_eq!(wrong.len(), 1, "{}: {wrong:?}", bad.0);
    assert!(wrong[0].starts_with(bad.0), "{wrong:?}");
    holds(&rule(&[File::new(good.0, good.1)]));
    holds(&rule(&real()));
}

const BLOCK: &str = "//! It.\nfn f() {\n    unsafe { g() }\n}\n";
const SAFE_BLOCK: &str = "//! It.\nfn f() {\n    // SAFETY: so.\n    unsafe { g() }\n}\n";

#[test]
fn unsafe_code_stays_in_its_crates() {
    check(
        unsafe_code,
        ("host/router/src/lib.rs", SAFE_BLOCK),
        ("host/router/src/lib.rs", "//! No unsafe code.\n#![deny(unsafe_code)]\n"),
    );
}

#[test]
fn unsafe_blocks_say_why_they_are_sound() {
    check(unsafe_code, ("host/net/src/a.rs", BLOCK), ("host/net/src/a.rs", SAFE_BLOCK));
}

#[test]
fn only_the_configuration_and_the_contracts_derive_serde() {
    let text = "//! It.\n#[derive(Clone, Serialize)]\nstruct A;\n";
    check(serde_derives, ("host/pipeline/src/a.rs", text), ("host/config/src/a.rs", text));
}

#[test]
fn only_one_crate_starts_processes() {
    let text = "//! It.\nuse std::process::Command;\n";
    check(processes, ("host/server/src/a.rs", text), ("plugins/process/src/a.rs", text));
}

#[test]
fn crates_that_compute_do_not_ask_the_machine() {
    let text = "//! It.\nfn f() { let now = std::time::Instant::now(); }\n";
    check(pure_code, ("host/router/src/a.rs", text), ("host/router/src/a/tests.rs", text));
}

#[test]
fn files_are_short() {
    let long = "//! It.\n".repeat(LINES_MAX + 1);
    check(sizes, ("host/net/src/a.rs", &long), ("host/net/src/a/tests.rs", &long));
}

#[test]
fn a_module_is_a_file_of_its_name() {
    check(module_files, ("host/net/src/a/mod.rs", "//! It.\n"), ("host/net/src/a.rs", "//! It.\n"));
}

#[test]
fn files_open_by_saying_what_they_are() {
    let path = "host/net/src/a.rs";
    check(headers, (path, "use std::fmt;\n"), (path, "//! It.\n\nuse std::fmt;\n"));
}

#[test]
fn nothing_unfinished_and_no_machine_is_in_the_tree() {
    let path = "host/net/src/a.rs";
    for word in [concat!("// TO", "DO later"), concat!("dbg", "!(x)"), concat!("/ho", "me/a")] {
        check(banned_words, (path, word), (path, "// done\n"));
    }
}

#[test]
fn tests_do_not_sleep() {
    let text = "fn a() { std::thread::sleep(LONG); }\n";
    check(sleeps, ("host/net/src/a/tests.rs", text), ("host/net/src/a.rs", text));
    check(sleeps, ("tests/it/a.rs", text), ("tests/it/a.rs", "// does not sleep()\n"));
}

#[test]
fn a_test_that_is_left_out_says_why() {
    let path = "tests/it/a.rs";
    check(
        ignored_tests,
        (path, "#[test]\n#[ignore]\nfn a() {}\n"),
        (path, "#[test]\n#[ignore = \"needs root\"]\nfn a() {}\n"),
    );
}

#[test]
fn every_crate_takes_the_lints() {
    let crates = crate::tree::crates().expect("cargo knows the workspace");
    holds(&lints(&crates, &real()));
    let one = [Crate { name: "a-b".into(), folder: "a/b".into(), ..Crate::default() }];
    let manifest = |text| [File::new("a/b/Cargo.toml", text)];
    holds(&lints(&one, &manifest("[lints]\nworkspace = true\n")));
    assert_eq!(lints(&one, &manifest("[package]\n")).len(), 1);
    assert_eq!(lints(&one, &[]).len(), 1);
}
