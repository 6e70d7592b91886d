//! Plugins by name: load, verify, warm, swap, fail, restart.
//!
//! Two halves. On the control thread a [`Catalog`] turns the plugins of a configuration into
//! a [`CatalogSnapshot`]: each artifact is read, verified and tried, and where the new one is
//! no good the last good one serves on. On each worker a [`WorkerCatalog`] takes the snapshot
//! and keeps an instance for every use of a plugin; where an instance fails it starts the next
//! one, at once or after a while, or gives up for a while.
//!
//! What happens to the *stream* when a plugin fails is not decided here: a factory of this
//! crate reports, and the pipeline applies `on_error`.
//!
//! | what fails | `closed`, `open` | `reload` |
//! |---|---|---|
//! | reading, verifying, compiling | no instance until the next load; the last good generation serves on | as `closed`, and [`Catalog::retry`] tries again with backoff |
//! | the trial of a use: start or configuration | the same, for this use only | the same, for this use only |
//! | a start on a worker, after the trial was passed | a fresh instance, with backoff | the same |
//! | an instance while it serves | a fresh instance: at once, then with backoff | the same |
//! | the time of a second (`Overspent`), for a hook, a tick or a notice, or a verdict without the permission | nothing: the instance is well | the same |
//!
//! The last good generation serves on only where its policy, limits and sandbox are those of the
//! new plan; else nothing serves: what a plugin may do was settled when it was loaded, and it must
//! not keep by failing what was taken from it. Streams that run keep their generation.
//!
//! A load is refused, too, where a restriction of the policy cannot be enforced, and where a
//! plugin that is there for security has a use with `open`. What its policy leaves of what a
//! plugin asks for is found out when it is loaded ([`LoadWarning`]).
//!
//! This crate opens no socket and makes no decision about a stream. It names the backends;
//! only the server does that, too. Start reading at [`Catalog::load`], then at
//! [`WorkerCatalog::instance`].

mod attempt;
mod backend;
mod backoff;
mod catalog;
mod charge;
mod confine;
mod ledger;
mod metered;
mod native;
mod needs;
mod plan;
mod process;
mod records;
mod recovery;
mod slot;
mod snapshot;
mod source;
mod survey;
mod trial;
mod warning;
mod wasm;
mod worker;

pub use backend::{Backends, PluginBackend, PluginSpec};
pub use catalog::{Catalog, Moment};
pub use native::{Builtins, Libraries, RUNNER_ARGUMENT};
pub use plan::{BackendKind, PluginPlan};
pub use records::Records;
pub use snapshot::{CatalogSnapshot, LoadFailure, PluginState, PluginStatus};
pub use source::Digest;
pub use survey::Survey;
pub use warning::{LoadWarning, Oddity};
pub use worker::{MonotonicClock, WorkerCatalog};

#[cfg(test)]
mod fake;
