//! Names that MOSN's hosts give to calls of 0.1.0. No version contains them, but modules
//! built for those hosts import them.

use crate::HostFunction;

/// The other names: of the local reply, and of going on with a paused direction.
pub const ALIASES: &[HostFunction] = &[
    HostFunction::new("proxy_send_http_response", "iiiiiiii"),
    HostFunction::new("proxy_resume_http_request", ""),
    HostFunction::new("proxy_resume_http_response", ""),
];
