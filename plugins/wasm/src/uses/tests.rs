use abi_manifest::Capability;
use abi_wasm::{HIGRESS_EXTRAS, MOSN_ALIASES, host_functions, preview1};
use host_extension::Phases;

use super::{TAKES, uses};
use crate::testing::{Rig, guest};

/// Functions that reach nothing which a policy could keep from a plugin.
const FREE: &str = "proxy_get_log_level proxy_set_effective_context proxy_done proxy_get_status \
    proxy_get_configuration proxy_continue_request proxy_continue_response \
    proxy_clear_route_cache proxy_continue_stream proxy_resume_http_request \
    proxy_resume_http_response proxy_grpc_send proxy_grpc_cancel proxy_grpc_close";

#[test]
fn every_function_of_the_interface_takes_something_or_is_free() {
    for function in host_functions().chain(MOSN_ALIASES) {
        let name = function.name;
        let takes = TAKES.iter().any(|(known, _takes)| *known == name);
        let is_free = FREE.split_whitespace().any(|free| free == name);
        assert!(takes != is_free, "{name}: in one of both tables");
    }
}

#[test]
fn the_table_names_functions_that_there_are_and_each_once() {
    for (index, (name, takes)) in TAKES.iter().enumerate() {
        let offered = host_functions().chain(MOSN_ALIASES).chain(HIGRESS_EXTRAS);
        let mut known = offered.chain(preview1::FUNCTIONS).map(|function| function.name);
        assert!(known.any(|known| known == *name), "{name}");
        assert!(!takes.is_empty(), "{name}");
        assert!(TAKES[..index].iter().all(|(other, _takes)| other != name), "{name} stands twice");
    }
}

/// What a module of these imports and callbacks is said to use, as words.
fn words(imports: &[&str], phases: Phases) -> String {
    let used = uses(imports.iter().copied(), phases);
    used.into_iter().map(Capability::word).collect::<Vec<_>>().join(" ")
}

#[test]
fn what_a_function_may_be_used_for_depends_on_the_callbacks() {
    let writes = ["proxy_add_header_map_value", "proxy_set_buffer_bytes"];
    let head = Phases::REQUEST_HEADERS;
    assert_eq!(words(&writes, head), "headers.request.write");
    let both = head | Phases::RESPONSE_BODY;
    let expected = "headers.request.write headers.response.write body.response.write";
    assert_eq!(words(&writes, both), expected);
    assert_eq!(words(&writes, Phases::UPSTREAM_DATA), "tcp.upstream.write");
    let reads = ["proxy_get_header_map_pairs", "proxy_get_buffer_bytes"];
    assert_eq!(words(&reads, Phases::LOG), "headers.request.read headers.response.read");
    assert_eq!(words(&reads, Phases::NONE), "");
}

#[test]
fn a_module_tells_what_it_may_use_and_starts_with_none_of_it_granted() {
    let imports = r#"
      (import "env" "proxy_http_call" (func
        (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
      (import "env" "proxy_send_local_response" (func
        (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
      (import "env" "proxy_done" (func (result i32)))
      (import "wasi_snapshot_preview1" "random_get" (func (param i32 i32) (result i32)))
      (import "wasi_unstable" "clock_time_get" (func (param i32 i64 i32) (result i32)))"#;
    let rig = Rig::new(&guest(imports, ""));
    let words: Vec<_> = rig.plugin.uses().into_iter().map(Capability::word).collect();
    assert_eq!(words, ["reply", "http_call", "clock", "random"]);
    rig.host.deny(&Capability::ALL);
    assert!(rig.start(b"").is_ok());
}
