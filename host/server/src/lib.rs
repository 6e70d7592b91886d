//! The mortise proxy: workers, reload, admin and the command line.
//!
//! One control runtime on the main thread (configuration, signals, admin, loading of plugins)
//! and N workers, each a thread with an event loop of its own. What a worker serves is handed
//! to it whole as a plan; nothing is shared that can change.
//!
//! Start reading at [`run::run`]; what happens to a request is in `host-pipeline`.

use std::process::ExitCode;

use plugins_attacks::child as evil;
use plugins_catalog::RUNNER_ARGUMENT;
pub use plugins_native::Builtin;
use plugins_native::runner;
use plugins_process::launch;

mod acceptor;
pub mod admin;
mod assembly;
pub mod attack;
pub mod check;
pub mod cli;
mod control;
pub mod doctor;
mod files;
mod pages;
pub mod policy;
pub mod run;
mod sockets;
mod telemetry;
mod worker;

/// The whole program, with these plugins compiled in: reads the arguments of the process and
/// does what they say. A `main` of one's own that calls this makes a proxy with one's own
/// plugins, which a configuration names with `backend: builtin`.
#[must_use]
pub fn main(builtins: &[Builtin]) -> ExitCode {
    // Children are started through this same program, and some are it.
    let mut arguments = std::env::args_os().skip(1);
    match arguments.next() {
        Some(first) if first == launch::ARGUMENT => return launch::main(),
        Some(first) if first == evil::ARGUMENT => return evil::main(),
        Some(first) if first == RUNNER_ARGUMENT => return runner::main(arguments),
        Some(_) | None => {}
    }
    cli::main(&cli::Commands {
        run: &|options| run::run(options, builtins),
        check: &|path| check::check(path, builtins),
        policy: &|command| policy::policy(command, builtins),
        doctor: doctor::doctor,
        attack: attack::attack,
        schema: host_config::schema,
        conformance: cli::conformance::conformance,
    })
}
