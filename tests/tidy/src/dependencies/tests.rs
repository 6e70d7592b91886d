use super::*;
use crate::tests::holds;

/// A made-up crate that needs these.
fn needs(name: &str, dependencies: &[&str]) -> Vec<Crate> {
    let dependencies = dependencies.iter().map(|name| (*name).to_owned()).collect();
    let folder = name.replace('-', "/");
    vec![Crate { name: name.to_owned(), folder, dependencies, ..Crate::default() }]
}

#[track_caller]
fn refuses(wrong: &[String], about: &str) {
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    assert!(wrong[0].contains(about), "{wrong:?} does not tell of {about}");
}

fn real() -> Vec<Crate> {
    crate::tree::crates().expect("cargo knows the workspace")
}

#[test]
fn crates_need_lower_floors_only() {
    holds(&direction(&real()));
    refuses(&direction(&needs("host-types", &["host-router"])), "host-router");
    refuses(&direction(&needs("host-router", &["host-net"])), "host-net");
    refuses(&direction(&needs("host-pipeline", &["host-config"])), "host-config");
    refuses(&direction(&needs("host-cellar", &[])), "no floor");
    refuses(&direction(&needs("host-server", &["tests-support"])), "serves tests");
    holds(&direction(&needs("host-server", &["host-config", "tokio"])));
    holds(&direction(&needs("tests-it", &["tests-support", "host-server"])));
}

#[test]
fn a_crate_is_named_by_its_path() {
    holds(&names(&real()));
    let mut moved = needs("host-types", &[]);
    moved[0].folder = "host/nouns".to_owned();
    refuses(&names(&moved), "host/nouns");
}

#[test]
fn only_the_catalogue_and_the_server_name_a_backend() {
    holds(&backends_are_unknown(&real()));
    refuses(&backends_are_unknown(&needs("host-pipeline", &["plugins-wasm"])), "plugins-wasm");
    holds(&backends_are_unknown(&needs("plugins-catalog", &["plugins-native"])));
}

#[test]
fn plugin_crates_see_neither_the_pipeline_nor_the_configuration() {
    holds(&plugins_are_apart(&real()));
    refuses(&plugins_are_apart(&needs("plugins-catalog", &["host-router"])), "host-router");
    holds(&plugins_are_apart(&needs("plugins-catalog", &["host-extension"])));
}

#[test]
fn crates_that_compute_have_no_runtime_and_no_clock() {
    holds(&pure_crates(&real()));
    refuses(&pure_crates(&needs("host-router", &["tokio"])), "tokio");
    refuses(&pure_crates(&needs("plugins-policy", &["fastrand"])), "fastrand");
}

#[test]
fn heavy_libraries_have_one_home() {
    holds(&homes(&real()));
    refuses(&homes(&needs("host-server", &["wasmtime"])), "wasmtime");
    refuses(&homes(&needs("plugins-wasm", &["tonic-prost"])), "tonic-prost");
    holds(&homes(&needs("plugins-wasm", &["wasmtime", "wasmparser"])));
}

#[test]
fn the_lock_file_has_nothing_that_is_banned() {
    let read = |name| std::fs::read_to_string(crate::tree::root().join(name)).expect(name);
    let deny = read("deny.toml");
    holds(&banned(&deny, &read("Cargo.lock")));
    assert!(deny.contains("{ crate = \""), "the bans are read as they are written");
    refuses(&banned(&deny, "[[package]]\nname = \"serde_yaml\"\n"), "serde_yaml");
}
