//! What a module can be seen to use before it runs: from its imports to capabilities.
//!
//! An import says that a module may call a function, not that it does: linkers keep what an SDK
//! refers to. What one function can be used for depends on its arguments, so that the callbacks
//! of the module narrow it down: who has none for a response changes none. Start reading at
//! [`uses`].

use std::collections::BTreeSet;

use abi_manifest::Capability::{
    self, BodyRequestRead, BodyRequestWrite, BodyResponseRead, BodyResponseWrite, Clock, Close,
    Environment, Foreign, GrpcCall, HeadersRequestRead, HeadersRequestWrite, HeadersResponseRead,
    HeadersResponseWrite, HttpCall, Log, Metrics, PropertiesRead, PropertiesWrite, Queues, Random,
    Reply, SharedDataRead, SharedDataWrite, TcpDownstreamRead, TcpDownstreamWrite, TcpUpstreamRead,
    TcpUpstreamWrite, Ticks,
};
use host_extension::Phases;

const READ_FIELDS: &[Capability] = &[HeadersRequestRead, HeadersResponseRead];
const WRITE_FIELDS: &[Capability] = &[HeadersRequestWrite, HeadersResponseWrite];
const READ_BYTES: &[Capability] =
    &[BodyRequestRead, BodyResponseRead, TcpDownstreamRead, TcpUpstreamRead];
const WRITE_BYTES: &[Capability] =
    &[BodyRequestWrite, BodyResponseWrite, TcpDownstreamWrite, TcpUpstreamWrite];

/// What each function takes, whatever module it is imported from. Those that take nothing are
/// not here.
pub(crate) const TAKES: &[(&str, &[Capability])] = &[
    ("proxy_get_header_map_size", READ_FIELDS),
    ("proxy_get_header_map_pairs", READ_FIELDS),
    ("proxy_get_header_map_value", READ_FIELDS),
    ("proxy_set_header_map_pairs", WRITE_FIELDS),
    ("proxy_add_header_map_value", WRITE_FIELDS),
    ("proxy_replace_header_map_value", WRITE_FIELDS),
    ("proxy_remove_header_map_value", WRITE_FIELDS),
    ("proxy_get_buffer_bytes", READ_BYTES),
    ("proxy_get_buffer_status", READ_BYTES),
    ("proxy_set_buffer_bytes", WRITE_BYTES),
    ("proxy_send_local_response", &[Reply]),
    ("proxy_send_http_response", &[Reply]),
    ("proxy_close_stream", &[Close]),
    ("proxy_get_property", &[PropertiesRead]),
    ("proxy_set_property", &[PropertiesWrite]),
    ("proxy_http_call", &[HttpCall]),
    ("proxy_grpc_call", &[GrpcCall]),
    ("proxy_grpc_stream", &[GrpcCall]),
    ("proxy_get_shared_data", &[SharedDataRead]),
    ("proxy_set_shared_data", &[SharedDataWrite]),
    ("proxy_register_shared_queue", &[Queues]),
    ("proxy_resolve_shared_queue", &[Queues]),
    ("proxy_enqueue_shared_queue", &[Queues]),
    ("proxy_dequeue_shared_queue", &[Queues]),
    ("proxy_define_metric", &[Metrics]),
    ("proxy_record_metric", &[Metrics]),
    ("proxy_increment_metric", &[Metrics]),
    ("proxy_get_metric", &[Metrics]),
    ("proxy_log", &[Log]),
    ("fd_write", &[Log]),
    ("fd_pwrite", &[Log]),
    ("proxy_get_current_time_nanoseconds", &[Clock]),
    ("clock_time_get", &[Clock]),
    ("random_get", &[Random]),
    ("environ_get", &[Environment]),
    ("proxy_set_tick_period_milliseconds", &[Ticks]),
    ("proxy_call_foreign_function", &[Foreign]),
];

/// What a module with these imports and callbacks may use, each once and in order.
pub(crate) fn uses<'a>(imports: impl Iterator<Item = &'a str>, phases: Phases) -> Vec<Capability> {
    let taken = |name: &'a str| {
        let found = TAKES.iter().find(|(known, _takes)| *known == name);
        found.map_or(&[][..], |(_known, takes)| takes)
    };
    let all: BTreeSet<Capability> = imports.flat_map(taken).copied().collect();
    all.into_iter().filter(|one| is_in_reach(*one, phases)).collect()
}

/// True where a module with these callbacks is ever in a place to do this.
fn is_in_reach(capability: Capability, phases: Phases) -> bool {
    let any = |needed: &[Phases]| needed.iter().any(|one| phases.contains(*one));
    let response = [Phases::RESPONSE_HEADERS, Phases::RESPONSE_BODY, Phases::RESPONSE_TRAILERS];
    let request = [Phases::REQUEST_HEADERS, Phases::REQUEST_BODY, Phases::REQUEST_TRAILERS];
    match capability {
        // A request's fields can be read as long as its stream is there.
        HeadersRequestRead => any(&request) || any(&response) || any(&[Phases::LOG]),
        HeadersResponseRead => any(&response) || any(&[Phases::LOG]),
        HeadersRequestWrite => any(&request),
        HeadersResponseWrite => any(&response),
        BodyRequestRead | BodyRequestWrite => any(&[Phases::REQUEST_BODY]),
        BodyResponseRead | BodyResponseWrite => any(&[Phases::RESPONSE_BODY]),
        TcpDownstreamRead | TcpDownstreamWrite => any(&[Phases::DOWNSTREAM_DATA]),
        TcpUpstreamRead | TcpUpstreamWrite => any(&[Phases::UPSTREAM_DATA]),
        Reply | Close | PropertiesRead | PropertiesWrite | HttpCall | GrpcCall | SharedDataRead
        | SharedDataWrite | Queues | Metrics | Log | Clock | Random | Ticks | Environment
        | Foreign | _ => true,
    }
}

#[cfg(test)]
mod tests;
