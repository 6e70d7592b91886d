//! How the examples in other languages are built: one command for each, and what tells that
//! nothing changed since the last time.

use std::{
    collections::hash_map::DefaultHasher,
    fs,
    hash::{Hash, Hasher},
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    run::{command, root, shown},
    setup::{self, ASSEMBLYSCRIPT, CPP, GO},
};

/// Where the compiler leaves an example's module.
pub(crate) fn module(name: &str) -> PathBuf {
    if name == ASSEMBLYSCRIPT {
        return folder(name).join("build/greet.wasm");
    }
    root().join("target/tools").join(format!("{name}.wasm"))
}

/// The AssemblyScript compiler by way of the example's own script.
pub(crate) fn assemblyscript() -> Command {
    let mut build = command("npm");
    build.args(["run", "--silent", "build"]).current_dir(folder(ASSEMBLYSCRIPT));
    build
}

/// The Zig compiler in one of its modes; its caches stay below `target`.
pub(crate) fn zig(name: &str, mode: &str) -> Command {
    let cache = root().join("target/tools/zig-cache");
    let mut build = command(setup::python());
    build
        .args(["-m", "ziglang", "build-exe"])
        .arg(format!("plugin-examples/{name}/src/main.zig"))
        .args(["-target", "wasm32-freestanding", "-fno-entry", "-rdynamic", "-O", mode])
        .arg(format!("-femit-bin={}", module(name).display()))
        .arg("--cache-dir")
        .arg(&cache)
        .arg("--global-cache-dir")
        .arg(&cache);
    build
}

/// The C++ compiler that Zig brings along. The first time it compiles the C++ library.
pub(crate) fn cpp() -> Command {
    let cache = root().join("target/tools/zig-cache");
    let mut build = command(setup::python());
    build
        .env("ZIG_LOCAL_CACHE_DIR", &cache)
        .env("ZIG_GLOBAL_CACHE_DIR", &cache)
        .args(["-m", "ziglang", "c++", "-target", "wasm32-wasi", "-mexec-model=reactor"])
        .args(["-std=c++20", "-Os", "-fno-exceptions", "-fno-rtti", "-s"])
        .args(["-Wall", "-Wextra", "-Werror"])
        .arg("plugin-examples/greet-cpp/src/main.cpp")
        .arg("plugin-examples/greet-cpp/src/greeting.cpp")
        .arg("-o")
        .arg(module(CPP));
    build
}

/// The Go compiler; the module is a library whose `main` never runs.
pub(crate) fn go() -> Command {
    let mut build = command("go");
    build
        .env("GOOS", "wasip1")
        .env("GOARCH", "wasm")
        .args(["build", "-mod=readonly", "-buildmode=c-shared", "-trimpath", "-ldflags=-s -w"])
        .arg("-o")
        .arg(module(GO))
        .arg(".")
        .current_dir(folder(GO));
    build
}

/// Stands for the command and all source files of an example: where it is the same as before,
/// the module is, too.
pub(crate) fn fingerprint(name: &str, build: &Command) -> String {
    let mut files = Vec::new();
    collect(&folder(name), &mut files);
    files.sort();
    let mut hasher = DefaultHasher::new();
    shown(build).hash(&mut hasher);
    for file in files {
        file.hash(&mut hasher);
        fs::read(&file).unwrap_or_default().hash(&mut hasher);
    }
    format!("{:016x}\n", hasher.finish())
}

/// The files of a folder, without what compilers and package managers put there.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let made = ["build", "node_modules"];
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if !path.is_dir() {
            files.push(path);
        } else if !made.iter().any(|name| entry.file_name() == *name) {
            collect(&path, files);
        }
    }
}

fn folder(name: &str) -> PathBuf {
    root().join("plugin-examples").join(name)
}
