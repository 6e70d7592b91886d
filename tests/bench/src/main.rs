//! What a request costs: processor time per request of the proxy and of its peers, in one run.
//!
//! Everything runs on loopback and on free ports: an upstream, a load client, and the
//! candidates, each with one worker on a processor of its own. A round loads one candidate
//! after the other, so that what changes on the machine meanwhile hits all of them. Nothing
//! here fails because of a number; see README.md for what the numbers say.
//!
//! Start reading at [`fn@bench`], then `candidate.rs` and `measure.rs`.

#![expect(clippy::print_stdout, reason = "a table on the terminal is what this program is for")]

mod arguments;
mod candidate;
mod load;
mod measure;
mod placement;
mod process;
mod report;
mod statistics;
mod upstream;

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result, bail};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use crate::{arguments::Arguments, placement::Placement, upstream::Upstream};

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        tokio::select! {
            done = bench(arguments) => done,
            // Dropping the benchmark ends all that it started.
            () = interrupted() => bail!("interrupted"),
        }
    })
}

/// The whole run.
async fn bench(arguments: &Arguments) -> Result<()> {
    // Built before this process is bound to some of the processors.
    let mortise = tests_support::mortise_binary();
    process::allow_many_files()?;
    let placement = Placement::of_this_machine()?;
    println!("{placement}");
    let upstream = Upstream::start()?;
    let folder = tempfile::tempdir().context("no folder for the configurations")?;
    let setting = candidate::Setting {
        mortise: mortise.to_path_buf(),
        plugins: root().join("target/plugins"),
        folder: folder.path().to_path_buf(),
        upstream: upstream.address(),
    };
    let chosen = candidate::choose(&setting, &arguments.only)?;
    let mut running = Vec::new();
    for candidate in chosen {
        running.push(process::Running::start(candidate, &placement).await?);
    }
    let memory = measure::idle_memory(&running, arguments.idle).await?;
    let times = measure::rounds(&running, arguments).await?;
    let report = report::Report::new(arguments, &placement, &times, &memory);
    print!("{report}");
    let file = root().join("target/bench.json");
    std::fs::write(&file, format!("{:#}\n", report.json()))
        .with_context(|| format!("cannot write {}", file.display()))?;
    println!("\nwritten to target/bench.json");
    Ok(())
}

/// The repository's root.
fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .canonicalize()
        .unwrap_or_else(|_missing| PathBuf::from("."))
}

async fn interrupted() {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
