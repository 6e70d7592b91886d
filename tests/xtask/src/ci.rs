//! What must hold, step by step.

use anyhow::Result;

use crate::{
    children, demo, plugins, proxy,
    run::{Report, cargo, command, root},
    setup::{self, output},
};

/// The workspaces of the Rust guests.
const GUESTS: [&str; 3] = ["plugin-examples", "tests/fixtures/guests", "tests/fixtures/guests/old"];

/// The command of the README: everything that the tests need, then the tests.
pub(crate) fn test(report: &mut Report, args: &[String]) -> Result<()> {
    plugins::prepare(report)?;
    // The program and the tests in one go: built apart, they would ask for different features
    // of the same libraries, and the heaviest ones would be compiled twice.
    let build = ["build", "--locked", "--workspace", "--bins", "--tests"];
    report.step("build mortise and tests", &mut cargo(&build))?;
    let mut test = cargo(&["test", "--locked", "--workspace", "--no-fail-fast"]);
    report.step("test", test.args(args).env("MORTISE_BIN", proxy::binary()))
}

/// Everything. A failing step does not hide what the next ones say.
pub(crate) fn ci(report: &mut Report) -> Result<()> {
    setup::all(report)?;
    let mut failures = Vec::new();
    let mut note = |result: Result<()>| failures.extend(result.err());
    note(report.step("format", &mut cargo(&["fmt", "--all", "--check"])));
    for guests in GUESTS {
        let manifest = format!("{guests}/Cargo.toml");
        let mut format = cargo(&["fmt", "--all", "--check", "--manifest-path", &manifest]);
        note(report.step(&format!("format {guests}"), &mut format));
    }
    let lints = ["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"];
    note(report.step("lint", &mut cargo(&lints)));
    for guests in GUESTS {
        let mut lint = plugins::guest_cargo("clippy", guests, &["--", "-D", "warnings"]);
        note(report.step(&format!("lint {guests}"), &mut lint));
    }
    let mut fuzz = cargo(&["check", "--locked", "--manifest-path", "tests/fuzz/Cargo.toml"]);
    fuzz.args(["--target-dir", "target/fuzz"]);
    note(report.step("check fuzz targets", &mut fuzz));
    if setup::has_go() {
        let mut vet = command("go");
        vet.args(["vet", "."]).current_dir(root().join("plugin-examples").join(setup::GO));
        note(report.step("vet greet-go", &mut vet));
    }
    let mut examples = cargo(&["test", "--locked", "--target-dir", "target/guests"]);
    examples.args(["--manifest-path", "plugin-examples/Cargo.toml"]);
    note(report.step("test examples", &mut examples));
    note(test(report, &[]));
    // What they need is there now.
    children::test(report);
    let mut doc = cargo(&["doc", "--locked", "--workspace", "--no-deps"]);
    note(report.step("document", doc.env("RUSTDOCFLAGS", "-D warnings")));
    note(demo::check(report));
    note(deny(report));
    if let Some(first) = failures.into_iter().next() {
        return Err(first);
    }
    Ok(())
}

/// Licences, advisories and bans, where the tool is installed.
fn deny(report: &mut Report) -> Result<()> {
    if output(command("cargo-deny").arg("--version")).is_err() {
        report.skip("cargo deny", "cargo-deny is not installed");
        return Ok(());
    }
    report.step("cargo deny", &mut cargo(&["deny", "--locked", "check"]))
}

/// The benchmark.
pub(crate) fn bench(report: &mut Report, args: &[String]) -> Result<()> {
    plugins::prepare(report)?;
    let mut bench = cargo(&["run", "--locked", "--release", "-p", "tests-bench", "--"]);
    report.step("bench", bench.args(args))
}
