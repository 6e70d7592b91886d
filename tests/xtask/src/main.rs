//! The project's own commands: `cargo xtask setup | plugins | demo | test | compare
//! | ci | matrix | torture | bench`.
//!
//! Every step is a plain command that is printed before it runs, so that it can be repeated
//! by hand. Nothing here is part of the proxy. Start reading at [`Task`], then `ci.rs`.

#![expect(clippy::print_stdout, reason = "talking to the terminal is what this program does")]

mod check;
mod children;
mod ci;
mod demo;
mod envoy;
mod foreign;
mod http;
mod journey;
mod matrix;
mod mosn;
mod natives;
mod peers;
mod plugins;
mod proxy;
mod run;
mod setup;
mod torture;
mod upstream;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::run::Report;

/// Commands of the project.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Adds what the examples are compiled with: the Wasm target, AssemblyScript, Zig, the Go SDK.
    Setup,
    /// Compiles the example plugins into target/plugins.
    Plugins,
    /// Runs the proxy with three plugins in front of a small upstream, until Ctrl-C.
    Demo {
        /// Perform the requests, verify the answers and exit.
        #[arg(long)]
        check: bool,
    },
    /// Builds all that the tests need and runs them.
    Test {
        /// Run the examples in Envoy too, and compare.
        #[arg(long)]
        with_envoy: bool,
        /// Passed on to `cargo test --workspace`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Runs the examples in Envoy and in Mortise, and compares.
    Compare {
        /// Only scenarios whose name contains this.
        #[arg(default_value = "")]
        name: String,
        /// Take plugins and proxy as they were built before.
        #[arg(long)]
        built: bool,
    },
    /// Everything that must hold: format, lints, tests, documentation, demo.
    Ci,
    /// Runs one table of cases on every backend, and prints how many passed.
    Matrix {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Runs plugins that fail in bulk, and prints figures of what the proxy made of it.
    Torture {
        /// Only runs whose name begins so: `r14`.
        #[arg(long, default_value = "")]
        only: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Measures CPU time per request beside peers.
    Bench {
        /// Passed on to the benchmark.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
}

fn main() -> ExitCode {
    let mut report = Report::default();
    let outcome = match Arguments::parse().task {
        Task::Setup => setup::all(&mut report),
        Task::Plugins => plugins::prepare(&mut report),
        Task::Demo { check } => demo::demo(&mut report, check),
        Task::Test { with_envoy, args } => {
            let tested = ci::test(&mut report, &args);
            let compared = if with_envoy { envoy::compare(&mut report, "") } else { Ok(()) };
            tested.and(compared)
        }
        Task::Compare { name, built: true } => envoy::compare(&mut report, &name),
        Task::Compare { name, built: false } => envoy::build_and_compare(&mut report, &name),
        Task::Matrix { json } => matrix::matrix(&mut report, json),
        Task::Torture { only, json } => torture::torture(&mut report, &only, json),
        Task::Ci => ci::ci(&mut report),
        Task::Bench { args } => ci::bench(&mut report, &args),
    };
    report.print();
    match outcome {
        Ok(()) if report.passed() => ExitCode::SUCCESS,
        Ok(()) => ExitCode::FAILURE,
        Err(error) => {
            println!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests;
