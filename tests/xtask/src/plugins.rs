//! The example plugins, compiled into `target/plugins`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::{
    children, foreign, natives,
    run::{Report, cargo, root},
    setup::{self, ASSEMBLYSCRIPT, CPP, GO, TARGET, ZIG},
};

/// The examples in Rust, by folder.
const RUST: [&str; 11] = [
    "access-json",
    "body-upper",
    "bolt-codec",
    "courier",
    "deny",
    "greet",
    "http-auth",
    "metrics",
    "queue-log",
    "shared-data-limiter",
    "tcp-meter",
];

/// The codec in Zig: it reads what hostile peers send, and is built with all checks.
const COURIER_ZIG: &str = "courier-zig";

/// Where the modules are.
pub(crate) fn directory() -> PathBuf {
    root().join("target/plugins")
}

/// Where artifacts are before they are published.
pub(crate) fn made() -> PathBuf {
    root().join("target/tools")
}

/// Adds what is missing, then compiles all examples.
pub(crate) fn prepare(report: &mut Report) -> Result<()> {
    setup::all(report)?;
    fs::create_dir_all(directory())?;
    fs::create_dir_all(made())?;
    rust(report)?;
    let assemblyscript = foreign::assemblyscript();
    foreign(report, ASSEMBLYSCRIPT, setup::has_assemblyscript(), assemblyscript);
    foreign(report, ZIG, setup::has_zig(), foreign::zig(ZIG, "ReleaseSmall"));
    let courier = foreign::zig(COURIER_ZIG, "ReleaseSafe");
    foreign(report, COURIER_ZIG, setup::has_zig(), courier);
    foreign(report, CPP, setup::has_zig(), foreign::cpp());
    foreign(report, GO, setup::has_go(), foreign::go());
    children::build(report);
    natives::build(report);
    Ok(())
}

/// The guest workspaces share one target directory with the fixtures' build script.
pub(crate) fn guest_cargo(verb: &str, workspace: &str, more: &[&str]) -> Command {
    let manifest = format!("{workspace}/Cargo.toml");
    let mut command = cargo(&[verb, "--release", "--locked", "--target", TARGET]);
    command.args(["--target-dir", "target/guests", "--manifest-path", &manifest]).args(more);
    command
}

/// One source, three artifacts: the module, and for this machine a program and a library.
fn rust(report: &mut Report) -> Result<()> {
    report.step("build example modules", &mut guest_cargo("build", "plugin-examples", &[]))?;
    let host = ["build", "--profile", "host", "--locked", "--features", "native,process"];
    let mut host = cargo(&host);
    host.args(["--target-dir", "target/guests", "--manifest-path", "plugin-examples/Cargo.toml"]);
    report.step("build example programs and libraries", &mut host)?;
    let modules = root().join("target/guests").join(TARGET).join("release");
    let host = root().join("target/guests/host");
    for name in RUST {
        let file = name.replace('-', "_");
        publish(&modules.join(format!("{file}.wasm")), &module(name))?;
        publish(&host.join(name), &directory().join(name))?;
        publish(&host.join(format!("lib{file}.so")), &directory().join(format!("lib{name}.so")))?;
    }
    Ok(())
}

/// Builds an example of another language, where its compiler is there and its files changed.
fn foreign(report: &mut Report, name: &str, compiler: bool, mut build: Command) {
    if !compiler {
        return forget(report, name, "its compiler is missing");
    }
    let sources = foreign::fingerprint(name, &build);
    let stamp = root().join("target/tools").join(format!("{name}.stamp"));
    let there = module(name).exists();
    if there && fs::read_to_string(&stamp).is_ok_and(|built| built == sources) {
        println!("{name} is up to date");
        return;
    }
    let built = report
        .step(&format!("build {name}"), &mut build)
        .and_then(|()| publish(&foreign::module(name), &module(name)))
        .and_then(|()| fs::write(&stamp, sources).context("the stamp"));
    if let Err(error) = built {
        println!("error: {error:#}");
    }
}

/// Leaves an example out; an old module of it must not pass for a new one.
fn forget(report: &mut Report, name: &str, why: &str) {
    report.skip(name, why);
    match fs::remove_file(module(name)) {
        Ok(()) => println!("removed an old {name}.wasm"),
        Err(_absent) => {}
    }
}

/// Puts an artifact in its place in one step: a running proxy watches the file.
pub(crate) fn publish(from: &Path, to: &Path) -> Result<()> {
    let new = fs::read(from).with_context(|| format!("{} is missing", from.display()))?;
    if fs::read(to).is_ok_and(|old| old == new) {
        return Ok(());
    }
    let partial = to.with_extension("partial");
    fs::copy(from, &partial)?;
    fs::rename(&partial, to).with_context(|| format!("{} cannot be written", to.display()))
}

/// Where a Wasm module is.
fn module(name: &str) -> PathBuf {
    directory().join(format!("{name}.wasm"))
}
