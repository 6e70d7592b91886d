//! The C contract of native plugins, and its abi_stable facade for Rust.
