//! The contract of native plugins: tables of C functions, and what Rust puts on them.
//!
//! `include/mortise.h` is the contract; [`table`] says the same in Rust. For plugins in Rust
//! [`guest`] is the plugin's side of it: safe on the outside, so that an SDK over it and the
//! plugins over that need no `unsafe`. With the feature `rust` a library also carries an
//! abi_stable module, by whose type the host compares the layout of both tables ([`module`]).
//!
//! This crate loads nothing and knows no host. Start reading at [`table::Plugin`].

#[expect(unsafe_code, reason = "the plugin's side of a C interface: pointers come in and go out")]
pub mod guest;
#[cfg(feature = "rust")]
#[expect(unsafe_code, reason = "abi_stable is promised the layout of a type")]
pub mod module;
pub mod number;
#[cfg_attr(
    feature = "rust",
    expect(unsafe_code, reason = "abi_stable's way to fields that an older table lacks")
)]
pub mod table;
