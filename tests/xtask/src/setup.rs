//! What the examples are compiled with, and the peers of the tests. The Rust target is a must; the compilers of the other
//! languages are fetched where that is possible, and missed loudly where it is not.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{
    children, mosn, peers,
    run::{Report, command, root},
};

/// The target of the Rust guests.
pub(crate) const TARGET: &str = "wasm32-wasip1";

/// The step's name in the table, and the example's folder.
pub(crate) const ASSEMBLYSCRIPT: &str = "greet-assemblyscript";
/// The step's name in the table, and the example's folder.
pub(crate) const ZIG: &str = "greet-zig";
/// The step's name in the table, and the example's folder; the Zig compiler builds it.
pub(crate) const CPP: &str = "greet-cpp";
/// The step's name in the table, and the example's folder.
pub(crate) const GO: &str = "greet-go";
/// The examples that are not in Rust.
pub(crate) const FOREIGN: [&str; 4] = [ASSEMBLYSCRIPT, ZIG, CPP, GO];

/// Adds everything.
pub(crate) fn all(report: &mut Report) -> Result<()> {
    rust_target(report)?;
    assemblyscript(report);
    zig(report);
    go(report);
    children::fetch(report);
    peers::fetch(report);
    mosn::fetch(report);
    Ok(())
}

/// The standard library for Wasm guests.
fn rust_target(report: &mut Report) -> Result<()> {
    let directory = output(command("rustc").args(["--print", "target-libdir", "--target", TARGET]))
        .context("rustc is needed")?;
    if Path::new(directory.trim()).is_dir() {
        println!("the Rust target {TARGET} is there");
        return Ok(());
    }
    if output(command("rustup").arg("--version")).is_err() {
        bail!("the Rust target {TARGET} is missing, and there is no rustup to add it with");
    }
    report.step("add Wasm target", command("rustup").args(["target", "add", TARGET]))
}

/// The AssemblyScript compiler, as the example's lock file has it.
fn assemblyscript(report: &mut Report) {
    let folder = root().join("plugin-examples").join(ASSEMBLYSCRIPT);
    if newer(&folder.join("node_modules/.package-lock.json"), &folder.join("package-lock.json")) {
        println!("the AssemblyScript compiler is there");
        return;
    }
    if output(command("npm").arg("--version")).is_err() {
        return report.skip(ASSEMBLYSCRIPT, "there is no npm (install Node.js 20 or newer)");
    }
    let step = "fetch AssemblyScript";
    let mut fetch = command("npm");
    if report.step(step, fetch.arg("ci").current_dir(&folder)).is_err() {
        report.forgive(step, "npm could not fetch it (offline?)");
    }
}

/// The Zig compiler, which comes as a Python package, in an environment of its own.
fn zig(report: &mut Report) {
    let step = "fetch Zig";
    let wanted = root().join("plugin-examples").join(ZIG).join("requirements.txt");
    let environment = root().join("target/tools/python");
    let stamp = environment.join("ziglang.txt");
    let text = fs::read_to_string(&wanted).unwrap_or_default();
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == text) {
        println!("the Zig compiler is there");
        return;
    }
    if output(command("python3").arg("--version")).is_err() {
        return report.skip(ZIG, "there is no python3");
    }
    let mut make = command("python3");
    let made = report.step("make Python environment", make.args(["-m", "venv"]).arg(&environment));
    if made.is_err() {
        return report.forgive("make Python environment", "python3 has no venv module");
    }
    let mut fetch = command(python());
    fetch.args(["-m", "pip", "install", "--quiet", "--requirement"]).arg(&wanted);
    if report.step(step, &mut fetch).is_err() {
        return report.forgive(step, "pip could not fetch it (offline?)");
    }
    note(&stamp, &text);
}

/// The libraries of the Go example, as its list of sums has them; Go itself must be there.
fn go(report: &mut Report) {
    if !go_serves() {
        return report.skip(GO, "there is no go (install Go 1.24 or newer)");
    }
    let folder = root().join("plugin-examples").join(GO);
    let stamp = go_modules();
    let text = fs::read_to_string(folder.join("go.sum")).unwrap_or_default();
    if fs::read_to_string(&stamp).is_ok_and(|fetched| fetched == text) {
        println!("the Go SDK is there");
        return;
    }
    let step = "fetch Go SDK";
    let mut fetch = command("go");
    if report.step(step, fetch.args(["mod", "download"]).current_dir(&folder)).is_err() {
        return report.forgive(step, "go could not fetch it (offline?)");
    }
    note(&stamp, &text);
}

/// Remembers what was installed.
pub(crate) fn note(stamp: &Path, text: &str) {
    let folder = stamp.parent().map_or(Ok(()), fs::create_dir_all);
    if let Err(error) = folder.and_then(|()| fs::write(stamp, text)) {
        println!("{}: {error}", stamp.display());
    }
}

/// True where a Go is installed that is new enough for the example.
fn go_serves() -> bool {
    let folder = root().join("plugin-examples").join(GO);
    let mut ask = command("go");
    ask.args(["list", "-m"]).env("GOTOOLCHAIN", "local").current_dir(folder);
    output(&mut ask).is_ok()
}

/// True where Go and what the example needs of it are there.
pub(crate) fn has_go() -> bool {
    go_modules().exists() && go_serves()
}

fn go_modules() -> PathBuf {
    root().join("target/tools/go-modules.txt")
}

/// The Python that has the Zig compiler, where [`zig`] could fetch it.
pub(crate) fn python() -> PathBuf {
    root().join("target/tools/python/bin/python")
}

/// True where the AssemblyScript compiler is there.
pub(crate) fn has_assemblyscript() -> bool {
    root().join("plugin-examples").join(ASSEMBLYSCRIPT).join("node_modules/.bin/asc").exists()
}

/// True where the Zig compiler is there.
pub(crate) fn has_zig() -> bool {
    root().join("target/tools/python/ziglang.txt").exists()
}

/// What a command prints, where it succeeds.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.output()?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// True where both files are there and the first is not older.
pub(crate) fn newer(made: &Path, source: &Path) -> bool {
    let time = |path: &Path| fs::metadata(path).and_then(|data| data.modified()).ok();
    matches!((time(made), time(source)), (Some(made), Some(source)) if made >= source)
}
