mod allocator;
mod budget;
mod buffers;
mod grpc;
mod headers;
mod http_call;
mod script;
mod shared;
mod timer;

use std::fmt::Write;

use abi_wasm::{HIGRESS_EXTRAS, HostFunction, ParamType, offered_functions, preview1};
use bytes::Bytes;
use host_extension::CallError;
use host_types::PluginLimits;

use crate::testing::{LOG, Rig, SAY, guest, load};

/// The import of a function, bound to `$f`.
fn import(module: &str, function: &HostFunction) -> String {
    let params: String = function
        .params()
        .map(|param| match param {
            ParamType::I32 => " i32",
            ParamType::I64 => " i64",
        })
        .collect();
    let result = if function.answers() { "(result i32)" } else { "" };
    format!(r#"(import "{module}" "{}" (func $f (param{params}) {result}))"#, function.name)
}

fn function(name: &str) -> &'static HostFunction {
    offered_functions().find(|function| function.name == name).expect("a name")
}

/// The call of `$f` with constants for arguments.
fn call(function: &HostFunction, args: &[u32]) -> String {
    assert_eq!(function.params().count(), args.len(), "{}", function.name);
    let mut text = "(call $f".to_owned();
    for (param, arg) in function.params().zip(args) {
        let kind = if param == ParamType::I64 { "i64" } else { "i32" };
        write!(text, " ({kind}.const {arg})").expect("a string");
    }
    text + ")"
}

/// What stands in the memory of guests of these tests.
const DATA: &str = r#"
  (data (i32.const 100) "x-one")
  (data (i32.const 110) "value")
  (data (i32.const 120) "request\00path")
  (data (i32.const 140) "\01\00\00\00\01\00\00\00\01\00\00\00a\00b\00")
  (data (i32.const 160) "plugin_root_id")
  (data (i32.const 178) "up")
  (data (i32.const 180) "full")
  (data (i32.const 190) "reverse")
  (data (i32.const 400) "\03\00\00\00\07\00\00\00\03\00\00\00\05\00\00\00\04\00\00\00\0a\00\00\00\04\00\00\00:method\00PUT\00:path\00/abc\00:authority\00host\00")"#;

/// Where results are asked for; untouched, they are these numbers.
const OUT: u32 = 200;
const OUT_LEN: u32 = 204;
const UNTOUCHED: &str = r#"(data (i32.const 200) "\77\77\77\77\77\77\77\77\77\77\77\77")"#;
/// An address outside of the memory.
const BAD: u32 = 0xFFFF_FFF0;

/// A rig whose request hook makes one call, says the status (`A` is ok, `C` is 2, ..) and
/// logs the result, if its address was written.
fn caller(name: &str, args: &[u32]) -> Rig {
    let function = function(name);
    let imports = format!("{LOG} {}", import("env", function));
    let hook = format!(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (call $say (i32.add (i32.const 65) {}))
          (if (i32.ne (i32.load (i32.const {OUT})) (i32.const 0x77777777))
            (then (drop (call $log (i32.const 2) (i32.load (i32.const {OUT}))
              (i32.load (i32.const {OUT_LEN}))))))
          (i32.const 0))"#,
        call(function, args)
    );
    Rig::new(&guest(&imports, &format!("{SAY} {DATA} {UNTOUCHED} {hook}")))
}

/// Runs a caller's hook on a stream with a body, and tells what it said.
fn run(rig: &Rig) -> String {
    let (mut filter, stream) = rig.filter();
    stream.request.body.borrow_mut().push(&Bytes::from_static(b"0123456789"));
    drop(filter.on_request_headers(&stream, false));
    rig.host.said()
}

#[track_caller]
fn check(name: &str, args: &[u32], expect: &str) {
    assert_eq!(run(&caller(name, args)), expect, "{name} {args:?}");
}

#[test]
fn every_function_of_every_version_is_linked_for_every_module() {
    let mut imports = String::new();
    for function in offered_functions() {
        imports += &import("env", function).replace("$f", "");
    }
    for module in preview1::MODULES {
        for function in preview1::FUNCTIONS {
            imports += &import(module, function).replace("$f", "");
        }
    }
    imports += r#"(import "env" "pthread_equal" (func (param i32 i32) (result i32)))
        (import "env" "emscripten_notify_memory_growth" (func (param i32)))
        (import "wasi_unstable" "fd_write" (func (param i32 i32 i32 i32) (result i32)))"#;
    assert!(Rig::new(&guest(&imports, "")).start(b"").is_ok());
}

#[test]
fn a_function_imported_with_another_type_is_refused_by_name() {
    let bytes = guest(r#"(import "env" "proxy_log" (func (param f32)))"#, "");
    let fault = load(&bytes, &PluginLimits::default(), None).expect_err("it does not link");
    assert!(fault.message.contains("proxy_log"), "{fault}");
}

#[test]
fn properties_are_found_by_path_and_attributes_set() {
    check("proxy_get_property", &[120, 12, OUT, OUT_LEN], "A/path");
    check("proxy_get_property", &[120, 7, OUT, OUT_LEN], "B");
    check("proxy_get_property", &[160, 14, OUT, OUT_LEN], "A");
    check("proxy_get_property", &[160, 0, OUT, OUT_LEN], "D");
    check("proxy_get_property", &[160, 2000, OUT, OUT_LEN], "B"); // too long
    check("proxy_set_property", &[160, 2000, 110, 5], "C");
    let rig = caller("proxy_set_property", &[120, 12, 110, 5]);
    assert_eq!(run(&rig), "A");
    let expect = [("request.path".to_owned(), b"value".to_vec())];
    assert_eq!(*rig.host.attributes.borrow(), expect);
}

#[test]
fn the_rest_of_what_is_served_answers_as_other_hosts_do() {
    check("proxy_set_effective_context", &[1], "A");
    check("proxy_set_effective_context", &[0], "A");
    check("proxy_set_effective_context", &[77], "C");
    check("proxy_done", &[], "B");
    check("proxy_continue_stream", &[0], "A");
    check("proxy_continue_stream", &[3], "C");
    check("proxy_continue_stream", &[4], "C");
    check("proxy_continue_request", &[], "A");
    check("proxy_resume_http_response", &[], "A");
    check("proxy_clear_route_cache", &[], "A");
    check("proxy_close_stream", &[9], "C");
    check("proxy_get_status", &[300, OUT, OUT_LEN], "A");
    check("proxy_log", &[6, 110, 5], "C");
    check("proxy_get_log_level", &[300], "A");
    check("proxy_get_current_time_nanoseconds", &[300], "A");
}

#[test]
fn what_only_other_hosts_have_is_there_and_not_implemented() {
    for function in HIGRESS_EXTRAS {
        let args = vec![0; function.params().count()];
        check(function.name, &args, "M");
    }
}

#[test]
fn the_time_is_that_of_the_host() {
    let name = "proxy_get_current_time_nanoseconds";
    let imports = format!("{LOG} {}", import("env", function(name)));
    let hook = format!(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (drop {}) (i64.ne (i64.load (i32.const 300)) (i64.const 1000000007)))"#,
        call(function(name), &[300])
    );
    let rig = Rig::new(&guest(&imports, &hook));
    let (mut filter, stream) = rig.filter();
    let step = format!("{:?}", filter.on_request_headers(&stream, true));
    assert_eq!(step, "Ready(Continue)");
}

/// A call, its arguments, and which of them are addresses.
type Case = (&'static str, &'static [u32], &'static [usize]);

const GRPC_CALL: &[usize] = &[0, 2, 4, 6, 8, 11];

/// Every pointer of every call that is served, each in turn outside of the memory.
#[test]
fn bad_pointers_are_refused_by_every_call_and_nothing_is_written() {
    let calls: &[Case] = &[
        ("proxy_log", &[2, 110, 5], &[1]),
        ("proxy_get_log_level", &[300], &[0]),
        ("proxy_get_current_time_nanoseconds", &[300], &[0]),
        ("proxy_get_status", &[300, OUT, OUT_LEN], &[0, 1, 2]),
        ("proxy_get_property", &[120, 12, OUT, OUT_LEN], &[0, 2, 3]),
        ("proxy_set_property", &[120, 12, 110, 5], &[0, 2]),
        ("proxy_get_buffer_bytes", &[0, 0, 9, OUT, OUT_LEN], &[3, 4]),
        ("proxy_get_buffer_status", &[0, 300, 304], &[1, 2]),
        ("proxy_set_buffer_bytes", &[0, 0, 0, 110, 5], &[3]),
        ("proxy_get_header_map_size", &[0, 300], &[1]),
        ("proxy_get_header_map_pairs", &[0, OUT, OUT_LEN], &[1, 2]),
        ("proxy_set_header_map_pairs", &[0, 140, 16], &[1]),
        ("proxy_get_header_map_value", &[0, 100, 5, OUT, OUT_LEN], &[1, 3, 4]),
        ("proxy_add_header_map_value", &[0, 100, 5, 110, 5], &[1, 3]),
        ("proxy_replace_header_map_value", &[0, 100, 5, 110, 5], &[1, 3]),
        ("proxy_remove_header_map_value", &[0, 100, 5], &[1]),
        ("proxy_send_local_response", &[403, 100, 5, 110, 5, 140, 16, 0], &[1, 3, 5]),
        ("proxy_send_http_response", &[403, 100, 5, 110, 5, 140, 16, 0], &[1, 3, 5]),
        ("proxy_get_configuration", &[OUT, OUT_LEN], &[0, 1]),
        ("proxy_set_shared_data", &[100, 5, 110, 5, 0], &[0, 2]),
        ("proxy_register_shared_queue", &[100, 5, 300], &[0, 2]),
        ("proxy_define_metric", &[0, 100, 5, 300], &[1, 3]),
        ("proxy_call_foreign_function", &[190, 7, 100, 5, OUT, OUT_LEN], &[0, 2, 4, 5]),
        ("proxy_http_call", &[178, 2, 400, 67, 110, 5, 140, 16, 9, 300], &[0, 2, 4, 6, 9]),
        ("proxy_grpc_call", &[178, 2, 100, 5, 100, 5, 140, 16, 110, 5, 9, 300], GRPC_CALL),
        ("proxy_grpc_stream", &[178, 2, 100, 5, 100, 5, 140, 16, 300], &[0, 2, 4, 6, 8]),
    ];
    for (name, good, addresses) in calls {
        assert!(run(&caller(name, good)).contains('A'), "{name} {good:?}");
        for address in *addresses {
            let mut bad = good.to_vec();
            bad[*address] = BAD;
            assert_eq!(run(&caller(name, &bad)), "G", "{name} {bad:?}");
        }
    }
}

#[test]
fn refusals_are_told_in_words_that_sdks_survive() {
    let value: (&str, &[u32]) = ("proxy_get_header_map_value", &[0, 100, 5, OUT, OUT_LEN]);
    let whole: (&str, &[u32]) = ("proxy_get_header_map_pairs", &[0, OUT, OUT_LEN]);
    let body: (&str, &[u32]) = ("proxy_get_buffer_bytes", &[0, 0, 9, OUT, OUT_LEN]);
    let write: (&str, &[u32]) = ("proxy_add_header_map_value", &[0, 100, 5, 110, 5]);
    let cases = [
        (CallError::Denied, ["B", "A", "B", "A"]),
        (CallError::WrongPhase, ["C", "A", "B", "C"]),
        (CallError::NotFound, ["B", "A", "B", "B"]),
        (CallError::BadArgument, ["C", "C", "C", "C"]),
        (CallError::LimitReached, ["K", "K", "K", "K"]),
        (CallError::Unsupported, ["M", "M", "M", "M"]),
    ];
    for (refusal, expect) in cases {
        for ((name, args), expect) in [value, whole, body, write].into_iter().zip(expect) {
            let rig = caller(name, args);
            rig.host.refuse.replace(Some(refusal));
            assert_eq!(run(&rig), expect, "{name} {refusal:?}");
        }
    }
}
