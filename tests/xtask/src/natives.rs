//! The examples that are native libraries in other languages than Rust, put into
//! `target/plugins`.

use std::{fs, process::Command};

use anyhow::{Context, Result};

use crate::{
    plugins,
    run::{Report, command, root},
    setup,
};

const C: &str = "greet-c-native";
const ZIG: &str = "greet-zig-native";

/// Builds them, where their compilers are there.
pub(crate) fn build(report: &mut Report) {
    if setup::output(command("cc").arg("--version")).is_ok() {
        done(c(report));
    } else {
        forget(report, C, "there is no `cc`");
    }
    if setup::has_zig() {
        done(zig(report));
    } else {
        forget(report, ZIG, "its compiler is missing");
    }
}

fn c(report: &mut Report) -> Result<()> {
    let made = plugins::made().join(file(C));
    let mut build = command("cc");
    build
        .args(["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"])
        .args(["-I", "abi/native/include", "plugin-examples/greet-c-native/greet.c", "-o"])
        .arg(&made);
    report.step(&format!("build {C}"), &mut build)?;
    plugins::publish(&made, &plugins::directory().join(file(C)))
}

/// Zig translates the header first. Its caches stay below `target`, and know what is unchanged.
fn zig(report: &mut Report) -> Result<()> {
    let header = plugins::made().join("mortise.zig");
    let mut translate = compiler();
    translate.args(["translate-c", "-lc", "abi/native/include/mortise.h"]);
    let translated = setup::output(&mut translate).context("the header cannot be translated")?;
    if !fs::read_to_string(&header).is_ok_and(|before| before == translated) {
        fs::write(&header, translated)?;
    }
    let made = plugins::made().join(file(ZIG));
    let mut build = compiler();
    build
        .args(["build-lib", "-dynamic", "-O", "ReleaseSafe", "-lc", "--dep", "mortise"])
        .arg("-Mroot=plugin-examples/greet-zig-native/greet.zig")
        .arg(format!("-Mmortise={}", header.display()))
        .arg(format!("-femit-bin={}", made.display()));
    report.step(&format!("build {ZIG}"), &mut build)?;
    plugins::publish(&made, &plugins::directory().join(file(ZIG)))
}

fn compiler() -> Command {
    let cache = root().join("target/tools/zig-cache");
    let mut compiler = command(setup::python());
    compiler
        .env("ZIG_LOCAL_CACHE_DIR", &cache)
        .env("ZIG_GLOBAL_CACHE_DIR", &cache)
        .args(["-m", "ziglang"]);
    compiler
}

fn file(name: &str) -> String {
    format!("lib{name}.so")
}

/// Leaves an example out; an old library of it must not pass for a new one.
fn forget(report: &mut Report, name: &str, why: &str) {
    report.skip(name, why);
    if fs::remove_file(plugins::directory().join(file(name))).is_ok() {
        println!("removed an old {}", file(name));
    }
}

fn done(built: Result<()>) {
    if let Err(error) = built {
        println!("error: {error:#}");
    }
}
