//! The end-to-end tests of the built proxy: what is promised to its users, over real sockets.
//!
//! Each test starts a proxy process of its own and the peers that it needs, so that tests may
//! run side by side. One module per journey; what they share is in `common` and in the
//! `tests-support` crate. Start reading at `http`.
#![cfg_attr(
    test,
    expect(clippy::excessive_nesting, reason = "an async test adds a level, and a table two")
)]

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod check;
#[cfg(test)]
mod common;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod courier;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod failures;
#[cfg(test)]
mod go_plugin;
#[cfg(test)]
mod grpc;
#[cfg(test)]
mod http;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod matrix;
#[cfg(test)]
mod network;
#[cfg(test)]
mod operations;
#[cfg(test)]
mod packages;
#[cfg(test)]
mod peers;
#[cfg(test)]
mod policy;
#[cfg(test)]
mod policy_cli;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod routes;
#[cfg(test)]
mod smuggling;
#[cfg(test)]
mod tcp;
#[cfg(test)]
mod torture;
#[cfg(test)]
mod wasm;
#[cfg(test)]
mod websocket;
