//! The examples that are child processes in other languages: what they need is fetched, and
//! each is put into `target/plugins` as the proxy starts it.
//!
//! Start reading at [`build`].

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::{
    plugins,
    run::{Report, command, root},
    setup::{note, output},
};

/// The step's name in the table, and the example's folder.
pub(crate) const PYTHON: &str = "greet-python";
/// The step's name in the table, and the example's folder.
pub(crate) const GO: &str = "greet-go-child";

/// The files of the Python example that run.
const SCRIPTS: [&str; 3] = ["greet.py", "plugin_pb2.py", "plugin_pb2_grpc.py"];

/// Fetches what the examples need, where their language is there.
pub(crate) fn fetch(report: &mut Report) {
    python(report);
    go(report);
}

/// Puts the examples together, where all that they need is there.
pub(crate) fn build(report: &mut Report) {
    if let Some(interpreter) = packages_for() {
        done(report.work(&format!("build {PYTHON}"), || publish_python(&interpreter)));
    } else {
        forget(report, PYTHON, "Python or its packages are missing");
    }
    if has_go() {
        let built = plugins::made().join(GO);
        let mut build = command("go");
        build
            .env("CGO_ENABLED", "0")
            .args(["build", "-mod=readonly", "-trimpath", "-ldflags=-s -w", "-o"])
            .arg(&built)
            .arg(".")
            .current_dir(folder(GO));
        let made = report.step(&format!("build {GO}"), &mut build);
        done(made.and_then(|()| plugins::publish(&built, &plugins::directory().join(GO))));
    } else {
        forget(report, GO, "Go or its libraries are missing");
    }
}

/// The examples' own tests, where all that they need is there.
pub(crate) fn test(report: &mut Report) {
    if let Some(interpreter) = packages_for() {
        let path = std::env::join_paths([packages(), folder(PYTHON)]).unwrap_or_default();
        let mut test = command(interpreter);
        test.args(["-B", "-m", "unittest", "--quiet"]);
        test.env("PYTHONPATH", path).current_dir(folder(PYTHON));
        done(report.step(&format!("test {PYTHON}"), &mut test));
    } else {
        report.skip(&format!("test {PYTHON}"), "Python or its packages are missing");
    }
    if has_go() {
        for verb in ["vet", "test"] {
            let mut check = command("go");
            check.env("CGO_ENABLED", "0").args([verb, "."]).current_dir(folder(GO));
            done(report.step(&format!("{verb} {GO}"), &mut check));
        }
    } else {
        report.skip(&format!("test {GO}"), "Go or its libraries are missing");
    }
}

/// The packages of the Python example, beside where its script is put.
fn python(report: &mut Report) {
    let step = "fetch grpcio";
    let Some(interpreter) = interpreter() else {
        return report.skip(PYTHON, "there is no python3 with pip");
    };
    let wanted = folder(PYTHON).join("requirements.txt");
    let text = wanted_packages(&interpreter);
    if is_fetched(&text) {
        println!("the packages of {PYTHON} are there");
        return;
    }
    // What is not there is gone already, and packages of other versions must go.
    drop(fs::remove_dir_all(packages()));
    let mut fetch = command(&interpreter);
    fetch.args(["-m", "pip", "install", "--quiet", "--target"]).arg(packages());
    if report.step(step, fetch.arg("--requirement").arg(&wanted)).is_err() {
        return report.forgive(step, "pip could not fetch it (offline?)");
    }
    note(&python_stamp(), &text);
}

/// A Python that can fetch packages: the system's, which sandboxed children may read, or any.
fn interpreter() -> Option<PathBuf> {
    let serves = |program: &str| {
        output(command(program).args(["-m", "pip", "--version"])).ok()?;
        let path =
            output(command(program).args(["-c", "import sys; print(sys.executable)"])).ok()?;
        Some(PathBuf::from(path.trim()))
    };
    ["/usr/bin/python3", "python3"].into_iter().find_map(serves)
}

/// The Python whose packages were fetched.
fn packages_for() -> Option<PathBuf> {
    let interpreter = interpreter()?;
    is_fetched(&wanted_packages(&interpreter)).then_some(interpreter)
}

/// True where the packages are there, and are those that are wanted.
fn is_fetched(wanted: &str) -> bool {
    let fetched = fs::read_to_string(python_stamp());
    packages().is_dir() && fetched.is_ok_and(|fetched| fetched == wanted)
}

/// What stands for the packages: their versions, and the Python that they are for.
fn wanted_packages(interpreter: &Path) -> String {
    let wanted = fs::read_to_string(folder(PYTHON).join("requirements.txt")).unwrap_or_default();
    let version = output(command(interpreter).arg("--version")).unwrap_or_default();
    format!("{}\n{version}{wanted}", interpreter.display())
}

/// The script with the Python that its packages are for in the first line, and what it imports.
fn publish_python(interpreter: &Path) -> Result<()> {
    for file in SCRIPTS {
        let from = folder(PYTHON).join(file);
        let made = plugins::made().join(file);
        let text = fs::read_to_string(&from).with_context(|| from.display().to_string())?;
        let text = match text.strip_prefix("#!/usr/bin/env python3\n") {
            Some(rest) => format!("#!{}\n{rest}", interpreter.display()),
            None => text,
        };
        fs::write(&made, text)?;
        fs::set_permissions(&made, fs::metadata(&from)?.permissions())?;
        plugins::publish(&made, &packages().join(file))?;
    }
    Ok(())
}

/// The libraries of the Go example, as its list of sums has them.
fn go(report: &mut Report) {
    if !go_serves() {
        return report.skip(GO, "there is no go (install Go 1.25 or newer)");
    }
    let text = fs::read_to_string(folder(GO).join("go.sum")).unwrap_or_default();
    if fs::read_to_string(go_stamp()).is_ok_and(|fetched| fetched == text) {
        println!("the libraries of {GO} are there");
        return;
    }
    let step = "fetch grpc-go";
    let mut fetch = command("go");
    if report.step(step, fetch.args(["mod", "download"]).current_dir(folder(GO))).is_err() {
        return report.forgive(step, "go could not fetch it (offline?)");
    }
    note(&go_stamp(), &text);
}

fn go_serves() -> bool {
    let mut ask = command("go");
    ask.args(["list", "-m"]).env("GOTOOLCHAIN", "local").current_dir(folder(GO));
    output(&mut ask).is_ok()
}

fn has_go() -> bool {
    go_stamp().exists() && go_serves()
}

/// Leaves an example out; an old one must not pass for a new one.
fn forget(report: &mut Report, name: &str, why: &str) {
    report.skip(&format!("build {name}"), why);
    let old = plugins::directory().join(name);
    if fs::remove_file(&old).or_else(|_no_file| fs::remove_dir_all(&old)).is_ok() {
        println!("removed an old {name}");
    }
}

/// A failure stands in the table; the other examples go on.
fn done(result: Result<()>) {
    if let Err(error) = result {
        println!("error: {error:#}");
    }
}

fn folder(name: &str) -> PathBuf {
    root().join("plugin-examples").join(name)
}

/// All of the Python example: what it imports, and itself.
fn packages() -> PathBuf {
    plugins::directory().join(PYTHON)
}

fn python_stamp() -> PathBuf {
    root().join("target/tools/greet-python.txt")
}

fn go_stamp() -> PathBuf {
    root().join("target/tools/go-child-modules.txt")
}
