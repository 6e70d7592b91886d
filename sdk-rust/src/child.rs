//! The export as a child process: a gRPC server that the proxy starts and speaks to.
//!
//! ```no_run
//! # mod greet {
//! #     use mortise_sdk::{Host, Plugin, Refusal};
//! #     struct Greet;
//! #     impl Plugin for Greet {
//! #         type Config = ();
//! #         fn start((): (), _host: &Host<'_>) -> Result<Self, Refusal> { Ok(Self) }
//! #     }
//! #     mortise_sdk::plugin!(Greet);
//! # }
//! fn main() -> std::process::ExitCode {
//!     mortise_sdk::child::serve(greet::mortise_plugin())
//! }
//! ```
//!
//! Each worker of the proxy opens one session. The sockets of all sessions belong to one thread;
//! the callbacks of a session run on a thread of its own, one after the other, so that a plugin
//! may ask the host and wait for the answer ([`Backend`](crate::backend::Backend)) without
//! holding up the sockets. How a message becomes a callback is in `engine`, what a callback may
//! ask for in `desk`. Start reading at [`serve`].

mod bootstrap;
mod desk;
mod engine;
mod error;
mod link;
mod panics;
mod server;
mod session;
mod wire;

#[cfg(test)]
mod testing;

use std::{
    env,
    io::{self, Write},
    process::ExitCode,
};

use crate::backend::Declaration;

#[cfg(all(panic = "abort", not(test)))]
compile_error!("a child process must be built with panic = \"unwind\": its panics are caught");

/// The name and version of this SDK, as the proxy is told.
const SDK: &str = concat!("mortise-sdk ", env!("CARGO_PKG_VERSION"));

/// Serves the plugins of an artifact until the proxy is gone or says that it is enough. To be
/// the whole of a child's `main`.
///
/// With the argument `--describe` it prints what the artifact holds, and ends. Started by hand
/// it says how it wants to be started.
#[must_use]
pub fn serve(declaration: &'static Declaration) -> ExitCode {
    if env::args_os().nth(1).is_some_and(|argument| argument == "--describe") {
        return say(&mut io::stdout(), &describe(declaration), ExitCode::SUCCESS);
    }
    panics::install();
    let served = bootstrap::find(declaration).and_then(|start| server::run(declaration, start));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let text = format!("{}: {}\n", declaration.name, error::story(&error));
            say(&mut io::stderr(), &text, ExitCode::FAILURE)
        }
    }
}

/// Where nobody reads there is nobody to be told.
fn say(to: &mut dyn Write, text: &str, code: ExitCode) -> ExitCode {
    drop(to.write_all(text.as_bytes()));
    drop(to.flush());
    code
}

/// What an artifact holds, a line for each plugin.
fn describe(declaration: &Declaration) -> String {
    let mut text = format!("{} {} ({SDK})\n", declaration.name, declaration.version);
    for plugin in declaration.plugins {
        let root_id = if plugin.root_id.is_empty() { "" } else { " " };
        let wants = wire::phase_names(plugin.phases).join(", ");
        text.push_str(&format!("plugin{root_id}{}: {wants}\n", plugin.root_id));
    }
    text
}

#[cfg(test)]
mod tests;
