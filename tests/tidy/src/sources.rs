//! What the source files must and must not hold.
//!
//! Words are looked for in code only, where the rule is about code. The guests are no part of
//! the house: only the rules about text reach them. Start reading at [`unsafe_code`].

use crate::{
    code,
    tree::{Crate, File},
};

/// Where `unsafe` may be.
const UNSAFE: [&str; 5] =
    ["abi/native/", "host/net/", "plugins/native/", "sdk-rust/src/native", "sdk-rust/src/wasm/"];

/// Where data may be read from and written to files and wires by derive.
const SERDE: [&str; 3] = ["abi/", "host/config/", "sdk-rust/src/testing/tests"];

/// Where child processes are started; tests of libraries compile some, the doctor attacks one, and
/// an evil child tries.
const PROCESSES: [&str; 6] = [
    "plugins/process/",
    "tests/",
    "abi/native/src/table/tests.rs",
    "plugins/native/src/testing/",
    "host/server/src/attack.rs",
    "plugins/attacks/src/child/",
];

/// What computes only, and the calls that it must not make.
const PURE: [&str; 3] = ["host/codec/", "host/router/", "plugins/policy/"];
const IMPURE: [&str; 6] =
    ["Instant::now", "SystemTime::now", "thread::spawn", "std::fs", "std::net::Tcp", "std::env"];

/// How long a file may be, and those that are longer, each with the reason.
const LINES_MAX: usize = 600;
const LONG: [(&str, &str); 0] = [];

/// Test code that sleeps, each with the reason. Waiting for something is no reason.
const SLEEPERS: [(&str, &str); 2] = [
    ("host/pipeline/src/watch/tests.rs", "its clock is paused: a sleep moves it on"),
    ("tests/it/torture/traps.rs", "its load lasts for a time"),
];

/// Guests: compiled for a sandbox, in workspaces of their own.
const GUESTS: [&str; 2] = ["plugin-examples/", "tests/fixtures/guests/"];

/// `unsafe` stays in the crates that are named for it, and each block says why it is sound.
#[must_use]
pub fn unsafe_code(files: &[File]) -> Vec<String> {
    let mut wrong = Vec::new();
    for file in house(files) {
        let code = code::only(&file.text);
        if !code::has_word(&code, "unsafe") {
            continue;
        }
        if !under(&file.path, &UNSAFE) {
            wrong.push(format!("{}: no unsafe code here", file.path));
        }
        let lines: Vec<&str> = file.text.lines().collect();
        for (number, line) in code.lines().enumerate() {
            let opens = ["unsafe {", "unsafe impl"].iter().any(|start| line.contains(start));
            let above = lines.iter().take(number + 1).rev().take(10);
            if opens && !above.clone().any(|line| line.contains("SAFETY:")) {
                wrong.push(format!("{}:{}: no SAFETY comment", file.path, number + 1));
            }
        }
    }
    wrong
}

/// Only the configuration and the contracts are read and written by derive.
#[must_use]
pub fn serde_derives(files: &[File]) -> Vec<String> {
    complain(house(files).filter(|file| !under(&file.path, &SERDE)), |file| {
        let code = code::only(&file.text);
        let derives = ["Serialize", "Deserialize"].iter().any(|word| code::has_word(&code, word));
        derives.then(|| "only host-config and abi/* derive serde's traits".to_owned())
    })
}

/// Only one crate starts child processes.
#[must_use]
pub fn processes(files: &[File]) -> Vec<String> {
    complain(house(files).filter(|file| !under(&file.path, &PROCESSES)), |file| {
        let code = code::only(&file.text);
        code.contains("process::Command")
            .then(|| "only plugins/process starts processes".to_owned())
    })
}

/// Crates that compute do not ask the machine.
#[must_use]
pub fn pure_code(files: &[File]) -> Vec<String> {
    let pure = house(files).filter(|file| under(&file.path, &PURE) && !file.is_test());
    complain(pure, |file| {
        let code = code::only(&file.text);
        let call = IMPURE.iter().find(|call| code.contains(*call))?;
        Some(format!("`{call}` in a crate that computes only"))
    })
}

/// Files stay short enough to be read.
#[must_use]
pub fn sizes(files: &[File]) -> Vec<String> {
    complain(house(files).filter(|file| !is_unit_test(file)), |file| {
        let lines = file.text.lines().count();
        let exempt = LONG.iter().any(|(path, _)| file.path == *path);
        (lines > LINES_MAX && !exempt).then(|| format!("{lines} lines; at most {LINES_MAX}"))
    })
}

/// A module is a file of its own name.
#[must_use]
pub fn module_files(files: &[File]) -> Vec<String> {
    complain(house(files), |file| {
        file.path.ends_with("/mod.rs").then(|| "name the file after the module".to_owned())
    })
}

/// A file opens by saying what it is.
#[must_use]
pub fn headers(files: &[File]) -> Vec<String> {
    let told = house(files).filter(|file| !is_unit_test(file));
    complain(told, |file| {
        let opens = file.text.starts_with("//!");
        (!opens).then(|| "starts without `//!`: what is it, what does it never do?".to_owned())
    })
}

/// Words that do not belong into a finished tree.
#[must_use]
pub fn banned_words(files: &[File]) -> Vec<String> {
    // Put together here, so that this file does not hold them itself.
    let unfinished = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:")];
    let macros = [concat!("unimplem", "ented!"), concat!("to", "do!("), concat!("db", "g!(")];
    let machines = [
        concat!("/wo", "rk/"),
        concat!("/ho", "me/"),
        concat!("/ro", "ot/"),
        concat!("/Us", "ers/"),
        concat!("/tm", "p/"),
    ];
    let ours = |file: &&File| {
        file.ends_with(&[".rs", ".md", ".toml", ".yaml", ".yml", ".json", ".ts", ".zig", ".wat"])
            || file.path.starts_with(".ci/")
    };
    complain(files.iter().filter(ours), |file| {
        let all = unfinished.iter().chain(&macros).chain(&machines);
        let word = all.into_iter().find(|word| file.text.contains(*word))?;
        let line = file.text.lines().position(|line| line.contains(word)).unwrap_or_default() + 1;
        Some(format!("`{word}` in line {line}"))
    })
}

/// A test waits for what it waits for, not for a time.
#[must_use]
pub fn sleeps(files: &[File]) -> Vec<String> {
    complain(house(files).filter(|file| file.is_test()), |file| {
        let code = code::only(&file.text);
        let exempt = SLEEPERS.iter().any(|(path, _)| file.path == *path);
        let sleeps = code::has_word(&code, "sleep") && code.contains("sleep(");
        (sleeps && !exempt).then(|| "sleeps; wait for the event instead".to_owned())
    })
}

/// A test that is left out says why.
#[must_use]
pub fn ignored_tests(files: &[File]) -> Vec<String> {
    complain(house(files), |file| {
        let bare = code::only(&file.text).contains("#[ignore]");
        bare.then(|| "`#[ignore]` without a reason".to_owned())
    })
}

/// Every crate takes the workspace's lints.
#[must_use]
pub fn lints(crates: &[Crate], files: &[File]) -> Vec<String> {
    let takes = |each: &&Crate| {
        let manifest = format!("{}/Cargo.toml", each.folder);
        let text = files.iter().find(|file| file.path == manifest).map(|file| file.text.as_str());
        text.is_some_and(|text| text.contains("[lints]\nworkspace = true"))
    };
    let wrong = crates.iter().filter(|each| !takes(each));
    wrong.map(|each| format!("{} does not take the workspace's lints", each.name)).collect()
}

/// The Rust files of the house.
fn house(files: &[File]) -> impl Iterator<Item = &File> {
    files.iter().filter(|file| file.path.ends_with(".rs") && !under(&file.path, &GUESTS))
}

/// Tests beside the module that they test: sentences that need no introduction.
fn is_unit_test(file: &File) -> bool {
    file.path.ends_with("/tests.rs") || file.path.contains("/tests/")
}

fn under(path: &str, folders: &[&str]) -> bool {
    folders.iter().any(|folder| path.starts_with(folder))
}

fn complain<'a>(
    files: impl Iterator<Item = &'a File>,
    about: impl Fn(&File) -> Option<String>,
) -> Vec<String> {
    files.filter_map(|file| Some(format!("{}: {}", file.path, about(file)?))).collect()
}

#[cfg(test)]
mod tests;
