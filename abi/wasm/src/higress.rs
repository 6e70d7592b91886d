//! What the hosts and SDKs of Higress add. No version contains it, but modules built for them
//! mark themselves with a number of their own and import these calls.

use crate::HostFunction;

/// The marker of such modules, which are modules of 0.2.1 for the rest.
pub(crate) const MARKER: &str = "proxy_abi_version_0_2_100";

/// The additional calls.
pub const EXTRAS: &[HostFunction] = &[
    HostFunction::new("proxy_redis_init", "iiiiiii"),
    HostFunction::new("proxy_redis_call", "iiiii"),
    HostFunction::new("proxy_inject_encoded_data_to_filter_chain", "iii"),
    HostFunction::new("proxy_get_upstream_hosts", "ii"),
    HostFunction::new("proxy_set_upstream_override_host", "ii"),
];
