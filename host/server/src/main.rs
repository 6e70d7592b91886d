//! The binary `mortise`.

use std::process::ExitCode;

use host_server::{check, cli, run};

/// Returns memory of bursts and costs less a request than the system's.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    cli::main(&cli::Commands {
        run: run::run,
        check: check::check,
        schema: host_config::schema,
        conformance: cli::conformance::conformance,
    })
}
