//! The native backend: plugins as libraries, or compiled in.
//!
//! An adapter between the tables of `abi-native` and the traits of `host-extension`, and nothing
//! else: it opens no socket, decides no policy (it holds only guarded host calls) and never
//! starts a faulty instance again (that is the catalog's part). A library in the proxy is
//! trusted: what it does to the process nobody stops. [`runner`] serves the same library from a
//! confined child process.
//!
//! The way of a plugin: [`NativeBackend::load`] verifies and loads a library (`load`), whose
//! table are its `callbacks`; an `instance` is the plugin started for one use on one worker; a
//! filter is one context of it. What a plugin asks comes in at the `desk`.
//!
//! ```text
//! NativeBackend -> Plugin (shared by workers) -> Instance (one worker) -> filter
//! ```
//!
//! Start reading at [`NativeBackend`], then `instance`.

mod arena;
mod backend;
mod builtin;
mod callbacks;
mod codec;
mod contexts;
mod desk;
mod filter;
mod instance;
#[cfg(test)]
mod lifecycles;
mod lines;
mod load;
mod network;
mod outbound;
pub mod runner;
#[cfg(test)]
mod testing;

pub use backend::{NativeBackend, NativeSpec};
pub use builtin::Builtin;
