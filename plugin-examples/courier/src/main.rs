//! Courier as a child process of the proxy.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    mortise_sdk::child::serve(courier::mortise_plugin())
}
