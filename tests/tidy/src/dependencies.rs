//! Which crate may need which: the direction of the house and its walls.
//!
//! Only what is built into a crate counts; what its tests need is free. Start reading at
//! [`FLOORS`].

use crate::tree::Crate;

/// The floors, from the ground up. A crate needs only crates of lower floors.
pub const FLOORS: [&[&str]; 8] = [
    &["abi-manifest", "abi-wasm", "abi-process", "abi-native", "host-types"],
    &["host-extension", "mortise-sdk"],
    &["host-telemetry", "plugins-policy", "plugins-shared"],
    &[
        "host-net",
        "host-codec",
        "host-router",
        "plugins-wasm",
        "plugins-process",
        "plugins-native",
        "plugins-conformance",
    ],
    &["host-upstream", "plugins-catalog", "plugins-attacks"],
    &["host-pipeline"],
    &["host-config"],
    &["host-server"],
];

/// How plugins run.
const BACKENDS: [&str; 3] = ["plugins-wasm", "plugins-process", "plugins-native"];

/// Who may name a backend.
const KNOW_BACKENDS: [&str; 2] = ["plugins-catalog", "host-server"];

/// What no plugin crate may see.
const NOT_FOR_PLUGINS: [&str; 4] = ["host-pipeline", "host-router", "host-upstream", "host-config"];

/// Crates that compute only, and what they must not have.
const PURE: [&str; 3] = ["host-codec", "host-router", "plugins-policy"];
const NOT_FOR_PURE: [&str; 9] = [
    "tokio",
    "tokio-util",
    "hyper",
    "quanta",
    "fastrand",
    "rand",
    "getrandom",
    "rustix",
    "socket2",
];

/// Plugins for tests.
const GUESTS: &str = "tests/fixtures/guests/";

/// Libraries with one home, by the start of their names.
const HOMES: [(&str, &[&str]); 3] = [
    ("wasmtime", &["plugins-wasm"]),
    ("tonic", &["plugins-process", "abi-process", "mortise-sdk", "host-xds"]),
    ("libloading", &["plugins-native"]),
];

/// Every crate has a floor, and needs lower floors only.
#[must_use]
pub fn direction(crates: &[Crate]) -> Vec<String> {
    let mut wrong = Vec::new();
    for each in product(crates) {
        let Some(own) = floor(&each.name) else {
            wrong.push(format!("{} has no floor in tests/tidy/src/dependencies.rs", each.name));
            continue;
        };
        for needed in &each.dependencies {
            if floor(needed).is_some_and(|floor| floor >= own) {
                wrong.push(format!("{} must not need {needed}: not a lower floor", each.name));
            }
            if needed.starts_with("tests-") {
                wrong.push(format!("{} must not need {needed}: it serves tests", each.name));
            }
        }
    }
    wrong
}

/// A crate's name is its path with dashes. The SDK has the name under which it is published, and
/// plugins that tests compile in have the names of plugins.
#[must_use]
pub fn names(crates: &[Crate]) -> Vec<String> {
    let wrong = crates
        .iter()
        .filter(|each| each.folder != "sdk-rust" && !each.folder.starts_with(GUESTS))
        .filter(|each| each.name != each.folder.replace('/', "-"));
    wrong
        .map(|each| format!("{} lives in {}: the name is the path", each.name, each.folder))
        .collect()
}

/// Only the catalogue and the server know which backends there are.
#[must_use]
pub fn backends_are_unknown(crates: &[Crate]) -> Vec<String> {
    let strangers = product(crates).filter(|each| !KNOW_BACKENDS.contains(&each.name.as_str()));
    forbidden(strangers, &BACKENDS, "only the catalogue and the server name a backend")
}

/// What runs plugins knows neither the way of a request nor the configuration.
#[must_use]
pub fn plugins_are_apart(crates: &[Crate]) -> Vec<String> {
    let plugins = product(crates).filter(|each| each.name.starts_with("plugins-"));
    forbidden(plugins, &NOT_FOR_PLUGINS, "a plugin crate sees the contract only")
}

/// Crates that compute have no runtime, no clock, no randomness.
#[must_use]
pub fn pure_crates(crates: &[Crate]) -> Vec<String> {
    let pure = product(crates).filter(|each| PURE.contains(&each.name.as_str()));
    forbidden(pure, &NOT_FOR_PURE, "this crate computes only")
}

/// Heavy libraries have one home each.
#[must_use]
pub fn homes(crates: &[Crate]) -> Vec<String> {
    let mut wrong = Vec::new();
    for each in product(crates) {
        for (library, homes) in HOMES.iter().filter(|(_, homes)| !homes.contains(&&*each.name)) {
            let needed = each.dependencies.iter().filter(|name| name.starts_with(library));
            wrong.extend(needed.map(|name| format!("{} needs {name}: only {homes:?}", each.name)));
        }
    }
    wrong
}

/// The lock file holds no crate that `deny.toml` bans. This is checked here too, because
/// cargo-deny is not on every machine.
#[must_use]
pub fn banned(deny: &str, lock: &str) -> Vec<String> {
    let names = deny.lines().filter_map(|line| {
        let (_, rest) = line.trim().split_once("{ crate = \"")?;
        rest.split('"').next()
    });
    names
        .filter(|name| lock.contains(&format!("\nname = \"{name}\"\n")))
        .map(|name| format!("Cargo.lock has {name}, which deny.toml bans"))
        .collect()
}

fn forbidden<'a>(
    crates: impl Iterator<Item = &'a Crate>,
    forbidden: &[&str],
    why: &str,
) -> Vec<String> {
    let mut wrong = Vec::new();
    for each in crates {
        for needed in each.dependencies.iter().filter(|name| forbidden.contains(&name.as_str())) {
            wrong.push(format!("{} must not need {needed}: {why}", each.name));
        }
    }
    wrong
}

/// What is part of the proxy, not of its tests.
fn product(crates: &[Crate]) -> impl Iterator<Item = &Crate> {
    crates.iter().filter(|each| !each.folder.starts_with("tests/"))
}

fn floor(name: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&name))
}

#[cfg(test)]
mod tests;
