//! The binary `mortise`.

use std::process::ExitCode;

/// Returns memory of bursts and costs less a request than the system's.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    host_server::main(&[])
}
