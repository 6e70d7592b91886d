//! What a plugin may do, and the guard that holds it to that.
//!
//! A backend never holds the host's calls themselves but a [`Guard`] around them. So there
//! is one place for all backends that decides what a plugin may ask for, and that counts
//! every call. Today's policy grants everything; the calls are counted all the same.
//!
//! This crate is pure: it does no I/O, reads no clock and rolls no dice. Start reading at
//! [`Guard`].

mod call;
mod counts;
mod guard;

pub use call::HostCall;
pub use counts::CallCounts;
pub use guard::Guard;
