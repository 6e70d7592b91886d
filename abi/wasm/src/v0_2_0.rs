//! Proxy-Wasm 0.2.0: header callbacks learn of the end of the stream, and any kind of
//! stream is continued and closed by one pair of calls.

use crate::HostFunction;

/// The function that a module of this version exports.
pub(crate) const MARKER: &str = "proxy_abi_version_0_2_0";

/// New in this version.
pub(crate) const ADDED: &[HostFunction] = &[
    HostFunction::new("proxy_continue_stream", "i"),
    HostFunction::new("proxy_close_stream", "i"),
];
