//! Proxy-Wasm 0.1.0.

use crate::HostFunction;

/// The function that a module of this version exports.
pub(crate) const MARKER: &str = "proxy_abi_version_0_1_0";

/// Only in this version; the later ones have other calls for the same.
pub(crate) const DROPPED_LATER: &[HostFunction] = &[
    HostFunction::new("proxy_get_configuration", "ii"),
    HostFunction::new("proxy_continue_request", ""),
    HostFunction::new("proxy_continue_response", ""),
    HostFunction::new("proxy_clear_route_cache", ""),
];

/// In this version and all later ones.
pub(crate) const KEPT: &[HostFunction] = &[
    HostFunction::new("proxy_log", "iii"),
    HostFunction::new("proxy_get_current_time_nanoseconds", "i"),
    HostFunction::new("proxy_set_tick_period_milliseconds", "i"),
    HostFunction::new("proxy_set_effective_context", "i"),
    HostFunction::new("proxy_done", ""),
    HostFunction::new("proxy_get_status", "iii"),
    HostFunction::new("proxy_get_property", "iiii"),
    HostFunction::new("proxy_set_property", "iiii"),
    HostFunction::new("proxy_get_buffer_bytes", "iiiii"),
    HostFunction::new("proxy_get_buffer_status", "iii"),
    HostFunction::new("proxy_set_buffer_bytes", "iiiii"),
    HostFunction::new("proxy_get_header_map_size", "ii"),
    HostFunction::new("proxy_get_header_map_pairs", "iii"),
    HostFunction::new("proxy_set_header_map_pairs", "iii"),
    HostFunction::new("proxy_get_header_map_value", "iiiii"),
    HostFunction::new("proxy_add_header_map_value", "iiiii"),
    HostFunction::new("proxy_replace_header_map_value", "iiiii"),
    HostFunction::new("proxy_remove_header_map_value", "iii"),
    HostFunction::new("proxy_send_local_response", "iiiiiiii"),
    HostFunction::new("proxy_http_call", "iiiiiiiiii"),
    HostFunction::new("proxy_grpc_call", "iiiiiiiiiiii"),
    HostFunction::new("proxy_grpc_stream", "iiiiiiiii"),
    HostFunction::new("proxy_grpc_send", "iiii"),
    HostFunction::new("proxy_grpc_cancel", "i"),
    HostFunction::new("proxy_grpc_close", "i"),
    HostFunction::new("proxy_get_shared_data", "iiiii"),
    HostFunction::new("proxy_set_shared_data", "iiiii"),
    HostFunction::new("proxy_register_shared_queue", "iii"),
    HostFunction::new("proxy_resolve_shared_queue", "iiiii"),
    HostFunction::new("proxy_enqueue_shared_queue", "iii"),
    HostFunction::new("proxy_dequeue_shared_queue", "iii"),
    HostFunction::new("proxy_define_metric", "iiii"),
    HostFunction::new("proxy_record_metric", "il"),
    HostFunction::new("proxy_increment_metric", "il"),
    HostFunction::new("proxy_get_metric", "ii"),
    HostFunction::new("proxy_call_foreign_function", "iiiiii"),
];
