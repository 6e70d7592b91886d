//! The process backend: plugins as supervised gRPC child processes.
//!
//! A plugin's artifact is a program. The proxy starts it once, watches it, starts it again when it
//! ends, and keeps from it what it does not need. Each worker has one session with it, which
//! carries all streams and connections of that worker.
//!
//! | room | does |
//! |---|---|
//! | `backend` | from an artifact to a supervised child; what the catalog holds |
//! | `supervisor` | one thread for all children: start, watch, backoff, drain, stop |
//! | `launch` | how a process is made: the launcher's thread, the order, the trampoline |
//! | `guard` | the process that ends what is left when the proxy is gone |
//! | `confine` | what the kernel keeps from it |
//! | `bootstrap` | how it learns where to listen, and how it is known to be ready |
//! | `dial` | the way to a child, for the supervisor and for sessions |
//! | `hello` | the first words of a session, the supervisor's and the workers' |
//! | `log` | what it writes to its standard output and error |
//! | `session`, `factory`, `filter` | the data plane of one worker |
//!
//! It never runs a child's code in the proxy, never trusts what one says, and leaves neither a
//! process nor a file behind. Start reading at [`ProcessBackend`].

mod backend;
mod bootstrap;
mod child;
mod confine;
mod dial;
pub mod doctor;
mod factory;
mod facts;
mod filter;
mod go_plugin;
mod guard;
mod hello;
mod host_calls;
pub mod launch;
mod log;
mod session;
mod supervisor;

pub use backend::{ProcessBackend, ProcessSpec, Program};
pub use facts::facts;
pub use log::DeniedLines;
