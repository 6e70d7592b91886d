//! The protocol between the proxy and a plugin that runs as a child process.
//!
//! `proto/plugin.proto` is the contract, with its rules; `README.md` is for who writes a child in
//! another language. This crate is what the proxy and the Rust SDK have of it: the generated
//! types ([`v1`]) and the bootstraps. Data only: no I/O.

/// The generated messages and service of `plugin.proto` and `bootstrap.proto`.
#[expect(
    missing_docs,
    unused_qualifications,
    clippy::all,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::wildcard_enum_match_arm,
    clippy::use_self,
    reason = "generated; the documentation is in the .proto files"
)]
pub mod v1 {
    tonic::include_proto!("mortise.plugin.v1");
}
