use super::{FILE_CHARS_MAX, NAME_CHARS_MAX, file, function};

#[test]
fn names_are_told_as_their_programmers_wrote_them() {
    assert_eq!(function("plain"), "plain");
    assert_eq!(function("_ZN4core9panicking5panic17h0123456789abcdefE"), "core::panicking::panic");
    assert_eq!(function("_RNvC6_123foo3bar"), "123foo::bar");
    assert_eq!(
        function("_ZN10proxy_wasm6Filter9on_configEi"),
        "proxy_wasm::Filter::on_config(int)"
    );
    assert_eq!(function("_Zbroken"), "_Zbroken");
    assert_eq!(function("main.(*Filter).OnHeaders"), "main.(*Filter).OnHeaders");
}

#[test]
fn names_are_one_short_line() {
    assert_eq!(function("a\nb\x1b[31m\0"), r"a\nb\u{1b}[31m\u{0}");
    let long = "x".repeat(100_000);
    assert_eq!(function(&long).chars().count(), NAME_CHARS_MAX + 2);
    // Each of these names comes to far more than it is long.
    let nested = format!("_ZN{}E", "3foo".repeat(1000));
    assert!(function(&nested).chars().count() <= NAME_CHARS_MAX + 2);
    let doubling = "_Z1fI1aE".to_owned() + &"N1bIS_S_E".repeat(30);
    assert!(function(&doubling).chars().count() <= NAME_CHARS_MAX + 2);
}

#[test]
fn files_are_told_with_their_directory() {
    assert_eq!(file("/builds/filter/src/lib.rs"), "src/lib.rs");
    assert_eq!(file("lib.rs"), "lib.rs");
    assert_eq!(file(r"C:\filter\main.cc"), "filter/main.cc");
    assert_eq!(file(""), "");
    assert_eq!(file(&"y".repeat(1000)).chars().count(), FILE_CHARS_MAX + 2);
}
