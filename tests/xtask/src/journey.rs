//! Runs some of the end-to-end tests against the built program, for their figures.

use std::path::Path;

use anyhow::Result;

use crate::{
    proxy,
    run::{Report, cargo, root},
};

/// Builds what is needed and runs the tests of a name, with files to write their results to.
pub(crate) fn run(
    report: &mut Report,
    step: &str,
    filter: &str,
    variables: &[&str],
    results: &Path,
    more: &[&str],
) -> Result<()> {
    let binary = program(report)?;
    let with_matrix = binary.with_file_name("mortise-with-matrix");
    let mut build = cargo(&["build", "--locked", "-p", "tests-proxy"]);
    report.step("build mortise with the matrix plugin", &mut build)?;
    let mut test = cargo(&["test", "--locked", "-p", "tests-it", "--test", "it", "--", filter]);
    test.args(more).env("MORTISE_BIN", binary).env("MORTISE_WITH_MATRIX_BIN", with_matrix);
    for variable in variables {
        test.env(variable, results);
    }
    report.step(step, &mut test)
}

/// The optimised program where there is one that is newer than the other, else that of the tests.
fn program(report: &mut Report) -> Result<std::path::PathBuf> {
    let release = root().join("target/release/mortise");
    let time = |path: &Path| path.metadata().and_then(|data| data.modified()).ok();
    if time(&release) > time(&proxy::binary()) {
        println!("the program under test is {}", release.display());
        return Ok(release);
    }
    let build = ["build", "--locked", "-p", "host-server", "--bin", "mortise"];
    report.step("build mortise", &mut cargo(&build))?;
    Ok(proxy::binary())
}
