//! Evil plugins, and the run that shows what a proxy makes of them.
//!
//! The collection has Wasm modules ([`module`]; their texts are in `tests/fixtures/evil`) and a
//! child process ([`child`]) that tries what a child must not. Libraries are no part of it: what
//! is loaded into the proxy is trusted by nature. [`run`] puts all of them into a proxy that
//! was started for it, one behind each route, drives them while a neighbouring route serves a
//! load, and judges each: was it contained, was it counted, did the log name it.
//!
//! It knows the proxy only by its configuration file, its sockets and its log, and starts no
//! process but from within the evil child. Start reading at [`run`], then at
//! [`Attack`](attack::Attack).

pub mod attack;
mod catalogue;
pub mod child;
mod client;
mod drive;
mod modules;
mod neighbour;
mod page;
mod report;
mod setup;

pub use self::{
    catalogue::all,
    drive::{Options, Target, run},
    modules::{module, names},
    neighbour::Figures,
    report::{Report, Verdict},
    setup::targets,
};

#[cfg(test)]
mod tests;
