//! How a child process is made.
//!
//! Rust code may not safely run between `fork` and `exec`, so a child is made in two steps. The
//! *launcher* (`thread`) starts the proxy's own program with one hidden argument: the
//! *trampoline* ([`main`]). It reads an order (`order`) from its standard input, confines itself
//! and becomes the plugin's program. What it was passed along with the order (the listening
//! socket, the program) stays, the same standard input goes on to the child.
//!
//! The same argument with one more word makes the *guard*, which has its own room.
//!
//! This module never decides whether or when a child is started. Start reading at
//! `thread::spawn`.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    process::ExitCode,
};

pub(crate) mod artifact;
pub(crate) mod home;
pub(crate) mod order;
pub(crate) mod thread;
pub(crate) mod trampoline;

use crate::guard;

/// The hidden argument with which the proxy's program is a trampoline.
pub const ARGUMENT: &str = "plugin-launch";

/// The `main` of a process that was started with [`ARGUMENT`]: the trampoline, which returns only
/// where it fails, or the guard.
#[must_use]
pub fn main() -> ExitCode {
    let mut more = std::env::args_os().skip(2);
    match more.next() {
        Some(word) if word == guard::WORD => guard::main(more),
        Some(_) | None => trampoline::main(),
    }
}

/// How the trampoline is started.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Launcher {
    program: PathBuf,
    arguments: Vec<OsString>,
}

impl Launcher {
    /// The program that is running, with [`ARGUMENT`]: its `main` calls [`main`] when it finds
    /// that. It is found even when its file was replaced since.
    #[must_use]
    pub fn this_program() -> Self {
        Self { program: PathBuf::from("/proc/self/exe"), arguments: vec![OsString::from(ARGUMENT)] }
    }

    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    pub(crate) fn arguments(&self) -> impl Iterator<Item = &OsStr> {
        self.arguments.iter().map(OsString::as_os_str)
    }
}
