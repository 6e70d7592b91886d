use std::fmt::Write;

use abi_wasm::{HostFunction, MOSN_ALIASES, ParamType, host_functions, preview1};
use bytes::Bytes;
use host_extension::CallError;
use host_types::PluginLimits;

use crate::testing::{LOG, Rig, SAY, fault, guest, load, open_response};

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
    host_functions().chain(MOSN_ALIASES).find(|function| function.name == name).expect("a name")
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
  (data (i32.const 160) "plugin_root_id")"#;

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
    for function in host_functions().chain(MOSN_ALIASES) {
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
fn header_values_are_read_and_missing_ones_not_found() {
    check("proxy_get_header_map_value", &[0, 100, 5, OUT, OUT_LEN], "Afirst");
    check("proxy_get_header_map_value", &[0, 110, 5, OUT, OUT_LEN], "B");
    check("proxy_get_header_map_value", &[2, 100, 5, OUT, OUT_LEN], "C");
    check("proxy_get_header_map_value", &[6, 100, 5, OUT, OUT_LEN], "C");
    check("proxy_get_header_map_value", &[8, 100, 5, OUT, OUT_LEN], "C");
    check("proxy_get_header_map_size", &[2, OUT], "C");
}

#[test]
fn a_whole_section_that_is_not_there_reads_as_empty() {
    for map in [1, 2, 3, 4, 7] {
        check("proxy_get_header_map_pairs", &[map, OUT, OUT_LEN], "A");
    }
    check("proxy_get_header_map_pairs", &[8, OUT, OUT_LEN], "C");
    let all = run(&caller("proxy_get_header_map_pairs", &[0, OUT, OUT_LEN]));
    assert!(all.starts_with("A\u{6}\0\0\0"), "{all:?}");
    assert!(all.contains(":path\0/path\0x-one\0first\0x-one\0second\0"), "{all:?}");
}

#[test]
fn header_changes_reach_the_stream() {
    let change = |name: &str, args: &[u32]| {
        let rig = caller(name, args);
        let (mut filter, stream) = rig.filter();
        drop(filter.on_request_headers(&stream, false));
        let status = rig.host.said();
        let headers = stream.request.headers.borrow();
        let map = headers.as_ref().expect("a head").map();
        let fields = map.iter().map(|(name, value)| format!(" {name}={}", value.to_str().unwrap()));
        status + &fields.collect::<String>()
    };
    let one = [0, 100, 5, 110, 5];
    let add = change("proxy_add_header_map_value", &one);
    assert_eq!(add, "A x-one=first x-one=second x-one=value");
    assert_eq!(change("proxy_replace_header_map_value", &one), "A x-one=value");
    assert_eq!(change("proxy_remove_header_map_value", &[0, 100, 5]), "A");
    assert_eq!(change("proxy_set_header_map_pairs", &[0, 140, 16]), "A a=b");
    assert_eq!(change("proxy_set_header_map_pairs", &[0, 0, 0]), "A");
    let unchanged = " x-one=first x-one=second";
    let broken = change("proxy_set_header_map_pairs", &[0, 140, 15]);
    assert_eq!(broken, format!("C{unchanged}"));
    let nowhere = change("proxy_add_header_map_value", &[2, 100, 5, 110, 5]);
    assert_eq!(nowhere, format!("C{unchanged}"));
}

#[test]
fn buffers_are_read_in_parts_and_their_edges_are_no_errors() {
    let get = "proxy_get_buffer_bytes";
    check(get, &[0, 0, u32::MAX, OUT, OUT_LEN], "A0123456789");
    check(get, &[0, 2, 3, OUT, OUT_LEN], "A234");
    check(get, &[0, 11, 3, OUT, OUT_LEN], "A");
    check(get, &[0, u32::MAX, u32::MAX, OUT, OUT_LEN], "A");
    check(get, &[1, 0, 9, OUT, OUT_LEN], "A");
    check(get, &[6, 0, 9, OUT, OUT_LEN], "A");
    for unavailable in [2, 3, 4, 5, 7, 8] {
        check(get, &[unavailable, 0, 9, OUT, OUT_LEN], "B");
    }
    check(get, &[9, 0, 9, OUT, OUT_LEN], "C");
    check("proxy_get_buffer_status", &[2, 300, 304], "B");
    check("proxy_get_buffer_status", &[0, 300, 304], "A");
}

#[test]
fn bodies_are_rewritten_anywhere() {
    let set = |args: &[u32]| {
        let rig = caller("proxy_set_buffer_bytes", args);
        let (mut filter, stream) = rig.filter();
        stream.request.body.borrow_mut().push(&Bytes::from_static(b"0123456789"));
        drop(filter.on_request_headers(&stream, false));
        rig.host.said() + &String::from_utf8_lossy(&stream.request.body.borrow_mut().take())
    };
    assert_eq!(set(&[0, 0, 0, 110, 5]), "Avalue0123456789");
    assert_eq!(set(&[0, 3, 2, 110, 5]), "A012value56789");
    assert_eq!(set(&[0, 10, 0, 110, 5]), "A0123456789value");
    assert_eq!(set(&[0, 0, u32::MAX, 110, 5]), "Avalue");
    assert_eq!(set(&[7, 0, 0, 110, 5]), "B0123456789");
    assert_eq!(set(&[6, 0, 0, 110, 5]), "C0123456789");
    assert_eq!(set(&[99, 0, 0, 110, 5]), "C0123456789");
}

#[test]
fn properties_are_found_by_path_and_attributes_set() {
    check("proxy_get_property", &[120, 12, OUT, OUT_LEN], "A/path");
    check("proxy_get_property", &[120, 7, OUT, OUT_LEN], "B");
    check("proxy_get_property", &[160, 14, OUT, OUT_LEN], "A");
    check("proxy_get_property", &[160, 0, OUT, OUT_LEN], "D");
    check("proxy_get_property", &[160, 2000, OUT, OUT_LEN], "C");
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
    check("proxy_continue_stream", &[3], "M");
    check("proxy_continue_stream", &[4], "C");
    check("proxy_continue_request", &[], "A");
    check("proxy_resume_http_response", &[], "A");
    check("proxy_clear_route_cache", &[], "A");
    check("proxy_close_stream", &[9], "C");
    check("proxy_get_status", &[300, OUT, OUT_LEN], "A");
    check("proxy_log", &[6, 110, 5], "C");
    check("proxy_get_log_level", &[300], "A");
    check("proxy_get_current_time_nanoseconds", &[300], "A");
    check("proxy_set_tick_period_milliseconds", &[100], "M");
    check("proxy_get_shared_data", &[100, 5, OUT, OUT_LEN, 300], "B");
    check("proxy_increment_metric", &[1, 1], "B");
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

/// A guest that asks for a header value, with an allocator of its own.
fn with_allocator(imports: &str, allocator: &str) -> Rig {
    let value = function("proxy_get_header_map_value");
    let hook = format!(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (call $say (i32.add (i32.const 65) {})) (i32.const 0))"#,
        call(value, &[0, 100, 5, OUT, OUT_LEN])
    );
    let text = format!(
        r#"(module {LOG} {imports} {} {SAY} {DATA} {hook}
          (func (export "proxy_abi_version_0_2_0"))
          (memory (export "memory") 1)
          (func $malloc (export "proxy_on_memory_allocate") (param i32) (result i32)
            {allocator}))"#,
        import("env", value)
    );
    Rig::new(&wat::parse_str(text).expect("a valid module"))
}

#[test]
fn what_an_allocator_answers_is_checked() {
    for garbage in ["0", "-1", "65533", "0x7fffffff"] {
        let rig = with_allocator("", &format!("(i32.const {garbage})"));
        assert_eq!(run(&rig), "G", "{garbage}");
    }
    assert_eq!(run(&with_allocator("", "(i32.const 65531)")), "A");
    let rig = with_allocator("", "unreachable");
    let (mut filter, stream) = rig.filter();
    let fault = fault(filter.on_request_headers(&stream, true));
    assert!(fault.message.contains("at malloc < "), "{fault}");
}

#[test]
fn an_allocator_may_log_and_nothing_else() {
    let imports = r#"
      (import "env" "proxy_get_header_map_value"
        (func $again (param i32 i32 i32 i32 i32) (result i32)))
      (import "env" "proxy_continue_stream" (func $continue (param i32) (result i32)))
      (import "wasi_snapshot_preview1" "clock_time_get"
        (func $clock (param i32 i64 i32) (result i32)))"#;
    let allocator = "
      (call $say (i32.add (i32.const 65) (call $again
        (i32.const 0) (i32.const 100) (i32.const 5) (i32.const 200) (i32.const 204))))
      (call $say (i32.add (i32.const 65) (call $continue (i32.const 0))))
      (call $say (i32.add (i32.const 65) (call $clock (i32.const 1) (i64.const 0) (i32.const 300))))
      (i32.const 1000)";
    assert_eq!(run(&with_allocator(imports, allocator)), "KKAA");
}

#[test]
fn while_a_guest_starts_it_may_log_and_nothing_else() {
    let property = function("proxy_get_property");
    let imports = format!("{LOG} {}", import("env", property));
    let section = format!(
        "(func $section (call $say (i32.add (i32.const 65) {}))) (start $section)",
        call(property, &[160, 14, OUT, OUT_LEN])
    );
    let rig = Rig::new(&guest(&imports, &format!("{SAY} {DATA} {section}")));
    assert!(rig.start(b"").is_ok());
    assert_eq!(rig.host.said(), "K");
}

#[test]
fn the_configuration_can_be_read_while_it_is_given() {
    let get = function("proxy_get_buffer_bytes");
    let imports = format!("{LOG} {}", import("env", get));
    let configure = format!(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
          (drop {}) (drop (call $log (i32.const 2) (i32.load (i32.const {OUT}))
            (i32.load (i32.const {OUT_LEN})))) (i32.const 1))"#,
        call(get, &[7, 0, 100, OUT, OUT_LEN])
    );
    let rig = Rig::new(&guest(&imports, &configure));
    assert!(rig.start(b"the configuration").is_ok());
    assert_eq!(rig.host.said(), "the configuration");
}

#[test]
fn refusals_are_told_in_words_that_sdks_survive() {
    let value: (&str, &[u32]) = ("proxy_get_header_map_value", &[0, 100, 5, OUT, OUT_LEN]);
    let whole: (&str, &[u32]) = ("proxy_get_header_map_pairs", &[0, OUT, OUT_LEN]);
    let body: (&str, &[u32]) = ("proxy_get_buffer_bytes", &[0, 0, 9, OUT, OUT_LEN]);
    let write: (&str, &[u32]) = ("proxy_add_header_map_value", &[0, 100, 5, 110, 5]);
    let cases = [
        (CallError::Denied, ["B", "A", "A", "A"]),
        (CallError::WrongPhase, ["C", "A", "A", "C"]),
        (CallError::NotFound, ["B", "A", "A", "B"]),
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

#[test]
fn the_root_has_no_stream_to_read() {
    let value = function("proxy_get_header_map_value");
    let imports = format!("{LOG} {}", import("env", value));
    let configure = format!(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
          (call $say (i32.add (i32.const 65) {})) (i32.const 1))"#,
        call(value, &[0, 100, 5, OUT, OUT_LEN])
    );
    let rig = Rig::new(&guest(&imports, &format!("{SAY} {DATA} {configure}")));
    assert!(rig.start(b"").is_ok());
    assert_eq!(rig.host.said(), "C");
}

#[test]
fn response_fields_are_read_once_the_response_is_there() {
    let rig = caller("proxy_get_header_map_size", &[2, 300]);
    let (mut filter, stream) = rig.filter();
    open_response(&stream);
    drop(filter.on_request_headers(&stream, true));
    assert_eq!(rig.host.said(), "A");
}
