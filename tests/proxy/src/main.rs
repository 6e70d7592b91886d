//! A mortise that has the plugin of the matrix compiled in, under the name `matrix`: what a
//! program with plugins of one's own looks like. It adds nothing else.

use std::process::ExitCode;

use host_server::Builtin;

fn main() -> ExitCode {
    let entry = mortise_sdk::native::entry_of!(matrix::mortise_plugin);
    host_server::main(&[Builtin { name: "matrix", entry }])
}
