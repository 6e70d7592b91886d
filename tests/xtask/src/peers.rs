//! Real clients and servers of RPC protocols, which the end-to-end tests put before and behind
//! the proxy: libraries for Node and for Java, from their package registries.
//!
//! Where one cannot be fetched its tests are skipped, and say so.

use std::{fs, path::PathBuf};

use anyhow::Result;

use crate::{
    run::{Report, command, root},
    setup::{newer, note, output},
};

/// Fetches and builds them.
pub(crate) fn fetch(report: &mut Report) {
    node(report);
    java(report);
}

/// The libraries for Node, as their lock file has them.
fn node(report: &mut Report) {
    let step = "fetch RPC peers for Node";
    let folder = sources().join("node");
    if newer(&folder.join("node_modules/.package-lock.json"), &folder.join("package-lock.json")) {
        println!("the RPC peers for Node are there");
        return;
    }
    if output(command("npm").arg("--version")).is_err() {
        return report.skip(step, "there is no npm (install Node.js 20 or newer)");
    }
    let mut fetch = command("npm");
    if report.step(step, fetch.args(["ci", "--ignore-scripts"]).current_dir(&folder)).is_err() {
        report.forgive(step, "npm could not fetch them (offline?)");
    }
}

/// The libraries for Java with our programs over them, in `target/peers/java`.
fn java(report: &mut Report) {
    let step = "build RPC peers for Java";
    let made = root().join("target/peers/java");
    let stamp = made.join("sources.txt");
    let text = java_sources().unwrap_or_default();
    if fs::read_to_string(&stamp).is_ok_and(|built| built == text) {
        println!("the RPC peers for Java are there");
        return;
    }
    if output(command("mvn").arg("--version")).is_err() {
        return report.skip(step, "there is no mvn (install a JDK of 17 or newer, and Maven)");
    }
    drop(fs::remove_file(&stamp));
    let mut build = command("mvn");
    build.args(["--quiet", "--batch-mode"]).arg(format!("-Dpeers.target={}", made.display()));
    build.args(["package", "dependency:copy-dependencies"]).current_dir(sources().join("java"));
    if report.step(step, &mut build).is_err() {
        return report.forgive(step, "Maven could not build them (offline?)");
    }
    note(&stamp, &text);
}

/// All that the programs for Java are made of.
fn java_sources() -> Result<String> {
    let folder = sources().join("java");
    let mut files = vec![folder.join("pom.xml")];
    for directory in ["src/main/java/peers", "src/main/resources"] {
        for entry in fs::read_dir(folder.join(directory))? {
            files.push(entry?.path());
        }
    }
    files.sort();
    files.iter().try_fold(String::new(), |all, file| Ok(all + &fs::read_to_string(file)?))
}

fn sources() -> PathBuf {
    root().join("tests/fixtures/peers")
}
