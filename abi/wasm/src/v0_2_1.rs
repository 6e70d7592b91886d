//! Proxy-Wasm 0.2.1: a guest can ask which log lines are wanted.

use crate::HostFunction;

/// The function that a module of this version exports.
pub(crate) const MARKER: &str = "proxy_abi_version_0_2_1";

/// New in this version.
pub(crate) const ADDED: &[HostFunction] = &[HostFunction::new("proxy_get_log_level", "i")];
