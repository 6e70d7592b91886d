//! The wasm backend: Proxy-Wasm on wasmtime.
//!
//! An adapter between the calling convention of Proxy-Wasm and the traits of
//! `host-extension`, and nothing else: it opens no socket, decides no policy (it holds only
//! guarded host calls) and never starts a faulty guest again (that is the catalog's part).
//! It is the only crate that knows wasmtime.
//!
//! The way of a plugin: [`WasmBackend::load`] inspects and compiles a module; a `Vm` is one
//! guest that runs on one worker; a root is one use of a plugin in a VM, and a seat its claim
//! to that; a filter is one context of a root, for a stream or a connection.
//!
//! ```text
//! WasmBackend -> LoadedWasm (shared by workers) -> Vm (one worker) -> root -> filter
//! ```
//!
//! Those that read a protocol are made in `codec`.
//!
//! What the guest may ask of us is in `calls`, one file per family; how its memory is
//! touched, in `memory`. Start reading at [`WasmBackend`], then `vm`.

mod alone;
mod backend;
mod cache;
mod calls;
mod codec;
mod contexts;
mod deadline;
mod ending;
mod engine;
mod fault;
mod filter;
#[cfg(any(test, feature = "fuzz"))]
#[expect(
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    reason = "only tests and fuzz targets have it"
)]
pub mod fuzz;
mod hooks;
mod inspect;
mod limiter;
mod memory;
mod network;
mod outbound;
mod places;
mod preview1;
mod received;
mod registry;
mod roots;
mod seat;
#[cfg(any(test, feature = "fuzz"))]
mod sections;
mod start;
mod state;
#[cfg(test)]
mod testing;
mod ticker;
#[cfg(test)]
mod torture;
mod uses;
mod vm;

pub use backend::{WasmBackend, WasmSpec};
pub use engine::WasmSettings;
