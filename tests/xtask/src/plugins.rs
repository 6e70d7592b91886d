//! The example plugins, compiled into `target/plugins`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::{
    run::{Report, cargo, command, root},
    setup::{self, ASSEMBLYSCRIPT, TARGET, ZIG},
};

/// The examples in Rust, by folder.
const RUST: [&str; 3] = ["body-upper", "deny", "greet"];

/// Where the modules are.
pub(crate) fn directory() -> PathBuf {
    root().join("target/plugins")
}

/// Adds what is missing, then compiles all examples.
pub(crate) fn prepare(report: &mut Report) -> Result<()> {
    setup::all(report)?;
    fs::create_dir_all(directory())?;
    rust(report)?;
    assemblyscript(report);
    zig(report);
    Ok(())
}

/// The guest workspaces share one target directory with the fixtures' build script.
pub(crate) fn guest_cargo(verb: &str, workspace: &str, more: &[&str]) -> std::process::Command {
    let manifest = format!("{workspace}/Cargo.toml");
    let mut command = cargo(&[verb, "--release", "--locked", "--target", TARGET]);
    command.args(["--target-dir", "target/guests", "--manifest-path", &manifest]).args(more);
    command
}

fn rust(report: &mut Report) -> Result<()> {
    report.step("build examples", &mut guest_cargo("build", "plugin-examples", &[]))?;
    for name in RUST {
        let module = format!("{}.wasm", name.replace('-', "_"));
        let from = root().join("target/guests").join(TARGET).join("release").join(module);
        publish(&from, name)?;
    }
    Ok(())
}

fn assemblyscript(report: &mut Report) {
    if !setup::has_assemblyscript() {
        return forget(report, ASSEMBLYSCRIPT, "the AssemblyScript compiler is missing");
    }
    let folder = root().join("plugin-examples").join(ASSEMBLYSCRIPT);
    let mut build = command("npm");
    build.args(["run", "--silent", "build"]).current_dir(&folder);
    let built = report
        .step("build greet-assemblyscript", &mut build)
        .and_then(|()| publish(&folder.join("build/greet.wasm"), ASSEMBLYSCRIPT));
    if let Err(error) = built {
        println!("error: {error:#}");
    }
}

fn zig(report: &mut Report) {
    if !setup::has_zig() {
        return forget(report, ZIG, "the Zig compiler is missing");
    }
    let cache = root().join("target/tools/zig-cache");
    let module = root().join("target/tools").join("greet-zig.wasm");
    let mut build = command(setup::python());
    build
        .args(["-m", "ziglang", "build-exe", "plugin-examples/greet-zig/src/main.zig"])
        .args(["-target", "wasm32-freestanding", "-fno-entry", "-rdynamic", "-O", "ReleaseSmall"])
        .arg(format!("-femit-bin={}", module.display()))
        .arg("--cache-dir")
        .arg(&cache)
        .arg("--global-cache-dir")
        .arg(&cache);
    let built = report.step("build greet-zig", &mut build).and_then(|()| publish(&module, ZIG));
    if let Err(error) = built {
        println!("error: {error:#}");
    }
}

/// Leaves an example out; an old module of it must not pass for a new one.
fn forget(report: &mut Report, name: &str, why: &str) {
    report.skip(name, why);
    match fs::remove_file(directory().join(format!("{name}.wasm"))) {
        Ok(()) => println!("removed an old {name}.wasm"),
        Err(_absent) => {}
    }
}

/// Puts a module in its place in one step: a running proxy watches the file.
fn publish(from: &Path, name: &str) -> Result<()> {
    let to = directory().join(format!("{name}.wasm"));
    let new = fs::read(from).with_context(|| format!("{} is missing", from.display()))?;
    if fs::read(&to).is_ok_and(|old| old == new) {
        return Ok(());
    }
    let partial = to.with_extension("partial");
    fs::write(&partial, new)?;
    fs::rename(&partial, &to).with_context(|| format!("{} cannot be written", to.display()))
}
