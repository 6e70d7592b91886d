//! What plugins share across workers, and functions that they call beside the interface.
//!
//! [`SharedState`] is one for the process: *shared data*, values that are changed by comparing
//! versions, and *shared queues*, whose newest registrant is told of every item. Both are kept
//! by namespace, which is a matter of configuration, and everything in a namespace has a limit.
//! [`call_foreign`] is the list of functions that a plugin calls by name.
//!
//! This crate knows no worker and no event loop: who registers at a queue hands in something
//! that may be called on any thread. No lock is held while a caller is shown something, so what
//! a plugin does with it harms nobody. It decides nothing about permissions: the guard of
//! `plugins-policy` stands in front. Start reading at [`SharedState`].

mod budget;
mod data;
mod foreign;
mod limits;
mod queue;
mod state;

pub use foreign::{FOREIGN_ARGUMENT_BYTES_MAX, FOREIGN_RESULT_BYTES_MAX, call_foreign};
pub use limits::SharedLimits;
pub use queue::{Ready, Registration};
pub use state::SharedState;
