//! The binary under test: found or built once, and run to its end for the short commands.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use serde_json::Value;

use crate::fail;

static BINARY: OnceLock<PathBuf> = OnceLock::new();
static WITH_MATRIX: OnceLock<PathBuf> = OnceLock::new();

/// The path of `mortise`: what `MORTISE_BIN` names, else built by Cargo with this process's
/// profile, once per process.
#[must_use]
pub fn mortise_binary() -> &'static Path {
    BINARY.get_or_init(|| {
        let named = std::env::var_os("MORTISE_BIN");
        named.map_or_else(|| build("host-server", "mortise"), PathBuf::from)
    })
}

/// The path of a `mortise` that has the plugin of the matrix compiled in; built as
/// [`mortise_binary`].
#[must_use]
pub fn mortise_with_matrix() -> &'static Path {
    WITH_MATRIX.get_or_init(|| {
        let named = std::env::var_os("MORTISE_WITH_MATRIX_BIN");
        named.map_or_else(|| build("tests-proxy", "mortise-with-matrix"), PathBuf::from)
    })
}

#[expect(clippy::disallowed_methods, reason = "the tests start the proxy")]
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    Command::new(program)
}

/// The built binary, which keeps its compiled modules beside itself, not in the user's cache.
pub(crate) fn proxy() -> Command {
    proxy_at(mortise_binary())
}

/// As [`proxy`], for a program that is built otherwise.
pub(crate) fn proxy_at(binary: &Path) -> Command {
    let mut run = command(binary);
    run.env("XDG_CACHE_HOME", binary.with_file_name("cache-of-tests"));
    run
}

fn build(package: &str, bin: &str) -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = command(cargo);
    build.current_dir(env!("CARGO_MANIFEST_DIR"));
    build.args(["build", "--package", package, "--bin", bin, "--quiet"]);
    build.arg("--message-format=json-render-diagnostics");
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    let output = match build.stderr(Stdio::inherit()).output() {
        Ok(output) => output,
        Err(error) => fail(format_args!("cargo does not start: {error}")),
    };
    if !output.status.success() {
        fail("the proxy does not build");
    }
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let executable = lines
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find_map(|message| message.get("executable")?.as_str().map(PathBuf::from));
    executable.unwrap_or_else(|| fail("cargo names no executable of the proxy"))
}

/// What a command that ran to its end left behind.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Its exit code; `None` where a signal killed it.
    pub code: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

/// Runs `mortise ARGUMENTS` to its end.
#[must_use]
pub fn mortise<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Finished {
    let mut run = proxy();
    run.args(arguments).env("NO_COLOR", "1").stdin(Stdio::null());
    match run.output() {
        Ok(output) => Finished {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        },
        Err(error) => fail(format_args!("mortise does not start: {error}")),
    }
}

/// Runs `mortise check` on a file.
#[must_use]
pub fn check(file: &Path) -> Finished {
    mortise([OsStr::new("check"), OsStr::new("-c"), file.as_os_str()])
}
