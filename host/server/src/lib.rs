//! The mortise proxy: workers, reload, admin and the command line.
//!
//! One control runtime on the main thread (configuration, signals, admin, loading of plugins)
//! and N workers, each a thread with an event loop of its own. What a worker serves is handed
//! to it whole as a a plan; nothing is shared that can change.
//!
//! Start reading at [`run::run`]; what happens to a request is in `host-pipeline`.

mod acceptor;
pub mod admin;
mod assembly;
pub mod check;
pub mod cli;
mod control;
mod files;
mod pages;
pub mod run;
mod sockets;
mod telemetry;
mod worker;
