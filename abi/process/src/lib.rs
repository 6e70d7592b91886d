//! The protocol between the proxy and a plugin that runs as a child process.
//!
//! `proto/plugin.proto` is the contract, with its rules; `README.md` is for who writes a child in
//! another language. This crate is what the proxy and the Rust SDK have of it: the generated
//! types ([`v1`]) and the bootstraps: ours, and that of hashicorp/go-plugin ([`handshake`],
//! [`go_plugin`], [`health`]). Data only: no I/O.

pub mod bootstrap;
pub mod handshake;

/// The generated messages and service of `plugin.proto` and `bootstrap.proto`.
#[expect(
    missing_docs,
    unused_qualifications,
    clippy::all,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "generated; the documentation is in the .proto files"
)]
pub mod v1 {
    tonic::include_proto!("mortise.plugin.v1");
}

/// The services of hashicorp/go-plugin that a host speaks to, generated from `go_plugin.proto`.
#[expect(
    missing_docs,
    unused_qualifications,
    clippy::all,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "generated; the documentation is in the .proto files"
)]
pub mod go_plugin {
    tonic::include_proto!("plugin");
}

/// Health checking, generated from `health.proto`.
#[expect(
    missing_docs,
    unused_qualifications,
    clippy::all,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "generated; the documentation is in the .proto files"
)]
pub mod health {
    tonic::include_proto!("grpc.health.v1");
}
